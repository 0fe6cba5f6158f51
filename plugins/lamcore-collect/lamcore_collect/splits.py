"""Cut records into train, validation and test by a keyed hash, so that what is added never moves what is there."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from lamcore import LamcoreError, Record
from lamcore_files.splits import SPLITS, folded, split_of

Mine = Callable[[str], bool]
"""Says whether the records of a group fall into a split."""


def check_languages(languages: list[str]) -> None:
    """Raise ValueError where these are not the languages of input, or of input and target."""
    if len(languages) > 2:
        raise ValueError(f"languages must be one code, or two such as [en, de], not {languages}")


def by_input(read: Callable[[], Iterator[Record]], source: Any) -> dict[str, Iterable[Record]]:
    """Return {split: records}, cut by their inputs."""

    def of(split: str) -> Iterator[Record]:
        return (record for record in read() if split_of(folded(record["input"]), source) == split)

    return {split: _some(split, of(split)) for split in _given(source)}


def by_group(read: Callable[[Mine], Iterator[Record]], source: Any) -> dict[str, Iterable[Record]]:
    """Return {split: records}, cut by `group`; `read` gives the records of the groups that it is asked for.

    A held-out record whose input stands in train is left out."""
    inputs: list[set[bytes]] = []

    def of(split: str) -> Iterator[Record]:
        return read(lambda group: split_of(group, source) == split)

    def train() -> Iterator[Record]:
        seen: set[bytes] = set()
        for record in of("train"):
            seen.add(_digest(record))
            yield record
        inputs[:] = [seen]

    def held_out(split: str) -> Iterator[Record]:
        if not inputs:
            deque(train(), maxlen=0)
        return (record for record in of(split) if _digest(record) not in inputs[0])

    def begun(split: str) -> Iterator[Record]:
        yield from train() if split == "train" else held_out(split)

    return {split: _some(split, begun(split)) for split in _given(source)}


def _given(source: Any) -> list[str]:
    return [split for split, share in zip(SPLITS, source.split, strict=True) if share]


def _some(split: str, records: Iterator[Record]) -> Iterator[Record]:
    """Yield records, and raise LamcoreError where there is none."""
    none = True
    for record in records:
        none = False
        yield record
    if none:
        what = f"no record fell into {split}: there is too little for source.split"
        raise LamcoreError(f"{what} - raise its share, or set it to 0 to have no {split}")


def _digest(record: Record) -> bytes:
    """Return few bytes that stand for an input."""
    return hashlib.blake2b(
        folded(record.get("input") or record["text"]).encode("utf-8", "surrogatepass"), digest_size=8
    ).digest()


def fingerprint(paths: Iterable[Path], *libraries: str) -> str:
    """Return a text that changes when a file's place, size or time does, or the version of a library that reads it."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        found = path.stat()
        text = f"{path.resolve()}\0{found.st_size}\0{found.st_mtime_ns}\0"
        digest.update(text.encode("utf-8", "surrogateescape"))
    return " ".join([digest.hexdigest(), *(f"{name} {importlib.metadata.version(name)}" for name in libraries)])
