"""The step `normalise`."""

from __future__ import annotations

from typing import Any

import pytest

from lamcore_clean import Case, Form, Normalise


def normalised(text: str, **settings: Any) -> str:
    record = Normalise(**settings).change({"input": text})
    assert record is not None
    return record["input"]


def test_letters_are_composed_and_nothing_else_changes_by_default():
    assert normalised("scho\u0308n") == "sch\u00f6n"
    for text in ("Größe „neu“ – ﬁn ① Ａ", "plain", ""):
        assert normalised(text) == text


def test_nfkc_makes_full_width_letters_and_ligatures_plain():
    assert normalised("Ａ ﬁn ①", form=Form.nfkc) == "A fin 1"


def test_no_form_leaves_the_letters():
    assert normalised("scho\u0308n", form=Form.none) == "scho\u0308n"


def test_quotes_and_dashes_become_plain():
    assert normalised("„a“ »b« ‘c’ ‚d‘ 1–2 — x−y non‑stop", plain=True) == "\"a\" \"b\" 'c' 'd' 1-2 - x-y non-stop"


def test_lower_case_spares_placeholders():
    assert normalised("Turn ON {Device_Name}, {n, plural, one {Lamp} other {Lamps}} ÄRA", case=Case.lower) == (
        "turn on {Device_Name}, {n, plural, one {Lamp} other {Lamps}} ära"
    )


def test_only_the_named_columns_change_and_the_given_record_stays():
    record = {"input": "A", "target": "B"}
    assert Normalise(columns=["input"], case=Case.lower).change(record) == {"input": "a", "target": "B"}
    assert record == {"input": "A", "target": "B"}


@pytest.mark.parametrize("value", [None, 3, ["A"]])
def test_what_is_no_text_stays(value):
    assert Normalise(case=Case.lower).change({"input": value}) == {"input": value}
