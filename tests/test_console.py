"""What a person sees: any text is shown as text, whatever it holds."""

from __future__ import annotations

import json

import pytest

from lamcore import console

HOSTILE = "a\x1b[31mred\x1b]0;title\x07 [bold]x[/x] :smile: \r\n\x9b1m ‮evil⁦ [link=http://x]y[/link]"


@pytest.fixture
def shown(monkeypatch, capsys):
    """Give shown(function, *words): what it prints on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "600")

    def call(function, *words):
        function(*words)
        return capsys.readouterr().out

    return call


def raw(text):
    return {c for c in text if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c in "‎‏‪‫‬‭‮⁦⁧⁨⁩"}


def test_control_escape_and_direction_characters_are_written_out():
    assert console.safe("a\x1b[31m\x07\r\n\x7f\x9b‮⁩؜") == ("a\\x1b[31m\\x07\\x0d\\x0a\\x7f\\x9b\\u202e\\u2069\\u061c")
    assert console.safe("ü stays, 日本 and \U0001f600") == "ü stays, 日本 and \U0001f600"
    assert console.safe(3.5) == "3.5"


def test_half_a_character_can_be_printed():
    assert console.safe("x\ud800y") == "x\\ud800y"


def test_a_table_holds_no_control_character_and_takes_nothing_for_markup(shown):
    text = shown(console.table, ("input", "answer"), [(HOSTILE, HOSTILE)])
    assert not raw(text)
    assert text.count("[bold]x[/x] :smile:") == 2 and "[link=http://x]y[/link]" in text and "\\x1b[31m" in text


def test_scores_of_any_name_are_safe(shown):
    text = shown(console.scores, {HOSTILE: {HOSTILE: {"value": 0.5, "low": 0.25, "high": 0.75, "signature": HOSTILE}}})
    assert not raw(text) and text.count("[/x] :smile:") == 4


def test_a_score_is_shown_with_its_interval_and_how_it_was_made(shown):
    scores = {
        "test": {"bleu": {"value": 34.25, "low": 33.0, "high": 35.5, "signature": "nrefs:1"}, "x": {"value": 1.0}}
    }
    lines = [line.split() for line in shown(console.scores, scores).splitlines()]
    assert ["test", "bleu", "34.25", "33.00", "to", "35.50"] in lines and ["test", "x", "1.00"] in lines
    assert lines[-1] == ["bleu:", "nrefs:1"]


def test_facts_are_a_table_without_empty_columns_or_json(shown):
    found = [
        {"a": "x\x1b", "b": "", "c": {"metric": ["bleu", "chrf"]}, "d": 3},
        {"a": "y", "b": "", "c": {}, "d": None},
    ]
    lines = [line.split() for line in shown(console.facts, found, False).splitlines()]
    assert lines == [["a", "c", "d"], ["x\\x1b", "metric:", "bleu,", "chrf", "3"], ["y", "null"]]
    assert json.loads(shown(console.facts, found, True)) == found
    assert shown(console.facts, [], True) == "[]\n"


def test_an_interval_of_a_score_between_nought_and_one_can_be_told_from_a_point(shown):
    scores = {"test": {"same": {"value": 0.523, "low": 0.511, "high": 0.534}}}
    assert "0.51 to 0.53" in shown(console.scores, scores)


def test_an_answer_is_its_only_text_or_canonical_json():
    assert console.answer_text({"target": "ja", "score": -1.5, "alternatives": []}) == "ja"
    assert console.answer_text({"tags": ["b"], "intent": "ü"}) == '{"intent": "ü", "tags": ["b"]}'


def test_a_line_to_copy_is_never_broken(shown, monkeypatch):
    monkeypatch.setattr(console, "console", _narrow(console.console))
    assert shown(console.say, "lam predict " + "long/" * 40) == "lam predict " + "long/" * 40 + "\n"


def _narrow(make):
    def narrow(*words):
        made = make(*words)
        made.width = 40
        return made

    return narrow
