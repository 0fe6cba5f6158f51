"""Augmenters for text: typos, drop_words, swap_words, case_noise."""

from __future__ import annotations

from typing import Any

from lamcore import hookimpl
from lamcore_noise.case import CaseNoise
from lamcore_noise.order import DropWords, SwapWords
from lamcore_noise.typos import Keyboard, Typos

__all__ = ["CaseNoise", "DropWords", "Keyboard", "SwapWords", "Typos", "register_augmenters"]


@hookimpl
def register_augmenters(register: Any) -> None:
    """Offer the four kinds of noise."""
    register("typos", Typos)
    register("drop_words", DropWords)
    register("swap_words", SwapWords)
    register("case_noise", CaseNoise)
