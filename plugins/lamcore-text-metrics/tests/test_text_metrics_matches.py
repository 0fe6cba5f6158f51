"""The metrics `exact_match` and `placeholders`."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from lamcore import LamcoreError, Metric
from lamcore_text_metrics import ExactMatch, Placeholders
from lamcore_text_metrics.matches import placeholders

ICU = "{count, plural, one {# day} other {# days}}"


def scored(metric: Metric, *pairs: tuple[Any, Any]) -> dict[str, float]:
    total: Counter[str] = Counter()
    answers, records = [{"target": answer} for answer, _ in pairs], [{"target": right} for _, right in pairs]
    for count in metric.counts(answers, records):
        total.update(count)  # type: ignore[arg-type]
    return dict(metric.score(total))


def test_exact_match_is_the_percent_of_equal_answers():
    assert scored(ExactMatch(), ("a", "a"), ("a", "A"), ("a", "a "), ("", "b")) == {"exact_match": 25.0}
    assert scored(ExactMatch(), ("", ""), ("x", "x")) == {"exact_match": 100.0}


def test_case_and_space_can_be_ignored():
    pairs = (("Straße  neu", "STRASSE neu"), ("a b", " a\tb\n"), ("ab", "a b"))
    assert scored(ExactMatch(), *pairs) == {"exact_match": 0.0}
    assert scored(ExactMatch(ignore_space=True), *pairs)["exact_match"] == pytest.approx(100 / 3)
    assert scored(ExactMatch(ignore_case=True, ignore_space=True), *pairs)["exact_match"] == pytest.approx(200 / 3)


def test_values_that_are_no_text_are_compared_as_they_are():
    assert scored(ExactMatch(), (["O", "B"], ["O", "B"]), (3, 3), (True, False), (["O"], "O")) == {"exact_match": 50.0}


def test_any_of_several_references_is_right():
    record = {"target": "x", "references": ["a {b}", "c"]}
    assert ExactMatch().count({"target": "c"}, record) == {"right": 1, "all": 1}
    assert ExactMatch().count({"target": "x"}, record) == {"right": 0, "all": 1}
    assert Placeholders().count({"target": "{b} y"}, record)["right"] == 1
    assert Placeholders().count({"target": "y"}, record)["right"] == 1
    assert Placeholders().count({"target": "{x}"}, record)["right"] == 0


def test_another_column_can_be_scored():
    metric = ExactMatch(column="intent")
    assert metric.count({"intent": "on"}, {"intent": "on", "references": ["off"]}) == {"right": 1, "all": 1}
    with pytest.raises(LamcoreError, match=r"No column 'intent' to score answers against. The records have: target\."):
        metric.count({"intent": "on"}, {"target": "on"})


def test_several_columns_are_right_together():
    metric, record = ExactMatch(column="intent", also=["tags"]), {"intent": "on", "tags": ["O", "B-room"]}
    assert metric.count({"intent": "on", "tags": ["O", "B-room"]}, record) == {"right": 1, "all": 1}
    assert metric.count({"intent": "on", "tags": ["O", "O"]}, record) == {"right": 0, "all": 1}
    assert metric.count({"intent": "off", "tags": ["O", "B-room"]}, record) == {"right": 0, "all": 1}
    assert metric.signature == "case:mixed|space:kept|columns:intent+tags"


def test_signatures_say_what_counts():
    assert ExactMatch().signature == "case:mixed|space:kept"
    assert ExactMatch(ignore_case=True, ignore_space=True).signature == "case:lc|space:folded"
    assert Placeholders().signature == "multiset of outermost {...}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("none", {}),
        ("{a} {b} {a}", {"{a}": 2, "{b}": 1}),
        (f"{ICU} left, {{name}}", {ICU: 1, "{name}": 1}),
        ("{{ x }}{}", {"{{ x }}": 1, "{}": 1}),
        ("{a {b}", {"{b}": 1}),
        ("a} {b} }{", {"{b}": 1}),
        ("{{a} {b}", {"{a}": 1, "{b}": 1}),
    ],
)
def test_placeholders_are_the_outermost_balanced_braces(text, expected):
    assert placeholders(text) == expected


def test_placeholders_must_be_the_same_as_often_in_any_order():
    metric = Placeholders()
    for answer, right in ((ICU, ICU), ("{b} x {a}", "{a} y {b}"), ("no", "none"), ("", "")):
        assert metric.count({"target": answer}, {"target": right})["right"] == 1, answer
    for answer, right in (
        ("{a}", "{a} {a}"),
        ("{a} {a}", "{a}"),
        ("{A}", "{a}"),
        ("{a", "{a}"),
        ("{a}", "a"),
        ("", "{a}"),
    ):
        assert metric.count({"target": answer}, {"target": right})["right"] == 0, answer


def test_placeholders_are_scored_over_all_and_over_those_that_have_some():
    pairs = (("{a}", "{a}"), ("x", "{a}"), ("{x} y", "y"), ("x", "y"), ("x", "y"))
    assert scored(Placeholders(), *pairs) == {"placeholders": 60.0, "present": 50.0}
    assert scored(Placeholders(), ("x", "y"), ("{x}", "y")) == {"placeholders": 50.0, "present": 100.0}


def test_perfect_answers_score_best_in_any_order():
    rng = random.Random(1)
    texts = ["".join(rng.choices(["{a}", "{b}", "{", "}", "x ", ICU], k=rng.randrange(6))) for _ in range(200)]
    assert scored(Placeholders(), *zip(texts, texts, strict=True)) == {"placeholders": 100.0, "present": 100.0}
    assert scored(ExactMatch(), *zip(texts, texts, strict=True)) == {"exact_match": 100.0}
    pairs = list(zip(texts, rng.sample(texts, len(texts)), strict=True))
    for metric in (Placeholders(), ExactMatch()):
        first = scored(metric, *pairs)
        assert first == scored(metric, *reversed(pairs))
        assert all(0 < value < 100 for value in first.values())


def test_missing_answers_are_wrong_and_do_not_fail():
    assert ExactMatch().count({}, {"target": "a"}) == {"right": 0, "all": 1}
    assert Placeholders().count({}, {"target": "{a}"}) == {"right": 0, "all": 1, "right_present": 0, "present": 1}
    assert Placeholders().count({"target": "{a}"}, {"target": None}) == {
        "right": 0,
        "all": 1,
        "right_present": 0,
        "present": 0,
    }
