"""swap_slots: what changes places with what, and what stays."""

from __future__ import annotations

import random

import pytest

from lamcore.testing import AugmenterContract
from lamcore_actions import SwapSlots
from lamcore_actions.swap import spans


class TestSwapSlots(AugmenterContract):
    component = SwapSlots(rate=0.5)
    records = SwapSlots.example_records()
    varies = ("input", "tokens", "tags")


ALL = SwapSlots(rate=1.0)


def record(name: str, text: str, tags: str) -> dict[str, object]:
    return {"id": name, "input": text, "tokens": text.split(), "tags": tags.split(), "intent": "play"}


def test_a_value_goes_only_where_the_same_slot_stands_and_takes_its_tags_along():
    long = record("1", "play the last song by abba", "O B-track I-track I-track O B-artist")
    short = record("2", "hear rain", "O B-track")
    made = {(one["input"], *one["tags"]) for seed in range(20) for one in ALL.apply([long, short], random.Random(seed))}
    assert made == {
        ("play the last song by abba", "O", "B-track", "I-track", "I-track", "O", "B-artist"),
        ("play rain by abba", "O", "B-track", "O", "B-artist"),
        ("hear rain", "O", "B-track"),
        ("hear the last song", "O", "B-track", "I-track", "I-track"),
    }


def test_tokens_tags_and_input_stay_in_step_and_the_intent_stays():
    for seed in range(20):
        for one in SwapSlots(rate=0.5).apply(SwapSlots.example_records(), random.Random(seed)):
            assert len(one["tokens"]) == len(one["tags"])
            assert one["input"] == " ".join(one["tokens"])
            assert one["intent"] == "play"


def test_records_without_tags_stay_as_they_are():
    plain = [{"id": "1", "input": "hello there"}, {"id": "2", "input": "x  y", "tokens": [], "tags": None}]
    assert ALL.apply(plain, random.Random(1)) == plain


def test_a_slot_begins_at_b_and_at_an_i_that_continues_nothing():
    tags = "B-a I-a B-a O I-b I-b I-a".split()
    assert list(spans(tags)) == [("a", 0, 2), ("a", 2, 3), ("b", 4, 6), ("a", 6, 7)]
    assert list(spans([])) == []


def test_a_share_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="rate must be between 0 and 1, not 1.5"):
        SwapSlots(rate=1.5)
