"""Summaries: source `scitldr`, metric `rouge`, baselines, and what sentences can teach a model that writes.

Light: the work is in its modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lamcore import hookimpl
from lamcore_summaries.extractive import Extractive
from lamcore_summaries.gaps import GapSentences
from lamcore_summaries.rouge import Rouge
from lamcore_summaries.scitldr import Scitldr
from lamcore_summaries.sentences import Sentences

if TYPE_CHECKING:
    from lamcore.hookspecs import Register
    from lamcore.plugins import Registry
    from lamcore.run import Run

__all__ = [
    "Extractive", "GapSentences", "Rouge", "Scitldr", "Sentences",
    "register_architectures", "register_augmenters", "register_evaluations", "register_metrics",
    "register_preprocessors", "register_sources",
]  # fmt: skip


@hookimpl
def register_sources(register: Register) -> None:
    """Offer the data."""
    register("scitldr", Scitldr)


@hookimpl
def register_preprocessors(register: Register) -> None:
    """Offer what cuts a text into sentences."""
    register("sentences", Sentences)


@hookimpl
def register_augmenters(register: Register) -> None:
    """Offer what has a model write sentences of its input."""
    register("gap_sentences", GapSentences)


@hookimpl
def register_architectures(register: Register) -> None:
    """Offer the model that picks a sentence."""
    register("extractive", Extractive)


@hookimpl
def register_metrics(register: Register) -> None:
    """Offer the metric."""
    register("rouge", Rouge)


@hookimpl
def register_evaluations(register: Register) -> None:
    """Offer `--extracts` of `lam evaluate`."""
    register("extracts", command)


@click.command("extracts")
@click.option(
    "--extracts", is_flag=True, help="Score the first sentences of each input, and its best one, as summaries."
)
def command(registry: Registry, run: Run, as_json: bool, extracts: bool) -> None:
    """Score RUN beside what takes no training: lead-1, lead-2, lead-3, and the best sentence (oracle)."""
    from lamcore import console
    from lamcore_summaries.extracts import compared

    rows: list[dict[str, Any]] = compared(run)
    console.facts(rows, as_json)
