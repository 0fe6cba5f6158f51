"""ROUGE, computed by torchmetrics."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from lamcore import Answer, LamcoreError, Metric, Record

KINDS = {"1": "rouge1", "2": "rouge2", "l": "rougeL"}
"""Our name of a score -> torchmetrics'."""


def rouge(said: str, right: Sequence[str], stem: bool = False) -> dict[str, float]:
    """Return F1 in percent of ROUGE-1, 2 and L against the reference whose ROUGE-1 is highest, as SciTLDR is scored."""
    return max((_pair(said, one, stem) for one in right), key=lambda scores: scores["1"])


@lru_cache(maxsize=50_000)  # texts are scored again at each validation
def _pair(said: str, right: str, stem: bool) -> dict[str, float]:
    from torchmetrics.functional.text.rouge import rouge_score

    try:
        found = rouge_score([said], [[right]], use_stemmer=stem, rouge_keys=tuple(KINDS.values()))
    except ModuleNotFoundError as error:
        raise LamcoreError("rouge.stem=true needs nltk: pip install 'lamcore-summaries[stem]'.") from error
    return {name: 100 * float(found[f"{key}_fmeasure"]) for name, key in KINDS.items()}


@dataclass
class Rouge(Metric):
    """ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004): mean F1 in percent, equal to torchmetrics' and rouge-score's.

    Words are runs of a-z and 0-9, in lower case. Of several references that with the highest ROUGE-1 counts, for all
    three, as SciTLDR is scored (Cachola et al. 2020). ROUGE-L is of the whole text, not sentence by sentence."""

    column: str = "target"
    """Text column to score; for target, the list `references` is what counts as right where a record has one."""
    stem: bool = False
    """Compare words without their endings (Porter 1980; needs nltk)."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records with summaries, for checks."""
        things = ("a small network", "one large network", "no network at all", "two sets of rules")
        pairs = [
            (f"we learn task {at} by {things[at % 4]}", f"task {at} is learnt by {things[at % 4]}") for at in range(40)
        ]
        return [{"id": str(at), "target": pair[0], "references": [*pair]} for at, pair in enumerate(pairs)]

    @property
    def signature(self) -> str:
        """Say who computed it, and how."""
        version = importlib.metadata.version("torchmetrics")
        kind = f"stem:{'porter' if self.stem else 'no'}|F1|references:that of the highest rouge.1"
        return f"column:{self.column}|{kind}|torchmetrics {version}"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return the three scores of one answer, and one for itself."""
        if self.column not in record:
            raise LamcoreError(f"rouge: the records have no column {self.column!r}, only: {', '.join(record)}.")
        several = record.get("references") if self.column == "target" else None
        right = [text or "" for text in several or [record[self.column]]]
        return {**rouge(answer.get(self.column) or "", right, self.stem), "all": 1.0}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"1": percent, "2": percent, "l": percent}; 0 where there are no answers."""
        return {name: sums.get(name, 0.0) / (sums.get("all", 0.0) or 1.0) for name in KINDS}
