"""The verb `lam convert`: call data from one format into another."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

FORMATS = ("openai_tools", "sharegpt", "xlam", "bfcl", "bio_jsonl")
"""Sources of this distribution."""


@click.command("convert")
@click.argument("format", type=click.Choice(FORMATS))
@click.argument("files", nargs=-1, required=True)
@click.option("--to", type=click.Choice(FORMATS), required=True, help="Format to write.")
@click.option("--out", required=True, help="File to write: JSON lines, packed where its name ends in .gz.")
def command(format: str, files: tuple[str, ...], to: str, out: str) -> None:
    """Write FILES of call data, which are of FORMAT, in another format.

    \b
    lam convert xlam xlam_function_calling_60k.json --to openai_tools --out train.jsonl

    What the other format can't hold is an error that names the record; nothing is half-written."""
    from lamcore.console import say
    from lamcore.errors import LamcoreError
    from lamcore_actions.formats import MODULES

    if Path(out).expanduser().exists():
        raise LamcoreError(f"--out {out} exists: name another file, or remove it.")
    number = MODULES[to].write(chain.from_iterable(map(MODULES[format].read, files)), out)
    say(f"{number:,} records in {out}")
