"""Readers of text files that change nothing and know the true line of every fault.

They read bytes, cut at LF alone (never at a lone CR, a form feed or U+2028), decode strict UTF-8 and hold one block
of a file in memory. Two things are no text and are taken away: a byte order mark at the start of a file, and the CR
of a CRLF line end. Names that end in .gz are unpacked as a stream, with a bound on how far they may grow.

Every fault is a `LamcoreError` of one line: `path:line:column: what - how to mend`. Lines and columns (characters)
count from 1; column 1 also stands for the whole line. In Parquet a row's number stands in the line's place.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import json
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from lamcore import LamcoreError

LINE_BYTES = 16 * 2**20
"""Longest line, in bytes."""
RATIO, FREE_BYTES = 100, 4 * 2**20
"""A .gz may grow to RATIO times its size; the first FREE_BYTES are not counted."""
DEPTH = 100
"""Deepest nesting of lists and objects in a line of JSON."""
BLOCK, PACKED_BLOCK = 2**18, 2**14

Row = tuple[int, dict[str, Any]]
"""The line on which a record begins, and the record."""


def problem(path: str, line: int, column: int, what: str, mend: str) -> LamcoreError:
    """Return the error for a fault at a place in a file."""
    return LamcoreError(f"{path}:{line}:{column}: {what} - {mend}")


def listed(names: Iterable[str]) -> str:
    """Return names as text, quoted so that no odd character gets out, the first twenty of many."""
    shown = [repr(str(name)) for name in names]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return "did you mean 'x'? " for the name nearest to `name`, or nothing."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}? " if near else ""


# Files


def check(path: str) -> os.stat_result:
    """Return the file's stat; refuse what is missing, empty or no ordinary file, without opening it."""
    try:
        found = os.stat(_place(path))
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise LamcoreError(f"{path}: can't be read ({_reason(error)}) - check the path and its permissions") from None
    if stat.S_ISDIR(found.st_mode):
        raise LamcoreError(f"{path}: this is a folder - name a file in it ({_files_in(_place(path))})")
    if not stat.S_ISREG(found.st_mode):
        raise LamcoreError(f"{path}: this is a pipe or a device, and a file is read more than once - save it to a file")
    if not found.st_size:
        raise _empty(path)
    return found


