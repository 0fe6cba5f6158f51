"""What each kind of noise does to words."""

from __future__ import annotations

import random
from typing import Any

import pytest

from lamcore_noise import CaseNoise, DropWords, Keyboard, SwapWords, Typos
from lamcore_noise.typos import neighbours


def outcomes(step: Any, text: str, seeds: int = 300) -> set[str]:
    return {step.apply([{"input": text}], random.Random(seed))[0]["input"] for seed in range(seeds)}


def test_keys_touch_their_neighbours():
    assert sorted(neighbours(Keyboard.qwerty)["g"]) == sorted("fhtyvb")
    assert sorted(neighbours(Keyboard.qwerty)["q"]) == sorted("wa")
    assert sorted(neighbours(Keyboard.qwertz)["p"]) == sorted("oüöl")
    assert sorted(neighbours(Keyboard.azerty)["a"]) == sorted("zq")


@pytest.mark.parametrize("keyboard", list(Keyboard))
def test_touching_is_mutual(keyboard):
    near = neighbours(keyboard)
    assert all(key in near[other] for key, others in near.items() for other in others)


def test_a_word_gets_exactly_one_typing_error():
    beside = {"wa", "aa"} | {"qq", "qw", "qs", "qz"}  # q touches w and a; a touches q, w, s and z
    assert outcomes(Typos(rate=1, records=1), "qa") == beside | {"aq"} | {"q", "a"} | {"qqa", "qaa"}


def test_typos_keep_capitals_punctuation_and_unknown_letters():
    step = Typos(rate=1, records=1)
    assert outcomes(step, "(Q)") == {"(W)", "(A)", "(QQ)"}
    assert outcomes(step, "ж") == {"жж"}


def test_every_chosen_word_changes():
    step = Typos(rate=1, records=1)
    for seed in range(200):
        [new] = step.apply([{"input": "aa llll I o'clock"}], random.Random(seed))
        assert all(
            one != other for one, other in zip(new["input"].split(" "), ["aa", "llll", "I", "o'clock"], strict=True)
        )


def test_dropped_words_leave_no_space_behind():
    assert outcomes(DropWords(rate=0.5, records=1), "a b c") == {"a b c", "a b", "a c", "b c", "a", "b", "c"}


def test_dropping_all_words_leaves_one_of_them():
    assert outcomes(DropWords(rate=1, records=1), "a b c") == {"a", "b", "c"}
    assert outcomes(DropWords(rate=1, records=1), "a b {c}") == {"{c}"}


def test_swapped_words_are_neighbours_at_distance_one():
    assert outcomes(SwapWords(rate=0.5, records=1, distance=1), "a b c") == {"a b c", "b a c", "a c b"}


def test_no_word_moves_further_than_the_distance():
    words = [chr(ord("a") + n) for n in range(20)]
    moves = set()
    for seed in range(300):
        [new] = SwapWords(rate=0.6, records=1, distance=3).apply([{"input": " ".join(words)}], random.Random(seed))
        now = new["input"].split(" ")
        assert sorted(now) == words
        moves |= {abs(now.index(word) - place) for place, word in enumerate(words)}
    assert moves == {0, 1, 2, 3}


def test_fixed_words_keep_their_place_when_others_swap():
    assert outcomes(SwapWords(rate=1, records=1, distance=2), "a {x} b") == {"b {x} a"}
    assert outcomes(SwapWords(rate=1, records=1, distance=1), "a {x} b") == {"a {x} b"}


def test_a_distance_of_zero_is_refused():
    with pytest.raises(ValueError, match="distance must be 1 or more, not 0"):
        SwapWords(distance=0)


def test_case_changes_to_one_it_was_not():
    step = CaseNoise(rate=1, records=1)
    assert outcomes(step, "lamp") == {"LAMP", "Lamp"}
    assert outcomes(step, "Lamp") == {"LAMP", "lamp"}
    assert outcomes(step, "A") == {"a"}
    assert outcomes(step, "iPhone") == {"iphone", "IPHONE", "Iphone"}
    assert outcomes(step, "東京") == {"東京"}


def test_the_rate_is_the_share_of_words():
    text = " ".join(["word"] * 10_000)
    for step in (Typos(rate=0.1, records=1), CaseNoise(rate=0.1, records=1)):
        [new] = step.apply([{"input": text}], random.Random(1))
        assert 900 < sum(word != "word" for word in new["input"].split(" ")) < 1100
    [new] = DropWords(rate=0.1, records=1).apply([{"input": text}], random.Random(1))
    assert 8900 < len(new["input"].split(" ")) < 9100
