"""The step `placeholders`: down to the model and back up to the user."""

from __future__ import annotations

import random
from typing import Any

import pytest

from lamcore_clean import Placeholders

PLURAL = "{count, plural, one {# item} other {# items}}"


def pair(input: str, target: str) -> tuple[str, str]:
    new = Placeholders().change({"input": input, "target": target})
    assert new is not None
    return new["input"], new["target"]


def test_what_an_answer_has_to_begin_with_gets_the_same_marks():
    new = Placeholders().change({"input": "the roof of {somebody}", "target": "", "prefix": "das {somebody}"})
    assert new == {"input": "the roof of <0>", "target": "", "prefix": "das <0>"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (("Hi {name}", "Hallo {name}"), ("Hi <0>", "Hallo <0>")),
        (("{b} then {a} then {b}", "{a} nach {b}"), ("<0> then <1> then <0>", "<1> nach <0>")),
        ((f"You have {PLURAL}", f"{PLURAL} da"), ("You have <0>", "<0> da")),
        (("Hi {name}", "Hallo {other}"), ("Hi <0>", "Hallo {other}")),
        (("no mark", "{only} here"), ("no mark", "{only} here")),
        (("{{ states('x') }} {}", "{} {{ states('x') }}"), ("<0> <1>", "<1> <0>")),
        (("open { and {a}", "zu } und {a}"), ("open { and <0>", "zu } und <0>")),
        (("{a} and <0> and <7>", "<0> {a}"), ("<0> and <1> and <8>", "<1> <0>")),
        (("only <0>", "nur <0>"), ("only <0>", "nur <0>")),
        (("{a} <b> <01> <-1> <٣>", "x"), ("<0> <b> <01> <-1> <٣>", "x")),
    ],
)
def test_placeholders_are_numbered_by_the_input(record, expected):
    assert pair(*record) == expected


def test_numbers_do_not_depend_on_the_target():
    assert pair("{a} {b}", "{b} {a}")[0] == pair("{a} {b}", "")[0] == "<0> <1>"


def test_answers_get_their_placeholders_back():
    record = {"input": "{a} is {b}", "target": ""}
    answer = {"target": "<1> ist <0>, <1>", "score": -1.5}
    assert Placeholders().undo(answer, record) == {"target": "{b} ist {a}, {b}", "score": -1.5}
    assert answer == {"target": "<1> ist <0>, <1>", "score": -1.5}


def test_a_mark_that_the_input_lacks_stays_visible():
    undo = Placeholders().undo
    assert undo({"target": "<0> <1> <9>"}, {"input": "{a}"}) == {"target": "{a} <0> <8>"}
    assert undo({"target": "<0>"}, {"input": "nothing"}) == {"target": "<0>"}


def test_a_placeholder_that_looks_like_a_mark_is_not_read_twice():
    assert Placeholders().undo({"target": "<0> <1>"}, {"input": "{<1>} {b}"}) == {"target": "{<1>} {b}"}


def test_alternatives_are_turned_back_too():
    answer: dict[str, Any] = {"target": "<0>", "alternatives": [{"target": "x <0>", "score": -1.0}, {"target": "y"}]}
    assert Placeholders().undo(answer, {"input": "{a}"}) == {
        "target": "{a}",
        "alternatives": [{"target": "x {a}", "score": -1.0}, {"target": "y"}],
    }
    assert answer["alternatives"][0]["target"] == "x <0>"


def test_other_columns_can_be_named():
    step = Placeholders(source="question", columns=["reply"])
    record = {"question": "{a}?", "reply": "{a}!", "target": "{a}"}
    assert step.change(record) == {"question": "<0>?", "reply": "<0>!", "target": "{a}"}
    assert step.undo({"reply": "<0>", "target": "<0>"}, record) == {"reply": "{a}", "target": "<0>"}


def test_the_given_record_is_not_altered():
    record = {"input": "{a}", "target": "{a}"}
    Placeholders().change(record)
    assert record == {"input": "{a}", "target": "{a}"}


def test_any_record_comes_back_as_it_was():
    rng, step = random.Random(7), Placeholders()
    pieces = ["{a}", "{b}", "{}", "{", "}", "<", ">", "<0>", "<1>", "<2>", "<01>", "0", "1", " ", "x", PLURAL, "{<0>}"]
    for _ in range(5000):
        record = {column: "".join(rng.choices(pieces, k=rng.randrange(9))) for column in ("input", "target")}
        new = step.change(record)
        assert new is not None
        assert step.undo({"target": new["target"]}, record) == {"target": record["target"]}
        assert step.undo({"target": new["input"]}, record) == {"target": record["input"]}