def fingerprint(paths: Iterable[str]) -> str:
    """Return a short text that changes when a file's place, size or time of change does."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        found = check(path)
        text = f"{_place(path).resolve()}\0{found.st_size}\0{found.st_mtime_ns}\0"
        digest.update(text.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _place(path: str) -> Path:
    return Path(os.path.expanduser(path))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _empty(path: str) -> LamcoreError:
    return problem(path, 1, 1, "the file is empty", "fill it or leave it out")


def _missing(path: str) -> LamcoreError:
    if re.match(r"[a-z][a-z0-9+]+://", path):
        return LamcoreError(f"{path}: files are read from disk, not from an address - fetch it first")
    place, folder = _place(path), _place(path).parent
    if not folder.is_dir():
        return LamcoreError(f"{path}: there is no folder '{folder}' - check the path (working folder: {Path.cwd()})")
    hint = nearest(place.name, _names(folder)) or f"the folder holds {_files_in(folder)}; "
    return LamcoreError(f"{path}: there is no such file - {hint}paths count from {Path.cwd()}")


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _files_in(folder: Path) -> str:
    return listed(_names(folder)) or "nothing"


# Bytes


class _Damaged(Exception):
    """What is wrong with packed bytes, and how to mend it; `read_blocks` adds the line."""


def read_blocks(path: str) -> Iterator[bytes]:
    """Yield the bytes of a file, unpacked where its name ends in .gz, a block at a time."""
    check(path)
    line = 1
    try:
        with open(_place(path), "rb") as file:
            for block in _unpacked(file) if path.endswith(".gz") else iter(lambda: file.read(BLOCK), b""):
                line += block.count(b"\n")
                yield block
    except _Damaged as error:
        raise problem(path, line, 1, *error.args) from None
    except OSError as error:
        raise LamcoreError(f"{path}: can't be read ({_reason(error)}) - check the file and its permissions") from None


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """Unpack gzip data of one or many members; the standard module would lose what stands before a fault."""
    taken = given = 0
    decoder = zlib.decompressobj(31)  # 31: gzip, largest window
    while packed := file.read(PACKED_BLOCK):
        taken += len(packed)
        more = False
        while packed or more:
            if decoder.eof:
                packed = packed.lstrip(b"\0")  # padding that some tools write between and after members
                if not packed:
                    break
                decoder = zlib.decompressobj(31)
            data, error = _inflate(decoder, packed)
            given += len(data)
            yield data
            if error:
                raise _Damaged(f"the gzip data is damaged ({error})", "fetch or pack the file again")
            if given > max(FREE_BYTES, RATIO * taken):
                raise _Damaged(f"the file unpacks to over {RATIO} times its size", "unpack it yourself if it is sound")
            more = len(data) >= BLOCK
            packed = decoder.unconsumed_tail or decoder.unused_data
    if not decoder.eof:
        raise _Damaged("the gzip data ends too early", "fetch or pack the file again")


def _inflate(decoder: Any, packed: bytes) -> tuple[bytes, str]:
    """Return what can be unpacked and what went wrong; after a fault byte by byte, to know its true line."""
    before = decoder.copy()
    try:
        return decoder.decompress(packed, BLOCK), ""
    except zlib.error:
        data = b""
        for at in range(len(packed)):
            try:
                data += before.decompress(packed[at : at + 1], BLOCK)
            except zlib.error as error:
                return data, str(error)
        raise


# Lines

_SIGNATURES = {
    b"\x1f\x8b": ("gzip data", "give the file a name that ends in .gz"),
    b"PK\x03\x04": ("a zip archive or a spreadsheet", "unpack it, or save the sheet as CSV in UTF-8"),
    b"PAR1": ("a Parquet file", "read it with source=parquet"),
    b"BZh": ("bzip2 data", "unpack it, or pack it with gzip"),
    b"\xfd7zXZ": ("xz data", "unpack it, or pack it with gzip"),
    b"\x28\xb5\x2f\xfd": ("zstd data", "unpack it, or pack it with gzip"),
    b"\xff\xfe": ("UTF-16 text", "save it as UTF-8"),
    b"\xfe\xff": ("UTF-16 text", "save it as UTF-8"),
}


def read_lines(path: str, ends: bool = False) -> Iterator[str]:
    """Yield each line without its end, or with it where `ends` is true."""
    number, rest, first = 0, b"", True
    for block in read_blocks(path):
        rest += block
        if first and len(rest) >= 6:
            rest, first = _start(path, rest), False
        if b"\n" not in block:
            _refuse_long(path, number, rest)
            continue
        whole, _, rest = rest.rpartition(b"\n")
        found = _split(path, number, whole + b"\n", ends)
        number += len(found)
        yield from found
    rest = _start(path, rest) if first else rest
    if rest:  # a last line without its line end
        yield _text(path, number, rest)
    elif not number:
        raise _empty(path)


def _start(path: str, data: bytes) -> bytes:
    for signature, (what, mend) in _SIGNATURES.items():
        if data.startswith(signature):
            raise problem(path, 1, 1, f"this is {what}, not UTF-8 text", mend)
    return data.removeprefix(b"\xef\xbb\xbf")


def _refuse_long(path: str, number: int, rest: bytes) -> None:
    if len(rest) > LINE_BYTES:
        what = f"the line is longer than {LINE_BYTES >> 20} MB"
        raise problem(path, number + 1, 1, what, "break it into shorter ones")


def _split(path: str, number: int, data: bytes, ends: bool) -> list[str]:
    text = _text(path, number, data)
    if ends:
        return [line + "\n" for line in text.split("\n")[:-1]]
    return text.replace("\r\n", "\n").split("\n")[:-1]


def _text(path: str, number: int, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = number + data.count(b"\n", 0, error.start) + 1
        begin = data.rfind(b"\n", 0, error.start) + 1
        column = len(data[begin : error.start].decode("utf-8")) + 1
        what = f"byte 0x{data[error.start]:02X} is not UTF-8"
        raise problem(path, line, column, what, "save the file as UTF-8 (iconv -f OLD -t UTF-8)") from None


def read_parallel(paths: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the lines of several files side by side; refuse files of unequal length."""
    sides = [read_lines(path) for path in paths]
    for number, texts in enumerate(zip_longest(*sides), start=1):
        if None in texts:
            _refuse_unequal(paths, sides, number, texts)
        yield texts


