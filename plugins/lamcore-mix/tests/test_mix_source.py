"""The source `mix`."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lamcore import LamcoreError, Record, Source
from lamcore.kinds import Recipe
from lamcore.prepare import prepare
from lamcore.testing.toy import Given, Idle, Intents
from lamcore_mix import Balance, Mix, Sampling, Stage
from lamcore_mix.mixing import NO_END


def texts(*words: str, **more: Any) -> list[Record]:
    return [{"input": word, **more} for word in words]


def given(train: int, word: str = "w", **more: Any) -> Given:
    splits = {"train": texts(*(f"{word}{at}" for at in range(train)), **more)}
    return Given({**splits, "validation": texts(f"{word} v"), "test": texts(f"{word} t")})


def loaded(mix: Mix) -> dict[str, list[Record]]:
    return {split: list(records) for split, records in mix.load().items()}


def sizes(mix: Mix) -> Counter[str]:
    return Counter(record["domain"] for record in mix.load()["train"])


def test_without_weights_every_record_of_every_component_is_there_once():
    splits = loaded(Mix({"a": given(3, "x"), "b": given(2, "y")}))
    assert sorted(record["input"] for record in splits["train"]) == ["x0", "x1", "x2", "y0", "y1"]
    assert [record["id"] for record in splits["train"]] == [
        "a/train-0", "b/train-0", "a/train-1", "a/train-2", "b/train-1",
    ]  # fmt: skip


def test_validation_is_joined_and_tests_bear_their_components_names():
    splits = loaded(Mix({"a": given(3, "x"), "b": given(2, "y")}))
    held_out = {split: [record["input"] for record in rows] for split, rows in splits.items() if split != "train"}
    assert held_out == {"validation": ["x v", "y v"], "a_test": ["x t"], "b_test": ["y t"]}


def test_only_the_components_named_are_held_out():
    splits = loaded(Mix({"a": given(3, "x"), "b": given(2, "y")}, held_out=["b"]))
    assert [record["id"] for record in splits["validation"]] == ["b/validation-0"]
    assert list(splits) == ["train", "validation", "b_test"]


def test_weights_set_the_shares_and_what_is_too_little_is_repeated():
    mix = Mix({"small": given(2), "large": given(8)}, weights={"small": 1, "large": 2})
    assert sizes(mix) == {"small": 4, "large": 8}
    repeats = [record for record in mix.load()["train"] if record["parent"]]
    assert [(record["id"], record["parent"]) for record in repeats] == [
        ("small/train-0@2", "small/train-0"), ("small/train-1@2", "small/train-1"),
    ]  # fmt: skip


def test_sampling_down_repeats_nothing():
    mix = Mix({"small": given(2), "large": given(8)}, weights={"small": 1, "large": 2}, sampling=Sampling.down)
    assert sizes(mix) == {"small": 2, "large": 4}
    assert "parent" not in next(iter(mix.load()["train"]))


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [(1, {"a": 1, "b": 16}), (2, {"a": 4, "b": 16}), (4, {"a": 8, "b": 16}), (None, {"a": 16, "b": 16})],
)
def test_shares_follow_the_temperature(temperature, expected):
    """1 : 16 becomes 1 : 16^(1/T)."""
    assert sizes(Mix({"a": given(1), "b": given(16)}, temperature=temperature)) == expected


def test_parts_may_be_languages_of_any_component():
    one = Given({"train": [*texts("a", "b", target_lang="de"), *texts("c", target_lang="fr")]})
    two = Given({"train": texts("d", "e", target_lang="de")})
    mix = Mix({"one": one, "two": two}, by=["target_lang"], temperature=None)
    assert Counter(record["target_lang"] for record in mix.load()["train"]) == {"de": 4, "fr": 4}


def test_records_get_all_columns_and_keep_their_own_domain():
    one = Given({"train": texts("a", domain="law", intent="sue")})
    two = Given({"train": [{"input": "b", "id": "7", "parent": "6", "target": "B"}]})
    assert loaded(Mix({"one": one, "two": two}))["train"] == [
        {"id": "one/train-0", "input": "a", "domain": "law", "intent": "sue", "parent": None, "target": None},
        {"id": "two/7", "input": "b", "domain": "two", "intent": None, "parent": "two/6", "target": "B"},
    ]


def test_numbers_that_only_one_component_has_stay_numbers(tmp_path):
    many = Given({"train": texts(*map(str, range(1500))), "validation": texts("v")})
    mix = Mix({"many": many, "few": Given({"train": [{"input": "a", "year": 1999}]})})
    prepared = prepare_source(mix, tmp_path)
    assert prepared.raw["train"]["year"][:2] == [None, 1999]


def test_the_choice_follows_from_the_seed():
    def chosen(seed: int) -> list[str]:
        mix = Mix({"a": given(50), "b": given(5)}, temperature=None, sampling=Sampling.down, seed=seed)
        return [record["id"] for record in mix.load()["train"]]

    assert chosen(1) == chosen(1) != chosen(2)


def test_a_component_whose_data_changes_changes_the_fingerprint():
    def of(**settings: Any) -> str | None:
        return Mix({"a": Given(**settings), "b": Given()}).fingerprint()

    assert of() == of() is not None
    assert len({of(), of(mark="b"), of(splits={"train": []})}) == 3
    assert of(mark=None) is None


def test_the_tables_are_gone_when_the_splits_are(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    loaded(Mix({"a": given(3)}))
    assert list(tmp_path.iterdir()) == []


def test_a_run_learns_from_repeats_and_a_derived_record_stays_with_its_parent(tmp_path):
    prepared = prepare_source(Mix({"a": given(2, "x"), "b": given(6, "y")}, temperature=None), tmp_path, Balance())
    assert Counter(prepared.ready["train"]["domain"][:]) == {"a": 6, "b": 6}
    assert prepared.report[1]["train"]["rows"] == 12


def test_what_balance_adds_is_told_as_added(tmp_path):
    mix = Mix({"a": given(2, "x"), "b": given(6, "y")})
    told = prepare_source(mix, tmp_path, Balance()).report[1]["train"]
    assert (told["rows"], told["dropped"], told["added"]) == (8, 0, 4)


def staged(**settings: Any) -> Mix:
    stages = {
        "begin": Stage(weights={"a": 1}),
        "end": Stage(epoch=3, weights={"a": 1, "b": 2}),
        "middle": Stage(epoch=1, weights={"a": 1, "b": 1}),
    }
    return Mix({"a": given(2, "x"), "b": given(4, "y")}, **{"stages": stages, **settings})


def in_epoch(rows: list[Record], epoch: int) -> list[str]:
    return sorted(row["id"] for row in rows if row["first_epoch"] <= epoch <= row["last_epoch"])


def test_a_stage_has_the_shares_of_its_weights_from_its_epoch_on():
    rows = loaded(staged())["train"]
    a, b = ["a/train-0", "a/train-1"], [f"b/train-{at}" for at in range(4)]
    assert in_epoch(rows, 0) == a
    assert in_epoch(rows, 1) == in_epoch(rows, 2) == sorted([*a, "a/train-0@2", "a/train-1@2", *b])
    assert in_epoch(rows, 3) == in_epoch(rows, 10**6) == [*a, *b]


def test_a_record_that_stays_in_the_next_stage_stands_there_once():
    rows = loaded(staged())["train"]
    assert len(rows) == len({row["id"] for row in rows}) == 8
    assert [(row["id"], row["first_epoch"], row["last_epoch"]) for row in rows if row["domain"] == "a"] == [
        ("a/train-0", 0, NO_END), ("a/train-1", 0, NO_END), ("a/train-0@2", 1, 2), ("a/train-1@2", 1, 2),
    ]  # fmt: skip


def test_a_record_that_comes_back_after_a_stage_without_it_is_a_repeat():
    stages = {label: Stage(epoch, {name: 1}) for label, epoch, name in (("i", 0, "a"), ("ii", 1, "b"), ("iii", 2, "a"))}
    rows = loaded(staged(stages=stages))["train"]
    assert [(row["id"], row["parent"], row["first_epoch"]) for row in rows if row["id"].startswith("a/train-1")] == [
        ("a/train-1", None, 0), ("a/train-1@2", "a/train-1", 2),
    ]  # fmt: skip
    assert in_epoch(rows, 2) == ["a/train-0@2", "a/train-1@2"]


def test_a_stage_says_what_it_has(caplog):
    with caplog.at_level("INFO", "lamcore"):
        loaded(staged())
    assert [record.getMessage() for record in caplog.records] == [
        "mix: stage begin, from epoch 0 on, has of a 2 of 2 records and 0 repeats",
        "mix: stage middle, from epoch 1 on, has of a 2 of 2 records and 2 repeats",
        "mix: stage middle, from epoch 1 on, has of b 4 of 4 records and 0 repeats",
        "mix: stage end, from epoch 3 on, has of a 2 of 2 records and 0 repeats",
        "mix: stage end, from epoch 3 on, has of b 4 of 4 records and 0 repeats",
    ]


def prepare_source(source: Source, folder: Path, *steps: Any) -> Any:
    return prepare(Recipe(source, Intents(), Idle(), {str(at): step for at, step in enumerate(steps)}), folder)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"components": {}}, "components must name a source"),
        ({"components": {"A b": Given()}}, "a label is a-z, 0-9 and _, not 'A b'"),
        ({"weights": {"a": 1, "c": 1}}, "weights: no component is called 'c', only a, b"),
        ({"weights": {"a": 1}}, "weights must give each component a number above 0"),
        ({"weights": {"a": 1, "b": 0}}, "weights must give each component a number above 0"),
        ({"weights": {"a": 1, "b": 1}, "temperature": 5}, "weights set the shares"),
        ({"weights": {"a": 1, "b": 1}, "by": ["domain"]}, "weights set the shares"),
        ({"held_out": ["c"]}, "held_out: no component is called 'c'"),
        ({"stages": {"one": Stage(weights={"c": 1})}}, r"stages\.one\.weights: no component is called 'c', only a, b"),
        ({"stages": {"one": Stage()}}, r"stages\.one\.weights must give each component that takes part a number"),
        ({"stages": {"one": Stage(weights={"a": 0})}}, r"stages\.one\.weights must give each component"),
        ({"stages": {"one": Stage(1, {"a": 1})}}, r"one must begin at epoch 0, and no two at the same, not at \[1\]"),
        ({"stages": {k: Stage(0, {k: 1}) for k in "ab"}}, r"no two at the same, not at \[0, 0\]"),
        ({"stages": {"one": Stage(0, {"a": 1})}, "temperature": 5}, "stages set the shares"),
        ({"temperature": 0}, "temperature must be 0.1 or more, or null, not 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        Mix(**{"components": {"a": Given(), "b": Given()}, **settings})


def test_a_component_without_train_or_column_is_named():
    with pytest.raises(LamcoreError, match=r"source\.components\.b gives no split 'train', only: validation"):
        Mix({"a": given(1), "b": Given({"validation": texts("v")})}).load()
    with pytest.raises(LamcoreError, match=r"source\.components\.b gives no record for train"):
        loaded(Mix({"a": given(1), "b": Given({"train": []})}))
    with pytest.raises(LamcoreError, match=r"source\.by, component a: train has no column 'topic', only: id, input"):
        loaded(Mix({"a": given(1)}, by=["topic"]))
