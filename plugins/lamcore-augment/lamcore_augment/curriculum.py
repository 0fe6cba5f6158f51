"""Easy records first."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from lamcore import LamcoreError, Preprocessor, Record
from lamcore.kinds import records_of

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

log = logging.getLogger("lamcore")
CHUNK = 1000
"""Records that a filter scores at once."""


class Easy(Enum):
    """Which records are easy."""

    low = "low"
    high = "high"


@dataclass
class Curriculum(Preprocessor):
    """Begin with the easiest train records and let the others in as epochs go by (Bengio et al. 2009).

    The share that takes part in epoch e is that of Platanios et al. 2019, equation 8: sqrt(e (1 - start^2) / epochs +
    start^2). Records get the column `first_epoch`, which the core heeds; where they have one already the later counts.
    Put it after steps that add records. Held-out splits stay as they are."""

    column: str = "input"
    """Column that says how easy a record is: of text the number of words, or a number such as a score."""
    easy: Easy = Easy.low
    """Whether low values are easy (short texts) or high ones (scores)."""
    filter: Preprocessor | None = None
    """Filter whose scores say it in the column's place, such as {name: alignment, run: RUN}; null: none."""
    start: float = 0.3
    """Share of the records that epoch 0 has, more than 0, at most 1."""
    epochs: int = 5
    """The first epoch, from 0, in which all records take part; 1 or more."""

    def __post_init__(self) -> None:
        if not 0 < self.start <= 1:
            raise ValueError(f"start must be more than 0 and at most 1, not {self.start}")
        if self.epochs < 1:
            raise ValueError(f"epochs must be 1 or more, not {self.epochs}")
        if self.filter and not hasattr(self.filter, "scores"):
            raise ValueError(f"filter must be one that scores records, not {type(self.filter).__name__}")

    def apply(self, rows: Dataset, split: str) -> Dataset | Iterable[Record]:
        """Return train with `first_epoch`, in the order it has; other splits unchanged."""
        return self._begun(rows) if split == "train" else rows

    def _begun(self, rows: Dataset) -> Iterator[Record]:
        epochs = self._first_epochs(self._hardness(rows))
        for record, epoch in zip(records_of(rows), epochs.tolist(), strict=True):
            yield {**record, "first_epoch": max(epoch, record.get("first_epoch") or 0)}

    def _first_epochs(self, hardness: np.ndarray) -> np.ndarray:
        """Return the first epoch (N,) of each record: the first whose share is above that of the easier records."""
        import numpy as np

        rank = np.empty(len(hardness))
        rank[np.argsort(hardness, kind="stable")] = np.arange(len(hardness)) / len(hardness)
        least = self.start**2
        shares = np.sqrt(np.arange(self.epochs) * (1 - least) / self.epochs + least)
        shares[0] = self.start  # without the root's rounding
        epochs = np.searchsorted(shares, rank, side="right")
        counts = np.bincount(epochs, minlength=self.epochs + 1).cumsum().tolist()
        log.info("curriculum: epoch 0 has %d of %d records, epoch %d all", counts[0], len(hardness), self.epochs)
        return epochs

    def _hardness(self, rows: Dataset) -> np.ndarray:
        """Return how hard each record is, (N,): the greater the harder; what has no score is hardest."""
        import numpy as np

        values = list(self._scores(rows) if self.filter else self._values(rows))
        high = self.filter.direction == "higher" if self.filter else self.easy is Easy.high  # type: ignore[attr-defined]
        numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
        hard = -numbers if high else numbers
        return np.where(np.isnan(hard), np.inf, hard)

    def _scores(self, rows: Dataset) -> Iterator[float | None]:
        assert self.filter is not None
        step: Any = self.filter
        for start in range(0, len(rows), CHUNK):
            yield from step.scores(list(records_of(rows.select(range(start, min(start + CHUNK, len(rows)))))))

    def _values(self, rows: Dataset) -> Iterator[float | None]:
        if self.column not in rows.column_names:
            known = ", ".join(rows.column_names)
            raise LamcoreError(f"curriculum.column: train has no column {self.column!r}, only: {known}.")
        for batch in rows.select_columns([self.column]).iter(batch_size=CHUNK):
            for value in batch[self.column]:
                if not isinstance(value, str | int | float | None):
                    what = f"curriculum.column: {self.column} must hold text or numbers"
                    raise LamcoreError(f"{what}, not {value!r:.60}: name another.")
                yield len(value.split()) if isinstance(value, str) else value
