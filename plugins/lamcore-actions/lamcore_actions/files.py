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
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from lamcore.errors import LamcoreError, safe
from lamcore_actions.calls import loads, loads_from
from lamcore_files.readers import LINE_BYTES, problem, read_blocks, read_lines

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
            raise LamcoreError(f"{path}:{line}:1: {safe(fault)}") from None


def rows(path: str) -> Iterator[tuple[int, Row]]:
    """Yield each object of a file and the line on which it begins."""
    yield from _items(path) if _is_list(path) else _lines(path)


def _is_list(path: str) -> bool:
    starts = (block.removeprefix(codecs.BOM_UTF8).lstrip() for block in read_blocks(path))
    return next(filter(None, starts), b"").startswith(b"[")


def _lines(path: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            raise problem(path, number, 1, "the line is empty", "remove it")
        try:
            value = loads(line)
        except ValueError as error:
            what = f"this is no JSON ({error})"
            raise problem(path, number, 1, what, "write one whole object {...} a line") from None
        if not isinstance(value, dict):
            raise problem(path, number, 1, f"{_kind(value)} stands here", "write objects {...}")
        yield number, value


def _items(path: str) -> Iterator[tuple[int, Row]]:
    """Yield the objects of one list that fills the file, holding a block and an object at most."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    text, line, wanted = "", 1, "["
    for block in chain(filter(None, read_blocks(path)), [b""]):  # b"": the end
        try:
            text += decoder.decode(block, final=not block)
        except UnicodeDecodeError:
            raise problem(path, line, 1, "what follows is not UTF-8", "save the file as UTF-8") from None
        at = 0
        while match := _NEXT.match(text, at):
            line += text.count("\n", at, match.start(1))
            at = match.start(1)
            if match[1] not in wanted:
                raise problem(path, line, 1, f"{match[1]!r} stands here", "write one list of objects, [{...}, ...]")
            if match[1] != "{":
                at, wanted = at + 1, {"[": "{]", ",": "{", "]": ""}[match[1]]
                continue
            try:
                value, end = loads_from(text, at)
            except ValueError as error:
                if isinstance(error, json.JSONDecodeError) and block and len(text) - at < LINE_BYTES:
                    break  # more of it is to come
                what = getattr(error, "msg", error)
                raise problem(path, line, 1, f"this is no JSON ({what})", "mend the object that begins here") from None
            yield line, value
            line += text.count("\n", at, end)
            at, wanted = end, ",]"
        else:  # blanks are left
            line += text.count("\n", at)
            at = len(text)
        text = text[at:]
    if wanted:
        raise problem(path, line, 1, "the list never ends", "is the file whole?")


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
    place, number = Path(os.path.expanduser(path)), 0
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
