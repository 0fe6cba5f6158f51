"""Keep the first of equal, or nearly equal, train records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from lamcore import LamcoreError, Preprocessor, Record
from lamcore_clean.near import Index, folded, shingles, similarity

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass
class Deduplicate(Preprocessor):
    """Drop train records that repeat an earlier one, exactly or nearly; validation and test keep every row.

    Exact means equal in all `columns` after NFKC, case folding and folding of white space, seen through hashes of
    8 bytes. Near means that texts share most of their runs of four characters; candidates come from MinHash (Broder
    1997) and each is then compared exactly, so that nothing less similar than `near` is dropped.
    """

    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """Columns that must all be equal for a repeat; those that the data lacks are passed over."""
    near: float = 0.0
    """Least similarity (Jaccard, 0 to 1) that makes a record a near repeat, such as 0.8; 0 drops exact repeats only."""

    def __post_init__(self) -> None:
        if not 0 <= self.near <= 1:
            raise ValueError(f"near must be between 0 and 1, not {self.near}")

    def apply(self, rows: Dataset, split: str) -> Dataset | Iterable[Record]:
        """Return the rows that repeat no earlier one; other splits than train unchanged."""
        if split != "train" or not len(rows):
            return rows
        texts = rows.select_columns(self._present(rows))
        kept = _first_of_each(texts)
        if self.near:
            kept = _unlike(texts, kept, self.near)
        return rows if len(kept) == len(rows) else rows.select(kept)

    def _present(self, rows: Dataset) -> list[str]:
        present = [column for column in self.columns if column in rows.column_names]
        if not present:
            has = ", ".join(rows.column_names)
            raise LamcoreError(f"deduplicate.columns: none of {self.columns} is in the train split, which has: {has}.")
        return present


def _keys(rows: Dataset) -> Iterator[str]:
    """Yield a text a row that is equal for records that count as equal."""
    for batch in rows.iter(batch_size=1000):
        texts = ([folded(value) for value in values] for values in batch.values())
        yield from map("\x00".join, zip(*texts, strict=True))


def _first_of_each(rows: Dataset) -> Any:
    """Return the row numbers, ascending, of the first of each group of equal rows."""
    import numpy

    hashes = (int.from_bytes(blake2b(key.encode(), digest_size=8).digest()) for key in _keys(rows))
    _, first = numpy.unique(numpy.fromiter(hashes, numpy.uint64, len(rows)), return_index=True)
    first.sort()
    return first


def _unlike(rows: Dataset, kept: Any, near: float) -> list[int]:
    """Return those of the row numbers `kept` whose row is not nearly an earlier one of them."""
    index = Index(near)
    new: list[int] = []
    subset = rows.select(kept)
    for row, key in zip(kept.tolist(), _keys(subset), strict=True):
        runs = shingles(key)
        signature = index.signature(runs)
        if not any(similarity(runs, shingles(_key(rows, other))) >= near for other in index.candidates(signature)):
            index.add(row, signature)
            new.append(row)
    return new


def _key(rows: Dataset, row: int) -> str:
    return "\x00".join(map(folded, rows[row].values()))
