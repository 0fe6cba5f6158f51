"""Files of a source as splits: those that it names, or one cut into three."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from lamcore import MISSING, LamcoreError, Record
from lamcore_actions.files import check

SPLITS = ("train", "validation", "test")

Read = Callable[[str], Iterator[Record]]


def prepare(source: Any) -> None:
    """Check the settings that all sources share; a single path may stand for a list of one."""
    for name in SPLITS:
        setattr(source, name, _as_list(getattr(source, name)))
    source.tests = {name: _as_list(files) for name, files in source.tests.items()}
    for name in source.tests:
        if not re.fullmatch(r"[a-z0-9_]+", name) or name in SPLITS:
            raise ValueError(f"tests: a name is a-z, 0-9 and _, and none of {', '.join(SPLITS)}, not {name!r}")
    if len(source.split) != 3 or min(source.split) < 0 or source.split[0] < 1:
        raise ValueError(f"split must be three shares, such as [90, 5, 5], not {source.split}")
    source.makes_splits = list(_files(source)) == ["train"]


def load(source: Any, read: Read) -> dict[str, Iterator[Record]]:
    """Return {split: records}; every file is looked at and every split begun, so that most faults show at once."""
    named = _files(source)
    if not named["train"] or named["train"] == [MISSING]:
        raise LamcoreError("source.train names no file - give it at least one")
    for path in chain.from_iterable(named.values()):
        check(path)
    if not source.makes_splits:
        return {split: _begun(split, chain.from_iterable(map(read, paths))) for split, paths in named.items()}
    shares = {split: share for split, share in zip(SPLITS, source.split, strict=True) if share}
    every = {split: chain.from_iterable(map(read, named["train"])) for split in shares}
    return {split: _begun(split, _of_split(records, split, source.seed, shares)) for split, records in every.items()}


def fingerprint(source: Any) -> str:
    """Return a text that changes when a file's place, size or time of change does."""
    digest = hashlib.blake2b(digest_size=16)
    for path in chain.from_iterable(_files(source).values()):
        found = check(path)
        place = Path(path).expanduser().resolve()
        digest.update(f"{place}\0{found.st_size}\0{found.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _as_list(files: Any) -> list[str]:
    return [files] if isinstance(files, str) else list(files)


def _files(source: Any) -> Mapping[str, list[str]]:
    given = {name: getattr(source, name) for name in SPLITS} | source.tests
    return {name: files for name, files in given.items() if files or name == "train"}


def _begun(split: str, records: Iterator[Record]) -> Iterator[Record]:
    first = next(records, None)
    if first is None:
        what = f"no row fell into {split}: too few rows"
        raise LamcoreError(f"{what} - name files in source.{split}, or raise its share in source.split")
    return chain([first], records)


def _of_split(records: Iterator[Record], split: str, seed: int, shares: dict[str, int]) -> Iterator[Record]:
    return (record for record in records if _share(record["input"], seed, shares) == split)


def _share(text: str, seed: int, shares: dict[str, int]) -> str:
    """Return the split of an input, by the form in which overlap is sought."""
    key = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    digest = hashlib.blake2b(f"{seed} {key}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") % sum(shares.values())
    for split, share in shares.items():
        if place < share:
            return split
        place -= share
    raise AssertionError("a remainder is less than the sum")