def _refuse_unequal(paths: list[str], sides: list[Iterator[str]], number: int, texts: Sequence[str | None]) -> NoReturn:
    """Raise for the first file that ends, after counting the lines of those that go on."""
    others = [(path, side) for path, side, text in zip(paths, sides, texts, strict=True) if text is not None]
    counts = ", ".join(f"{path} has {number + sum(1 for _ in side)}" for path, side in others)
    what = f"the file ends after line {number - 1}, but {counts}"
    raise problem(paths[texts.index(None)], number, 1, what, "line n of each file must belong together")


# Records


class _Refused(ValueError):
    """A value that JSON allows and we don't: what, how to mend, and the text to look for."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"the key {twice!r} stands twice", "keep one of them", json.dumps(twice, ensure_ascii=False))
    return found


def _constant(text: str) -> NoReturn:
    raise _Refused(f"{text} is not JSON", "write null, a number or text", text)


def _fraction(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _Refused(f"the number {text[:30]} is too large", "write it as text, in quotes", text)
    return value


def _whole(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise _Refused(f"the number {text[:30]} needs more than 64 bits", "write it as text, in quotes", text)
    return int(text)


_json = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant, parse_float=_fraction, parse_int=_whole)
_surrogate = re.compile(
    r"\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def read_jsonl(path: str) -> Iterator[Row]:
    """Yield the object on each line."""
    for number, text in enumerate(read_lines(path), start=1):
        yield number, _object(path, number, text)


def _object(path: str, number: int, text: str) -> dict[str, Any]:
    if not text.strip():
        raise problem(path, number, 1, "the line is empty", "remove it")
    try:
        value = _json.decode(text)
    except json.JSONDecodeError as error:
        what = f"this is no JSON ({error.msg})"
        raise problem(path, number, error.colno, what, "write one whole object {...} a line") from None
    except _Refused as error:
        what, mend, wanted = error.args
        raise problem(path, number, text.rfind(wanted) + 1 or 1, what, mend) from None
    except RecursionError:
        raise _too_deep(path, number) from None
    if not isinstance(value, dict):
        raise problem(path, number, 1, f"{_kind(value)} stands here", "write one object {...} a line")
    if text.count("[") + text.count("{") > DEPTH and _depth(value) > DEPTH:
        raise _too_deep(path, number)
    for found in _surrogate.finditer(text) if "\\u" in text else ():
        if found[1]:
            what = f"{found[1]} is half a character (a lone surrogate)"
            raise problem(path, number, found.start() + 1, what, "write the whole character")
    return value


def _too_deep(path: str, number: int) -> LamcoreError:
    return problem(path, number, 1, f"lists and objects are nested more than {DEPTH} deep", "flatten them")


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, (list, dict))]:
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
        depth += 1
    return depth


def read_csv(path: str, delimiter: str = ",") -> Iterator[Row]:
    """Yield each row under the header as text; quoted fields may hold the delimiter, quotes (doubled) and line ends."""
    rows = csv.reader(read_lines(path, ends=True), delimiter=delimiter, strict=True)
    return _under_header(path, _csv_rows(path, rows))


def _csv_rows(path: str, rows: Any) -> Iterator[tuple[int, list[str]]]:
    while True:
        start = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise _csv_problem(path, start, rows.line_num, str(error)) from None
        yield start, row


def _csv_problem(path: str, start: int, line: int, text: str) -> LamcoreError:
    """Say the csv module's message in words; a quote that stays open is a fault of the line where its row begins."""
    if "unexpected end" in text:
        return problem(path, start, 1, "a quote of this row is never closed", "close it, or double it inside a field")
    if "field limit" in text:
        what = f"a field is longer than {csv.field_size_limit()} characters, or its quote is never closed"
        return problem(path, start, 1, what, "close the quote, or use source=jsonl")
    if "new-line" in text:
        what = "a carriage return stands outside quotes"
        return problem(path, line, 1, what, "put the field in quotes, or end lines with LF")
    return problem(path, line, 1, f"this is no CSV ({text})", "double each quote inside a quoted field")


