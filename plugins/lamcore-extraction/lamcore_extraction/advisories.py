"""Source `advisories`: what people wrote about holes in Python packages, with what a database says of each."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Self

from lamcore import LamcoreError, Record, Source
from lamcore_extraction.fields import canonical, parse
from lamcore_files.splits import SPLITS, check_shares, folded, split_of

DISTRIBUTION, FILE = "safety-db", "safety_db/insecure_full.json"
VERSION = re.compile(r"[0-9][\w.]*")
PART = re.compile(r"([<>=!~]+)\s*(.*)")
CVE = re.compile(r"CVE-\d{4}-\d{4,}")


@dataclass
class Advisories(Source):
    """Security advisories on Python packages and their fields, as the installed distribution safety-db has them.

    Records hold `text` (an advisory, blanks joined) and `fields`: `package` (its name), `affected` (version ranges,
    "< 1.2" or ">= 1.0, < 1.4"; a list where there are several) and `cve`. A field stands only where the text says it:
    the name, every version number, that CVE alone; blanks, hyphens, dots and case of a name don't count. Advisories of
    one package stay in one split, so that held-out packages are new; a text that stands twice is read once. The data is
    that of pyup.io (CC BY-NC-SA 4.0)."""

    file: str | None = None
    """A JSON file in the form of Safety DB's insecure_full.json; null: that of the installed safety-db."""
    split: list[int] = field(default_factory=lambda: [80, 10, 10])
    """Shares of train, validation and test."""
    seed: int = 1
    """Key of the cut; packages that are added never move others."""

    makes_splits = True

    def __post_init__(self) -> None:
        check_shares(self.split)

    def load(self) -> Mapping[str, Iterable[Record]]:
        path = self._path()
        records = list(_records(_content(path), path))
        cut = {split: [one for one in records if split_of(one["group"], self) == split] for split in self._splits()}
        for split, rows in cut.items():
            if not rows:
                raise LamcoreError(
                    f"advisories: no package of {path} fell into {split}: raise its share in source.split"
                )
        return cut

    def fingerprint(self) -> str:
        return hashlib.blake2b(_content(self._path()).encode("utf-8"), digest_size=16).hexdigest()

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a file written into a folder, for checks."""
        from lamcore_extraction import examples

        return cls(file=examples.advisories(folder), split=[6, 2, 2])

    def _splits(self) -> list[str]:
        return [split for split, share in zip(SPLITS, self.split, strict=True) if share]

    def _path(self) -> Path:
        if self.file is not None:
            return Path(self.file).expanduser()
        try:
            return Path(str(importlib.metadata.distribution(DISTRIBUTION).locate_file(FILE)))
        except importlib.metadata.PackageNotFoundError:
            what = f"advisories: the distribution {DISTRIBUTION} is not installed"
            raise LamcoreError(f"{what}: pip install {DISTRIBUTION}, or name a file in source.file") from None


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LamcoreError(f"advisories: {path} can't be read: {reason}") from error


def _records(content: str, path: Path) -> Iterator[Record]:
    """Yield a record for each text, in the file's order."""
    packages = parse(content)
    if packages is None:
        raise LamcoreError(f"advisories: {path} is no JSON object of packages")
    named = {name: told for name, told in packages.items() if not name.startswith("$")}
    seen: set[str] = set()
    for name, number, told in chain.from_iterable(_numbered(*one) for one in named.items()):
        try:
            text = " ".join(told["advisory"].split())
            fields = _fields(name, told, text)
        except (KeyError, TypeError, AttributeError) as error:
            what = f"advisory {number} of {name!r} lacks a text `advisory`, a list `specs` or `cve`"
            raise LamcoreError(f"advisories: {path}: {what}") from error
        if text and folded(text) not in seen:
            seen.add(folded(text))
            yield {"id": f"{name}-{number}", "text": text, "fields": canonical(fields), "group": name}


def _numbered(name: str, told: Any) -> Iterator[tuple[str, int, Any]]:
    return ((name, number, one) for number, one in enumerate(told if isinstance(told, list) else [None]))


def _fields(name: str, told: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return those fields of an advisory that its text says."""
    fields: dict[str, Any] = {}
    if f" {_name(name)} " in f" {_name(text)} ":
        fields["package"] = name
    ranges = [", ".join(PART.sub(r"\1 \2", part.strip()) for part in one.split(",")) for one in told["specs"]]
    if ranges and set(VERSION.findall(" ".join(ranges))) <= {one.rstrip(".") for one in VERSION.findall(text)}:
        fields["affected"] = ranges[0] if len(ranges) == 1 else ranges
    if told["cve"] and set(CVE.findall(text)) == {told["cve"]}:
        fields["cve"] = told["cve"]
    return fields


def _name(text: str) -> str:
    """Return a text's words, in small letters, cut at all that is no letter or digit."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))
