"""A share of a train split, drawn by a keyed hash."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from datasets import Dataset

from lamcore import LamcoreError, Record
from lamcore.kinds import records_of
from lamcore_mix.parts import digest

if TYPE_CHECKING:
    from lamcore_mix import Part


def taken(part: Part) -> Mapping[str, Dataset | Iterable[Record]]:
    """Return the splits of `part.source`, of train no more than is asked for."""
    given = dict(part.source.load())
    if "train" not in given:
        raise LamcoreError(f"source.source gives no split 'train', only: {', '.join(given)}.")
    return {**given, "train": _train(part, given["train"])}


def _train(part: Part, rows: Any) -> Iterator[Record]:
    empty = True
    for number, record in enumerate(records_of(rows) if isinstance(rows, Dataset) else rows):
        if _within(part, record) is not part.rest:
            empty = False
            yield {"id": f"train-{number}", **record}
    if empty:
        raise LamcoreError(f"source.share={part.share:g} leaves no record of train: raise it.")


def _within(part: Part, record: Record) -> bool:
    """Say whether a record is of the share: by its group or its input, or all of it where neither is text."""
    key = record.get("group") or record.get("input")
    text = key if isinstance(key, str) else json.dumps(record, sort_keys=True, default=str)
    return int.from_bytes(digest(text, part.seed), "big") < part.share * 2**64
