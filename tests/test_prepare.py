"""From the source to what the model reads: keys, steps, counts, going on after an interruption."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from lamcore import LamcoreError, Preprocessor, Source, tables
from lamcore.kinds import Recipe
from lamcore.prepare import cache_folder, key_of, prepare, user_cache
from lamcore.testing.toy import Idle, Intents

PAIRS = [("a b", "A B"), ("c", "C"), ("d e f", "D E F"), ("g", "G")]


@dataclass
class Rows(Source):
    """Rows that are given."""

    splits: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """Split -> rows."""
    mark: str | None = None
    """Fingerprint."""
    loads: int = field(default=0, init=False)

    def load(self):
        self.loads += 1
        return self.splits

    def fingerprint(self):
        return self.mark


@dataclass
class Made(Rows):
    """Rows whose splits are our own."""

    makes_splits = True


@dataclass
class Upper(Preprocessor):
    """Upper case."""

    suffix: str = ""
    """What to add."""
    seen: list[str] = field(default_factory=list, init=False)

    def change(self, record):
        self.seen.append(record["id"])
        return {**record, "input": record["input"].upper() + self.suffix}


@dataclass
class Short(Preprocessor):
    """Keep short inputs."""

    most: int = 3
    """Most characters."""

    def change(self, record):
        return record if len(record["input"]) <= self.most else None


@dataclass
class Backwards(Preprocessor):
    """Turn the whole train table around, and drop its first row."""

    def apply(self, rows, split):
        return rows.select(range(len(rows))[:0:-1]) if split == "train" else rows


def rows(*pairs, first=0):
    return [{"id": f"r{first + n}", "input": a, "target": b} for n, (a, b) in enumerate(pairs)]


def source(cls=Rows, mark=None, **splits):
    return cls({"train": rows(*PAIRS), "validation": rows(("x y z", "X Y Z"), first=90), **splits}, mark)


def recipe(given=None, **steps):
    return Recipe(given or source(), Intents(), Idle(), preprocessors=steps)


def inputs(prepared, split="train"):
    return list(prepared.ready[split]["input"])


def refused(tmp_path, made):
    with pytest.raises(LamcoreError) as error:
        prepare(made, tmp_path)
    assert error.value.exit_code == 2
    return str(error.value)


# What comes out --------------------------------------------------------------------------------------------------


def test_splits_come_as_the_source_gave_them(tmp_path):
    prepared = prepare(recipe(), tmp_path)
    assert prepared.raw["train"].to_list() == rows(*PAIRS)
    assert prepared.ready["validation"].to_list() == rows(("x y z", "X Y Z"), first=90)
    assert prepared.report == [{"step": "source", "rows": {"train": 4, "validation": 1}}]


def test_a_record_without_id_gets_one(tmp_path):
    bare = [{"input": "a", "target": "b"}, {"input": "c", "target": "d"}]
    assert list(prepare(recipe(source(train=bare)), tmp_path).raw["train"]["id"]) == ["train-0", "train-1"]


def test_steps_run_in_order_and_leave_the_raw_rows_alone(tmp_path):
    prepared = prepare(recipe(one=Upper("b"), two=Upper("c")), tmp_path)
    assert inputs(prepared) == ["A BBc", "CBc", "D E FBc", "GBc"]
    assert list(prepared.raw["train"]["input"]) == ["a b", "c", "d e f", "g"]


def test_train_may_shrink_and_validation_keeps_every_row_unchanged(tmp_path):
    prepared = prepare(recipe(short=Short(3)), tmp_path)
    assert inputs(prepared) == ["a b", "c", "g"]
    assert inputs(prepared, "validation") == ["x y z"]


def test_a_step_on_the_whole_table_may_reorder_and_drop(tmp_path):
    prepared = prepare(recipe(back=Backwards(), upper=Upper()), tmp_path)
    assert inputs(prepared) == ["G", "D E F", "C"] and inputs(prepared, "validation") == ["X Y Z"]


def test_each_step_counts_what_it_changed_and_dropped_with_three_examples(tmp_path):
    many = source(train=rows(*[(letter * 5, "x") for letter in "abcdE"], ("FF", "x"), ("GG", "x")))
    report = prepare(recipe(many, short=Short(4), upper=Upper("!")), tmp_path).report
    short, upper = report[1], report[2]
    assert (short["step"], upper["step"]) == ("short", "upper")
    counted = short["train"]
    assert [counted[what] for what in ("rows", "changed", "dropped", "added")] == [7, 0, 5, 0]
    assert [row["input"] for row in counted["dropped_examples"]] == ["aaaaa", "bbbbb", "ccccc"]
    counted = upper["train"]
    assert [counted[what] for what in ("rows", "changed", "dropped", "added")] == [2, 2, 0, 0]
    assert counted["examples"] == [{"id": "r5", "input": ["FF", "FF!"]}, {"id": "r6", "input": ["GG", "GG!"]}]
    assert upper["validation"]["rows"] == 1


@dataclass
class Parents(Preprocessor):
    """Give rows a column that says nothing of all but one of them."""

    def apply(self, rows, split):
        return ({**row, "parent": "r0" if row["id"] == "r1" else None} for row in rows)


def test_a_column_that_says_nothing_of_a_row_does_not_change_it(tmp_path):
    (step,) = prepare(recipe(parents=Parents()), tmp_path).report[1:]
    assert step["train"]["changed"] == 1
    assert step["train"]["examples"] == [{"id": "r1", "parent": [None, "r0"]}]


def test_rows_may_be_an_iterable_of_any_length_and_are_read_once(tmp_path):
    def stream(number):
        for n in range(number):
            yield {"input": f"i{n}", "target": f"t{n}"}

    prepared = prepare(recipe(source(train=stream(2500))), tmp_path)
    assert len(prepared.raw["train"]) == 2500 and prepared.raw["train"][2499]["input"] == "i2499"


# Refusals --------------------------------------------------------------------------------------------------------


def test_a_step_that_empties_train_is_named(tmp_path):
    made = recipe(upper=Upper(), strict=Short(0), more=Upper())
    assert refused(tmp_path, made) == "Nothing of train is left after the preprocessor 'strict': loosen its settings."


@dataclass
class Loses(Preprocessor):
    """Lose the first row of every split."""

    def apply(self, rows, split):
        return rows.select(range(1, len(rows)))


@dataclass
class Doubles(Preprocessor):
    """Give the last row of every split twice."""

    def apply(self, rows, split):
        yield from rows.to_list()
        yield rows[len(rows) - 1]


def test_a_step_that_shortens_a_held_out_split_is_refused(tmp_path):
    made = recipe(source(validation=rows(("x", "X"), ("y", "Y"), first=90)), loses=Loses())
    assert refused(tmp_path, made) == (
        "The preprocessor 'loses' changed which rows validation has; only train may shrink."
    )


@dataclass
class Sorts(Preprocessor):
    """Sort the rows of every split."""

    def apply(self, rows, split):
        return sorted(rows.to_list(), key=lambda row: row["input"])


@dataclass
class Swaps(Preprocessor):
    """Give the first row in the place of the last."""

    def apply(self, rows, split):
        return [*rows.to_list()[:-1], rows[0]]


@pytest.mark.parametrize("step", [Doubles(), Sorts(), Swaps()], ids=["doubles", "sorts", "swaps"])
def test_a_step_that_changes_the_rows_of_a_held_out_split_is_refused(tmp_path, step):
    """Else answers would be compared with the rows of others."""
    words = refused(tmp_path, recipe(source(validation=rows(("y", "Y"), ("x", "X"), first=90)), step=step))
    assert "'step'" in words and "changed which rows validation has" in words


def test_a_source_without_train_or_with_an_empty_split_is_refused(tmp_path):
    only = Rows({"validation": rows(*PAIRS)})
    assert refused(tmp_path, recipe(only)) == "The source gives no split 'train', only: validation."
    assert refused(tmp_path, recipe(Rows({}))) == "The source gives no split 'train', only: none."
    words = "The source gives no record for the split 'validation'."
    assert refused(tmp_path, recipe(source(validation=[]))) == words
    assert refused(tmp_path, recipe(source(train=iter([])))).endswith("'train'.")


def test_columns_that_change_on_the_way_are_refused(tmp_path):
    more = [*rows(*PAIRS), {"id": "odd", "input": "a", "target": "b", "extra": "c"}]
    lines = [{"id": f"n{n}", "input": "a", "target": "b"} for n in range(1200)]
    late = [*lines, more[-1]]
    assert refused(tmp_path, recipe(source(train=late))) == (
        "Record 'odd' has a column 'extra' that the first ones lack."
    )
    said = [{**line, "said": [{"by": {"name": "x"}}]} for line in lines]
    late = [*said, {**said[0], "id": "odd", "said": [{"by": {"name": "x", "age": 5}}]}]
    assert refused(tmp_path, recipe(source(train=late))) == (
        "Record 'odd' has a key 'said[].by.age' that the first ones lack: give them one."
    )
    mixed = [{"id": "1", "input": "a", "target": "b"}, {"id": "2", "input": 5, "target": "b"}]
    assert refused(tmp_path, recipe(source(train=mixed))).startswith("Column 'input', records '1' to '2': ")


def test_a_bug_in_a_step_says_where_it_was(tmp_path):
    @dataclass
    class Fails(Preprocessor):
        """Fail at the third row."""

        def change(self, record):
            return {**record, "input": {"r2": None}.get(record["id"], record["input"]).upper()}

    with pytest.raises(AttributeError) as error:
        prepare(recipe(fails=Fails()), tmp_path)
    assert error.value.__notes__ == ["in preprocessor 'fails', split 'train'"]


# Overlap ---------------------------------------------------------------------------------------------------------


TWICE = rows(("A  B".replace("  ", " "), "X"), ("new", "X"), ("C", "X"), ("g", "X"), ("ｄ e f", "X"), first=90)


def test_overlap_of_given_splits_is_reported_whatever_case_and_unicode_form(tmp_path):
    prepared = prepare(recipe(source(test=TWICE)), tmp_path)
    assert prepared.overlap == {"test": [0, 2, 3, 4]}


def test_overlap_of_our_own_splits_is_refused_with_the_number_and_three_examples(tmp_path):
    words = refused(tmp_path, recipe(source(Made, test=TWICE)))
    assert words == "4 inputs of test stand in train too, such as 'A B'; 'C'; 'g': split by another group."


def test_splits_that_share_nothing_are_not_refused(tmp_path):
    assert prepare(recipe(source(Made)), tmp_path).overlap == {}


# Cache -----------------------------------------------------------------------------------------------------------


def test_a_source_with_a_fingerprint_is_read_once(tmp_path):
    one = source(mark="1")
    prepare(recipe(one), tmp_path)
    prepare(recipe(one), tmp_path)
    assert one.loads == 1
    one.mark = "2"
    prepare(recipe(one), tmp_path)
    assert one.loads == 2


def test_a_source_without_a_fingerprint_is_read_anew_and_its_rows_are_the_key(tmp_path):
    first, second = source(), source()
    one, two = Upper(), Upper()
    prepared = prepare(recipe(first, upper=one), tmp_path)
    again = prepare(recipe(second, upper=two), tmp_path)
    assert second.loads == 1 and prepared.folder == again.folder and two.seen == []
    other = source(train=rows(("changed", "X"), *PAIRS[1:]))
    assert inputs(prepare(recipe(other, upper=Upper()), tmp_path)) == ["CHANGED", "C", "D E F", "G"]


def test_nothing_unfinished_stays_in_the_cache(tmp_path):
    for _ in range(2):
        prepare(recipe(upper=Upper()), tmp_path)
    folders = sorted(path.name.partition("-")[0] for path in tmp_path.iterdir() if path.is_dir())
    assert folders == ["raw", "step"]
    with pytest.raises(LamcoreError):
        prepare(recipe(source(validation=[])), tmp_path)
    assert sorted(path.name.partition("-")[0] for path in tmp_path.iterdir() if path.is_dir()) == ["raw", "step"]


def test_a_setting_of_a_step_changes_its_rows_and_those_of_later_steps_only(tmp_path):
    first, second = Upper("1"), Upper("2")
    prepare(recipe(one=first, two=second), tmp_path)
    first, second = Upper("1"), Upper("3")
    prepared = prepare(recipe(one=first, two=second), tmp_path)
    assert first.seen == [] and len(second.seen) == 5 and inputs(prepared)[1] == "C13"
    first, second = Upper("4"), Upper("3")
    assert inputs(prepare(recipe(one=first, two=second), tmp_path))[1] == "C43" and len(first.seen) == 5


def test_keys_differ_by_class_settings_and_parents():
    keys = [key_of(Upper("a")), key_of(Upper("b")), key_of(Short()), key_of(Upper("a"), "p"), key_of(Upper("a"), "q")]
    assert len(set(keys)) == 5 and key_of(Upper("a")) == keys[0]


STEP = '''
from dataclasses import dataclass
from lamcore import Preprocessor, hookimpl


@dataclass
class Mark(Preprocessor):
    """Mark the input."""

    def change(self, record):
        return {**record, "input": record["input"] + "MARK"}


@hookimpl
def register_preprocessors(register):
    register("mark", Mark)
'''

RUN_STEP = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import lamcore_toy
from lamcore.plugins import load_plugins
from lamcore.prepare import prepare
from lamcore.kinds import Recipe
known = load_plugins()
recipe = Recipe(known.find("source", "backwards")(8, 2), None, None,
                preprocessors={"mark": known.find("preprocessor", "mark")()})
print(prepare(recipe, Path(sys.argv[1])).ready["train"][0]["input"])
"""


