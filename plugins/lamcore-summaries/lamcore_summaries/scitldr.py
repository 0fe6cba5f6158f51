"""The source `scitldr`: abstracts and their one-sentence summaries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Self

from lamcore import MISSING, Record, Source
from lamcore_files import readers, splits
from lamcore_files.readers import problem


@dataclass
class Scitldr(Source):
    """Abstracts of papers and summaries of one sentence (Cachola et al. 2020): rows {"id", "source", "target"}.

    `source` holds an abstract's sentences, `target` its summaries. Gives `sentences`, `input` (the sentences in one
    text), `target` (the first summary), `references` (all of them) and `group` (the paper)."""

    train: str | list[str] = MISSING
    """A file, or several read one after another; names that end in .gz are unpacked. Alone: cut into three splits."""
    validation: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    test: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    tests: dict[str, str | list[str]] = field(default_factory=dict)
    """More held-out tests: name -> file or files."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given."""
    seed: int = 1
    """Key of that cut; adding rows never moves others."""

    def __post_init__(self) -> None:
        splits.prepare(self)

    def load(self) -> Mapping[str, Iterable[Record]]:
        return splits.load(self, lambda paths: chain.from_iterable(map(read, paths)))

    def fingerprint(self) -> str:
        return splits.fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a file written into a folder, for checks."""
        path = folder / "scitldr.jsonl"
        rows = ({"id": f"p{n}", "source": [f"Task {n} is hard.", "We learn."], "target": ["We."]} for n in range(80))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return cls(train=str(path))


def read(path: str) -> Iterator[Record]:
    """Yield a record a row of a file; raise LamcoreError for the first faulty one."""
    for line, row in readers.read_jsonl(path):
        name = row.get("id")
        if not isinstance(name, str) or not name:
            raise problem(path, line, 1, f"id is {name!r}", "write the paper's name, as text")
        sentences = _texts(path, line, row, "source")
        summaries = _texts(path, line, row, "target")
        yield {
            "id": name,
            "input": " ".join(sentences),
            "sentences": sentences,
            "target": summaries[0],
            "references": summaries,
            "group": name,
        }


def _texts(path: str, line: int, row: Mapping[str, Any], name: str) -> list[str]:
    """Return a row's texts, each in one line, without those that are blank."""
    values = row.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise problem(path, line, 1, f"{name} is no list of texts", f'write "{name}": ["...", "..."]')
    texts = [" ".join(value.split()) for value in values]
    if not any(texts):
        raise problem(path, line, 1, f"{name} holds no text", "leave the row out")
    return [text for text in texts if text]
