"""Files of a source as splits: those that it names, or one cut into three.

A published module: other distributions may import it. It serves sources with the fields `train`, `validation` and
`test` (a file or several), `tests` (name -> files), `split` (three shares) and `seed`; such a source needs no more than
its fields and a reader:

    def __post_init__(self): splits.prepare(self)
    def load(self): return splits.load(self, read)  # read(files) -> records
    def fingerprint(self): return splits.fingerprint(self)
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from lamcore import MISSING, LamcoreError, Record
from lamcore_files import readers

SPLITS = ("train", "validation", "test")


def prepare(source: Any) -> None:
    """Check the fields, make lists of single files, and set `makes_splits`; raise ValueError for a wrong field."""
    for name in SPLITS:
        setattr(source, name, _as_list(getattr(source, name)))
    source.tests = {name: _as_list(files) for name, files in source.tests.items()}
    for name in source.tests:
        if not re.fullmatch(r"[a-z0-9_]+", name) or name in SPLITS:
            raise ValueError(f"tests: a name is a-z, 0-9 and _, and none of {', '.join(SPLITS)}, not {name!r}")
    check_shares(source.split)
    source.makes_splits = list(given(source)) == ["train"]


def check_shares(split: list[int]) -> None:
    """Raise ValueError where these are no shares of the three splits."""
    if len(split) != 3 or min(split) < 0 or split[0] < 1:
        raise ValueError(f"split must be three shares, such as [90, 5, 5], not {split}")


def given(source: Any) -> dict[str, list[str]]:
    """Return {split: files} of the splits that are given."""
    named = {name: getattr(source, name) for name in SPLITS} | source.tests
    return {name: files for name, files in named.items() if files or name == "train"}


def load(source: Any, read: Callable[[list[str]], Iterator[Record]]) -> dict[str, Iterator[Record]]:
    """Return {split: records}; every file is looked at and every split begun, so that most faults show at once.

    Where `train` alone is given, it is cut: rows of one `group` stay together; without a group, rows of one input do.
    Raise LamcoreError where a file can't be read or a split has no row."""
    files = given(source)
    if files["train"] in ([], [MISSING]):
        raise LamcoreError("source.train names no file - give it at least one")
    for path in chain.from_iterable(files.values()):
        readers.check(path)
    if not source.makes_splits:
        return {split: _begun(split, read(paths)) for split, paths in files.items()}
    shares = zip(SPLITS, source.split, strict=True)
    return {split: _begun(split, _cut(read(files["train"]), split, source)) for split, share in shares if share}


def fingerprint(source: Any) -> str:
    """Return a short text that changes when a file's place, size or time of change does."""
    return readers.fingerprint(chain.from_iterable(given(source).values()))


def split_of(key: str, source: Any) -> str:
    """Return the split that all records of a key fall into, by a source's `split` and `seed`; others never move it."""
    digest = hashlib.blake2b(f"{source.seed} {key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    place = int.from_bytes(digest, "big") % sum(source.split)
    for split, share in zip(SPLITS, source.split, strict=True):
        if place < share:
            return split
        place -= share
    raise AssertionError("a remainder is less than the sum")


def folded(text: str) -> str:
    """Return a text but for Unicode form (NFKC), case and blanks, as the core compares inputs of different splits."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _as_list(files: Any) -> list[str]:
    return [files] if isinstance(files, str) else list(files)


def _begun(split: str, records: Iterator[Record]) -> Iterator[Record]:
    first = next(records, None)
    if first is None:
        what = f"no row fell into {split}: too few rows for source.split"
        raise LamcoreError(f"{what} - name files in source.{split}, or raise its share")
    return chain([first], records)


def _cut(records: Iterator[Record], split: str, source: Any) -> Iterator[Record]:
    return (record for record in records if split_of(_key(record), source) == split)


def _key(record: Record) -> str:
    """Return what decides a record's split: group, or input (in the form in which overlap is sought), or all of it."""
    if record.get("group") is not None:
        return f"group {record['group']}"
    if isinstance(record.get("input"), str):
        return folded(record["input"])
    return json.dumps(record, sort_keys=True, default=str)
