"""The step `deduplicate`."""

from __future__ import annotations

import random
from typing import Any

import pytest

from lamcore import LamcoreError
from lamcore_clean import Deduplicate

datasets = pytest.importorskip("datasets")


def ids(rows: Any) -> list[int]:
    return [row["id"] for row in rows]


def table(*pairs: tuple[str, str]):
    return datasets.Dataset.from_list([{"id": i, "input": a, "target": b} for i, (a, b) in enumerate(pairs)])


def test_the_first_of_equal_records_stays():
    rows = table(("a", "b"), ("c", "d"), ("a", "b"), ("a", "x"), ("c", "d"))
    new: Any = Deduplicate().apply(rows, "train")
    assert ids(new) == [0, 1, 3]
    assert new[2] == {"id": 3, "input": "a", "target": "x"}


def test_case_width_and_white_space_make_no_difference():
    rows = table(("Straße  neu", "x"), ("STRASSE\tneu ", "x"), ("Ａ", "x"), ("a", "x"))
    assert ids(Deduplicate().apply(rows, "train")) == [0, 2]


def test_columns_do_not_run_into_each_other():
    assert ids(Deduplicate().apply(table(("a b", "c"), ("a", "b c"), ("ab", "c")), "train")) == [0, 1, 2]


def test_fewer_columns_find_more_repeats():
    rows = table(("a", "b"), ("a", "c"))
    assert ids(Deduplicate(columns=["input"]).apply(rows, "train")) == [0]
    assert ids(Deduplicate(columns=["input", "absent"]).apply(rows, "train")) == [0]


@pytest.mark.parametrize("split", ["validation", "test", "predict"])
def test_other_splits_keep_every_row(split):
    rows = table(("a", "b"), ("a", "b"))
    assert Deduplicate(near=0.5).apply(rows, split) is rows


def test_a_table_without_the_columns_is_refused():
    with pytest.raises(LamcoreError, match=r"deduplicate.columns: none of \['text'\] .* has: id, input, target"):
        Deduplicate(columns=["text"]).apply(table(("a", "b")), "train")


def test_an_empty_table_stays_empty():
    assert ids(Deduplicate().apply(table(("a", "b")).select([]), "train")) == []


def test_values_that_are_no_text_are_compared_too():
    rows = datasets.Dataset.from_list([{"id": i, "input": value} for i, value in enumerate([[1, 2], [1, 2], [2, 1]])])
    assert ids(Deduplicate().apply(rows, "train")) == [0, 2]


def test_the_result_does_not_depend_on_batches():
    rows = table(*((str(i % 700), "x") for i in range(2500)))
    assert ids(Deduplicate().apply(rows, "train")) == list(range(700))


def test_similarity_counts_shared_runs_of_four_characters():
    # "abcdefgh\0x" has 7 runs of four, "abcdefgi\0x" too; they share abcd, bcde, cdef, defg: 4 of 10.
    rows = table(("abcdefgh", "x"), ("abcdefgi", "x"))
    assert ids(Deduplicate(near=0.4).apply(rows, "train")) == [0]
    assert ids(Deduplicate(near=0.41).apply(rows, "train")) == [0, 1]


def test_word_order_makes_a_difference():
    rows = table(("the dog bites the man", "x"), ("the man bites the dog", "x"))
    assert ids(Deduplicate(near=0.9).apply(rows, "train")) == [0, 1]


def test_planted_near_repeats_are_found_and_nothing_else():
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randrange(3, 9))) for _ in range(2000)]
    pairs = [(" ".join(rng.choices(words, k=14)), " ".join(rng.choices(words, k=14))) for _ in range(1000)]
    for number in range(100):
        changed = pairs[number][0].split()
        changed[rng.randrange(14)] = "Zebra"
        pairs.append((" ".join(changed), pairs[number][1]))
    found = set(range(1100)) - set(ids(Deduplicate(near=0.8).apply(table(*pairs), "train")))
    assert min(found) >= 1000
    assert len(found) >= 95


@pytest.mark.parametrize("near", [-0.1, 1.5])
def test_a_similarity_that_cannot_be_is_refused(near):
    with pytest.raises(ValueError, match=f"near must be between 0 and 1, not {near}"):
        Deduplicate(near=near)
