"""What many runs tell: `lam curve` and `lam best`; light, the work is in its modules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamcore import hookimpl

if TYPE_CHECKING:
    from lamcore.hookspecs import Register


@hookimpl
def register_commands(register: Register) -> None:
    """Offer the verbs `curve` and `best`."""
    register("curve", command)
    register("best", best)


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
