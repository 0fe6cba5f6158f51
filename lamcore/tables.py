"""Records on disk: memory-mapped Arrow tables in shards that are whole or absent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, concatenate_datasets
from datasets.fingerprint import generate_random_fingerprint
from datasets.table import InMemoryTable
from filelock import FileLock

from lamcore.errors import LamcoreError
from lamcore.kinds import Record, records_of
from lamcore.store import room, sync, write

SHARD = 100_000
"""Rows in a file."""
CHUNK = 1000
"""Rows turned at once."""
BATCH = 10_000
"""Rows in a record batch: opening a file maps the pages around each batch's head, so few batches map little."""
DONE = "done.json"


def once(folder: Path, make: Callable[[], Any]) -> Any:
    """Make a folder unless it is whole, and return the facts that `make` gave about it.

    Of two processes one makes it and the other waits; an interrupted one is made again, over the shards that are there.
    """
    if not (folder / DONE).is_file():
        with room(folder), FileLock(folder.with_suffix(".lock")):
            if not (folder / DONE).is_file():
                facts = make()
                folder.mkdir(exist_ok=True)
                write(folder / DONE, json.dumps(facts))
    return json.loads((folder / DONE).read_text(encoding="utf-8"))


def open_table(folder: Path) -> Dataset:
    """Open the table of a folder; shards without rows do not count."""
    shards = [Dataset.from_file(str(file)) for file in sorted(folder.glob("*.arrow"))]
    parts = [shard for shard in shards if len(shard)] or shards[:1]
    return parts[0] if len(parts) == 1 else concatenate_datasets(parts)


def read_table(folder: Path) -> Iterator[Record]:
    """Go through the table of a folder with one shard in memory at a time."""
    for file in sorted(folder.glob("*.arrow")):
        yield from records_of(Dataset.from_file(str(file), in_memory=True))


def table_of(records: Sequence[Record]) -> Dataset:
    """Return records as a table in memory, in a fifth of `Dataset.from_list`'s time: its contents are not hashed."""
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [record.get(name) for record in records] for name in names}
    return Dataset(InMemoryTable.from_pydict(columns), fingerprint=generate_random_fingerprint())


def write_table(folder: Path, records: Iterable[Record]) -> Dataset:
    """Write records in shards, in constant memory, and open the table; its columns are those of the first thousand."""
    rest, number, schema = iter(records), 0, None
    while first := list(islice(rest, CHUNK)):
        schema = schema or _schema(first)
        _write_shard(folder / f"{number:05d}.arrow", chain(first, islice(rest, SHARD - CHUNK)), schema)
        number += 1
    if not number:
        _write_shard(folder / "00000.arrow", iter(()), pa.schema([]))
    return open_table(folder)


def map_table(source: Path, target: Path, turn: Callable[[Dataset], Iterable[Record]]) -> Dataset:
    """Turn a table shard by shard into another, going on where an interrupted call stopped; shards are all alike."""
    for shard in sorted(source.glob("*.arrow")):
        path = target / shard.name
        if not path.is_file():
            rows = Dataset.from_file(str(shard), in_memory=True)
            made = open_table(target) if any(target.glob("*.arrow")) else rows.take(0)
            records = iter(turn(rows))
            first = list(islice(records, CHUNK))
            like = made if len(made) else rows
            schema = _schema(first) if first and not len(made) else like.data.schema.remove_metadata()
            _write_shard(path, chain(first, records), schema)
    return open_table(target)


def _write_shard(path: Path, records: Iterator[Record], schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with room(path):
        try:
            with pa.OSFile(str(temporary), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
                while chunk := list(islice(records, BATCH)):
                    writer.write_batch(_batch(chunk, schema))
            sync(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync(path.parent)


def _schema(records: list[Record]) -> pa.Schema:
    """Infer columns from records; one that is empty in all of them is taken for text."""
    columns = {name: _column(records, name) for name in dict.fromkeys(name for record in records for name in record)}
    return pa.schema([(n, pa.string() if pa.types.is_null(c.type) else c.type) for n, c in columns.items()])


def _column(records: list[Record], name: str, kind: pa.DataType | None = None) -> pa.Array:
    values = [record.get(name) for record in records]
    try:
        if kind and pa.types.is_nested(kind) and (lost := _lost(pa.array(values).type, kind, name)):
            first = next(one.get("id") for one in records if _lost(pa.array([one.get(name)]).type, kind, name))
            raise LamcoreError(f"Record {first!r} has a key {lost!r} that the first ones lack: give them one.")
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        where = f"Column {name!r}, records {records[0].get('id')!r} to {records[-1].get('id')!r}"
        raise LamcoreError(f"{where}: values are not all {kind or 'of one type'}: {error}") from error


def _lost(found: pa.DataType, kind: pa.DataType, path: str) -> str:
    """Return where a value of one type has a key that a value of the other has no place for, or ""."""
    if pa.types.is_struct(found) and pa.types.is_struct(kind):
        for one in found:
            place, at = f"{path}.{one.name}", kind.get_field_index(one.name)
            if lost := place if at < 0 else _lost(one.type, kind.field(at).type, place):
                return lost
    nested = pa.types.is_list(found) and pa.types.is_list(kind)
    return _lost(found.value_type, kind.value_type, f"{path}[]") if nested else ""


def _batch(records: list[Record], schema: pa.Schema) -> pa.RecordBatch:
    known = set(schema.names)
    for record in records:
        if strange := record.keys() - known:
            raise LamcoreError(f"Record {record.get('id')!r} has a column {min(strange)!r} that the first ones lack.")
    return pa.record_batch([_column(records, field.name, field.type) for field in schema], schema=schema)
