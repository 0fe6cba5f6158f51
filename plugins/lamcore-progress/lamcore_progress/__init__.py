"""Show how a run goes, on standard error, and its end on standard output; light: rich is imported when a run starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamcore import hookimpl

if TYPE_CHECKING:
    from lamcore_progress.display import Answering, Display

_displays: dict[int, Display] = {}
"""What is shown of each run that is under way, by the run's id()."""
_answering: dict[Path, Answering] = {}
"""What is shown of each file of answers that is under way."""


@hookimpl
def on_start(run: Any) -> None:
    """Begin to show a run, unless LAMCORE_QUIET asks for silence."""
    if os.environ.get("LAMCORE_QUIET", "") not in ("", "0"):
        return
    from lamcore_progress.display import open_display

    _displays[id(run)] = open_display(run.recipe.name, run.folder)


@hookimpl
def on_data(run: Any, data: Any) -> None:
    """Show how many records there are to learn from."""
    if display := _displays.get(id(run)):
        display.data({split: len(rows) for split, rows in data.ready.items()})


@hookimpl
def on_model(run: Any, model: Any) -> None:
    """Show how large the model is, and where it is."""
    if display := _displays.get(id(run)):
        display.model(sum(weights.numel() for weights in model.parameters()), str(run.device))


@hookimpl
def on_rehearse(run: Any, batch: Any) -> None:
    """Say what the run will take; of a dry run say more, and on standard output."""
    if run.stopped == "dry run" or id(run) in _displays:
        from lamcore_progress import forecast

        if run.stopped == "dry run":
            forecast.report(run, batch)
        else:
            _displays[id(run)].forecast(forecast.in_words(forecast.forecast(run, batch)))


@hookimpl
def on_log(run: Any, step: int, values: Mapping[str, Any]) -> None:
    """Show a step of training."""
    if display := _displays.get(id(run)):
        display.log(step, values)


@hookimpl
def on_evaluate(run: Any, step: int, split: str, scores: Mapping[str, Mapping[str, Any]]) -> None:
    """Show the scores of a split."""
    if display := _displays.get(id(run)):
        display.scores(step, split, {name: score["value"] for name, score in scores.items()})


@hookimpl
def on_save(run: Any, step: int, path: Path) -> None:
    """Show that a checkpoint is on disk."""
    if display := _displays.get(id(run)):
        display.saved(step, path)


@hookimpl
def on_finish(run: Any, error: BaseException | None) -> None:
    """Show the end and give the terminal back; under the command line, report a run that went well."""
    if display := _displays.pop(id(run), None):
        display.finish(error)
    if error is None and click.get_current_context(silent=True):
        from lamcore_progress.report import report

        report(run.folder, run.scores)


@hookimpl
def on_predict(out: Path, answered: int, ended: bool) -> None:
    """Show how many records are answered, and how many a second."""
    if os.environ.get("LAMCORE_QUIET", "") not in ("", "0"):
        return
    if out not in _answering and not ended:
        from lamcore_progress.display import open_answering

        _answering[out] = open_answering(out, answered)
    elif display := _answering.get(out):
        display.show(answered)
        if ended:
            _answering.pop(out).finish()
