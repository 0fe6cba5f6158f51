"""BLEU and chrF, counted and computed by sacrebleu."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import zip_longest
from typing import Any, ClassVar

from lamcore import Answer, LamcoreError, Metric, Record
from lamcore_text_metrics.references import references

_BLEU_NAMES = ("h", "r", "c1", "c2", "c3", "c4", "t1", "t2", "t3", "t4")  # lengths; n-grams found; n-grams in all


class Tokenize(Enum):
    """How sacrebleu cuts text into words for BLEU."""

    v13a = "13a"
    intl = "intl"
    char = "char"
    zh = "zh"
    ja_mecab = "ja-mecab"
    ko_mecab = "ko-mecab"
    none = "none"


@dataclass
class Bleu(Metric):
    """BLEU of a whole split (Papineni et al. 2002), 0 to 100, equal to sacrebleu's corpus_bleu."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    column: str = "target"
    """Text column to score; for target, the list `references` is what counts as right where a record has one."""
    lowercase: bool = False
    """Ignore case."""
    tokenize: Tokenize = Tokenize.v13a
    """13a (WMT's), intl, char, zh, ja-mecab (needs sacrebleu[ja]), ko-mecab (needs sacrebleu[ko]) or none."""

    @property
    def signature(self) -> str:
        """Return sacrebleu's signature; its number of references is that of the answers counted last."""
        return str(self._scorer.get_signature())

    def counts(self, answers: Sequence[Answer], records: Sequence[Record]) -> list[Mapping[str, float]]:
        """Return for each answer both lengths, and its n-grams of one to four words: those found, and all."""
        return _counts(self._scorer, _BLEU_NAMES, self.column, answers, records)

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"bleu": value}; 0 where nothing was found."""
        return {"bleu": _value(self._scorer, _BLEU_NAMES, sums)}

    @cached_property
    def _scorer(self) -> Any:
        from sacrebleu.metrics.bleu import BLEU

        try:
            return _ready(BLEU(lowercase=self.lowercase, tokenize=self.tokenize.value, force=True))
        except (ImportError, RuntimeError) as error:  # how sacrebleu says that a dictionary is not installed
            extra = self.tokenize.value[:2]
            message = f"bleu.tokenize={self.tokenize.value} needs a dictionary: pip install 'sacrebleu[{extra}]'."
            raise LamcoreError(message) from error


@dataclass
class Chrf(Metric):
    """chrF of a whole split (Popović 2015), 0 to 100, equal to sacrebleu's corpus_chrf."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    column: str = "target"
    """Text column to score; for target, the list `references` is what counts as right where a record has one."""
    lowercase: bool = False
    """Ignore case."""
    word_order: int = 0
    """Longest word n-gram that counts beside character n-grams of 1 to 6; 2 is chrF++."""

    def __post_init__(self) -> None:
        if self.word_order < 0:
            raise ValueError(f"word_order must be 0 or more, not {self.word_order}")

    @property
    def signature(self) -> str:
        """Return sacrebleu's signature; its number of references is that of the answers counted last."""
        return str(self._scorer.get_signature())

    def counts(self, answers: Sequence[Answer], records: Sequence[Record]) -> list[Mapping[str, float]]:
        """Return for each answer its n-grams of each order (h), the reference's (r), and how many match (m)."""
        return _counts(self._scorer, self._names, self.column, answers, records)

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"chrf": value}; 0 where nothing matched."""
        return {"chrf": _value(self._scorer, self._names, sums)}

    @cached_property
    def _names(self) -> list[str]:
        return [f"{kind}{order}" for order in range(1, 7 + self.word_order) for kind in "hrm"]

    @cached_property
    def _scorer(self) -> Any:
        from sacrebleu.metrics.chrf import CHRF

        return _ready(CHRF(word_order=self.word_order, lowercase=self.lowercase))


def _ready(scorer: Any) -> Any:
    scorer.num_refs = 1  # what its signature says until it has counted
    return scorer


def _counts(
    scorer: Any, names: Sequence[str], column: str, answers: Sequence[Answer], records: Sequence[Record]
) -> list[Mapping[str, float]]:
    if not answers:
        return []
    texts = [answer.get(column) or "" for answer in answers]
    right = [[text or "" for text in references(record, column)] for record in records]
    # sacrebleu wants one list a reference; None fills up records that have fewer of them.
    rows = scorer._extract_corpus_statistics(texts, list(zip_longest(*right)))
    return [dict(zip(names, row, strict=True)) for row in rows]


def _value(scorer: Any, names: Sequence[str], sums: Mapping[str, float]) -> float:
    return scorer._compute_score_from_stats([sums.get(name, 0) for name in names]).score
