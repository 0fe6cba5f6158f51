"""What a person sees: lines and tables that are safe for any text."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from lamcore.errors import safe as safe

ENCODER = json.JSONEncoder(default=str)


def say(text: Any = "", style: str = "") -> None:
    """Print a line as it is: no markup, no emoji, no links, never broken."""
    console().print(Text(safe(text), style=style), soft_wrap=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table of plain texts."""
    made = Table(*(Column(name, overflow="fold") for name in columns), box=None, pad_edge=False)  # no text is lost
    for row in rows:
        made.add_row(*(Text(safe(cell)) for cell in row))
    console().print(made)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # cli.main knows what to do


def console(file: IO[str] | None = None) -> Console:
    """Return a console on standard output or a file that takes nothing for markup."""
    return _Console(file=file or sys.stdout, markup=False, emoji=False, highlight=False)


def as_json(value: Any) -> str:
    """Return JSON that any terminal takes: in ASCII, no control character as it is."""
    return ENCODER.encode(value).replace("\x7f", "\\u007f")


def facts(found: Sequence[Mapping[str, Any]], json_wanted: bool) -> None:
    """Print facts of the same keys as JSON or as a table; a column that is empty in all of them is left out."""
    if json_wanted:
        sys.stdout.write(as_json(found) + "\n")
    else:
        columns = [key for key in (found[0] if found else {}) if any(fact[key] not in ("", {}) for fact in found)]
        table(columns, [[_cell(fact[key]) for key in columns] for fact in found])


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {', '.join(names)}" for key, names in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def scores(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Print the table of scores with 95 % intervals, and how they were made."""
    every = [(split, metric, score) for split, named in found.items() for metric, score in named.items()]
    rows = [(split, metric, f"{score['value']:.2f}", _interval(score)) for split, metric, score in every]
    table(("split", "metric", "score", "95 % interval"), rows)
    for label, signature in {metric.partition(".")[0]: score.get("signature") for _, metric, score in every}.items():
        if signature:
            say(f"{label}: {signature}", "dim")


def _interval(score: Mapping[str, Any]) -> str:
    return f"{score['low']:.2f} to {score['high']:.2f}" if "low" in score else ""


def answer_text(answer: Mapping[str, Any]) -> str:
    """Return an answer as one line of text: the one text that its columns say, or canonical JSON."""
    columns = {name: value for name, value in answer.items() if name not in ("score", "alternatives")}
    if isinstance(value := next(iter(columns.values()), None), str) and all(one == value for one in columns.values()):
        return value
    return json.dumps(columns, ensure_ascii=False, sort_keys=True)
