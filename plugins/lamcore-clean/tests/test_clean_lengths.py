"""The step `length_filter`."""

from __future__ import annotations

import pytest

from lamcore_clean import LengthFilter, Unit


def kept(step: LengthFilter, input: str, target: str) -> bool:
    record = {"input": input, "target": target}
    new = step.change(record)
    assert new is None or new == record == {"input": input, "target": target}
    return new is not None


def test_the_defaults_are_one_to_a_hundred_words_and_less_than_three_times_as_many():
    step = LengthFilter()
    assert kept(step, "a b", "c d e f g")
    assert not kept(step, "a b", "c d e f g h")
    assert not kept(step, "a b c", "d")
    assert not kept(step, "a", " ")
    assert kept(step, "a " * 100, "b " * 100)
    assert not kept(step, "a " * 101, "b " * 100)


def test_every_text_must_be_long_enough():
    assert not kept(LengthFilter(least=2, ratio=0), "a b", "c")
    assert kept(LengthFilter(least=2, ratio=0), "a b", "c d")


def test_characters_can_be_counted():
    step = LengthFilter(unit=Unit.characters, least=2, most=5, ratio=2.0)
    assert kept(step, "ab", "abc")
    assert not kept(step, "ab", "abcd")
    assert not kept(step, "a", "a")
    assert not kept(step, "abcdef", "abcde")


def test_zero_is_no_bound():
    step = LengthFilter(least=0, most=0, ratio=0)
    assert kept(step, "", "a " * 1000)


def test_two_empty_texts_pass_and_one_does_not_where_empty_is_allowed():
    assert kept(LengthFilter(least=0), "", "")
    assert not kept(LengthFilter(least=0), "", "a")


def test_records_without_text_pass():
    assert LengthFilter().change({"audio": [1.0]}) == {"audio": [1.0]}
    assert LengthFilter().change({"input": "one text"}) == {"input": "one text"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"least": -1}, "least must be 0 or more, not -1"),
        ({"least": 5, "most": 4}, r"most must be 0 \(no bound\) or at least `least` \(5\), not 4"),
        ({"ratio": 0.5}, r"ratio must be 0 \(no bound\) or more than 1, not 0.5"),
    ],
)
def test_settings_that_would_drop_everything_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        LengthFilter(**settings)
