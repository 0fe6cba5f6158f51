"""What a process does to a folder on disk: seen, stopped or refused before it happens; and what a power cut leaves.

Python's audit hook sees every file that is opened for writing, made, renamed, cut or removed, whoever does it; writing
and waiting for the disk (`os.write`, `os.fsync`) have no such event and are wrapped."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamcore.run import Run

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}
Before = Callable[[str, list[str], "bytes | None"], None]
"""Called with an operation (open, mkdir, rename, remove, rmdir, truncate, write, fsync), its paths, what is written."""


def watch(root: Path, before: Before) -> None:
    """Call a function before each change that this process makes to a folder and what is in it. There is no way back:
    for processes that were forked for it."""
    top = str(root)
    inside = False

    def see(operation: str, paths: list[str], content: bytes | None = None) -> None:
        nonlocal inside
        if not inside and any(path == top or path.startswith(f"{top}/") for path in paths):
            inside = True
            try:
                before(operation, paths, content)
            finally:
                inside = False

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(given[0], str | os.PathLike) and (given[2] or 0) & WRITING:
            see("open", [_path(given[0])])
        elif event in CHANGES:
            one = [_path(given[0], given[-1] if event in ("os.remove", "os.rmdir", "os.mkdir") else -1)]
            see(event[3:], [*one, _path(given[1])] if event == "os.rename" else one)

    write, fsync = os.write, os.fsync

    def seen_write(handle: int, content: bytes) -> int:
        see("write", [_path_of(handle)], bytes(content))
        return write(handle, content)

    def seen_fsync(handle: int) -> None:
        see("fsync", [_path_of(handle)])
        fsync(handle)

    os.write, os.fsync = seen_write, seen_fsync  # type: ignore[assignment]
    sys.addaudithook(hook)


def _path(path: Any, folder: int = -1) -> str:
    base = _path_of(folder) if folder >= 0 else os.getcwd()
    return os.path.normpath(os.path.join(base, os.fsdecode(path) if not isinstance(path, int) else _path_of(path)))


def _path_of(handle: int) -> str:
    return os.readlink(f"/proc/self/fd/{handle}").removesuffix(" (deleted)")


# Stop at, or refuse, one operation ---------------------------------------------------------------------------------


def counter(into: Path, root: Path) -> Before:
    """Write each operation into a file, one a line, as paths within the folder."""
    file = into.open("w", encoding="utf-8", buffering=1)

    def before(operation: str, paths: list[str], _: bytes | None) -> None:
        file.write(f"{operation} {' '.join(os.path.relpath(path, root) for path in paths)}\n")

    return before


def at(number: int, do: Callable[[], None]) -> Before:
    """Do something before the operation of that number, counted from 0; of a write, half has been done by then."""
    count = 0

    def before(operation: str, paths: list[str], content: bytes | None) -> None:
        nonlocal count
        count += 1
        if count == number + 1:
            if content:
                with open(paths[0], "ab") as file:
                    file.write(content[: len(content) // 2])
            do()

    return before


def crash() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(number: int) -> Callable[[], None]:
    """Return what raises a system error."""

    def do() -> None:
        raise OSError(number, os.strerror(number))

    return do


# What a power cut leaves -------------------------------------------------------------------------------------------


def recorder(into: Path, root: Path) -> Before:
    """Write the trace of a run into a file: operations, what files held after each, and which steps were saved."""
    file = into.open("w", encoding="utf-8", buffering=1)
    open_files: dict[str, bytes] = {}

    def note(*words: str) -> None:
        file.write(json.dumps(words) + "\n")

    def contents() -> None:
        for path, old in list(open_files.items()):
            if os.path.isfile(path) and (now := Path(path).read_bytes()) != old:
                open_files[path] = now
                note("content", os.path.relpath(path, root), now.decode("latin-1"))

    def before(operation: str, paths: list[str], _: bytes | None) -> None:
        contents()
        named = [os.path.relpath(path, root) for path in paths]
        if operation in ("rename", "fsync") and os.path.isfile(paths[0]) and paths[0] not in open_files:
            open_files[paths[0]] = b""  # made by code that no hook sees into, such as pyarrow's
            note("open", named[0])
            contents()
        if operation in ("open", "truncate"):
            open_files.setdefault(paths[0], b"")
        note(operation, *named)
        if operation in ("remove", "rename"):
            held = open_files.pop(paths[0], None)
            if operation == "rename" and held is not None:
                open_files[paths[1]] = held

    notify = Run.notify

    def noting(run: Run, hook: str, **arguments: Any) -> None:
        if hook == "on_save":
            contents()
            note("saved", str(arguments["step"]))
        notify(run, hook, **arguments)

    Run.notify = noting  # type: ignore[method-assign]
    return before


@dataclass
class File:
    """A file's bytes, as the system shows them and as the disk has them for certain."""

    now: bytes = b""
    synced: bytes | None = None


