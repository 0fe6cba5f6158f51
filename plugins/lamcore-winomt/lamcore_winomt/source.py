"""The source `winomt`, and the reading of WinoMT's files."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lamcore import MISSING, LamcoreError, Record, Source

if TYPE_CHECKING:
    from datasets import Dataset

ENDS = (".jsonl.gz", ".jsonl", ".txt")
FIELDS = ("gender", "index", "text", "occupation")


@dataclass
class WinomtSource(Source):
    """Another source's records, and WinoMT's sentences as one more held-out split, `winomt`."""

    folder: str = MISSING
    """Folder with en.txt as WinoMT gives it (or en.jsonl, en.jsonl.gz), and en_pro and en_anti where they are there."""
    source: Source = MISSING
    """Where all other splits come from."""

    def load(self) -> Mapping[str, Dataset | Iterable[Record]]:
        return {**self.source.load(), "winomt": read(Path(self.folder))}

    def fingerprint(self) -> str | None:
        """Return one made of the files and of the other source's; None where that has none."""
        other = self.source.fingerprint()
        files = [path for part in ("en", "en_pro", "en_anti") if (path := find(Path(self.folder), part))]
        digest = hashlib.blake2b(b"".join(path.read_bytes() for path in files), digest_size=12)
        return None if other is None else f"{other}/{digest.hexdigest()}"

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads files written into a folder, for checks."""
        from lamcore.testing.toy import Commands

        pro = "female\t1\tThe nurse met the guard because she was late.\tnurse\n"
        anti = "male\t1\tThe nurse met the guard because he was late.\tnurse\n"
        for part, text in {"en": pro + anti, "en_pro": pro, "en_anti": anti}.items():
            (folder / f"{part}.txt").write_text(text, encoding="utf-8")
        return cls(folder=str(folder), source=Commands())


def read(folder: Path) -> list[Record]:
    """Return WinoMT's sentences as records: input, an empty target, gender, occupation, position, stereotype.

    `stereotype` is "pro" or "anti" where the sentence stands in that part, and else empty."""
    if (path := find(folder, "en")) is None:
        names = ", ".join(f"en{end}" for end in ENDS)
        raise LamcoreError(f"{folder} has none of {names}: name the folder of WinoMT's files (data/aggregates).")
    parts = {part: {_key(row) for row in _rows(find(folder, f"en_{part}"))} for part in ("pro", "anti")}
    return [
        {
            "id": f"winomt-{number}",
            "input": row["text"],
            "target": "",
            "input_lang": "en",
            "gender": row["gender"],
            "occupation": row["occupation"],
            "position": int(row["index"]),
            "stereotype": next((part for part, keys in parts.items() if _key(row) in keys), ""),
        }
        for number, row in enumerate(_rows(path))
    ]


def find(folder: Path, part: str) -> Path | None:
    """Return the file of a part (en, en_pro, en_anti), None where there is none."""
    return next((path for end in ENDS if (path := folder / f"{part}{end}").is_file()), None)


def _key(row: Mapping[str, Any]) -> tuple[str, int]:
    return row["text"], int(row["index"])


def _rows(path: Path | None) -> list[dict[str, Any]]:
    """Return the lines of a file, JSON or tab-separated, or raise the error that names the line."""
    if path is None:
        return []
    open_file: Any = gzip.open if path.suffix == ".gz" else open
    with open_file(path, "rt", encoding="utf-8", newline="\n") as file:
        return [_row(line, f"{path}:{number}", path.suffix == ".txt") for number, line in enumerate(file, 1)]


def _row(line: str, where: str, tabs: bool) -> dict[str, Any]:
    try:
        row = dict(zip(FIELDS, line.rstrip("\r\n").split("\t"), strict=True)) if tabs else json.loads(line)
        if {type(row[name]) for name in ("gender", "text", "occupation")} != {str} or int(row["index"]) < 0:
            raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        raise LamcoreError(f"{where} is no sentence of WinoMT: gender, index, text, occupation.") from error
    return row
