"""WinoMT: which gender a translation gives a profession; a source, a metric and `lam evaluate --winomt`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamcore import hookimpl
from lamcore_winomt.gender import Language
from lamcore_winomt.metric import Winomt
from lamcore_winomt.source import WinomtSource

if TYPE_CHECKING:
    from lamcore.hookspecs import Register
    from lamcore.plugins import Registry
    from lamcore.run import Run

__all__ = ["Language", "Winomt", "WinomtSource", "register_evaluations", "register_metrics", "register_sources"]


@hookimpl
def register_sources(register: Any) -> None:
    """Offer the source."""
    register("winomt", WinomtSource)


@hookimpl
def register_metrics(register: Any) -> None:
    """Offer the metric."""
    register("winomt", Winomt)


@hookimpl
def register_evaluations(register: Register) -> None:
    """Offer `--winomt` of `lam evaluate`."""
    register("winomt", command)


@click.command("winomt")
@click.option(
    "--winomt",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Score how professions in WinoMT's files are gendered.",
)
@click.option(
    "--winomt-language",
    type=click.Choice([language.value for language in Language]),
    help="Language that RUN translates into; else its records say.",
)
def command(registry: Registry, run: Run, as_json: bool, winomt: Path | None, winomt_language: str | None) -> None:
    """Translate WinoMT's sentences with RUN; write winomt.json and winomt.jsonl beside its scores."""
    from lamcore_winomt.evaluate import evaluate

    evaluate(run, as_json, winomt, winomt_language)
