"""Words for data: sources of fields with texts, fields to text under controls, and what can be measured of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamcore import hookimpl
from lamcore_data_to_text.describe import Describe
from lamcore_data_to_text.metrics import ControlAccuracy, Leaks, SlotErrorRate
from lamcore_data_to_text.replies import Replies
from lamcore_data_to_text.rules import Rules
from lamcore_data_to_text.sources import Domain, E2e, Rnnlg

__all__ = [
    "ControlAccuracy", "Describe", "Domain", "E2e", "Leaks", "Replies", "Rnnlg", "Rules", "SlotErrorRate",
    "register_commands", "register_metrics", "register_preprocessors", "register_sources",
]  # fmt: skip


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    """Offer E2E, RNNLG and replies of our own."""
    register("e2e", E2e)
    register("rnnlg", Rnnlg)
    register("replies", Replies)


@hookimpl
def register_preprocessors(register: Callable[[str, Any], None]) -> None:
    """Offer what tells a model fields and controls."""
    register("describe", Describe)


@hookimpl
def register_metrics(register: Callable[[str, Any], None]) -> None:
    """Offer what looks for slots, controls and other people's values."""
    register("slot_error_rate", SlotErrorRate)
    register("control_accuracy", ControlAccuracy)
    register("leaks", Leaks)


@hookimpl
def register_commands(register: Callable[[str, Any], None]) -> None:
    """Offer `sameness`."""
    from lamcore_data_to_text.sameness import command

    register("sameness", command)
