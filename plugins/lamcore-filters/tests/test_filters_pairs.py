"""Length ratio, copies, numbers, placeholders; scripts, letters, languages."""

from __future__ import annotations

from typing import Any

import pytest

from lamcore import LamcoreError
from lamcore_filters import Alphabet, Characters, Copies, Language, LengthRatio, Numbers, PlaceholderMatch, Unit


def pair(input: str, target: str, **more: Any) -> dict[str, Any]:
    return {"id": "one", "input": input, "target": target, **more}


def kept(step: Any, input: str, target: str, **more: Any) -> bool:
    record = pair(input, target, **more)
    new = step.change(record)
    assert new is None or new is record
    return new is not None


EVERY = [LengthRatio(), Characters(), Alphabet(), Copies(), Numbers(), PlaceholderMatch(), Language()]


@pytest.mark.parametrize("step", EVERY, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize(
    "record", [pair("7 {a} Пример", ""), pair(" ", "x"), {"id": "1", "input": "x"}, pair("x", [1])]
)  # type: ignore[arg-type]
def test_a_record_without_both_texts_is_not_judged(step, record):
    assert step.change(record) is record


def test_vowel_signs_are_letters_as_opusfilter_counts_them():
    text = "বাংলা ভাষায় লেখা একটি বাক্য"
    assert Alphabet().scores([pair(text, text)]) == [pytest.approx(22 / 28)]


@pytest.mark.parametrize("step", [LengthRatio, Copies, Numbers, PlaceholderMatch])
def test_filters_that_compare_want_two_columns(step):
    with pytest.raises(ValueError, match=r"columns must be two, the text and its translation, not \['input'\]"):
        step(columns=["input"])


@pytest.mark.parametrize("step", [Characters, Alphabet, Copies, Numbers, Language])
def test_a_share_above_one_is_refused(step):
    with pytest.raises(ValueError, match=r"threshold must be between 0 and 1, not 1\.5"):
        step(threshold=1.5)


def test_other_columns_can_be_compared():
    step = Copies(columns=["question", "answer"])
    assert step.change({"id": "1", "question": "same", "answer": "same"}) is None


# ------------------------------------------------------------------------------------------------------ length_ratio


def test_a_ratio_of_three_words_to_one_is_dropped():
    assert LengthRatio().scores([pair("a b", "c d e"), pair("a b c", "d")]) == [1.5, 3.0]
    assert kept(LengthRatio(), "a b", "c d e f g")
    assert not kept(LengthRatio(), "a b c", "d")


def test_characters_can_be_counted():
    assert LengthRatio(unit=Unit.character).scores([pair("abcd", "ab")]) == [2.0]


def test_a_ratio_of_one_as_bound_is_refused():
    with pytest.raises(ValueError, match=r"threshold must be more than 1, not 1\.0"):
        LengthRatio(threshold=1.0)


# ------------------------------------------------------------------------------------------------------------ copies


def test_similarity_is_one_less_the_share_of_edits():
    assert Copies().scores([pair("abcd", "abcd"), pair("abcd", "abxd"), pair("ab", "xyzw")]) == [1.0, 0.75, 0.0]
    assert not kept(Copies(), "Press the red button", "Press the red button.")
    assert kept(Copies(), "Press the red button", "Drücke den roten Knopf")


def test_case_counts_unless_it_is_left_out():
    assert Copies().scores([pair("AB", "ab")]) == [0.0]
    assert Copies(lowercase=True).scores([pair("AB", "ab")]) == [1.0]


# ----------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("input", "target", "score"),
    [
        ("no digit", "keine Ziffer", 1.0),
        ("in 1984", "im Jahr 1984", 1.0),
        ("10.50 $", "10,5 $", 1.0),  # zeros don't count
        ("in 1984", "im Jahr 1985", 0.75),  # 3 of 4 match, twice over 8
        ("12", "34", 0.0),
        ("at 5", "um fünf", 0.0),
        ("3 and 4", "4 und 3", 0.5),  # order counts
    ],
)
def test_numbers_compare_digits_without_zeros_in_order(input, target, score):
    assert Numbers().scores([pair(input, target)]) == [score]


def test_half_of_the_digits_is_enough_unless_all_are_asked_for():
    assert kept(Numbers(), "3 and 4", "4 und 3")
    assert not kept(Numbers(threshold=1.0), "in 1984", "im Jahr 1985")


# ------------------------------------------------------------------------------------------------- placeholder_match


@pytest.mark.parametrize(
    ("input", "target"),
    [
        ("Hi {name}, {n} new", "{n} neue, {name}"),
        ("{ name }", "{name}"),
        ("{n, plural, one {# day} other {# days}}", "{n,plural,one {# Tag} other {# Tage}}"),
        ("%s of %d", "%2$d von %1$s"),
        ("%(a)s and %(b)d", "%(b)d und %(a)s"),
        ("Open %PRODUCTNAME", "%PRODUCTNAME öffnen"),
        ("$[officename] help", "Hilfe zu $[officename]"),
        ('<a href="x">here</a><br/>', '<a href="y" title="z">hier</a><br>'),
        ("See https://a.org/x.", "https://a.org/x ansehen"),
        ("100% sure, 5 % done", "zu 100% sicher, 5 % fertig"),
        ("2 < 3 and 5 > 4", "2 kleiner als 3"),
        ("brace } {", "Klammer"),
        ("plain", "einfach"),
    ],
)
def test_marks_that_match_in_any_order_stay(input, target):
    assert kept(PlaceholderMatch(), input, target)


