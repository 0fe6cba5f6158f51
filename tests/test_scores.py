"""Summing, scoring and the intervals around scores."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lamcore import Metric
from lamcore.scores import scored


@dataclass
class Share(Metric):
    """Share of right letters."""

    signature = "letters, exact"

    def count(self, answer, record):
        right = sum(a == b for a, b in zip(answer["target"], record["target"], strict=True))
        return {"right": right, "all": len(record["target"])}

    def score(self, sums):
        return {"share": sums["right"] / sums["all"]}


@dataclass
class Pair(Metric):
    """Two values."""

    direction = "lower"

    def count(self, answer, record):
        return {"letters": len(answer["target"]), **({"long": 1} if len(answer["target"]) > 2 else {}), "all": 1}

    def score(self, sums):
        return {"mean": sums["letters"] / sums["all"], "long": sums["long"] / sums["all"]}


def rows(*texts):
    return [{"target": text} for text in texts]


def test_a_score_is_made_of_summed_counts_and_is_no_mean_of_scores():
    scores = scored({"share": Share()}, rows("ab", "xxxxxxxx"), rows("ab", "xxyyyyyy"), resamples=0)
    assert scores == {"share": {"value": 0.4, "signature": "letters, exact", "direction": "higher"}}


def test_a_single_value_takes_the_label_of_its_metric():
    assert list(scored({"mine": Share()}, rows("a"), rows("a"), resamples=0)) == ["mine"]


def test_several_values_are_named_after_the_label_and_their_own_names():
    scores = scored({"length": Pair()}, rows("a", "bcd"), rows("a", "a"), resamples=0)
    assert {name: score["value"] for name, score in scores.items()} == {"length.mean": 2.0, "length.long": 0.5}
    assert scores["length.mean"]["direction"] == "lower"


def test_a_value_called_as_the_label_takes_it():
    scores = scored({"mean": Pair()}, rows("a", "bcd"), rows("a", "a"), resamples=0)
    assert {name: score["value"] for name, score in scores.items()} == {"mean": 2.0, "mean.long": 0.5}


def test_a_count_that_a_record_lacks_is_nothing():
    assert scored({"p": Pair()}, rows("abc", "a", "b", "c"), rows(*"abcd"), resamples=0)["p.long"]["value"] == 0.25


def test_the_interval_holds_the_value_and_narrows_with_more_records():
    few = scored({"share": Share()}, rows(*"aabb" * 5), rows(*"a" * 20))["share"]
    many = scored({"share": Share()}, rows(*"aabb" * 100), rows(*"a" * 400))["share"]
    for one in (few, many):
        assert one["value"] == 0.5 and one["low"] < 0.5 < one["high"]
    assert many["high"] - many["low"] < (few["high"] - few["low"]) / 3
    assert 0.09 < many["high"] - many["low"] < 0.11  # 2 x 1.96 x sqrt(0.25 / 400) = 0.098


def test_the_interval_of_a_score_without_doubt_is_a_point():
    one = scored({"share": Share()}, rows("a", "b"), rows("a", "b"))["share"]
    assert (one["low"], one["value"], one["high"]) == (1.0, 1.0, 1.0)


def test_the_same_answers_get_the_same_interval():
    assert scored({"s": Share()}, rows(*"abab"), rows(*"aaaa")) == scored({"s": Share()}, rows(*"abab"), rows(*"aaaa"))


def test_a_batch_scorer_is_called_once_with_everything():
    calls = []

    @dataclass
    class Batch(Share):
        """Count together."""

        def counts(self, answers, records):
            calls.append(len(answers))
            return super().counts(answers, records)

    assert scored({"b": Batch()}, rows("a", "b"), rows("a", "a"))["b"]["value"] == 0.5
    assert calls == [2]


def test_answers_without_records_are_a_bug():
    with pytest.raises(ValueError):
        scored({"s": Share()}, rows("a"), rows("a", "b"))


def test_of_a_difference_zero_is_best():
    class Gap(Pair):
        differences = ("long",)

    scores = scored({"length": Gap()}, rows("a", "bcd"), rows("a", "a"), resamples=0)
    assert [scores[name]["direction"] for name in ("length.mean", "length.long")] == ["lower", "zero"]
