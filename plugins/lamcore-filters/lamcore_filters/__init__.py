"""Filters of parallel text, with OpusFilter's measures and defaults, and the verb `lam thresholds`."""

from __future__ import annotations

from typing import Any

from lamcore import hookimpl
from lamcore_filters.alignment import Alignment
from lamcore_filters.characters import Alphabet, Characters
from lamcore_filters.language import Language
from lamcore_filters.pairs import Copies, LengthRatio, Numbers, PlaceholderMatch, Unit
from lamcore_filters.thresholds import command

__all__ = [
    "Alignment",
    "Alphabet",
    "Characters",
    "Copies",
    "Language",
    "LengthRatio",
    "Numbers",
    "PlaceholderMatch",
    "Unit",
    "register_commands",
    "register_preprocessors",
]


@hookimpl
def register_preprocessors(register: Any) -> None:
    """Offer the filters."""
    register("language", Language)
    register("length_ratio", LengthRatio)
    register("characters", Characters)
    register("alphabet", Alphabet)
    register("copies", Copies)
    register("numbers", Numbers)
    register("placeholder_match", PlaceholderMatch)
    register("alignment", Alignment)


@hookimpl
def register_commands(register: Any) -> None:
    """Offer `thresholds`."""
    register("thresholds", command)
