"""`lam data`: look at a run's records as its model reads them."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lamcore.plugins import Registry


@click.group("data")
def data() -> None:
    """Look at a run's records as its model reads them."""


@data.command("show", context_settings={"ignore_unknown_options": True})
@click.option("--split", default="train", show_default=True, help="Split to show records of.")
@click.option(
    "--n", "number", type=click.IntRange(min=1), default=3, show_default=True, help="How many, the first ones."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("run", nargs=-1, required=True, type=click.UNPROCESSED, metavar="RUN|OVERRIDES...")
@click.pass_obj
def show(registry: Registry, run: tuple[str, ...], split: str, number: int, as_json: bool) -> None:
    """Show a split's records, in colour what is learnt.

    RUN is a run's folder, OVERRIDES are as for `lam train`.

    \b
    lam data show runs/mine --split validation
    lam data show experiment=NAME --n 5

    Of segments you see the tokens that are read and learnt, of other data the columns."""
    from lamcore.console import as_json as json_of
    from lamcore_chat.show import lines, shown

    with contextlib.redirect_stdout(sys.stderr):  # what components print is no answer
        records = shown(registry, run, split, number)
    if as_json:
        click.echo(json_of(records))
    else:
        lines(records)