def test_rows_change_when_the_code_of_a_plugin_is_edited(tmp_path, site, write_plugin):
    file = write_plugin(tmp_path / "site", "mark", STEP)

    def run():
        done = subprocess.run(
            [sys.executable, "-c", RUN_STEP, str(tmp_path / "cache"), str(site)],
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert run() == "one one oneMARK"
    file.write_text(STEP.replace("MARK", " edited"))
    assert run() == "one one one edited"


def test_rows_change_when_a_plugin_is_edited_and_reloaded_in_a_notebook(tmp_path, make_plugin):
    file = make_plugin("mark", STEP)
    importlib.import_module("lamcore_mark")
    first = inputs(prepare(recipe(mark=sys.modules["lamcore_mark"].Mark()), tmp_path))
    file.write_text(STEP.replace("MARK", " edited, and longer"))
    importlib.reload(sys.modules["lamcore_mark"])
    second = inputs(prepare(recipe(mark=sys.modules["lamcore_mark"].Mark()), tmp_path))
    assert (first[1], second[1]) == ("cMARK", "c edited, and longer")


VARIANT = '''
from dataclasses import dataclass

import lamcore_mark


@dataclass
class Again(lamcore_mark.Mark):
    """Mark as another plugin does."""
'''


def test_rows_change_when_the_plugin_is_edited_that_a_variant_derives_from(tmp_path, make_plugin):
    def marked():
        for name in ("lamcore_again", "lamcore_mark"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return inputs(prepare(recipe(again=importlib.import_module("lamcore_again").Again()), tmp_path))[1]

    file = make_plugin("mark", STEP)
    make_plugin("again", VARIANT)
    assert marked() == "cMARK"
    file.write_text(STEP.replace("MARK", " edited, and longer"))
    assert marked() == "c edited, and longer"


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(tables, "SHARD", 4)
    monkeypatch.setattr(tables, "CHUNK", 2)


def test_a_long_split_is_written_in_shards_that_read_as_one(tmp_path, small_shards):
    long = source(train=rows(*[(f"i{n}", "t") for n in range(10)]))
    prepared = prepare(recipe(long, upper=Upper()), tmp_path)
    assert inputs(prepared) == [f"I{n}" for n in range(10)]
    step = prepared.folder
    assert [path.name for path in sorted((step / "train").glob("*.arrow"))] == [
        "00000.arrow",
        "00001.arrow",
        "00002.arrow",
    ]


def test_an_interrupted_step_goes_on_at_its_first_missing_shard(tmp_path, small_shards):
    long = source(train=rows(*[(f"i{n}", "t") for n in range(10)]), mark="1")
    whole = inputs(prepare(recipe(long, upper=Upper(), short=Short(99)), tmp_path))
    before = prepare(recipe(long, upper=Upper()), tmp_path)
    (before.folder / "done.json").unlink()
    step = before.folder
    for path in (step / "train").glob("00002.*"):
        path.unlink()
    again = Upper()
    prepared = prepare(recipe(long, upper=again), tmp_path)
    assert again.seen == ["r8", "r9"]
    assert inputs(prepared) == whole and prepared.report[1] == before.report[1]


def test_a_step_that_was_stopped_in_the_midst_of_a_shard_does_that_shard_anew(tmp_path, small_shards):
    @dataclass
    class Stops(Upper):
        """Stop at a row."""

        at: list[str] = field(default_factory=list, init=False)

        def change(self, record):
            if record["id"] in self.at:
                raise KeyboardInterrupt
            return super().change(record)

    long = source(train=rows(*[(f"i{n}", "t") for n in range(10)]), mark="1")
    step = Stops()
    step.at = ["r6"]
    with pytest.raises(KeyboardInterrupt):
        prepare(recipe(long, stops=step), tmp_path)
    assert step.seen == [f"r{n}" for n in range(6)]
    step.at, step.seen = [], []
    assert inputs(prepare(recipe(long, stops=step), tmp_path)) == [f"I{n}" for n in range(10)]
    assert step.seen == ["r4", "r5", "r6", "r7", "r8", "r9", "r90"]


def test_a_shard_whose_rows_all_went_leaves_the_others_readable(tmp_path, small_shards):
    long = source(train=rows(*[("toolong" if n < 4 else f"{n}", "t") for n in range(10)]))
    assert inputs(prepare(recipe(long, short=Short(3)), tmp_path)) == ["4", "5", "6", "7", "8", "9"]


def test_a_first_shard_whose_rows_all_went_does_not_hide_a_new_column(tmp_path, small_shards):
    @dataclass
    class Longer(Preprocessor):
        """Drop some, add a column."""

        def change(self, record):
            return None if record["input"] == "toolong" else {**record, "tags": ["a"]}

    long = source(train=rows(*[("toolong" if n < 4 else f"{n}", "t") for n in range(10)]))
    assert prepare(recipe(long, longer=Longer()), tmp_path).ready["train"][0]["tags"] == ["a"]


def test_a_crash_right_after_the_source_was_read_spoils_no_later_start(tmp_path):
    prepare(recipe(), tmp_path)
    for done in tmp_path.glob("raw-*/done.json"):
        done.unlink()
    assert inputs(prepare(recipe(), tmp_path)) == ["a b", "c", "d e f", "g"]


def test_a_new_column_made_by_a_step_is_there_in_every_shard(tmp_path, small_shards):
    @dataclass
    class Tagged(Preprocessor):
        """Add a column."""

        def change(self, record):
            return {**record, "tags": record["input"].split(), "empty": None}

    long = source(train=rows(*[(f"a {n}", "t") for n in range(10)]))
    ready = prepare(recipe(long, tagged=Tagged()), tmp_path).ready["train"]
    assert ready[9]["tags"] == ["a", "9"] and ready[0]["empty"] is None and len(ready) == 10


def test_the_cache_is_the_folder_that_is_set_or_the_users(tmp_path, monkeypatch):
    assert cache_folder(str(tmp_path / "mine"), tmp_path / "run") == tmp_path / "mine"
    monkeypatch.setenv("LAMCORE_CACHE", str(tmp_path / "theirs"))
    assert cache_folder(None, tmp_path / "run") == tmp_path / "theirs"
    monkeypatch.delenv("LAMCORE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert user_cache() == tmp_path / "xdg" / "lamcore"


def test_a_cache_that_cannot_be_written_is_replaced_by_the_runs_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAMCORE_CACHE", str(tmp_path / "file" / "cache"))
    assert cache_folder(None, tmp_path / "run") == tmp_path / "run" / "cache"


def test_a_cache_that_was_asked_for_and_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LamcoreError, match="^cache=.*file/cache can't be written: Not a directory.$"):
        cache_folder(str(tmp_path / "file" / "cache"), tmp_path / "run")


def test_the_report_is_plain_json(tmp_path):
    report = prepare(recipe(upper=Upper()), tmp_path).report
    assert json.loads(json.dumps(report)) == report


def test_a_record_derived_from_one_of_another_split_is_refused(tmp_path):
    @dataclass
    class Crossing(Source):
        """Give a train record whose parent is a test record."""

        def load(self):
            rows = {"train": [("a", "t1")], "validation": [("b", "")], "test": [("t1", "")]}
            return {
                split: [{"id": i, "parent": p, "input": i, "target": i} for i, p in given]
                for split, given in rows.items()
            }

    with pytest.raises(LamcoreError, match=r"Record 'a' of train is derived from 't1' of test"):
        prepare(Recipe(Crossing(), None, None), tmp_path)
