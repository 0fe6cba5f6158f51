"""Answer the test sets and their noised copies, and score each slice of them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lamcore import Answer, Augmenter, Metric, Record
from lamcore.kinds import records_of
from lamcore.plugins import Registry
from lamcore.run import Run
from lamcore.scores import scored
from lamcore_evenness.noise import noise, noised
from lamcore_evenness.slices import Slices, derived, sliced

Row = dict[str, Any]
"""{split, noise, changed, column, slice, records, scores}; noise, column and slice are None where they say nothing."""


class Counted(Metric):
    """A metric whose counts are known, so that a slice is scored from sums and nothing is counted twice."""

    def __init__(self, metric: Metric, counts: Sequence[Mapping[str, float]]):
        self.metric, self.known = metric, counts
        self.direction, self.differences = metric.direction, metric.differences  # type: ignore[misc]

    @property
    def signature(self) -> str:
        return self.metric.signature

    def counts(self, answers: Sequence[Answer], records: Sequence[Record]) -> list[Mapping[str, float]]:
        return list(self.known)

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        return self.metric.score(sums)


def evaluate(registry: Registry, run: Run, columns: Sequence[str], names: Sequence[str]) -> list[Row]:
    """Return the scores of every test split (validation where there is none) and its noised copies, whole and sliced.

    Names and columns are checked before anything is answered. What is noised is the record that the model reads: the
    metrics compare its answer with the record as the source gave it."""
    copies: dict[str | None, dict[str, Augmenter]] = {None: {}, **{name: noise(registry, name) for name in names}}
    tests = [split for split in run.data.raw if split not in ("train", "validation")] or ["validation"]
    splits = {split: list(records_of(run.data.raw[split])) for split in tests}
    slices = sliced(splits, columns, derived(run))
    rows: list[Row] = []
    with contextlib.redirect_stdout(sys.stderr):  # what components print is no answer
        for split, records in splits.items():
            for name, augmenters in copies.items():
                varied = noised(records, augmenters, f"{run.seed}/noise/{split}/{name}")
                changed = sum(new != old for new, old in zip(varied, records, strict=True))
                head = {"split": split, "noise": name, "changed": changed}
                answers = run.trained.predict(({**r, **run.trained.empty} for r in varied), run.recipe.decoding)
                rows += [{**head, **row} for row in scores_of(run.recipe.metrics, answers, records, slices[split])]
    return rows


def scores_of(
    metrics: Mapping[str, Metric], answers: Sequence[Answer], records: Sequence[Record], slices: Mapping[str, Slices]
) -> list[Row]:
    """Return the scores of all records and of each slice, with 95 % intervals by bootstrap over its own records."""
    counts = {label: metric.counts(answers, records) for label, metric in metrics.items()}
    parts: list[tuple[str | None, str | None, list[int]]] = [(None, None, list(range(len(records))))]
    parts += [(column, name, rows) for column, found in slices.items() for name, rows in found.items()]
    made = []
    for column, name, rows in parts:
        known = {label: Counted(metric, [counts[label][row] for row in rows]) for label, metric in metrics.items()}
        scores = scored(known, [answers[row] for row in rows], [records[row] for row in rows])
        made.append({"column": column, "slice": name, "records": len(rows), "scores": scores})
    return made
