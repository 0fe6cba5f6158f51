"""Source -> splits on disk -> each preprocessor's splits on disk, in memory that does not grow with the corpus.

Every result lies in the cache under a key of our own (component, digest of its code, settings, parent), so that edited
code or data is never served stale and an interrupted preparation goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from datasets import Dataset

from lamcore.errors import LamcoreError
from lamcore.kinds import Preprocessor, Recipe, Record, Source, records_of
from lamcore.make import plain
from lamcore.tables import DONE, map_table, once, open_table, read_table, write_table

Splits = dict[str, Dataset]
EXAMPLES = 3


@dataclass
class Prepared:
    """A run's records: as the source gave them, as the model reads them, and what happened in between."""

    raw: Splits
    ready: Splits
    folder: Path
    """Where `ready` lies, a folder a split."""
    folders: list[Path]
    """Where the source's splits lie, and then each step's."""
    report: list[dict[str, Any]]
    overlap: dict[str, list[int]]
    """Split -> numbers of the rows whose input stands in train."""


def prepare(recipe: Recipe, cache: Path) -> Prepared:
    """Return the records of a run, read from the cache where they are there."""
    folder, facts = _load_source(recipe.source, cache)
    raw = ready = {split: open_table(folder / split) for split in facts["rows"]}
    for split, rows in facts["overlap"].items():
        if recipe.source.makes_splits:
            shown = "; ".join(repr(raw[split][row]["input"]) for row in rows[:EXAMPLES])
            what = f"{len(rows)} inputs of {split} stand in train too, such as {shown}"
            raise LamcoreError(f"{what}: split by another group.")
    report, folders = [{"step": "source", "rows": facts["rows"]}], [folder]
    for label, step in recipe.preprocessors.items():
        folder, counts = _apply(label, step, folder, list(raw), cache)
        ready = {split: open_table(folder / split) for split in raw}
        report.append({"step": label, **counts})
        folders.append(folder)
        if not len(ready["train"]):
            raise LamcoreError(f"Nothing of train is left after the preprocessor {label!r}: loosen its settings.")
    return Prepared(raw, ready, folder, folders, report, facts["overlap"])


def key_of(component: Any, *parents: str) -> str:
    """Return the key of what a component makes of its parents: it changes with its settings and its code.

    That is the code of its package and of those that its class derives from, but for the core and Python's own."""
    cls, code = type(component), ""
    own, *bases = (one.__module__.partition(".")[0] for one in cls.__mro__)
    for package in sorted({own, *bases} - ({"lamcore", *sys.stdlib_module_names} - {own})):
        path = Path(getattr(sys.modules[package], "__file__", None) or os.devnull)
        files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
        code += _digest(b"".join(file.read_bytes() for file in files))
    facts = [cls.__module__, cls.__qualname__, code, plain(component), *parents]
    return _digest(json.dumps(facts, default=repr).encode())


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def cache_folder(setting: str | None, run: Path) -> Path:
    """Return the folder of prepared data: the one set, the user's, or the run's where that can't be written.

    What a folder holds that can't be written (a shared one) is linked into the run's."""
    folder = Path(setting).expanduser() if setting else user_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        if setting and not folder.is_dir():
            raise LamcoreError(f"cache={setting} can't be written: {error.strerror}.") from error
        own = run / "cache"
        own.mkdir(parents=True, exist_ok=True)
        for whole in folder.glob(f"*/{DONE}"):
            with contextlib.suppress(OSError):  # it is there already, or this system makes no links
                (own / whole.parent.name).symlink_to(whole.parent.resolve(), target_is_directory=True)
        return own


def user_cache() -> Path:
    """Return the user's cache folder for lamcore; the variable LAMCORE_CACHE names another."""
    home = os.environ.get("HOME") or os.environ.get("USERPROFILE") or os.devnull
    places = {"win32": os.environ.get("LOCALAPPDATA", home), "darwin": f"{home}/Library/Caches"}
    usual = Path(places.get(sys.platform, os.environ.get("XDG_CACHE_HOME", f"{home}/.cache"))) / "lamcore"
    return Path(os.environ.get("LAMCORE_CACHE", usual))


def _load_source(source: Source, cache: Path) -> tuple[Path, Any]:
    """Return the folder of the source's splits and facts; without a fingerprint the rows themselves make the key."""
    fingerprint = source.fingerprint()
    if fingerprint is not None:
        folder = cache / f"raw-{key_of(source, fingerprint)}"
        return folder, once(folder, lambda: _write_splits(source, folder))
    temporary, digest = cache / f"raw-{secrets.token_hex(12)}", hashlib.blake2b(digest_size=12)
    try:
        once(temporary, lambda: _write_splits(source, temporary))
        for path in sorted(temporary.rglob("*.arrow")):
            digest.update(str(path.relative_to(temporary)).encode() + path.read_bytes())
        folder = cache / f"raw-{digest.hexdigest()}"
        if not (folder / DONE).is_file():
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(temporary, folder)
        return folder, once(folder, dict)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.with_suffix(".lock").unlink(missing_ok=True)


