"""Folders that are either whole or absent: atomic commit, checksums, lock.

Every change on disk that a crash must not tear goes through the few functions here."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from lamcore.errors import DAMAGED, NO_ROOM, NUMERICAL_STOP, RUN_IN_USE, LamcoreError

MANIFEST = "manifest.json"
NO_ROOM_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
MOST_JSON, MOST_VALUES = 2**24, 500_000
"""Bytes and values of the largest JSON that is read from a stranger: it takes 200 MB."""


def dumps(value: Any) -> str:
    """Return JSON for people, which never holds NaN."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def line(value: Any) -> str:
    """Return JSON in one line; LamcoreError (3) where a number is not finite."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=repr) + "\n"
    except ValueError as error:
        raise LamcoreError(f"Not finite (nan or inf): {value!r:.300}", NUMERICAL_STOP) from error


def loads(content: bytes) -> Any:
    """Return what strict JSON says; raise ValueError for a key that stands twice, NaN, infinity, or too much of it."""
    if len(content) > MOST_JSON or content.count(b",") + content.count(b"[") + content.count(b"{") > MOST_VALUES:
        raise ValueError("a JSON file is too large")
    text = content.decode("utf-8")
    return json.loads(text, object_pairs_hook=_once, parse_constant=_finite, parse_float=_finite)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(made := dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return made


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no number")
    return number


def content_of(path: Path, most: int) -> bytes:
    """Return the bytes of a plain file; ValueError or OSError, at once, where it is a link, a pipe, or has more."""
    flags = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY"))
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > most:
            raise ValueError(f"{path.name} is no plain file of at most {most} bytes")
        return file.read(facts.st_size)


def sync(path: Path) -> None:
    """Wait until a file or a folder's list of names is on disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows syncs no folders
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put(path: Path, content: bytes, flags: int = os.O_TRUNC) -> None:
    """Write a file (with O_APPEND: more of it) and wait until it is on disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | flags | getattr(os, "O_BINARY", 0), 0o666)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Give a text file that takes its place when all is written, or leaves what was there."""
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    with room(path):
        try:
            with temporary.open("w", encoding="utf-8", newline="\n") as file:
                yield file
            sync(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync(path.parent)


def write(path: Path, text: str) -> None:
    """Put a whole text file in place, or leave what was there."""
    with replacing(path) as file:
        file.write(text)


def commit(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Make a folder of files whole or not at all, in place of one of its name; a manifest of checksums comes last."""
    temporary = folder.with_name(f".tmp-{os.getpid()}-{folder.name}")
    with room(folder), ThreadPoolExecutor(1) as pool:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            sums = pool.map(checksum, files.values())
            for name, content in files.items():
                put(temporary / name, content)  # sums are taken meanwhile
            manifest = dumps({"files": dict(zip(files, sums, strict=True))})
            put(temporary / MANIFEST, manifest.rstrip().encode())  # no byte whose loss goes unnoticed
            if folder.exists():
                remove(folder)  # only now, when the new one is whole
            sync(temporary)
            os.rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        sync(folder.parent)
        sync(folder.parent.parent)  # the parent may be new
    return folder


def checksum(content: bytes) -> dict[str, Any]:
    """Return what a manifest says of a file."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _entry(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def verified(folder: Path) -> Path:
    """Return a committed folder; raise LamcoreError (5) where a file is missing or differs from the manifest."""
    try:
        for name, entry in json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"].items():
            if _entry(folder / Path(name).name) != entry:
                raise LamcoreError(f"{folder / name} is damaged: its checksum is not the manifest's.", DAMAGED)
        return folder
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LamcoreError(f"{folder} is damaged or incomplete: {error}", DAMAGED) from error


def set_aside(folder: Path) -> Path:
    """Rename a damaged folder so that its name is free and nothing is lost."""
    number = 0
    while (aside := folder.with_name(f"damaged-{number}-{folder.name}")).exists():
        number += 1
    return folder.rename(aside)


def remove(folder: Path) -> None:
    """Remove a folder so that a crash on the way leaves no half of it under its name."""
    temporary = folder.with_name(f".tmp-{os.getpid()}-old-{folder.name}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(folder, temporary)
        shutil.rmtree(temporary, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what interrupted commits left in and under a folder; only the holder of its lock may."""
    for path in list(folder.rglob(".tmp-*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextlib.contextmanager
def room(path: Path) -> Iterator[None]:
    """Turn a full or failing disk into a LamcoreError (6) that names the place."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM_ERRORS:
            raise
        raise LamcoreError(f"{path.parent}: {error.strerror}. Free some space, then go on.", NO_ROOM) from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder for one writer; another start ends with exit code 4 that names the holder, a full disk in 6."""
    lock, holder = FileLock(folder / ".lock", timeout=0), folder / ".holder.json"
    with room(holder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            what = f"{folder} is in use{_who(holder)}. Wait for it, or choose another."
            raise LamcoreError(what, RUN_IN_USE) from error
        try:
            holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")
            sweep(folder)
            yield
        finally:
            with contextlib.suppress(OSError):
                holder.unlink()
            lock.release()


def _who(holder: Path) -> str:
    for _ in range(20):
        with contextlib.suppress(OSError, ValueError):
            who = json.loads(holder.read_text(encoding="utf-8"))
            if os.name == "posix" and who["host"] == socket.gethostname():
                with contextlib.suppress(PermissionError):  # another user's
                    os.kill(who["pid"], 0)  # a killed holder's name stands until the next one writes its own
            return f" by process {who['pid']} on {who['host']}"
        time.sleep(0.01)  # the holder writes its name right after it took the lock
    return ""
