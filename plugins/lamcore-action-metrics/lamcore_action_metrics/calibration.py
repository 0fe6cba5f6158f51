"""The metric `calibration_error`: whether a model is as sure as it is right."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lamcore import Answer, LamcoreError, Metric, Record
from lamcore_action_metrics.values import pair, percent

log = logging.getLogger("lamcore")


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
        if silent := sum("probability" not in answer and "score" not in answer for answer in answers):
            log.warning("calibration_error: %d answers have neither probability nor score: taken as sure.", silent)
        return super().counts(answers, records)

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return the answer's probability and whether it is right, both under its bin, and one for itself."""
        gold, said = pair("calibration_error", answer, record, self.column)
        sure = _probability(answer, record)
        place = max(1, math.ceil(sure * self.bins))
        return {"all": 1.0, f"sure_{place}": sure, f"right_{place}": float(gold == said)}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"calibration_error": percent}; 0 where there are no answers."""
        places = range(1, self.bins + 1)
        gaps = (abs(sums.get(f"right_{place}", 0.0) - sums.get(f"sure_{place}", 0.0)) for place in places)
        return {"calibration_error": percent(sum(gaps), sums.get("all", 0.0))}


def _probability(answer: Answer, record: Record) -> float:
    """Return how sure an answer is, 0 to 1, or raise the error that names its record."""
    known = answer.get("probability")
    if known is None:
        score = answer.get("score", 0.0)
        known = math.exp(min(score, 700.0))
    if not 0 <= known <= 1 + 1e-6:
        what = f"calibration_error: the answer to record {record.get('id')!r} has the probability {known:g}"
        raise LamcoreError(f"{what}, which is not between 0 and 1: its score is no log probability.")
    return min(known, 1.0)
