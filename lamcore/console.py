"""What a person sees: tables and lines that are safe for any text."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from lamcore.plugins import Component

HIDDEN = {*range(0x20), 0x7F, *range(0x80, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x61C}
ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in HIDDEN}
EXAMPLES = 10


def safe(text: Any) -> str:
    """Return text whose control, escape and direction characters are written out."""
    return str(text).translate(ESCAPES).encode("utf-8", "backslashreplace").decode("utf-8")


def say(text: Any = "", style: str = "") -> None:
    """Print a line as it is: no markup, no emoji, no links."""
    console().print(Text(safe(text), style=style))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table of plain texts."""
    made = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        made.add_row(*(Text(safe(cell)) for cell in row))
    console().print(made)


def console(file: IO[str] | None = None) -> Console:
    """Return a console on standard output or a file that takes nothing for markup."""
    return Console(file=file or sys.stdout, markup=False, emoji=False, highlight=False)


def component(found: Component) -> None:
    """Print what `lam list KIND NAME` shows: every setting with type, default and help."""
    from lamcore.make import describe

    say(f"{found.kind} {found.name} ({found.distribution} {found.plugin.version})", "bold")
    for line in (found.cls.__doc__ or "").strip().split("\n"):
        say(line.strip())
    rows = [(s.name, s.type, "required" if s.required else json.dumps(s.default), s.help) for s in describe(found.cls)]
    table(("setting", "type", "default", "what it is"), rows)


def scores(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Print the table of scores with 95 % intervals, and how they were made."""
    rows, signatures = [], {}
    for split, by_metric in found.items():
        for metric, score in by_metric.items():
            interval = f"{score['low']:.2f} to {score['high']:.2f}" if "low" in score else ""
            rows.append((split, metric, f"{score['value']:.2f}", interval))
            signatures |= {metric: score["signature"]} if score.get("signature") else {}
    table(("split", "metric", "score", "95 % interval"), rows)
    for metric, signature in signatures.items():
        say(f"{metric}: {signature}", "dim")


def report(folder: Path, found: Mapping[str, Any]) -> None:
    """Print what stands at the end of a run: scores, ten answers, the folder and the commands to go on with."""
    say()
    scores(found)
    answered = sorted(folder.glob("predictions-*.jsonl"), key=lambda path: "test" not in path.name)
    if answered:
        lines = answered[0].read_text(encoding="utf-8").split("\n")[:-1]
        chosen = [json.loads(line) for line in lines[:: max(1, len(lines) // EXAMPLES)][:EXAMPLES]]
        say()
        rows = [(row["input"], row["reference"], answer_text(row["answer"])) for row in chosen]
        table(("input", "reference", "answer"), [[_short(cell) for cell in row] for row in rows])
    here = folder.resolve()
    here = here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    say()
    say(f"The run is in {here}. Go on with:")
    for command in (f'predict {here} "TEXT"', f"evaluate {here} --decoding beam=5", "train --help"):
        say(f"  lam {command}", "bold")


def _short(text: Any, most: int = 160) -> str:
    return str(text) if len(str(text)) <= most else f"{str(text)[:most]}..."


def answer_text(answer: Mapping[str, Any]) -> str:
    """Return an answer as one line of text: its only text column, or canonical JSON."""
    columns = {name: value for name, value in answer.items() if name not in ("score", "alternatives")}
    if len(columns) == 1 and isinstance(value := next(iter(columns.values())), str):
        return value
    return json.dumps(columns, ensure_ascii=False, sort_keys=True)
