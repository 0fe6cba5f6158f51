"""What is hidden, what is read and what is learnt."""

from __future__ import annotations

import random
from collections import Counter
from statistics import mean
from typing import Any

import pytest

from lamcore_unsupervised import Denoise, Masked, Side
from lamcore_unsupervised.spans import even_lengths, placed, poisson_lengths

WORDS = [f"w{number}" for number in range(10_000)]
TEXT = " ".join(WORDS)


def made(step: Any, seed: int = 1, **record: Any) -> dict[str, Any]:
    return step.apply([{"id": "1", "input": "", **record}], random.Random(seed))[0]


def outcomes(step: Any, seeds: int = 400, **record: Any) -> set[tuple[str, str]]:
    return {(new["input"], new["target"]) for new in (made(step, seed, **record) for seed in range(seeds))}


# ---- spans


def test_spans_are_placed_in_every_way_that_keeps_a_word_between_them():
    found = Counter(tuple(placed(4, [1, 1], random.Random(seed))) for seed in range(3000))
    assert set(found) == {((0, 1), (2, 1)), ((0, 1), (3, 1)), ((1, 1), (3, 1))}
    assert all(900 < times < 1100 for times in found.values())


def test_spans_that_find_no_room_become_one():
    assert placed(3, [1, 1, 1], random.Random(1)) == [(0, 3)]
    assert all(sum(n for _, n in placed(5, [2, 1, 1], random.Random(seed))) == 4 for seed in range(50))


def test_lengths_follow_a_poisson_distribution():
    lengths = poisson_lengths(30_000, 3.0, random.Random(1))
    assert sum(lengths) == 30_000
    assert 2.9 < mean(lengths) < 3.1
    assert 0.045 < lengths.count(0) / len(lengths) < 0.055  # e^-3 = 0.0498
    assert 0.21 < lengths.count(3) / len(lengths) < 0.24  # 9/2 e^-3 = 0.224


@pytest.mark.parametrize(("words", "count"), [(1, 1), (4, 1), (5, 2), (9, 3), (30, 10)])
def test_even_lengths_are_as_many_as_make_the_mean(words, count):
    for seed in range(20):
        lengths = even_lengths(words, 3.0, random.Random(seed))
        assert (len(lengths), sum(lengths)) == (count, words) and min(lengths) >= 1


# ---- denoise


def test_the_input_becomes_the_target_with_words_hidden():
    step = Denoise(rate=0.5, span=1)
    found = outcomes(step, target="a b")
    assert {("<mask> b", "a b"), ("a <mask>", "a b")} <= found
    assert {target for _, target in found} == {"a b"}


def test_the_rate_is_the_share_of_hidden_words():
    for rate in (0.0, 0.3, 1.0):
        read = made(Denoise(rate=rate), target=TEXT)["input"].split()
        assert sum(word != "<mask>" for word in read) == round(10_000 * (1 - rate))
    assert made(Denoise(rate=1), target="a b c")["input"] == "<mask>"


def test_words_that_are_shown_keep_their_order_unless_they_are_shuffled():
    read = made(Denoise(), target=TEXT)["input"].split()
    numbers = [int(word[1:]) for word in read if word != "<mask>"]
    assert numbers == sorted(numbers)
    shuffled = [int(word[1:]) for word in made(Denoise(rate=0, distance=3), target=TEXT)["input"].split()]
    assert sorted(shuffled) == list(range(10_000))
    assert {abs(place - number) for place, number in enumerate(shuffled)} == {0, 1, 2, 3}


def test_dropped_words_leave_no_mask_and_never_nothing():
    step = Denoise(rate=0, drop=0.2)
    assert 7800 < len(made(step, target=TEXT)["input"].split()) < 8200
    assert {read for read, _ in outcomes(Denoise(rate=0, drop=1), target="a b")} == {"a", "b"}


def test_tags_stay_before_the_input_and_are_no_words():
    assert made(Denoise(rate=1), input="<2de> <x> Hund", target="ein Hund")["input"] == "<2de> <x> <mask>"
    new = made(Denoise(clean=Side.input, rate=1), input="<2en> a dog", target="ein Hund")
    assert (new["input"], new["target"]) == ("<2en> <mask>", "a dog")