def read_tsv(path: str) -> Iterator[Row]:
    """Yield each row under the header as text; a row is a line, fields are cut at tabs, quotes mean nothing."""
    return _under_header(path, ((number, text.split("\t")) for number, text in enumerate(read_lines(path), start=1)))


def _under_header(path: str, rows: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    _, names = next(rows)
    _check_header(path, names)
    number = 0
    for number, row in rows:
        if len(row) != len(names):
            what = f"{len(row)} fields, but the header has {len(names)}" if any(row) else "the line is empty"
            raise problem(path, number, 1, what, f"write one field for each of {listed(names)}")
        yield number, dict(zip(names, row, strict=True))
    if not number:
        raise problem(path, 2, 1, "no row stands under the header", "fill the file or leave it out")


def _check_header(path: str, names: list[str]) -> None:
    if not names or "" in names:
        raise problem(path, 1, 1, "a column has no name", "begin with a line of column names")
    if any("\0" in name for name in names):
        raise problem(path, 1, 1, "a column's name holds a NUL, as in UTF-16 text", "save the file as UTF-8")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise problem(path, 1, 1, f"the column {twice[0]!r} stands twice", "give each column its own name")


def read_parquet(path: str) -> Iterator[Row]:
    """Yield each row, with the types that the file gives them."""
    check(path)
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        with ParquetFile(_place(path)) as file:
            for batch in file.iter_batches(batch_size=1000):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        what = f"this is no sound Parquet ({str(error).partition(chr(10))[0][:200]})"
        raise problem(path, number + 1, 1, what, "write the file again") from None
    if not number:
        raise problem(path, 1, 1, "the file holds no row", "fill it or leave it out")


# Columns

_KINDS = {
    str: "text", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "an object",
    type(None): "null",
}  # fmt: skip


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), type(value).__name__)


def choose(rows: Iterable[Row], path: str, columns: dict[str, str], kinds: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield records of the columns {ours: theirs}, or of all columns where that is empty.

    Columns and kinds must stay the same from row to row: a table can't hold anything else. `kinds`, column -> kind, is
    filled on the way, so that files read one after another are held to the same.
    """
    for number, row in rows:
        if columns:
            record = _renamed(path, number, row, columns)
        else:
            record = row
            if kinds and row.keys() != kinds.keys():
                raise _other_columns(path, number, row, kinds)
        for name, value in record.items():
            _check_kind(path, number, name, value, kinds)
        yield record


def _renamed(path: str, number: int, row: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    try:
        record = {ours: row[theirs] for ours, theirs in columns.items()}
    except KeyError as error:
        name = str(error.args[0])
        mend = f"{nearest(name, row)}there are: {listed(row)}"
        raise problem(path, number, 1, f"there is no column {name!r}", mend) from None
    several = record.get("target")
    if isinstance(several, list) and several and all(isinstance(one, str) for one in several):
        record |= {"target": several[0], "references": several}
    return record


def _other_columns(path: str, number: int, row: dict[str, Any], kinds: dict[str, str]) -> LamcoreError:
    lost, new = [n for n in kinds if n not in row], [n for n in row if n not in kinds]
    what = f"there is no column {lost[0]!r} here" if lost else f"the column {new[0]!r} is new here"
    mend = f"give every record {listed(kinds)}, or name those you want in source.columns"
    return problem(path, number, 1, what, mend)


def _check_kind(path: str, number: int, name: str, value: Any, kinds: dict[str, str]) -> None:
    kind = "text" if type(value) is str else _kind(value)
    if name in ("input", "target") and kind != "text":
        raise problem(path, number, 1, f"{name} is {kind} ({str(value)[:30]!r}), not text", "write it in quotes")
    expected = kinds.get(name, "null")
    if expected == "null":
        kinds[name] = kind
    elif kind not in (expected, "null") and (kind, expected) != ("a whole number", "a number"):
        mend = "keep one type a column (1.0, not 1, among fractions)"
        raise problem(path, number, 1, f"{name!r} is {kind} here and {expected} before", mend)
