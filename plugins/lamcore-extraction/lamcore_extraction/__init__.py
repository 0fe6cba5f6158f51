"""Extraction: text to an object of fields; light, the work is in its modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamcore import hookimpl
from lamcore_extraction.advisories import Advisories
from lamcore_extraction.score import FieldF1
from lamcore_extraction.text import FieldsText

__all__ = [
    "Advisories", "FieldF1", "FieldsText",
    "register_metrics", "register_preprocessors", "register_sources",
]  # fmt: skip


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    """Offer real text with fields."""
    register("advisories", Advisories)


@hookimpl
def register_preprocessors(register: Callable[[str, Any], None]) -> None:
    """Offer what turns fields into text."""
    register("fields_text", FieldsText)


@hookimpl
def register_metrics(register: Callable[[str, Any], None]) -> None:
    """Offer the score of fields."""
    register("field_f1", FieldF1)