def test_both_texts_are_in_the_language_of_the_clean_one():
    languages = {"input_lang": "en", "target_lang": "de"}
    new = made(Denoise(), input="a dog", target="ein Hund", **languages)
    assert (new["input_lang"], new["target_lang"]) == ("de", "de")
    new = made(Masked(clean=Side.input), input="a dog", target="ein Hund", **languages)
    assert (new["input_lang"], new["target_lang"]) == ("en", "en")
    assert "input_lang" not in made(Denoise(), target="ein Hund", target_lang="de")


@pytest.mark.parametrize("cls", [Denoise, Masked])
def test_pairs_stay_pairs_and_a_share_of_the_rest_is_touched(cls):
    pair = {"id": "1", "input": "a dog", "target": "ein Hund", "raw": False}
    assert cls().apply([pair], random.Random(1)) == [pair]
    raw = {"id": "1", "input": "ein Hund läuft", "target": "ein Hund läuft", "raw": True}
    new = cls(records=0.25).apply([raw] * 4000, random.Random(1))
    assert 900 < sum(one is not raw for one in new) < 1100


def test_an_empty_text_stays_empty():
    assert made(Denoise(), target="")["input"] == ""
    assert made(Masked(), target="")["input"] == ""


# ---- masked


def test_hidden_spans_are_asked_for_behind_their_sentinels():
    found = outcomes(Masked(rate=0.4, span=2), target="a b c d e")
    assert found == {
        ("<extra_id_0> c d e", "<extra_id_0> a b <extra_id_1>"),
        ("a <extra_id_0> d e", "<extra_id_0> b c <extra_id_1>"),
        ("a b <extra_id_0> e", "<extra_id_0> c d <extra_id_1>"),
        ("a b c <extra_id_0>", "<extra_id_0> d e <extra_id_1>"),
    }


def test_read_and_learnt_make_the_text_again():
    for seed in range(200):
        new = made(Masked(rate=0.5, span=1.5), seed, target="a b c d e f g h i")
        learnt = new["target"]
        text = new["input"]
        for number in range(10):
            behind = learnt.partition(f"<extra_id_{number}>")[2].partition("<extra_id_")[0].strip()
            text = text.replace(f"<extra_id_{number}>", behind)
        assert text == "a b c d e f g h i"


def test_there_are_no_more_spans_than_sentinels_but_one():
    new = made(Masked(rate=0.5, span=1, sentinels=3), target=TEXT)
    assert new["input"].count("<extra_id_") == 2
    assert new["target"].endswith(" <extra_id_2>")
    assert Masked(sentinels=3).symbols == ["<extra_id_0>", "<extra_id_1>", "<extra_id_2>"]


def test_at_least_one_word_is_hidden_and_never_all():
    assert outcomes(Masked(rate=0), target="a b") == outcomes(Masked(rate=1), target="a b") == {
        ("<extra_id_0> b", "<extra_id_0> a <extra_id_1>"), ("a <extra_id_0>", "<extra_id_0> b <extra_id_1>"),
    }  # fmt: skip
    assert outcomes(Masked(), target="a") == {("a", "<extra_id_0>")}


@pytest.mark.parametrize(
    ("cls", "settings", "words"),
    [
        (Denoise, {"rate": 1.5}, "rate must be between 0 and 1, not 1.5"),
        (Denoise, {"drop": -1}, "drop must be between 0 and 1, not -1"),
        (Masked, {"records": 2}, "records must be between 0 and 1, not 2"),
        (Denoise, {"span": 0.5}, "span must be 1 or more, not 0.5"),
        (Masked, {"span": 0}, "span must be 1 or more, not 0"),
        (Denoise, {"distance": -1}, "distance must be 0 or more, not -1"),
        (Denoise, {"mask": "a b"}, "mask must be a text without spaces, not 'a b'"),
        (Masked, {"sentinels": 1}, "sentinels must be 2 or more, not 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(cls, settings, words):
    with pytest.raises(ValueError, match=words):
        cls(**settings)
