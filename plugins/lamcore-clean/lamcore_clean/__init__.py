"""Preprocessors that mend, drop and add to text, clean to prepend_context; and the verb overlap."""

from __future__ import annotations

from typing import Any

from lamcore import hookimpl
from lamcore_clean.clean import Clean
from lamcore_clean.context import PrependContext
from lamcore_clean.deduplicate import Deduplicate
from lamcore_clean.language import LanguageTag
from lamcore_clean.lengths import LengthFilter, Unit
from lamcore_clean.normalise import Case, Form, Normalise
from lamcore_clean.overlap import command
from lamcore_clean.placeholders import Placeholders

__all__ = [
    "Case",
    "Clean",
    "Deduplicate",
    "Form",
    "LanguageTag",
    "LengthFilter",
    "Normalise",
    "Placeholders",
    "PrependContext",
    "Unit",
    "register_commands",
    "register_preprocessors",
]


@hookimpl
def register_preprocessors(register: Any) -> None:
    """Offer the seven steps."""
    register("clean", Clean)
    register("normalise", Normalise)
    register("placeholders", Placeholders)
    register("length_filter", LengthFilter)
    register("deduplicate", Deduplicate)
    register("language_tag", LanguageTag)
    register("prepend_context", PrependContext)


@hookimpl
def register_commands(register: Any) -> None:
    """Offer `overlap`."""
    register("overlap", command)