@pytest.mark.parametrize(
    ("input", "target"),
    [
        ("Hi {name}", "Hallo {nom}"),
        ("Hi {name}", "Hallo"),
        ("{a} {a}", "{a}"),
        ("{n, plural, one {a} other {b}}", "{n, select, one {a} other {b}}"),
        ("%s of %d", "%s von %s"),
        ("<b>now</b>", "<b>jetzt"),
        ("<b>now</b>", "<i>jetzt</i>"),
        ("see https://a.org/x", "siehe https://a.org/y"),
        ("$[officename]", "$[productname]"),
    ],
)
def test_a_mark_that_the_other_text_lacks_drops_the_record(input, target):
    assert not kept(PlaceholderMatch(), input, target)


@pytest.mark.parametrize("piece", ["{", "}", "<a ", "%", "https://", "<", "%(", "$["])
def test_hostile_text_takes_no_time(piece):
    assert kept(PlaceholderMatch(), piece * 5000, piece * 5000)


# ----------------------------------------------------------------------------------------------- characters, alphabet


def test_letters_of_another_script_are_found_and_digits_don_t_count():
    step = Characters(scripts=["Latin", "Cyrillic"])
    assert step.scores([pair("a 1!", "Привет, 2"), pair("a", "Привеt"), pair("a", "12")]) == [1.0, 5 / 6, 1.0]
    assert not kept(step, "a", "Привеt")
    assert kept(Characters(scripts=["Latin", "Cyrillic"], threshold=0.8), "a", "Привеt")


def test_accents_and_ligatures_are_latin():
    assert Characters().scores([pair("naïve", "Straßenfuß, ŒUVRE, cafe\u0301")]) == [1.0]


def test_the_worst_text_counts():
    assert Characters().scores([pair("abcд", "ab")]) == [0.75]
    assert Alphabet().scores([pair("ab", "a1")]) == [0.5]


def test_a_script_that_unicode_lacks_is_refused():
    with pytest.raises(ValueError, match="Unicode has no script 'Klingon', but Latin"):
        Characters(scripts=["Latin", "Klingon"])
    with pytest.raises(ValueError, match=r"scripts must be one a column \(input, target\)"):
        Characters(scripts=["Latin"])


def test_white_space_counts_as_no_letter_unless_it_is_excluded():
    assert Alphabet().scores([pair("ab c", "abcd")]) == [0.75]
    assert kept(Alphabet(), "ab c", "abcd")
    assert not kept(Alphabet(), "a b c", "abcd")
    assert Alphabet(exclude_whitespace=True).scores([pair("a b c", "abcd")]) == [1.0]


# ---------------------------------------------------------------------------------------------------------- language

EN, DE = "The dog runs quickly across the green meadow.", "Der Hund läuft schnell über die grüne Wiese."


def test_texts_in_the_languages_of_their_columns_stay():
    assert kept(Language(), EN, DE, input_lang="en-US", target_lang="de")
    assert not kept(Language(), DE, EN, input_lang="en", target_lang="de")
    assert not kept(Language(), EN, EN, input_lang="en", target_lang="de")


def test_the_setting_goes_before_the_columns():
    assert kept(Language(languages=["de", "en"]), DE, EN, input_lang="en", target_lang="de")


def test_the_score_is_the_least_confidence_and_zero_for_another_language():
    step = Language(languages=["en", "de"], langid_languages=["en", "de"])
    good, bad = step.scores([pair(EN, DE), pair(EN, EN)])
    assert bad == 0.0
    assert good is not None and 0.99 < good <= 1.0


def test_fewer_languages_to_choose_from_suit_short_texts():
    short = pair("Tom is vain.", "Tom ist eitel.")
    assert Language(languages=["en", "de"]).change(short) is None
    assert Language(languages=["en", "de"], langid_languages=["en", "de"]).change(short) is short


def test_a_record_that_does_not_say_its_language_is_refused_with_what_to_do():
    with pytest.raises(
        LamcoreError, match=r"record 'one' has no column input_lang .* set language.languages=\[en,de\]"
    ):
        Language().change(pair(EN, DE))


def test_a_language_that_is_not_known_is_refused():
    with pytest.raises(LamcoreError, match="'xx' is none of the languages that are told apart: "):
        Language(languages=["en", "xx"]).change(pair(EN, DE))
    with pytest.raises(LamcoreError, match="langid_languages: py3langid does not know xx, but ace, af, "):
        Language(languages=["en", "de"], langid_languages=["en", "xx"]).change(pair(EN, DE))
    with pytest.raises(ValueError, match=r"languages must be one a column \(input, target\), not \['en'\]"):
        Language(languages=["en"])
