"""Easy records come first, and by the epoch that was asked for all take part."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import pytest
from datasets import Dataset

from lamcore import LamcoreError, Preprocessor
from lamcore_augment import Curriculum, Easy


def epochs(step, rows):
    return [record["first_epoch"] for record in step.apply(Dataset.from_list(rows), "train")]


def texts(*lengths):
    return [{"id": str(n), "input": " ".join(["w"] * length)} for n, length in enumerate(lengths)]


def test_short_texts_come_first():
    assert epochs(Curriculum(start=0.5, epochs=1), texts(5, 1, 9, 3)) == [1, 0, 1, 0]


def test_the_share_grows_as_platanios_and_others_say():
    start, last, size = 0.3, 5, 1000
    counts = Counter(epochs(Curriculum(start=start, epochs=last), texts(*[1] * size)))
    for epoch in range(last + 1):
        share = min(1, math.sqrt(epoch * (1 - start**2) / last + start**2))
        assert sum(counts[e] for e in range(epoch + 1)) == math.ceil(round(share * size, 6))
    assert counts[0] == 300


def test_every_epoch_has_a_record_however_small_its_share():
    assert epochs(Curriculum(start=1e-9, epochs=2), texts(2, 1)) == [1, 0]
    assert epochs(Curriculum(start=1, epochs=3), texts(2, 1, 3)) == [0, 0, 0]


def test_a_score_can_say_what_is_easy_and_none_is_hardest():
    rows = [{"id": str(n), "score": score} for n, score in enumerate([0.5, 2.0, None, -1.0])]
    assert epochs(Curriculum(column="score", start=0.25, epochs=1), rows) == [1, 1, 1, 0]
    high = Curriculum(column="score", easy=Easy.high, start=0.75, epochs=1)
    assert epochs(high, rows) == [0, 0, 1, 0]


@dataclass
class Scored(Preprocessor):
    """Score a record by its number of letters a."""

    direction = "higher"

    def scores(self, records):
        return [record["input"].count("a") if record["input"] else None for record in records]


def test_a_filter_can_say_what_is_easy():
    rows = [{"id": str(n), "input": text} for n, text in enumerate(["a", "aaa", "", "aa"])]
    assert epochs(Curriculum(filter=Scored(), start=0.5, epochs=1), rows) == [1, 0, 1, 0]


def test_the_later_first_epoch_counts_and_the_rest_of_a_record_stays():
    rows = [{**row, "first_epoch": first, "last_epoch": 9} for row, first in zip(texts(1, 2), (4, 0), strict=True)]
    made = list(Curriculum(start=0.5, epochs=1).apply(Dataset.from_list(rows), "train"))
    assert made == [{**rows[0], "first_epoch": 4}, {**rows[1], "first_epoch": 1}]


@pytest.mark.parametrize("split", ["validation", "test", "predict"])
def test_held_out_splits_stay_as_they_are(split):
    rows = Dataset.from_list(texts(3, 1))
    assert Curriculum().apply(rows, split) is rows


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("length", "curriculum.column: train has no column 'length', only: id, tokens."),
        ("tokens", r"curriculum.column: tokens must hold text or numbers, not \['a'\]: name another."),
    ],
)
def test_a_column_that_says_nothing_is_refused(column, words):
    with pytest.raises(LamcoreError, match=words):
        epochs(Curriculum(column=column), [{"id": "1", "tokens": ["a"]}])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start": 0}, "start must be more than 0 and at most 1, not 0"),
        ({"epochs": 0}, "epochs must be 1 or more, not 0"),
        ({"filter": Curriculum()}, "filter must be one that scores records, not Curriculum"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Curriculum(**settings)
