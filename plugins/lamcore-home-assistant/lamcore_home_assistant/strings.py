"""Read pairs of strings straight from the wheel, and cut them into splits by integration."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from lamcore import LamcoreError, Record
from lamcore.errors import unknown

SPLITS_VERSION = 7
"""Key of the splits, and part of the source's fingerprint. It is the first whole number for which validation and test
hold 4 to 6 % of the German rows each and no integration more than 15 % of either; no model was looked at."""
SPLITS = ("train", "test", "validation")
"""In the order in which a string that stands in several is given to one."""
MEMBER = re.compile(r"homeassistant/components/([^/]+)/translations/([^/]+)\.json")
MEMBER_BYTES = 8 * 2**20
"""Largest file of strings that is read."""

Files = dict[str, dict[str, str]]
"""Integration -> language -> name in the wheel."""
Strings = dict[tuple[str, ...], str]
"""Path of keys -> text."""


def read_splits(path: Path, language: str) -> dict[str, list[Record]]:
    """Return train, validation and test: whole integrations, and no English string in two of them."""
    try:
        with ZipFile(path) as wheel:
            records = list(_records(wheel, _both(path, _files(wheel), language), language))
    except (OSError, BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LamcoreError(f"{path}: can't be read as a wheel ({reason}) - name another or fetch it again") from None
    return _without_overlap(_cut(records), language)


def _files(wheel: ZipFile) -> Files:
    files: Files = {}
    for name in wheel.namelist():
        if found := MEMBER.fullmatch(name):
            files.setdefault(found[1], {})[found[2]] = name
    return files


def _both(path: Path, files: Files, language: str) -> Files:
    """Return the integrations that speak English and the language, those of train first."""
    if not files:
        raise LamcoreError(f"{path}: holds no homeassistant/components/*/translations - name a wheel of Home Assistant")
    languages = {name for known in files.values() for name in known} - {"en"}
    if language not in languages:
        raise unknown("language", language, languages, has="There are")
    order = sorted(files, key=lambda name: (SPLITS.index(split_of(name)), name))
    return {name: files[name] for name in order if {"en", language} <= files[name].keys()}


def _records(wheel: ZipFile, files: Files, language: str) -> Iterator[Record]:
    """Yield each distinct pair that differs, where it first stands: what train knows never counts as held out."""
    seen: set[tuple[str, str]] = set()
    for integration, names in files.items():
        english, other = (_strings(wheel, names[code]) for code in ("en", language))
        for key in sorted(english.keys() & other.keys()):
            pair = english[key], other[key]
            if pair[0] != pair[1] and pair not in seen:
                seen.add(pair)
                yield _record(integration, key, *pair, language)


def _record(integration: str, key: tuple[str, ...], source: str, target: str, language: str) -> Record:
    known = {"domain": integration, "input_lang": "en", "target_lang": language}
    return {"id": f"{integration}/{'.'.join(key)}", "input": source, "target": target} | known


def _strings(wheel: ZipFile, name: str) -> Strings:
    if wheel.getinfo(name).file_size > MEMBER_BYTES:
        raise LamcoreError(f"{wheel.filename}: {name} is larger than {MEMBER_BYTES >> 20} MB - fetch the wheel again")
    strings: Strings = {}
    try:
        _flatten(json.loads(wheel.read(name)), (), strings)
    except (ValueError, RecursionError) as error:
        raise LamcoreError(f"{wheel.filename}: {name} is no JSON ({error}) - fetch the wheel again") from None
    return strings


def _flatten(value: Any, path: tuple[str, ...], into: Strings) -> None:
    if isinstance(value, dict):
        for key, below in value.items():
            _flatten(below, (*path, key), into)
    elif isinstance(value, str):
        into[path] = value


def _cut(records: list[Record]) -> dict[str, list[Record]]:
    splits: dict[str, list[Record]] = {"train": [], "validation": [], "test": []}
    for record in records:
        splits[split_of(record["domain"])].append(record)
    return splits


def split_of(integration: str) -> str:
    """Return the split of an integration: of 100 about 90, 5 and 5, the same in every language."""
    digest = hashlib.blake2b(f"{SPLITS_VERSION} {integration}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") % 100
    return "train" if place < 90 else "validation" if place < 95 else "test"


def _without_overlap(splits: dict[str, list[Record]], language: str) -> dict[str, list[Record]]:
    """Drop from test what stands in train, and from validation what stands in either."""
    seen = {_comparable(record) for record in splits["train"]}
    for split in ("test", "validation"):
        splits[split] = [record for record in splits[split] if _comparable(record) not in seen]
        seen |= {_comparable(record) for record in splits[split]}
    if empty := [name for name, rows in splits.items() if not rows]:
        raise LamcoreError(
            f"Home Assistant has too few strings in {language!r} ({empty[0]} is empty) - take another language"
        )
    return splits


def _comparable(record: Record) -> str:
    """Return the English string without differences of Unicode form, case and blanks."""
    return " ".join(unicodedata.normalize("NFKC", record["input"]).casefold().split())


def write_example(path: Path) -> Path:
    """Write a wheel of one string a split in English and German, and return its path."""
    strings = {"light": ("On", "An"), "deconz": ("Door", "Tür"), "tado": ("Window", "Fenster")}
    with ZipFile(path, "w") as wheel:
        for integration, texts in strings.items():
            for language, text in zip(("en", "de"), texts, strict=True):
                name = f"homeassistant/components/{integration}/translations/{language}.json"
                wheel.writestr(name, json.dumps({"state": text}))
    return path
