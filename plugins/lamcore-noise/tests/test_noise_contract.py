"""The augmenters and their package keep the promises of their kinds."""

from __future__ import annotations

from lamcore.testing import AugmenterContract, check_package
from lamcore_noise import (
    CaseNoise,
    DropWords,
    Keyboard,
    Language,
    SpeechNoise,
    SwapWords,
    Typos,
)


class TestTypos(AugmenterContract):
    component = Typos(rate=0.5, records=1.0, keyboard=Keyboard.qwertz)


class TestTyposEverywhere(AugmenterContract):
    component = Typos(columns=["input", "target"], rate=1.0, records=1.0, everything=True)


class TestDropWords(AugmenterContract):
    component = DropWords(rate=0.5, records=1.0)


class TestSwapWords(AugmenterContract):
    component = SwapWords(rate=0.5, records=1.0, everything=True)


class TestSpeechNoise(AugmenterContract):
    component = SpeechNoise(rate=0.5, records=1.0, language=Language.de)


class TestCaseNoise(AugmenterContract):
    component = CaseNoise(rate=0.5, records=1.0)


def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-noise")} == {
        "package", "augmenter typos", "augmenter ocr_noise", "augmenter speech_noise", "augmenter punctuation_noise",
        "augmenter drop_words", "augmenter swap_words", "augmenter mask_spans", "augmenter case_noise",
    }  # fmt: skip
