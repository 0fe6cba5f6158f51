"""The tag that tells the language to write."""

from __future__ import annotations

import pytest

from lamcore import LamcoreError
from lamcore.kinds import TokenizerPlan
from lamcore.tokenizer import learn
from lamcore_clean import LanguageTag


def test_the_language_to_write_stands_before_the_input_and_nothing_else_changes():
    record = {"id": "1", "input": "A dog.", "target": "Ein Hund.", "input_lang": "en", "target_lang": "de"}
    assert LanguageTag().change(record) == record | {"input": "<2de> A dog."}
    assert record["input"] == "A dog."


@pytest.mark.parametrize("empty", [{}, {"target_lang": None}, {"target_lang": ""}])
def test_a_record_without_a_language_gets_the_one_that_is_set_or_is_refused(empty):
    record = {"id": "r7", "input": "A dog.", **empty}
    assert LanguageTag(language="fr").change(record)["input"] == "<2fr> A dog."
    with pytest.raises(LamcoreError) as caught:
        LanguageTag().change(record)
    assert str(caught.value) == (
        "Record 'r7' has no target_lang: give it one, or set language_tag.language to what records without it get."
    )


def test_a_tag_among_the_symbols_is_one_piece_and_words_are_cut_as_without_it():
    plan = TokenizerPlan(size=20, symbols=["<2de>"])
    tokenizer = learn(plan, {"input": ["a dog and a cat", "a cat and a dog"] * 3})["input"]
    assert tokenizer.pieces("<2de> a dog") == ["<2de>", *tokenizer.pieces("a dog")]
