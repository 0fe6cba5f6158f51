"""What runs tell: `lam curve`, `lam best` and `lam coverage`; light, the work is in its modules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamcore import hookimpl

if TYPE_CHECKING:
    from lamcore.hookspecs import Register
    from lamcore.plugins import Registry


@hookimpl
def register_commands(register: Register) -> None:
    """Offer the verbs `curve`, `best` and `coverage`."""
    register("curve", command)
    register("best", best)
    register("coverage", coverage)


@click.command("curve")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--over", default="step", show_default=True, help="step, records (of train), or a setting: trainer.lr.")
@click.option("--score", "name", help="Which score; default: the one that the runs monitored.")
@click.option("--split", default="validation", show_default=True, help="Of which split; over steps it is validation.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw it too: FILE.html, .svg, .png or .json.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(runs: tuple[Path, ...], over: str, name: str | None, split: str, plot: Path | None, as_json: bool) -> None:
    """Show how a score of RUNS changes over updates, over train records or over a setting.

    \b
    lam curve runs/a runs/b --plot curve.html
    lam curve multirun/*/*/* --over records --split test --score bleu

    Over steps each validation of each run is a point, as logged; else each run is one, with its 95 % interval."""
    from lamcore import console
    from lamcore_curve.plot import draw
    from lamcore_curve.points import points

    found = points(runs, over, name, split)
    if plot:
        draw(found, plot)
    rows = [point.facts() for point in found]
    console.facts(rows, as_json)


@click.command("best")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--into", "file", required=True, type=click.Path(path_type=Path), help="Such as conf/experiment/best.yaml."
)
@click.option("--score", "name", help="Which score; default: the one that the runs monitored.")
def best(runs: tuple[Path, ...], file: Path, name: str | None) -> None:
    """Write the config of the best of RUNS as an experiment: the one with the best validation score.

    \b
    lam train experiment=NAME trainer.lr=1e-3,3e-3 --multirun
    lam best multirun/*/*/* --into conf/experiment/best.yaml
    lam train experiment=best seed=2"""
    from lamcore import console
    from lamcore_curve.preset import best_of, write_preset

    run, score, value = best_of(runs, name)
    write_preset(run, file)
    console.say(f"{run} is the best of {len(runs)}: {score} {value:.4g} on validation; its config is in {file}")


@click.command("coverage")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--column", help="Column that must be right; default: the first that the answers have.")
@click.option("--accuracy", type=click.FloatRange(0, 1), help="Share of the answers that shall be right: 0.98.")
@click.option("--into", type=click.Path(path_type=Path), help="Folder for the model with the threshold found.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the curve too: FILE.html, .svg, .png or .json.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def coverage(
    registry: Registry,
    run: Path,
    column: str | None,
    accuracy: float | None,
    into: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Show how often RUN is right if it answers only where it is sure enough, and abstains elsewhere.

    \b
    lam coverage RUN --plot coverage.svg
    lam coverage RUN --accuracy 0.98 --into models/careful

    With --accuracy: the threshold that answers most of validation and still is right that often, and what it comes to
    on each split; --into writes the model with it. Read from the run's predictions: nothing is answered again."""
    from lamcore import console
    from lamcore.errors import LamcoreError
    from lamcore_curve.plot import draw_coverage
    from lamcore_curve.selective import at, curves, plotted, shown, threshold, write_model

    if into and accuracy is None:
        raise LamcoreError("--into needs --accuracy, by which the threshold is chosen.")
    found = curves(run, column)
    if accuracy is None:
        rows = [place for places in found.values() for place in shown(places)]
    else:
        least = threshold(found, accuracy)
        rows = at(found, least)
        if into:
            write_model(registry, run, into, least)
    if plot:
        draw_coverage([place for places in found.values() for place in plotted(places)], plot)
    console.facts([place.facts() for place in rows], as_json)
