"""Drop pairs that an earlier run finds unlikely: its loss tells how well the target fits the input."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from lamcore import MISSING, LamcoreError, Preprocessor, Record
from lamcore_filters.texts import texts_of

if TYPE_CHECKING:
    from datasets import Dataset

    from lamcore.model import TrainedModel

CHUNK = 2000
"""Records scored at once."""


@dataclass
class Alignment(Preprocessor):
    """Drop train records whose target an earlier run finds unlikely, given the input.

    The score is that run's loss of the record in nats a token of the target: the conditional cross-entropy by which
    Junczys-Dowmunt (2018, "Dual conditional cross-entropy filtering of noisy parallel corpora") ranks pairs, here in
    one direction. It must be less than `threshold`, which depends on the run: `lam thresholds` finds one.
    """

    run: str = MISSING
    """Folder of the earlier run, or of its model."""
    threshold: float = 6.0
    """Keep losses less than this, in nats a token (more than 0)."""
    checksum: str = ""
    """SHA-256 of the run's weights; empty: read from there, so that data prepared with other weights is not reused."""

    direction: ClassVar[str] = "lower"
    against: ClassVar[str] = "shuffled"

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise ValueError(f"threshold must be more than 0, not {self.threshold}")
        self.checksum = self.checksum or _checksum(Path(self.run))

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one with a small model that has learnt nothing, for checks."""
        from lamcore_filters.example import untrained

        return cls(run=str(untrained(folder / "earlier")))

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return some records to try it on: a model takes its time."""
        from lamcore.testing.toy import records

        return records(24)

    def apply(self, rows: Dataset, split: str) -> Dataset | Iterable[Record]:
        """Return the rows that the earlier run finds likely enough; other splits than train unchanged."""
        return self._kept(rows) if split == "train" else rows

    def _kept(self, rows: Dataset) -> Iterable[Record]:
        from lamcore.kinds import records_of

        records = records_of(rows)
        while chunk := list(islice(records, CHUNK)):
            for record, score in zip(chunk, self.scores(chunk), strict=True):
                if score is None or self.keeps(score):
                    yield record

    def keeps(self, score: float) -> bool:
        """Say whether a record of this score stays."""
        return score < self.threshold

    def scores(self, records: Sequence[Record]) -> list[float | None]:
        """Return the earlier run's loss of each record in nats a target token; None where input or target is empty."""
        if _checksum(Path(self.run)) != self.checksum:
            raise LamcoreError(f"alignment.run: {self.run} does not hold the weights {self.checksum}.")
        judged = [number for number, record in enumerate(records) if texts_of(record, ("input", "target"))]
        losses = _losses(_model(self.run, self.checksum), [records[number] for number in judged])
        found = dict(zip(judged, losses, strict=True))
        return [found.get(number) for number in range(len(records))]


def _checksum(run: Path) -> str:
    """Return the checksum of the weights of a run's or a model's folder, "" where it is none."""
    for folder in (run / "model", run):
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            return str(manifest["files"]["model.safetensors"]["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return ""


@lru_cache(1)
def _model(run: str, checksum: str) -> TrainedModel:
    from lamcore import load

    return load(run)


def _losses(trained: TrainedModel, records: list[Record]) -> list[float]:
    """Return each record's loss a token, in nats, in evaluation mode."""
    import numpy as np

    from lamcore.data import cut
    from lamcore.model import evaluating

    if not records:
        return []
    for step in trained.parts.preprocessors.values():
        if not hasattr(step, "keeps"):  # a filter changes nothing, and may want columns that these records lack
            records = [step.change(record) or record for record in records]
    examples = trained.model.encode(records)
    sizes = np.array([np.atleast_1d(example["size"]) for example in examples])
    found = np.empty(len(records))
    with evaluating(trained.model):
        for rows in cut(np.arange(len(records)), sizes, trained.parts.decoding.batch_tokens):
            losses, counts = trained.model(trained.on(trained.model.collate([examples[row] for row in rows])))
            found[rows] = (losses.double() / counts).cpu().numpy()
    result: list[float] = found.tolist()
    return result
