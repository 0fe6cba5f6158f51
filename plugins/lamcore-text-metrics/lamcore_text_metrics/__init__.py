"""Metrics of text: bleu, chrf, exact_match, placeholders."""

from __future__ import annotations

from typing import Any

from lamcore import hookimpl
from lamcore_text_metrics.matches import ExactMatch, Placeholders
from lamcore_text_metrics.overlap import Bleu, Chrf, Tokenize

__all__ = ["Bleu", "Chrf", "ExactMatch", "Placeholders", "Tokenize", "register_metrics"]


@hookimpl
def register_metrics(register: Any) -> None:
    """Offer the four metrics."""
    register("bleu", Bleu)
    register("chrf", Chrf)
    register("exact_match", ExactMatch)
    register("placeholders", Placeholders)
