"""Sum what metrics count, score the sums, and say how sure the scores are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamcore.errors import NUMERICAL_STOP, LamcoreError, some
from lamcore.kinds import Answer, Metric, Record

RESAMPLES = 1000
Scores = dict[str, dict[str, Any]]
"""{metric: {value, low, high, signature, direction}}."""


def reference(answer: Answer, record: Record) -> Any:
    """Return what an answer is held to: the record's `target`, or else the columns of the record that it fills."""
    return record["target"] if "target" in record else {name: record[name] for name in answer if name in record} or None


def scored(
    metrics: Mapping[str, Metric], answers: Sequence[Answer], records: Sequence[Record], resamples: int = RESAMPLES
) -> Scores:
    """Score answers against records, with 95 % intervals by percentile bootstrap over records (Efron 1979)."""
    scores: Scores = {}
    for label, metric in metrics.items():
        for name, (value, *samples) in resampled(label, metric, answers, records, resamples).items():
            ends = np.percentile(samples, (2.5, 97.5)).tolist() if samples else ()
            bounds = dict(zip(("low", "high"), ends, strict=False))
            direction = direction_of(metrics, name)
            scores[name] = {"value": value, **bounds, "signature": metric.signature, "direction": direction}
    return scores


def direction_of(metrics: Mapping[str, Metric], score: str) -> str:
    """Return which value of a score is better: higher, lower (so of the loss), or nearer to zero."""
    label, _, name = score.partition(".")
    if label not in metrics:
        return "lower"
    return "zero" if name in metrics[label].differences else metrics[label].direction


def resampled(
    label: str, metric: Metric, answers: Sequence[Answer], records: Sequence[Record], resamples: int = RESAMPLES
) -> dict[str, list[float]]:
    """Return {name: [value, its values over `resamples` draws of records]}; equally many records draw alike."""
    counts = metric.counts(answers, records)
    names = list(dict.fromkeys(name for count in counts for name in count))  # one that a record lacks counts 0
    table = np.array([[count.get(name, 0.0) for name in names] for count in counts], dtype=np.float64)
    if not np.isfinite(table).all():
        bad = [records[row].get("id") for row in np.flatnonzero(~np.isfinite(table).all(1)).tolist()]
        raise LamcoreError(f"The metric {label!r} counted nan or inf at records {some(bad)}.", NUMERICAL_STOP)
    rng, size = np.random.default_rng(0), len(table)
    drawn = (np.bincount(rng.integers(0, size, size), minlength=size) @ table for _ in range(resamples))
    every = [_score(metric, names, sums) for sums in (table.sum(0), *drawn)]
    names_of = {key: label if len(every[0]) == 1 or key == label else f"{label}.{key}" for key in every[0]}
    return {name: [one[key] for one in every] for key, name in names_of.items()}


def _score(metric: Metric, names: Sequence[str], sums: np.ndarray) -> dict[str, float]:
    scores = {key: float(value) for key, value in metric.score(dict(zip(names, sums.tolist(), strict=True))).items()}
    if not np.isfinite([*scores.values()]).all():
        raise LamcoreError(f"{type(metric).__name__} gave {scores}, which is not finite.", NUMERICAL_STOP)
    return scores
