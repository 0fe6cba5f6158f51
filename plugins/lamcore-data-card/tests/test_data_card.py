"""What a data card says, and that it never ends a run."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datasets import Dataset

import lamcore_data_card
from lamcore import Preprocessor, Record
from lamcore.data import Data
from lamcore.kinds import Recipe
from lamcore.prepare import prepare
from lamcore.testing import check_package
from lamcore.testing.toy import Given, Idle, Intents
from lamcore_data_card import card as cards
from lamcore_data_card.page import page


@dataclass
class Upper(Preprocessor):
    """Write the input of the domain `ui` in capitals."""

    def change(self, record: Record) -> Record | None:
        return {**record, "input": record["input"].upper()} if record["domain"] == "ui" else record


@dataclass
class Short(Preprocessor):
    """Drop records of one word."""

    def change(self, record: Record) -> Record | None:
        return record if " " in record["input"] else None


@dataclass
class Twice(Preprocessor):
    """Repeat each train record."""

    def apply(self, rows: Any, split: str) -> Any:
        more = ({**record, "id": f"{record['id']}@2"} for record in rows) if split == "train" else ()
        return chain(rows, more)


def row(input: str, target: str, domain: str = "ui", target_lang: str = "de") -> dict[str, Any]:
    return {"input": input, "target": target, "domain": domain, "input_lang": "en", "target_lang": target_lang}


TRAIN = [
    row("a b c", "x y"),
    row("A B C", "x y"),  # the same input but for case
    row("a b c", "z"),
    row("one", "eins", "news"),
    row("good day", "Добрый день, `tick` | bar", "news", "ru"),
]
VALIDATION = [row("new text", "neu"), row("a B c", "x y"), row("one", "eins")]
SPLITS = {"train": TRAIN, "validation": VALIDATION}


def data_of(folder: Path, splits: Any = None, **steps: Preprocessor) -> Data:
    recipe = Recipe(source=Given(splits or SPLITS), architecture=Intents(), trainer=Idle(), preprocessors=steps)
    return Data(recipe, prepare(recipe, folder), folder)


def test_it_says_what_came_in_and_what_each_step_did(tmp_path):
    made = cards.card("mine", data_of(tmp_path, upper=Upper(), short=Short()))
    assert made["name"] == "mine" and [step["step"] for step in made["steps"]] == ["source", "upper", "short"]
    train = [step["splits"]["train"] for step in made["steps"]]
    assert [(one["rows"], one["changed"], one["dropped"]) for one in train] == [(5, 0, 0), (5, 2, 0), (4, 0, 1)]
    assert [record["input"] for record in train[2]["dropped_examples"]] == ["one"]
    assert train[1]["changed_examples"][0] == {"id": "train-0", "input": ["a b c", "A B C"]}
    validation = [step["splits"]["validation"] for step in made["steps"]]
    assert [(one["rows"], one["changed"], one["dropped"]) for one in validation] == [(3, 0, 0), (3, 3, 0), (3, 0, 0)]


def test_records_that_a_step_adds_are_told_as_added(tmp_path):
    made = cards.card("mine", data_of(tmp_path, twice=Twice()))
    train = made["steps"][1]["splits"]["train"]
    assert (train["rows"], train["dropped"], train["added"], train["domains"]) == (10, 0, 5, {"ui": 6, "news": 4})
    assert "| `twice` in `train` | 0 (0.0%) | 0 (0.0%) | 5 (100.0%) |" in page(made)


def test_counts_are_given_before_and_after_each_step(tmp_path):
    before, after = (one["splits"]["train"] for one in cards.card("x", data_of(tmp_path, short=Short()))["steps"])
    assert before["languages"] == {"en-de": 4, "en-ru": 1} and after["languages"] == {"en-de": 3, "en-ru": 1}
    assert before["domains"] == {"ui": 3, "news": 2} and after["domains"] == {"ui": 3, "news": 1}
    assert before["scripts"] == {"input": {"Latin": 5}, "target": {"Latin": 4, "Cyrillic": 1}}
    buckets = {"0": 0, "1-5": 5, "6-10": 0, "11-20": 0, "21-40": 0, "41-80": 0, "81 or more": 0}
    assert before["lengths"]["input"] == {"histogram": buckets, "mean": 2.4, "median": 3.0, "p95": 3.0, "most": 3}
    assert after["lengths"]["input"] == {
        "histogram": buckets | {"1-5": 4}, "mean": 2.75, "median": 3.0, "p95": 3.0, "most": 3,
    }  # fmt: skip


def test_a_step_that_did_nothing_is_not_counted_again(tmp_path, monkeypatch):
    data, seen = data_of(tmp_path, upper=Upper(), again=Upper()), []
    whole = cards.counts
    monkeypatch.setattr(cards, "counts", lambda rows: seen.append(len(rows)) or whole(rows))
    made = cards.card("x", data)
    assert seen == [5, 3, 5, 3]
    assert made["steps"][2]["splits"]["train"]["domains"] == {"ui": 3, "news": 2}


def test_duplicates_and_overlap_are_seen_through_case(tmp_path):
    made = cards.card("x", data_of(tmp_path, short=Short()))
    assert made["duplicates"] == {
        "source": {"train": {"inputs": 2, "pairs": 1}, "validation": {"inputs": 0, "pairs": 0}},
        "ready": {"train": {"inputs": 2, "pairs": 1}, "validation": {"inputs": 0, "pairs": 0}},
    }
    assert made["overlap"] == {"train": {"validation": 2}, "validation": {"train": 2}}


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("", "none"),
        ("12:30", "none"),
        ("Straße", "Latin"),
        ("ß", "Latin"),
        ("abc Привет мир", "Cyrillic"),
        ("IBM и", "Latin"),
        ("東京 12345", "Han"),
        ("שלום", "Hebrew"),
        ("\ue000", "none"),
    ],
)
def test_the_script_is_that_of_most_letters(text, script):
    assert cards.script(text) == script


def test_of_many_values_the_first_twenty_are_told_apart():
    found = cards.top([*map(str, range(30)), "29"])
    assert len(found) == 21 and next(iter(found)) == "29" and found["other"] == 10


def test_buckets_begin_where_their_names_say():
    found = cards.lengths([0, 1, 5, 6, 10, 11, 20, 21, 40, 41, 80, 81, 500])["histogram"]
    assert found == {"0": 1, "1-5": 2, "6-10": 2, "11-20": 2, "21-40": 2, "41-80": 2, "81 or more": 2}


def test_a_large_table_is_counted_in_part_and_says_so(monkeypatch):
    monkeypatch.setattr(cards, "MOST", 10)
    found = cards.counts(Dataset.from_list([{"input": "a b", "domain": str(n % 2)} for n in range(25)]))
    assert found["counted"] == 9 and found["domains"] == {"0": 5, "1": 4} and found["languages"] == {}


def test_records_without_text_are_no_trouble(tmp_path):
    splits = {name: [{"audio": [1.0, 2.0]}, {"audio": [3.0]}] for name in ("train", "validation")}
    made = cards.card("x", data_of(tmp_path, splits))
    assert made["steps"][0]["splits"]["train"]["rows"] == 2 and made["overlap"]["train"] == {"validation": 0}
    assert "| `source` | 2 | 2 |" in page(made)


def test_the_page_shows_it_all_and_takes_no_text_for_markup(tmp_path):
    text = page(cards.card("mine", data_of(tmp_path, upper=Upper(), short=Short())))
    for line in (
        "# Data card of `mine`",
        "| `short` | 4 | 3 |",
        "| `short` in `train` | 0 (0.0%) | 1 (20.0%) | 0 (0.0%) |",
        "## Dropped by `short`",
        "- `train-3`: `one` → `eins`",
        "- `train-0`: input `a b c` became `A B C`",
        "|  | `train` | `after upper` | `after short` | `validation` |",
        "| `en-ru` | 1 (20.0%) | 1 (20.0%) | 1 (25.0%) | 0 (0.0%) |",
        "| `Cyrillic` | 1 (20.0%) | 1 (20.0%) | 1 (25.0%) | 0 (0.0%) |",
        "| mean | 2.4 | 2.4 | 2.75 | 2.0 |",
        "| `train` | 2 | 1 | 2 | 1 |",
        "| `train` |  | 2 |",
    ):
        assert f"\n{line}\n" in f"\n{text}", line


def test_texts_of_the_data_stay_code_within_a_line():
    from lamcore_data_card.page import code

    assert code("a `b` | c\n# d") == "`a 'b' ¦ c\\x0a# d`"
    assert code("") == "(blank)"
    assert code("x" * 500) == f"`{'x' * 200}...`"
    assert code({"a": [1]}) == '`{"a": [1]}`'


def test_both_files_are_in_the_run_folder(tmp_path):
    run = SimpleNamespace(folder=tmp_path, recipe=SimpleNamespace(name="mine"))
    lamcore_data_card.on_data(run, data_of(tmp_path / "cache", short=Short()))
    assert json.loads((tmp_path / "data-card.json").read_text())["name"] == "mine"
    assert (tmp_path / "data-card.md").read_text().startswith("# Data card of `mine`\n")


def test_what_goes_wrong_is_a_warning(tmp_path, caplog):
    run = SimpleNamespace(folder=tmp_path / "gone", recipe=SimpleNamespace(name="mine"))
    with caplog.at_level(logging.WARNING, "lamcore"):
        lamcore_data_card.on_data(run, SimpleNamespace(raw=None))
        lamcore_data_card.on_data(run, data_of(tmp_path / "cache"))
    assert [record.message.partition(":")[0] for record in caplog.records] == ["no data card", "no data card"]


def test_the_package_keeps_its_promises():
    assert {what for what, _ in check_package("lamcore-data-card")} == {"package"}
