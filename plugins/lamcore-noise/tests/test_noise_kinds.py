"""What each kind of noise does to words."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from lamcore import LamcoreError
from lamcore.commands import rehearse
from lamcore.config import composed
from lamcore.plugins import load_plugins
from lamcore_noise import (
    CaseNoise,
    DropWords,
    Keyboard,
    Language,
    MaskSpans,
    OcrNoise,
    PunctuationNoise,
    SpeechNoise,
    SwapWords,
    Typos,
)
from lamcore_noise.ocr import confusions
from lamcore_noise.speech import alike
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


def test_a_scanner_takes_shapes_for_others_that_look_alike():
    step = OcrNoise(rate=1, records=1)
    assert outcomes(step, "rnw") == {"mw", "rhw", "ruw", "rnvv", "rniv"}
    assert outcomes(step, "(Ox)") == {"(0x)", "(Qx)", "(Dx)"}
    assert outcomes(step, "xx") == {"xx"}


def test_an_accent_is_lost_and_never_won():
    assert outcomes(OcrNoise(rate=1, records=1), "ä") == {"a"}
    assert outcomes(OcrNoise(rate=1, records=1), "o") == {"0", "c"}
    assert (confusions()["m"], confusions()["ß"]) == (("rn", "nn"), ("B",))


def test_numbers_are_misread_when_everything_may_be():
    assert outcomes(OcrNoise(rate=1, records=1), "10") == {"10"}
    assert outcomes(OcrNoise(rate=1, records=1, everything=True), "10") == {"l0", "I0", "1O", "1o"}


def test_a_misheard_word_has_one_error_or_a_filler_before_it():
    fillers = {f"{filler} Their," for filler in ("uh", "um", "er", "well", "like")}
    found = outcomes(SpeechNoise(rate=1, records=1), "Their,")
    assert fillers | {"There,", "They're,", "Thei,", "Deir,"} <= found
    assert "Their," not in found


def test_german_words_are_misheard_as_german():
    step = SpeechNoise(rate=1, records=1, language=Language.de)
    fillers = {f"{filler} das" for filler in ("äh", "ähm", "hm", "also", "naja")}
    assert outcomes(step, "das") == fillers | {"dass", "tas"}
    assert "fiel" in outcomes(step, "viel") and "Fiel" in outcomes(step, "Viel")


@pytest.mark.parametrize("language", list(Language))
def test_sounding_alike_is_mutual(language):
    for table in alike(language):
        low = {one: {other.lower() for other in others} for one, others in table.items()}
        assert all(one in low[other] for one, others in low.items() for other in others)


def test_marks_are_left_out_doubled_or_moved():
    step = PunctuationNoise(rate=1, records=1)
    assert outcomes(step, "no, dim it") == {"no dim it", "no,, dim it", "no dim, it"}
    assert outcomes(step, "dim the lamp.") == {"dim the lamp", "dim the lamp..", "dim the. lamp"}
    assert outcomes(step, "stop!") == {"stop", "stop!!"}


def test_marks_behind_what_is_fixed_stay():
    step = PunctuationNoise(rate=1, records=1)
    assert outcomes(step, "{name}, 5. ?") == {"{name}, 5. ?"}
    assert outcomes(PunctuationNoise(rate=1, records=1, everything=True), "5. ?") == {"5 ?", "5.. ?"}


def test_the_rate_of_punctuation_is_the_share_of_marks():
    [new] = PunctuationNoise(rate=0.2, records=1).apply([{"input": "a, b " * 10_000}], random.Random(1))
    assert 7800 < new["input"].count("a, b") < 8200


def test_hidden_spans_stand_behind_one_mask_each():
    step = MaskSpans(rate=0.5, records=1, span=2)
    assert outcomes(step, "a b c d") == {
        "<mask> c d", "a <mask> d", "a b <mask>", "<mask> b <mask> d", "<mask> b c <mask>", "a <mask> c <mask>",
    }  # fmt: skip


def test_the_rate_of_masking_is_the_share_of_words():
    text = " ".join(["word"] * 10_000)
    for span in (1, 5):
        [new] = MaskSpans(rate=0.3, records=1, span=span).apply([{"input": text}], random.Random(1))
        assert new["input"].split(" ").count("word") == 7000
    short = [MaskSpans(rate=0.25, records=1).apply([{"input": "a b"}], random.Random(n))[0] for n in range(2000)]
    assert 900 < sum(record["input"] != "a b" for record in short) < 1100


def test_what_is_fixed_parts_the_spans():
    step = MaskSpans(rate=1, records=1, span=9)
    assert outcomes(step, "a b {x} c") == {"<mask> {x} <mask>"}
    assert outcomes(MaskSpans(rate=1, records=1, everything=True), "a b {x} c") == {"<mask>"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"span": 0}, "span must be 1 or more, not 0"), ({"mask": "a b"}, "mask must be a text without spaces, not 'a")],
)
def test_masks_that_cannot_be_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        MaskSpans(**settings)


@pytest.mark.full
def test_a_run_without_a_piece_for_the_mask_is_stopped_before_its_first_step(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMCORE_CACHE", str(tmp_path / "cache"))
    for name, count in (("train", 12), ("valid", 3)):
        rows = [json.dumps({"input": f"dim {name} {n}", "target": "dim"}) + "\n" for n in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(rows), encoding="utf-8")
    words = ["source=jsonl", f"source.train={tmp_path}/train.jsonl", f"source.validation={tmp_path}/valid.jsonl"]
    words += [f"architecture.{key}" for key in ("layers=1", "width=16", "heads=2", "feed_forward=16")]
    words += ["metrics=[]", "tokenizer.kind=character", "augmenters=[mask_spans]"]
    told = r"augmenters.mask_spans: the mask <mask> is not one piece .* \"tokenizer.symbols=\['<mask>'\]\" to the run."
    registry = load_plugins()
    with pytest.raises(LamcoreError, match=told):
        rehearse(registry, composed(registry, words).values)
    rehearse(registry, composed(registry, [*words, "tokenizer.symbols=['<mask>']"]).values)


def test_the_rate_is_the_share_of_words():
    text = " ".join(["word"] * 10_000)
    for step in (Typos(rate=0.1, records=1), CaseNoise(rate=0.1, records=1)):
        [new] = step.apply([{"input": text}], random.Random(1))
        assert 900 < sum(word != "word" for word in new["input"].split(" ")) < 1100
    [new] = DropWords(rate=0.1, records=1).apply([{"input": text}], random.Random(1))
    assert 8900 < len(new["input"].split(" ")) < 9100
