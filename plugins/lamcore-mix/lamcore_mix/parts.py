"""How many records each part of a table gets, and which ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from lamcore import LamcoreError, Record
from lamcore.kinds import records_of

if TYPE_CHECKING:
    from datasets import Dataset


Choice = tuple[int, int]
"""A row, and the how-manieth time it is taken, from 1."""


class Sampling(Enum):
    """What happens to parts that are not of the size wanted."""

    up = "up"
    down = "down"


def columns_of(rows: Dataset, columns: Sequence[str], key: str) -> tuple[list[str], dict[Any, list[int]]]:
    """Return the ids of all rows, and {values of the columns: row numbers}; `key` is the setting, for the error."""
    if lost := [column for column in columns if column not in rows.column_names]:
        raise LamcoreError(f"{key}: train has no column {lost[0]!r}, only: {', '.join(rows.column_names)}.")
    ids: list[str] = []
    parts: dict[Any, list[int]] = {}
    for batch in rows.select_columns(["id", *columns]).iter(batch_size=1000):
        for name, *values in zip(batch["id"], *(batch[column] for column in columns), strict=True):
            parts.setdefault(tuple(str(value) for value in values), []).append(len(ids))
            ids.append(str(name))
    return ids, parts


def shares_of(sizes: Mapping[Any, int], temperature: float | None) -> dict[Any, float]:
    """Return each part's share, n^(1/temperature) over their sum; None is temperature without bound: all alike."""
    powers = {part: size ** (1 / temperature) if temperature else 1.0 for part, size in sizes.items()}
    return {part: power / sum(powers.values()) for part, power in powers.items()}


def wanted(sizes: Mapping[Any, int], shares: Mapping[Any, float], sampling: Sampling) -> dict[Any, int]:
    """Return how many records each part gets so that the shares hold.

    up: the fewest for which no part loses a record; down: the most for which none is repeated, at least one each."""
    if sampling is Sampling.up:
        total = max(size / shares[part] for part, size in sizes.items())
        return {part: max(size, round(shares[part] * total)) for part, size in sizes.items()}
    total = min(size / shares[part] for part, size in sizes.items())
    return {part: min(size, max(1, round(shares[part] * total))) for part, size in sizes.items()}


def pick(ids: Sequence[str], parts: Mapping[Any, Sequence[int]], counts: Mapping[Any, int], seed: int) -> list[Choice]:
    """Return (row, 1) of each record to keep, by row, then (row, n) of each that is repeated for the n-th time.

    A part's rows are taken in the order of a keyed hash of their ids, over and over until there are enough."""
    chosen: list[Choice] = []
    for part, rows in parts.items():
        count, size = counts[part], len(rows)
        order = rows if count % size == 0 else sorted(rows, key=lambda row: digest(ids[row], seed))
        chosen += [(order[at % size], at // size + 1) for at in range(count)]
    return sorted(chosen, key=lambda one: (one[1], one[0]))


def copies(rows: Dataset, chosen: Sequence[Choice]) -> Iterator[Record]:
    """Yield the records of `pick`; one that is repeated gets an id of its own and names its first as `parent`."""
    records = records_of(rows.select([row for row, _ in chosen]))
    for record, (_, time) in zip(records, chosen, strict=True):
        name = record["id"]
        yield record if time == 1 else {**record, "id": f"{name}@{time}", "parent": record.get("parent") or name}


def digest(name: str, seed: int) -> bytes:
    """Return eight bytes that follow from a text and a seed."""
    return blake2b(f"{seed} {name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
