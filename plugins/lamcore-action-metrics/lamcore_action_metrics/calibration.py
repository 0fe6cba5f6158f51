"""Metrics `calibration_error` and `risk_coverage`: whether a model is as sure as it is right."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lamcore import Answer, LamcoreError, Metric, Record
from lamcore_action_metrics.values import pair, percent

log = logging.getLogger("lamcore")

STEP, MOST = 0.05, 10.0
"""Log-odds that two answers must differ by to be told apart, and the largest that are."""


@dataclass
class CalibrationError(Metric):
    """Expected calibration error in percent: how far answers are from being right as often as they are sure.

    Guo et al. 2017, equation 3: answers are put into bins of equal width by their probability; the error is the mean
    over answers of their bin's |percent right - mean probability|. An answer's probability is its `probability`, or
    else exp(`score`), the score being a log probability; one that has neither is taken as sure, with a warning."""

    column: str = "intent"
    """Column to compare, of any type; an answer is right if it equals the record's."""
    bins: int = 15
    """Bins between 0 and 1; a bin holds its upper end."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)
    direction: ClassVar[str] = "lower"

    def __post_init__(self) -> None:
        if self.bins < 1:
            raise ValueError(f"bins must be 1 or more, not {self.bins}")

    @property
    def signature(self) -> str:
        """Say how the error is estimated."""
        return f"column:{self.column}|bins:{self.bins} of equal width|probability or exp(score)"

    def counts(self, answers: Sequence[Answer], records: Sequence[Record]) -> list[Mapping[str, float]]:
        """Count each answer; warn where some do not say how sure they are."""
        _warn("calibration_error", answers)
        return super().counts(answers, records)

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return the answer's probability and whether it is right, both under its bin, and one for itself."""
        gold, said = pair("calibration_error", answer, record, self.column)
        sure = _probability("calibration_error", answer, record)
        place = max(1, math.ceil(sure * self.bins))
        return {"all": 1.0, f"sure_{place}": sure, f"right_{place}": float(gold == said)}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"calibration_error": percent}; 0 where there are no answers."""
        places = range(1, self.bins + 1)
        gaps = (abs(sums.get(f"right_{place}", 0.0) - sums.get(f"sure_{place}", 0.0)) for place in places)
        return {"calibration_error": percent(sum(gaps), sums.get("all", 0.0))}


@dataclass
class RiskCoverage(Metric):
    """Area under the risk-coverage curve in percent (Geifman et al. 2019): how well probability tells right from wrong.

    Answers are taken from the surest to the least sure; the area is the mean, over how many are taken, of the percent
    of them that is wrong. A model that is right in half of its answers has 50 where its probability says nothing, and
    about 15 where all its right answers come first. The curve itself: `lam coverage RUN`. An answer's probability is
    found as in `calibration_error`."""

    column: str = "intent"
    """Column to compare, of any type; an answer is right if it equals the record's."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)
    direction: ClassVar[str] = "lower"

    @property
    def signature(self) -> str:
        """Say when two answers count as equally sure."""
        return f"column:{self.column}|probability or exp(score), in steps of {STEP:g} of its log-odds, to {MOST:g}"

    def counts(self, answers: Sequence[Answer], records: Sequence[Record]) -> list[Mapping[str, float]]:
        """Count each answer; warn where some do not say how sure they are."""
        _warn("risk_coverage", answers)
        return super().counts(answers, records)

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return one for the answer, and for it if it is wrong, under how sure it is."""
        gold, said = pair("risk_coverage", answer, record, self.column)
        sure = _probability("risk_coverage", answer, record)
        odds = math.log(sure / (1 - sure)) if 0 < sure < 1 else math.copysign(math.inf, sure - 0.5)
        place = round(max(-MOST, min(MOST, odds)) / STEP)
        return {f"all_{place}": 1.0, f"wrong_{place}": float(gold != said)}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"risk_coverage": percent}; 0 where there are no answers. Equally sure answers are evenly mixed."""
        import numpy as np

        places = sorted((int(key.removeprefix("all_")) for key in sums if key.startswith("all_")), reverse=True)
        answers = np.array([sums[f"all_{place}"] for place in places]).astype(int)
        wrong = np.array([sums[f"wrong_{place}"] for place in places]) / np.maximum(answers, 1)
        risks = np.repeat(wrong, answers).cumsum() / np.arange(1, answers.sum() + 1)
        return {"risk_coverage": 100 * float(risks.mean()) if len(risks) else 0.0}


def _warn(metric: str, answers: Sequence[Answer]) -> None:
    """Warn where some answers do not say how sure they are."""
    if silent := sum("probability" not in answer and "score" not in answer for answer in answers):
        log.warning("%s: %d answers have neither probability nor score: taken as sure.", metric, silent)


def _probability(metric: str, answer: Answer, record: Record) -> float:
    """Return how sure an answer is, 0 to 1, or raise the error that names its record."""
    known = answer.get("probability")
    if known is None:
        score = answer.get("score", 0.0)
        known = math.exp(min(score, 700.0))
    if not 0 <= known <= 1 + 1e-6:
        what = f"{metric}: the answer to record {record.get('id')!r} has the probability {known:g}"
        raise LamcoreError(f"{what}, which is not between 0 and 1: its score is no log probability.")
    return min(known, 1.0)
