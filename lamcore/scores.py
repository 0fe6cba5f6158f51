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
        counts = metric.counts(answers, records)
        names = list(dict.fromkeys(name for count in counts for name in count))  # one that a record lacks counts 0
        table = np.array([[count.get(name, 0.0) for name in names] for count in counts], dtype=np.float64)
        values, rng, size = _score(metric, names, table.sum(0)), np.random.default_rng(0), len(table)
        drawn = (np.bincount(rng.integers(0, size, size), minlength=size) @ table for _ in range(resamples))
        samples = [_score(metric, names, sums) for sums in drawn]
        for key, value in values.items():
            name = label if len(values) == 1 or key == label else f"{label}.{key}"
            ends = np.percentile([sample[key] for sample in samples], (2.5, 97.5)).tolist() if samples else ()
            bounds = dict(zip(("low", "high"), ends, strict=False))
            scores[name] = {"value": value, **bounds, "signature": metric.signature, "direction": metric.direction}
    return scores


def _score(metric: Metric, names: Sequence[str], sums: np.ndarray) -> dict[str, float]:
    return {key: float(value) for key, value in metric.score(dict(zip(names, sums.tolist(), strict=True))).items()}
