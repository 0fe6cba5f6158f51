"""Small records, and files in the shapes of E2E and RNNLG, for those who check the components."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lamcore import Record

NAMES = ["Aromi", "Blue Spice", "Clowns", "Zizzi", "Cotto"]
FOODS = ["Thai", "French", "Italian"]

PEOPLE = ["Ada", "Benno", "Chiara", "Dmitri", "Elena", "Farah"]


def records(number: int) -> list[Record]:
    """Return that many records with `fields`, `text`, and the controls that the text follows; `target` is the text."""
    return [_about(at, PEOPLE[at % len(PEOPLE)]) for at in range(number)]


def _about(at: int, name: str) -> Record:
    text = f"{name} has turned {at + 20} this very week, as all of us know." if at % 2 else f"{name} is {at + 20}."
    return {
        "id": f"toy-{at}",
        "fields": f'{{"age": "{at + 20}", "name": "{name}"}}',
        "text": text,
        "target": text,
        "length": "long" if at % 2 else "short",
        "first": "age",
    }


def write_e2e(folder: Path) -> str:
    """Write the three files and return the folder."""
    rows = [{"slots": {"name": n, "food": f}, "ref": f"{n} serves {f} food."} for n in NAMES for f in FOODS]
    held = [{"slots": row["slots"], "refs": [row["ref"], "Eat there."]} for row in rows]
    return _written(folder, {"train": rows[:9], "valid": held[9:12], "test": held[12:]})


def write_rnnlg(folder: Path) -> str:
    """Write three files of two domains and return the folder."""
    rows = [_row("inform", [["name", f"{name} {n}"], ["dogsallowed", "no"]]) for name in "abcd" for n in range(5)]
    splits = {"train": rows[:10], "valid": rows[10:15], "test": rows[15:]}
    return _written(folder, {f"{domain}.{split}": some for domain in ("hotel", "tv") for split, some in splits.items()})


def _row(act: str, slots: list[list[str]]) -> dict[str, Any]:
    return {"act": act, "slots": slots, "ref": f"{slots[0][1]} doesn't allow dogs ."}


def _written(folder: Path, files: dict[str, Iterable[Any]]) -> str:
    for name, rows in files.items():
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    return str(folder)
