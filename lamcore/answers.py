"""Many records in and their answers out: read one by one, written so that a killed call is gone on with."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from lamcore.console import answer_text, as_json
from lamcore.errors import LamcoreError, safe
from lamcore.kinds import Answer, Decoding, Record
from lamcore.make import plain
from lamcore.store import dumps, locked, put, room, sync, write

if TYPE_CHECKING:
    from lamcore.model import TrainedModel  # with torch, which reading does without

ROWS, STATE = "rows", "state.json"
CHUNK = 2000
"""Records answered and put on disk at once."""
BATCH = 10_000
"""Rows that Parquet holds together."""


def read(path: Path | None) -> Iterator[Any]:
    """Read records of a .jsonl, .csv or .parquet, else texts, a line each; without a path standard input.

    Lines are read as bytes and cut at LF only."""
    name, form = (str(path), path.suffix) if path else ("standard input", "")
    number = 1
    try:
        with path.open("rb") if path else sys.stdin.buffer as file:
            for one in FORMS.get(form, _lines)(file):
                yield one
                number += 1
    except OSError as error:
        raise LamcoreError(f"{name} can't be read: {error.strerror or error}.") from error
    except (ValueError, csv.Error) as error:
        where = f"{name}, record " if form in (".csv", ".parquet") else f"{name}:"
        raise LamcoreError(f"{where}{number}: {error}") from error


def _lines(file: IO[bytes]) -> Iterator[str]:
    return (line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8") for line in file)


def _batches(file: IO[bytes]) -> Iterator[pa.RecordBatch]:
    return pq.ParquetFile(file, pre_buffer=False).iter_batches(1000)  # else it keeps what it has read


FORMS: Mapping[str, Callable[[IO[bytes]], Iterator[Any]]] = {
    ".jsonl": lambda file: map(json.loads, _lines(file)),
    ".csv": lambda file: csv.DictReader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True),
    ".parquet": lambda file: (row for some in _batches(file) for row in some.to_pylist()),
}


def answer_file(
    trained: TrainedModel,
    inputs: Iterator[Any],
    target: Path,
    decoding: Decoding,
    in_json: bool = False,
    keep: Sequence[str] = (),
    tell: Callable[..., None] = lambda answered, ended: None,
) -> None:
    """Answer inputs into a file, which appears when all are answered; a call that was broken off is gone on with.

    Until then FILE.unfinished holds the answers, and what they rest on: another call goes on from there if model,
    decoding and the inputs answered so far are the same. A .parquet holds `id`, the columns to `keep` and the answer's;
    a .jsonl, or another file `in_json`, the latter two; else each answer is a line of text. `tell` gets the number of
    answers so far (`answered`), and whether the call is over (`ended`)."""
    folder, form = target.with_name(f"{target.name}.unfinished"), target.suffix
    in_json = in_json or form in (".jsonl", ".parquet")
    if keep and not in_json:
        raise LamcoreError(f"--keep: {target} is to hold a line of text an answer. Name it .jsonl or .parquet.")
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        why = "it is a folder" if target.is_dir() else f"{target.parent} is no folder to write into"
        raise LamcoreError(f"--out {target} can't be written: {why}.")
    words = {"model": trained.identity, "decoding": plain(decoding), "form": [form, in_json], "keep": [*keep]}
    seen, done = hashlib.sha256(), 0
    with locked(folder), room(folder):
        try:
            done, length = _begin(folder, json.loads(json.dumps(words)), inputs, seen)
            tell(answered=done, ended=False)
            while chunk := list(islice(inputs, CHUNK)):
                records = [trained.record(done + number, one) for number, one in enumerate(chunk)]
                rows = _rows(records, trained.predict(records, decoding), form == ".parquet", keep)
                lines = (as_json(row) if in_json else safe(answer_text(row)) for row in rows)
                content = "".join(f"{line}\n" for line in lines).encode()
                put(folder / ROWS, content, os.O_APPEND)
                _see(seen, chunk)
                done, length = done + len(chunk), length + len(content)
                state = {"answered": done, "bytes": length, "inputs": seen.hexdigest(), **words}
                write(folder / STATE, dumps(state))
                tell(answered=done, ended=False)
            os.replace(_as_parquet(folder / ROWS) if form == ".parquet" else folder / ROWS, target)
            sync(target.parent)
            (folder / STATE).unlink(missing_ok=True)
        finally:
            tell(answered=done, ended=True)
            if not (folder / STATE).exists():  # all is done, or nothing yet
                shutil.rmtree(folder, ignore_errors=True)


def _begin(folder: Path, words: Mapping[str, Any], inputs: Iterator[Any], seen: Any) -> tuple[int, int]:
    """Pass over the inputs that are answered; return how many they are, and the bytes of their answers."""
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        done, length = state["answered"], state["bytes"]
        if (folder / ROWS).stat().st_size < length:
            raise ValueError("answers are missing")
    except (OSError, ValueError, KeyError):  # none yet, or none that can be trusted
        (folder / STATE).unlink(missing_ok=True)
        put(folder / ROWS, b"")
        return 0, 0
    _see(seen, islice(inputs, done))
    now = {**words, "inputs": seen.hexdigest()}
    if differ := ", ".join(name for name in now if now[name] != state.get(name)):
        what = f"{folder} holds {done:,} answers of a call that was broken off, and its {differ} are not these."
        raise LamcoreError(f"{what} Give the same to go on, or remove that folder to begin anew.")
    os.truncate(folder / ROWS, length)
    return done, length


def _see(seen: Any, inputs: Iterable[Any]) -> None:
    for one in inputs:
        seen.update(f"{one!r}\n".encode())


def _rows(records: list[Record], answers: list[Answer], named: bool, keep: Sequence[str]) -> Iterator[Record]:
    """Yield what the file holds of each record and its answer."""
    for record, answer in zip(records, answers, strict=True):
        if both := {*keep} & {*answer}:
            raise LamcoreError(f"--keep {min(both)}: the answers have a column of that name.")
        if lacks := [name for name in keep if name not in record]:
            raise LamcoreError(f"--keep {lacks[0]}: record {record['id']!r} has none, only: {', '.join(record)}.")
        name = {"id": str(record["id"])} if named else {}
        yield {**name, **{column: record[column] for column in keep}, **answer, **name}


def _as_parquet(rows: Path) -> Path:
    """Turn JSON lines into Parquet, with a batch in memory at a time."""

    def batches() -> Iterator[list[Record]]:
        with rows.open(encoding="utf-8", newline="\n") as file:
            while batch := [json.loads(line) for line in islice(file, BATCH)]:
                yield batch

    made, wider, schema = rows.with_suffix(".parquet"), pa.schema([("id", pa.string())]), None
    try:
        while schema != wider:  # once more where a batch has other columns or types than those before
            schema = wider
            with pq.ParquetWriter(made, schema) as writer:
                for batch in batches():
                    table = pa.Table.from_pylist(batch)
                    wider = pa.unify_schemas([schema, table.schema], promote_options="permissive")
                    if wider != schema:
                        break
                    writer.write_table(table if table.schema == schema else pa.Table.from_pylist(batch, schema))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise LamcoreError(f"Values of a column are of two types: {error}. All are in {rows}, as JSON.") from error
    sync(made)
    return made
