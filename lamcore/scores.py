"""Sum what metrics count, score the sums, and say how sure the scores are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamcore.kinds import Answer, Metric, Record

RESAMPLES = 1000
Scores = dict[str, dict[str, Any]]
"""{metric: {value, low, high, signature, direction}}."""


def scored(
    metrics: Mapping[str, Metric], answers: Sequence[Answer], records: Sequence[Record], resamples: int = RESAMPLES
) -> Scores:
    """Score answers against records, with 95 % intervals by percentile bootstrap over records (Efron 1979)."""
    scores: Scores = {}
    for label, metric in metrics.items():
        names, counts = _matrix(metric.counts(answers, records))
        values = _score(metric, names, counts.sum(0))
        low, high = _interval(metric, names, counts, resamples)
        for key, value in values.items():
            name = label if len(values) == 1 or key == label else f"{label}.{key}"
            bounds = {"low": low[key], "high": high[key]} if resamples else {}
            scores[name] = {"value": value, **bounds, "signature": metric.signature, "direction": metric.direction}
    return scores


def _matrix(counts: Sequence[Mapping[str, float]]) -> tuple[list[str], np.ndarray]:
    """Return the counts' names and the numbers, (records, names); a name that a record lacks counts 0."""
    names = list(dict.fromkeys(name for count in counts for name in count))
    return names, np.array([[count.get(name, 0.0) for name in names] for count in counts], dtype=np.float64)


def _score(metric: Metric, names: Sequence[str], sums: np.ndarray) -> dict[str, float]:
    return {key: float(value) for key, value in metric.score(dict(zip(names, sums.tolist(), strict=True))).items()}


def _interval(
    metric: Metric, names: Sequence[str], counts: np.ndarray, resamples: int
) -> tuple[dict[str, float], dict[str, float]]:
    if not resamples:
        return {}, {}
    rng, size = np.random.default_rng(0), len(counts)
    drawn = (np.bincount(rng.integers(0, size, size), minlength=size) @ counts for _ in range(resamples))
    values = [_score(metric, names, sums) for sums in drawn]
    bounds = {key: np.percentile([value[key] for value in values], (2.5, 97.5)) for key in values[0]}
    return {k: float(b[0]) for k, b in bounds.items()}, {k: float(b[1]) for k, b in bounds.items()}
