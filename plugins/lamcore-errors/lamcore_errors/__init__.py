"""What a run gets wrong, and what to look at next: errors.md in its folder, and `lam errors`; light."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamcore import hookimpl

if TYPE_CHECKING:
    from lamcore.hookspecs import Register
    from lamcore.plugins import Registry
    from lamcore.run import Run


@hookimpl
def register_commands(register: Register) -> None:
    """Offer `errors`."""
    register("errors", command)


@hookimpl
def on_evaluate(run: Run, split: str, scores: Mapping[str, Any]) -> None:
    """Write errors.json and errors.md of the finished model's validation; what goes wrong is a warning."""
    if split != "validation" or run.scores.get(split) is not scores or not run.recipe.metrics:
        return  # a validation of training is no evaluation yet
    try:
        from lamcore.store import dumps, write
        from lamcore_errors.analysis import analyse
        from lamcore_errors.page import page, shown

        found = analyse(run.recipe, run.data.raw, run.folder, split)
        write(run.folder / "errors.json", dumps(found))
        write(run.folder / "errors.md", page(found, shown(run.folder)))
    except Exception as error:
        logging.getLogger("lamcore").warning("no errors.md: %s: %s", type(error).__name__, error)


@click.command("errors")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--split", default="validation", show_default=True, help="Which held-out split.")
@click.option("--finding", type=click.IntRange(1), metavar="N", help="Show the records of the finding numbered N.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(registry: Registry, run: Path, split: str, finding: int | None, as_json: bool) -> None:
    """Show what RUN gets wrong in a split, and what to look at next.

    \b
    lam errors RUN
    lam errors RUN --finding 2      (every record that the second finding is about)
    lam errors RUN --split test     (a test that you learn from is none any more)

    It reads the answers that the run has kept, and writes nothing."""
    import contextlib
    import dataclasses
    import sys

    from lamcore import console
    from lamcore.commands import read_config
    from lamcore.kinds import Recipe
    from lamcore.make import make
    from lamcore.prepare import cache_folder, prepare
    from lamcore_errors.analysis import analyse
    from lamcore_errors.page import finding_page, page, shown

    recipe = make(Recipe, read_config(run), find=registry.find)
    with contextlib.redirect_stdout(sys.stderr):  # what components print is no answer
        given = prepare(dataclasses.replace(recipe, preprocessors={}), cache_folder(recipe.cache, run)).raw
        found = analyse(recipe, given, run, split, finding)
    if as_json:
        click.echo(console.as_json(found))
    else:
        click.echo((finding_page if finding else page)(found, shown(run)), nl=False)
