"""Words change places with their synonyms."""

from __future__ import annotations

import random

import pytest

from lamcore import LamcoreError
from lamcore_augment import Thesaurus

SETS = "lamp\tlight\tLED lamp\nturn on\tstart\nstart\tbegin\nMond\tTrabant\n"


@pytest.fixture
def thesaurus(tmp_path):
    def thesaurus(text=SETS, **settings):
        file = tmp_path / "thesaurus.tsv"
        file.write_text(text, encoding="utf-8")
        return Thesaurus(**{"file": str(file), "rate": 1, "records": 1, **settings})

    return thesaurus


def outcomes(step, text):
    return {step.apply([{"id": "1", "input": text}], random.Random(seed))[0]["input"] for seed in range(100)}


def test_a_word_becomes_any_other_of_its_sets(thesaurus):
    assert outcomes(thesaurus(), "the lamp") == {"the light", "the LED lamp"}
    assert outcomes(thesaurus(), "start it") == {"turn on it", "begin it"}


def test_the_case_of_the_word_that_goes_is_kept(thesaurus):
    assert outcomes(thesaurus(), "(Begin)") == {"(Start)"}
    assert outcomes(thesaurus(), "BEGIN!") == {"START!"}
    assert outcomes(thesaurus(), "der mond") == {"der Trabant"}


@pytest.mark.parametrize(
    "text", ["lamps", "sublamp", "lamp2", "{lamp}", "<lamp>", "http://lamp.lamp", "a@lamp", "turn on"]
)
def test_only_whole_words_are_replaced(thesaurus, text):
    assert outcomes(thesaurus(), text) == {text}


def test_rates_are_shares_of_words_and_of_records(thesaurus):
    [new] = thesaurus(rate=0.1).apply([{"id": "1", "input": "lamp " * 10_000}], random.Random(1))
    assert 8900 < sum(word == "lamp" for word in new["input"].replace("LED lamp", "").split()) < 9100
    records = [{"id": "1", "input": "lamp"}] * 4000
    assert 900 < sum(new is not records[0] for new in thesaurus(records=0.25).apply(records, random.Random(1))) < 1100


def test_columns_can_be_chosen_and_those_that_are_absent_are_passed_over(thesaurus):
    record = {"id": "1", "input": "lamp", "target": "Mond", "context": None}
    [new] = thesaurus(columns=["target", "context", "absent"]).apply([record], random.Random(1))
    assert new == {**record, "target": "Trabant"}


def test_a_set_of_one_word_is_refused_with_its_line(thesaurus, tmp_path):
    step = thesaurus("a\tb\nalone\n", file=str(tmp_path / "one.tsv"))
    (tmp_path / "one.tsv").write_text("a\tb\nalone\n", encoding="utf-8")
    with pytest.raises(LamcoreError, match=r"one.tsv:2:1: fewer than two synonyms stand here - put tabs"):
        step.apply([{"id": "1", "input": "a"}], random.Random(1))


def test_shares_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"rate must be between 0 and 1, not 1.5"):
        Thesaurus(rate=1.5)
