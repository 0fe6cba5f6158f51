"""Augmenters for text: typos, ocr, speech, punctuation and case noise, words dropped, swapped and masked.

Light: standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamcore import LamcoreError, hookimpl
from lamcore_noise.case import CaseNoise
from lamcore_noise.ocr import OcrNoise
from lamcore_noise.order import DropWords, SwapWords
from lamcore_noise.punctuation import PunctuationNoise
from lamcore_noise.spans import MaskSpans
from lamcore_noise.speech import Language, SpeechNoise
from lamcore_noise.typos import Keyboard, Typos

if TYPE_CHECKING:
    from lamcore.run import Run

__all__ = [
    "CaseNoise",
    "DropWords",
    "Keyboard",
    "Language",
    "MaskSpans",
    "OcrNoise",
    "PunctuationNoise",
    "SpeechNoise",
    "SwapWords",
    "Typos",
    "on_model",
    "register_augmenters",
]


@hookimpl
def register_augmenters(register: Any) -> None:
    """Offer the kinds of noise."""
    register("typos", Typos)
    register("ocr_noise", OcrNoise)
    register("speech_noise", SpeechNoise)
    register("punctuation_noise", PunctuationNoise)
    register("drop_words", DropWords)
    register("swap_words", SwapWords)
    register("mask_spans", MaskSpans)
    register("case_noise", CaseNoise)


@hookimpl
def on_model(run: Run, model: Any) -> None:
    """Refuse a mask that the run's vocabulary has no piece for, before the first step."""
    steps = {label: step for label, step in run.recipe.augmenters.items() if isinstance(step, MaskSpans)}
    for label, step in steps.items():
        for tokenizer in run.trained.tokenizer.values():
            if len(ids := tokenizer.encode([step.mask])[0]) != 1 or ids[0] == tokenizer.unk:
                what = f"augmenters.{label}: the mask {step.mask} is not one piece of the vocabulary"
                raise LamcoreError(f"{what}. Add \"tokenizer.symbols=['{step.mask}']\" to the run.")
