"""What many answers say: `lam analyse`; light, the work is in its modules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamcore import hookimpl

if TYPE_CHECKING:
    from lamcore.hookspecs import Register


@hookimpl
def register_commands(register: Register) -> None:
    """Offer the verb `analyse`."""
    register("analyse", command)


@click.command("analyse")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--of", metavar="COLUMN", help="What is counted; by itself intent, calls, fields or target.")
@click.option("--by", metavar="COLUMN", help="Split the counts by the groups of this column.")
@click.option("--over", metavar="COLUMN", help="Follow them over this column of dates, times or numbers.")
@click.option("--text", metavar="COLUMN", default="input", show_default=True, help="What is shown of an example.")
@click.option("--examples", type=click.IntRange(0), default=3, show_default=True, help="How many of each.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a report: NAME.html, NAME.md, NAME.json, plots.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    file: Path,
    of: str | None,
    by: str | None,
    over: str | None,
    text: str,
    examples: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Count what the answers in FILE (.parquet, .jsonl, .csv) say, by group and over time, with examples.

    \b
    lam predict RUN --in posts.jsonl --out answers.parquet --keep input --keep day --keep region
    lam analyse answers.parquet --by region --over day --out report.html"""
    from lamcore import console
    from lamcore_analyse.counting import analyse
    from lamcore_analyse.report import tables, write_report

    found = analyse(file, of, by, over, text, examples)
    if out:
        write_report(found, out)
    if as_json:
        click.echo(console.as_json(found))
        return
    for title, columns, rows in tables(found):
        console.say(title, "bold")
        console.table(columns, rows)
        console.say()
    if out:
        console.say(f"The report is in {out}.")
