"""Slices, noised copies, and the options of `lam evaluate` that score them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

import pytest
from click.testing import CliRunner
from datasets import Dataset

from lamcore import Augmenter, LamcoreError, Metric
from lamcore.cli import lam
from lamcore.commands import reopen, start
from lamcore.kinds import KINDS
from lamcore.plugins import Component, Plugin, Registry, load_plugins
from lamcore.testing import check_package
from lamcore.testing.toy import Commands, Idle, Intents
from lamcore_evenness import command
from lamcore_evenness.evaluate import evaluate, scores_of
from lamcore_evenness.noise import noise, noised
from lamcore_evenness.slices import derived, quantiles, script, sliced, slices


@dataclass
class Right(Metric):
    """Percent of the answers whose intent is right."""

    def count(self, answer, record):
        return {"right": answer["intent"] == record["intent"], "all": 1}

    def score(self, sums):
        return {"right": 100 * sums["right"] / max(1, sums["all"])}


@dataclass
class Backwards(Augmenter):
    """Write the input, and the intent too, backwards."""

    share: float = 1.0
    """Share of the records that are varied."""

    def apply(self, records, rng):
        return [self._vary(record) if rng.random() < self.share else record for record in records]

    def _vary(self, record):
        return record | {"input": record["input"][::-1], "intent": "varied"}


@dataclass
class Twice(Augmenter):
    """Give each record twice."""

    def apply(self, records, rng):
        return [record for record in records for _ in range(2)]


@pytest.fixture(scope="module")
def registry():
    made, plugin = Registry(), Plugin("lamcore-toy", "toy", "1")
    things = {
        "commands": Commands, "intents": Intents, "idle": Idle, "right": Right, "backwards": Backwards, "twice": Twice,
    }  # fmt: skip
    for name, cls in things.items():
        kind = next(kind for kind, contract in KINDS.items() if issubclass(cls, contract))
        made.offers.append(Component(kind, name, cls, plugin))
    made.offers.append(Component("evaluation", "evenness", command, plugin))
    return made


@pytest.fixture(scope="module")
def run(registry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    chosen = {"source": "commands", "architecture": "intents", "trainer": "idle"}
    values = {key: {"name": name} for key, name in chosen.items()}
    values |= {"tokenizer": {"kind": "character"}, "metrics": {"right": {"name": "right"}}}
    values |= {"device": "cpu", "cache": str(folder / "cache"), "seed": 3}
    return start(registry, values, values, {}, folder / "run")


def lam_evaluate(registry, *words):
    return CliRunner().invoke(lam, ["evaluate", *map(str, words)], obj=registry)


# Slices ----------------------------------------------------------------------------------------------------------


def test_a_column_of_texts_makes_a_slice_a_value_the_most_frequent_first():
    assert slices("domain", ["car", "house", "house", "", None]) == {
        "house": [1, 2], "car": [0], "(empty)": [3], "(none)": [4],
    }  # fmt: skip


def test_few_numbers_and_truth_values_make_a_slice_each():
    assert slices("year", [2021, 2020, 2021]) == {"2020": [1], "2021": [0, 2]}
    assert slices("length", [1, 0, 1]) == {"0": [1], "1": [0, 2]}
    assert slices("formal", [True, False, True]) == {"true": [0, 2], "false": [1]}


def test_many_numbers_are_cut_at_their_quartiles():
    assert slices("size", list(range(1, 13))) == {
        "1 to 3": [0, 1, 2], "4 to 6": [3, 4, 5], "7 to 9": [6, 7, 8], "10 to 12": [9, 10, 11],
    }  # fmt: skip


def test_unlike_numbers_have_unlike_names():
    days = [20_230_101 + row for row in range(60)]
    found = quantiles(days)
    assert next(iter(found)) == "20230101 to 20230115" and sum(map(len, found.values())) == 60
    assert list(quantiles([0.1, 1 / 3])) == ["0.1", "0.3333333333333333"]


def test_equal_numbers_are_never_in_two_slices():
    assert quantiles([1, 1, 1, 1, 1, 1, 2, 9]) == {"1": [0, 1, 2, 3, 4, 5], "2 to 9": [6, 7]}


def test_rare_texts_of_many_are_one_slice_together():
    found = slices("document", ["a", "a", *(f"d{n:02}" for n in range(30))])
    assert (len(found), found["a"], len(found["(11 others)"])) == (21, [0, 1], 11)


def test_a_column_of_lists_is_refused():
    with pytest.raises(LamcoreError, match="The column 'tags' holds lists: slices are made by text, numbers"):
        slices("tags", [["O"]])


def test_a_misspelt_column_is_refused_with_the_nearest_name():
    with pytest.raises(LamcoreError, match="No column is called 'domian'. Did you mean 'domain'"):
        sliced({"test": [{"id": "1", "domain": "car"}]}, ["domian"], {})


def test_a_split_without_the_column_has_no_slices_of_it():
    splits = {"news": [{"id": "1", "domain": "car"}], "talks": [{"id": "2"}]}
    assert sliced(splits, ["domain"], {}) == {"news": {"domain": {"car": [0]}}, "talks": {}}


def test_a_column_of_the_data_goes_before_one_derived_from_the_input():
    assert sliced({"test": [{"length": "long"}]}, ["length"], {"length": len}) == {"test": {"length": {"long": [0]}}}


@pytest.mark.parametrize(("text", "found"), [("Straße 3", "latin"), ("привет ok", "cyrillic"), ("12 + 3", "(none)")])
def test_the_script_is_that_of_most_letters(text, found):
    assert script(text) == found


def test_a_slice_is_scored_from_its_own_records():
    records = [{"id": str(n), "intent": "open", "domain": "car" if n < 4 else "house"} for n in range(12)]
    answers = [{"intent": "open" if n in (0, 1, 2, 4, 5) else "close"} for n in range(12)]
    parts = {"domain": {"car": [0, 1, 2, 3], "house": [4, 5, 6, 7, 8, 9, 10, 11]}}
    every, car, house = scores_of({"right": Right()}, answers, records, parts)
    assert [row["records"] for row in (every, car, house)] == [12, 4, 8]
    values = [row["scores"]["right"]["value"] for row in (every, car, house)]
    assert values == pytest.approx([100 * 5 / 12, 75, 25])
    assert 25 <= car["scores"]["right"]["low"] < 75 < car["scores"]["right"]["high"] == 100


def test_answers_are_counted_once_however_many_slices_there_are():
    calls = []

    class Slow(Right):
        def counts(self, answers, records):
            calls.append(len(answers))
            return super().counts(answers, records)

    answers = [{"intent": "open"}] * 4
    records = [{"id": str(n), "intent": "open"} for n in range(4)]
    scores_of({"right": Slow()}, answers, records, {"half": {"first": [0, 1], "second": [2, 3]}})
    assert calls == [4]


def test_numbers_and_words_that_train_lacks_tell_records_apart():
    train = Dataset.from_list([{"input": text} for text in ("Open it!", "shut the 2nd door", None)])
    derive = derived(Intents(), train, {})
    texts = ["OPEN the door", "open 3 doors", "open it 2", "", None]
    records = [{"input": text} for text in texts]
    assert [derive["numbers"](record) for record in records] == [False, True, True, False, False]
    assert [derive["unknown_words"](record) for record in records] == [False, True, True, False, False]


def test_nothing_is_derived_from_a_column_that_the_source_does_not_give():
    assert derived(Intents(), Dataset.from_list([{"messages": "x"}]), {}) == {}


# Noise -----------------------------------------------------------------------------------------------------------


def test_noise_follows_from_its_seed_alone():
    records = [{"id": str(n), "input": "open the door", "intent": "open"} for n in range(50)]
    augmenters = {"backwards": Backwards(share=0.5)}
    random.seed(1)
    first = noised(records, augmenters, "1/noise/test/backwards")
    random.seed(2)
    assert first == noised(records, augmenters, "1/noise/test/backwards") != records
    assert first != noised(records, augmenters, "2/noise/test/backwards")


def test_an_augmenter_that_adds_records_is_refused():
    with pytest.raises(LamcoreError, match="The augmenter 'twice' adds, drops or moves records"):
        noised([{"id": "1", "input": "a"}], {"twice": Twice()}, "1")


def test_noise_is_named_by_augmenter_or_by_preset(registry, tmp_path, monkeypatch):
    folder = tmp_path / "conf" / "augmenters"
    folder.mkdir(parents=True)
    (folder / "half.yaml").write_text("half:\n  name: backwards\n  share: 0.5\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert noise(registry, "half") == {"half": Backwards(share=0.5)}
    assert noise(registry, "backwards") == {"backwards": Backwards()}
    with pytest.raises(LamcoreError, match=r"preset of augmenters is called 'halve'. Did you mean 'half'"):
        noise(registry, "halve")


def test_a_preset_with_a_wrong_setting_is_refused_with_its_key(registry, tmp_path, monkeypatch):
    (tmp_path / "conf" / "augmenters").mkdir(parents=True)
    (tmp_path / "conf" / "augmenters" / "odd.yaml").write_text("backwards: {rate: 1}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LamcoreError, match=r"--noise odd.augmenters.backwards.rate'"):
        noise(registry, "odd")


# A run -----------------------------------------------------------------------------------------------------------


def test_the_reference_stays_where_the_input_is_noised(registry, run):
    plain, varied = evaluate(registry, reopen(registry, run.folder, {}), [], ["backwards"])
    assert (plain["noise"], plain["changed"]) == (None, 0)
    assert (varied["noise"], varied["changed"], varied["records"]) == ("backwards", 30, 30)
    assert plain["scores"] == run.scores["test"]
    assert varied["scores"]["right"]["value"] < 100  # compared with "varied", an answer could never be right
    right = [record["intent"] for record in run.data.raw["test"]]
    answers = run.trained.predict([{"input": one["input"][::-1]} for one in run.data.raw["test"]])
    share = 100 * sum(a["intent"] == b for a, b in zip(answers, right, strict=True)) / 30
    assert varied["scores"]["right"]["value"] == pytest.approx(share)


def test_evaluate_prints_a_line_a_slice_and_keeps_the_run_as_it_was(registry, run):
    before = {f.name: f.read_bytes() for f in run.folder.iterdir() if f.is_file()}
    done = lam_evaluate(registry, run.folder, "--slices", "domain,length", "--noise", "backwards")
    assert done.exit_code == 0, done.output
    assert "domain=car" in done.output and "length=7" in done.output
    assert "backwards: 30 of 30 records of test are noised" in done.output
    kept = json.loads((run.folder / "slices.json").read_text(encoding="utf-8"))
    parts = [row for row in kept if row["column"] == "domain" and row["noise"] is None]
    assert sum(row["records"] for row in parts) == 30
    assert parts[0].keys() == {"split", "noise", "changed", "column", "slice", "records", "scores"}
    assert {f.name: f.read_bytes() for f in run.folder.iterdir() if f.is_file() and f.name in before} == before


def test_as_json_it_prints_what_it_keeps(registry, run):
    done = lam_evaluate(registry, run.folder, "--slices", "script", "--json")
    rows = json.loads(done.stdout)
    assert rows == json.loads((run.folder / "slices.json").read_text(encoding="utf-8"))
    assert [(row["column"], row["slice"], row["records"]) for row in rows] == [
        (None, None, 30),
        ("script", "latin", 30),
    ]


def test_with_decoding_settings_nothing_is_written(registry, run):
    (run.folder / "slices.json").unlink(missing_ok=True)
    done = lam_evaluate(registry, run.folder, "--slices", "domain", "--decoding", "max_length=7")
    assert done.exit_code == 0 and not (run.folder / "slices.json").exists()


def test_without_these_options_evaluate_is_as_before(registry, run):
    assert json.loads(lam_evaluate(registry, run.folder, "--json").stdout) == run.scores


def test_the_shipped_presets_of_noise_touch_every_record():
    registry = load_plugins()
    records = [{"id": str(n), "input": "Please open the big door of the old house in our garden"} for n in range(40)]
    for name in ("misspelt", "case", "gaps", "swapped"):
        varied = noised(records, noise(registry, name), "1")
        assert sum(new != old for new, old in zip(varied, records, strict=True)) > 20, name


def test_the_package_keeps_its_promises():
    assert {what for what, _ in check_package("lamcore-evenness")} == {"package"}
