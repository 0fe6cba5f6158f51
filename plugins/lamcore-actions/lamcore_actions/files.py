"""Files of JSON rows: one object a line, or one list of objects; read and written without holding a file in memory.

What a row lacks is a `Fault`; a reader turns it into a `LamcoreError` of one line with the file and the line."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import json
import os
import re
import secrets
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from lamcore.errors import LamcoreError, safe
from lamcore_actions.calls import loads, loads_from

ROW_BYTES = 16 * 2**20
"""Longest row, in bytes."""
BLOCK = 2**20

Row = dict[str, Any]


class Fault(ValueError):
    """What is wrong in a row: where (a JSON path, such as `tools[0].name`), what, and how to mend it."""

    def __init__(self, where: str, what: str, mend: str):
        super().__init__(f"{where}: {what} - {mend}" if where else f"{what} - {mend}")


# Reading


def read(path: str, to_record: Callable[[Row], Any]) -> Iterator[Any]:
    """Yield what `to_record` makes of each row of a file; names that end in .gz are unpacked."""
    for line, row in rows(path):
        try:
            yield to_record(row)
        except Fault as fault:
            raise problem(path, line, str(fault)) from None


def rows(path: str) -> Iterator[tuple[int, Row]]:
    """Yield each object of a file and the line on which it begins."""
    check(path)
    try:
        with open(_place(path), "rb") as packed, _unpacked(path, packed) as file:
            first = file.read(BLOCK).removeprefix(codecs.BOM_UTF8)
            read = _items if first.lstrip(b" \t\r\n").startswith(b"[") else _lines
            yield from read(path, chain([first], iter(lambda: file.read(BLOCK), b"")))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LamcoreError(f"{path}: the gzip data is damaged ({error}) - fetch or pack the file again") from None
    except OSError as error:
        raise LamcoreError(f"{path}: can't be read ({error.strerror}) - check the file") from None


def check(path: str) -> os.stat_result:
    """Return the stat of a file; refuse what is missing, empty or no ordinary file."""
    try:
        found = os.stat(_place(path))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise LamcoreError(f"{path}: {reason} - paths count from {Path.cwd()}") from None
    if not stat.S_ISREG(found.st_mode):
        raise LamcoreError(f"{path}: this is a folder, a pipe or a device - name a file")
    if not found.st_size:
        raise LamcoreError(f"{path}:1:1: the file is empty - fill it or leave it out")
    return found


def problem(path: str, line: int, what: str) -> LamcoreError:
    """Return the error for a fault of the row that begins on a line."""
    return LamcoreError(f"{path}:{line}:1: {safe(what)}")


def _place(path: str) -> Path:
    return Path(os.path.expanduser(path))


def _unpacked(path: str, file: BinaryIO) -> Any:
    return gzip.GzipFile(fileobj=file) if path.endswith(".gz") else file


def _lines(path: str, blocks: Iterable[bytes]) -> Iterator[tuple[int, Row]]:
    number, rest = 0, b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            number += 1
            yield number, _object(path, number, line)
        if len(rest) > ROW_BYTES:
            raise problem(path, number + 1, f"the line is longer than {ROW_BYTES >> 20} MB - break it up")
    if rest:  # a last line without its line end
        yield number + 1, _object(path, number + 1, rest)


def _object(path: str, number: int, line: bytes) -> Row:
    if not line.strip():
        raise problem(path, number, "the line is empty - remove it")
    try:
        return _is_object(path, number, loads(line.decode("utf-8")))
    except UnicodeDecodeError:
        raise problem(path, number, "this is not UTF-8 - save the file as UTF-8") from None
    except ValueError as error:
        raise problem(path, number, f"this is no JSON ({error}) - write one whole object {{...}} a line") from None


def _is_object(path: str, number: int, value: Any) -> Row:
    if not isinstance(value, dict):
        raise problem(path, number, f"{_kind(value)} stands here - write objects {{...}}")
    return value


def _items(path: str, blocks: Iterable[bytes]) -> Iterator[tuple[int, Row]]:
    """Yield the objects of one list that fills the file, holding a block and an object at most."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    text, line, wanted = "", 1, "["
    for block in chain(blocks, [b""]):  # b"": the end
        try:
            text += decoder.decode(block, final=not block)
        except UnicodeDecodeError:
            raise problem(path, line, "what follows is not UTF-8 - save the file as UTF-8") from None
        at = 0
        while match := _NEXT.match(text, at):
            line += text.count("\n", at, match.start(1))
            at = match.start(1)
            if match[1] not in wanted:
                raise problem(path, line, f"{match[1]!r} stands here - write one list of objects, [{{...}}, ...]")
            if match[1] != "{":
                at, wanted = at + 1, {"[": "{]", ",": "{", "]": ""}[match[1]]
                continue
            try:
                value, end = loads_from(text, at)
            except json.JSONDecodeError as error:
                if block and len(text) - at < ROW_BYTES:
                    break  # more of it is to come
                raise problem(path, line, f"this is no JSON ({error.msg}) - mend the object that begins here") from None
            except ValueError as error:
                raise problem(path, line, f"this is no JSON ({error}) - mend the object that begins here") from None
            yield line, value
            line += text.count("\n", at, end)
            at, wanted = end, ",]"
        else:  # blanks are left
            line += text.count("\n", at)
            at = len(text)
        text = text[at:]
    if wanted:
        raise problem(path, line, "the list never ends - is the file whole?")


_NEXT = re.compile(r"[ \t\r\n]*([^ \t\r\n])")


# What a row holds

_KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "null")


def of_kind(kind: type, value: Any, where: str) -> Any:
    """Return a value that is of a kind (str, list, dict, bool), or raise Fault."""
    if type(value) is not kind:
        found = "nothing" if value is None else f"{_kind(value)} ({str(value)[:30]!r})"
        raise Fault(where, f"{found} stands here", f"it must be {_KINDS[kind]}")
    return value


def unpacked(kind: type, value: Any, where: str) -> Any:
    """Return a value of a kind (list, dict) that may have been written as JSON text, or raise Fault."""
    if isinstance(value, str):
        try:
            value = loads(value)
        except ValueError as error:
            raise Fault(where, f"this text is no JSON ({error})", f"it must be {_KINDS[kind]}") from None
    return of_kind(kind, value, where)


# Writing


def write(path: str, records: Iterable[Any], to_row: Callable[[Any, int], Row]) -> int:
    """Write a row a record as JSON lines, packed where the name ends in .gz; return how many. The file is whole or not
    there."""
    place, number = _place(path), 0
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "wb") as raw, _packed(path, raw) as file:
            for number, record in enumerate(records, start=1):
                file.write(json.dumps(_row(record, number, to_row), ensure_ascii=False).encode("utf-8") + b"\n")
        os.replace(temporary, place)
    except OSError as error:
        raise LamcoreError(f"{path}: can't be written ({error.strerror}) - check the folder") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return number


def _packed(path: str, file: BinaryIO) -> Any:
    return gzip.GzipFile("", "wb", fileobj=file, mtime=0) if path.endswith(".gz") else file


def _row(record: Any, number: int, to_row: Callable[[Any, int], Row]) -> Row:
    try:
        return to_row(record, number - 1)
    except Fault as fault:
        raise LamcoreError(f"record {number} ({record.get('id', 'no id')}): {safe(fault)}") from None