def _write_splits(source: Source, folder: Path) -> dict[str, Any]:
    given = source.load()
    if "train" not in given:
        raise LamcoreError(f"The source gives no split 'train', only: {', '.join(given) or 'none'}.")
    splits: Splits = {}
    for split, rows in given.items():
        records = enumerate(records_of(rows) if isinstance(rows, Dataset) else rows)
        named = (r if "id" in r else {"id": f"{split}-{number}", **r} for number, r in records)
        splits[split] = write_table(folder / split, named)
        if not len(splits[split]):
            raise LamcoreError(f"The source gives no record for the split {split!r}.")
    _check_parents(splits)
    return {"rows": {split: len(rows) for split, rows in splits.items()}, "overlap": _overlap(folder, list(splits))}


def _check_parents(splits: Splits) -> None:
    """Refuse a record that was derived from one of another split."""
    with_parents = {split: rows for split, rows in splits.items() if "parent" in rows.column_names}
    place = {name: split for split, rows in splits.items() for name in rows["id"][:]} if with_parents else {}
    for split, rows in with_parents.items():
        for name, parent in zip(rows["id"][:], rows["parent"][:], strict=True):
            if parent and (other := place.get(parent, split)) != split:
                raise LamcoreError(f"Record {name!r} of {split} is derived from {parent!r} of {other}: drop it.")


def _overlap(folder: Path, splits: list[str]) -> dict[str, list[int]]:
    """Return the numbers of held-out rows whose input stands in train."""
    held = {split: list(_inputs(folder / split)) for split in splits if split != "train"}
    wanted = {text for texts in held.values() for text in texts} - {b""}
    seen = wanted.intersection(_inputs(folder / "train"))
    found = {split: [row for row, text in enumerate(texts) if text in seen] for split, texts in held.items()}
    return {split: rows for split, rows in found.items() if rows}


def _inputs(folder: Path) -> Iterator[bytes]:
    """Yield a digest of each input but for Unicode form (NFKC), case and blanks; nothing where there is none."""
    for record in read_table(folder):
        text = " ".join(unicodedata.normalize("NFKC", str(record.get("input", ""))).casefold().split())
        yield hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() if text else b""


def _apply(label: str, step: Preprocessor, parent: Path, splits: list[str], cache: Path) -> tuple[Path, Any]:
    """Return the folder of what a preprocessor makes of its parent's splits, and what it changed and dropped."""
    folder = cache / f"step-{key_of(step, parent.name)}"

    def apply_to(split: str) -> dict[str, Any]:
        source, target = parent / split, folder / split
        if type(step).apply is Preprocessor.apply:
            after = map_table(source, target, lambda rows: _turn(label, step, split, rows))
        else:
            after = write_table(target, _turn(label, step, split, open_table(source)))
        before = open_table(source)
        if split != "train" and (len(before) != len(after) or before["id"][:] != after["id"][:]):
            raise LamcoreError(f"The preprocessor {label!r} changed which rows {split} has; only train may shrink.")
        fewer = len(before) - len(after)
        counts = {"rows": len(before), "dropped": max(fewer, 0), "added": max(-fewer, 0)}
        return {**counts, **_compare(read_table(source), read_table(target))}

    return folder, once(folder, lambda: {split: apply_to(split) for split in splits})


def _turn(label: str, step: Preprocessor, split: str, rows: Dataset) -> Iterator[Record]:
    try:
        made = step.apply(rows, split)
        yield from records_of(made) if isinstance(made, Dataset) else made
    except Exception as error:
        error.add_note(f"in preprocessor {label!r}, split {split!r}")
        raise


def _differing(old: Record, new: Record) -> dict[str, Any]:
    """Return {column: [old, new value]} of what a step changed; a column that holds nothing is as good as none."""
    columns = dict.fromkeys([*new, *old])
    return {name: [old.get(name), new.get(name)] for name in columns if old.get(name) != new.get(name)}


def _compare(before: Iterator[Record], after: Iterator[Record]) -> dict[str, Any]:
    """Count what a step changed, and keep the first examples, by reading what went in and came out side by side."""
    changed = 0
    examples: list[Record] = []
    dropped: list[Record] = []
    for new in after:
        for old in before:
            if old["id"] == new["id"]:
                if old != new and (differing := _differing(old, new)):
                    changed += 1
                    examples += [{"id": old["id"], **differing}] * (len(examples) < EXAMPLES)
                break
            dropped += [old] * (len(dropped) < EXAMPLES)
    dropped += islice(before, EXAMPLES - len(dropped))
    found = {"changed": changed, "examples": examples, "dropped_examples": dropped}
    return json.loads(json.dumps(found, default=repr))