@dataclass
class Folder:
    """A folder's names, likewise; `waiting` are changes that the disk may or may not have."""

    now: dict[str, Any] = field(default_factory=dict)
    synced: dict[str, Any] = field(default_factory=dict)
    waiting: list[dict[str, Any]] = field(default_factory=list)

    def change(self, names: dict[str, Any]) -> None:
        """Set names (None: remove) in one change that is done or not done."""
        self.waiting.append(names)
        _apply(self.now, names)

    def sync(self) -> None:
        """Have all on disk."""
        self.waiting.clear()
        self.synced = dict(self.now)


def _apply(entries: dict[str, Any], names: dict[str, Any]) -> None:
    for name, node in names.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


class Disk:
    """A model of a file system without order between unsynced changes; `root` itself is on disk."""

    def __init__(self) -> None:
        """Begin empty."""
        self.root = Folder()
        self.saved = 0

    def play(self, trace: Iterable[list[str]]) -> Iterator[int]:
        """Do the operations of a trace; yield after each."""
        for number, (operation, *paths) in enumerate(trace):
            self._do(operation, paths)
            yield number

    def _do(self, operation: str, paths: list[str]) -> None:
        if operation == "saved":
            self.saved = int(paths[0])
            return
        if paths[0] == ".":
            if operation == "fsync":
                self.root.sync()
            return
        *folders, name = paths[0].split("/")
        parent = self.root
        for folder in folders:
            parent = parent.now.get(folder, Folder())  # what is not there can't be changed: the operation failed
        node = parent.now.get(name)
        if operation in ("mkdir", "open") and node is None:
            parent.change({name: Folder() if operation == "mkdir" else File()})
        elif operation == "content":
            node.now = paths[1].encode("latin-1")
        elif operation == "fsync" and isinstance(node, Folder):
            node.sync()
        elif operation == "fsync" and node:
            node.synced = node.now
        elif operation == "rename" and node:
            parent.change({name: None, paths[1].rpartition("/")[2]: node})
        elif operation in ("remove", "rmdir") and node:
            parent.change({name: None})

    def after_power_cut(self, rng: random.Random) -> dict[str, bytes | None]:
        """Return {path: content, None for a folder} of one state that the disk may be left in."""
        kept = rng.choice([0.0, 0.5, 1.0])
        found: dict[str, bytes | None] = {}

        def walk(folder: Folder, path: str) -> None:
            entries = dict(folder.synced)
            for names in folder.waiting:
                if rng.random() < kept:
                    _apply(entries, names)
            for name, node in entries.items():
                if isinstance(node, Folder):
                    found[f"{path}{name}"] = None
                    walk(node, f"{path}{name}/")
                else:
                    found[f"{path}{name}"] = _left(node, rng)

        walk(self.root, "")
        return found


def _left(file: File, rng: random.Random) -> bytes:
    """Return what is left of a file: of bytes not yet on disk all, none, a part, a part and zeros, or rubbish."""
    synced = file.synced or b""
    kept = len(synced) if file.now.startswith(synced) else 0  # bytes were only added, or the file was written anew
    new = file.now[kept:]
    cut = rng.randrange(len(new) + 1)
    garbled = [new[:cut], new[:cut] + bytes(len(new) - cut), rng.randbytes(len(new))]
    return rng.choice([file.now, synced, *(file.now[:kept] + rest for rest in garbled)])


def lay_out(left: dict[str, bytes | None], root: Path) -> None:
    """Write a state into a folder."""
    root.mkdir()
    for path, content in left.items():
        if content is None:
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
