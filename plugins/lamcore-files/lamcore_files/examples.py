"""Small files of each format, for those who check the sources."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

PAIRS = [(f"turn on lamp {number}", f"Lampe {number} einschalten, “bitte”") for number in range(200)]


def parallel(folder: Path) -> list[str]:
    """Write two text files and return their names."""
    return [_write(folder / f"train.{at}", (pair[at] for pair in PAIRS)) for at in (0, 1)]


def jsonl(folder: Path) -> str:
    """Write a JSON Lines file and return its name."""
    rows = (json.dumps({"input": input_, "target": target}) for input_, target in PAIRS)
    return _write(folder / "train.jsonl", rows)


def table(folder: Path, mark: str, quote: str) -> str:
    """Write rows under a header, fields between `quote` and cut by `mark`; return the file's name."""
    rows = [("input", "target"), *PAIRS]
    return _write(folder / "train.table", (mark.join(f"{quote}{field}{quote}" for field in row) for row in rows))


def parquet(folder: Path) -> str:
    """Write a Parquet file and return its name."""
    import pyarrow
    from pyarrow.parquet import write_table

    inputs, targets = zip(*PAIRS, strict=True)
    write_table(pyarrow.table({"input": inputs, "target": targets}), folder / "train.parquet")
    return str(folder / "train.parquet")


def _write(path: Path, lines: Iterable[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return str(path)
