"""Drop pairs whose two texts don't fit each other: in length, by being equal, in numbers, in placeholders."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import Enum
from typing import ClassVar

from lamcore import Preprocessor, Record
from lamcore_filters.texts import check_pair, check_share, judged, texts_of


class Unit(Enum):
    """What a text's length counts."""

    word = "word"
    character = "character"


@dataclass
class LengthRatio(Preprocessor):
    """Drop train records where one text is much longer than the other; OpusFilter's LengthRatioFilter.

    The score is the longer length over the shorter. It must be less than `threshold`, 3 as in OpusFilter. Where lengths
    themselves are to be bounded too, `length_filter` of lamcore-clean does both at once.
    """

    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """The two text columns to compare."""
    unit: Unit = Unit.word
    """word (cut at white space) or character."""
    threshold: float = 3.0
    """Keep ratios less than this (more than 1)."""

    direction: ClassVar[str] = "lower"
    against: ClassVar[str] = "cut"

    def __post_init__(self) -> None:
        check_pair(self.columns)
        if not self.threshold > 1:
            raise ValueError(f"threshold must be more than 1, not {self.threshold}")

    def change(self, record: Record) -> Record | None:
        """Return the record, or None where the lengths differ too much."""
        score = self.scores([record])[0]
        return record if score is None or self.keeps(score) else None

    def keeps(self, score: float) -> bool:
        """Say whether a record of this score stays."""
        return score < self.threshold

    def scores(self, records: Sequence[Record]) -> list[float | None]:
        """Return each record's longer length over the shorter, 1 or more; None where a text is missing."""
        return judged(records, self.columns, self._ratio)

    def _ratio(self, texts: list[str]) -> float:
        lengths = [len(text.split()) if self.unit is Unit.word else len(text) for text in texts]
        return max(lengths) / min(lengths)


@dataclass
class Copies(Preprocessor):
    """Drop train records whose target is nearly the input, and so not translated; OpusFilter's SimilarityFilter.

    The score is 1 less the Levenshtein distance over the longer length, in characters. It must be less than
    `threshold`, 0.9 as in OpusFilter.
    """

    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """The two text columns to compare."""
    threshold: float = 0.9
    """Keep similarities less than this (0 to 1)."""
    lowercase: bool = False
    """Compare without regard to case."""

    direction: ClassVar[str] = "lower"
    against: ClassVar[str] = "copied"

    def __post_init__(self) -> None:
        check_pair(self.columns)
        check_share(self.threshold)

    def change(self, record: Record) -> Record | None:
        """Return the record, or None where its texts are too much alike."""
        score = self.scores([record])[0]
        return record if score is None or self.keeps(score) else None

    def keeps(self, score: float) -> bool:
        """Say whether a record of this score stays."""
        return score < self.threshold

    def scores(self, records: Sequence[Record]) -> list[float | None]:
        """Return how alike each record's texts are, 0 to 1; None where a text is missing."""
        return judged(records, self.columns, self._similarity)

    def _similarity(self, texts: list[str]) -> float:
        from rapidfuzz.distance import Levenshtein

        one, other = map(str.lower, texts) if self.lowercase else texts
        return Levenshtein.normalized_similarity(one, other)


@dataclass
class Numbers(Preprocessor):
    """Drop train records whose digits differ; OpusFilter's NonZeroNumeralsFilter.

    The score compares the texts' digits without zeros, in order (Vazquez et al. 2019): twice those that match over all
    there are, 1 where there are none. It must be `threshold` or more, 0.5 as in OpusFilter; 1 asks for all.
    """

    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """The two text columns to compare."""
    threshold: float = 0.5
    """Least share of digits that match (0 to 1)."""

    direction: ClassVar[str] = "higher"
    against: ClassVar[str] = "digits"

    def __post_init__(self) -> None:
        check_pair(self.columns)
        check_share(self.threshold)

    def change(self, record: Record) -> Record | None:
        """Return the record, or None where too few digits match."""
        score = self.scores([record])[0]
        return record if score is None or self.keeps(score) else None

    def keeps(self, score: float) -> bool:
        """Say whether a record of this score stays."""
        return score >= self.threshold

    def scores(self, records: Sequence[Record]) -> list[float | None]:
        """Return the share of each record's digits that match, 0 to 1; None where a text is missing."""
        return judged(records, self.columns, _digits_alike)


_DIGIT = re.compile("[1-9]")


def _digits_alike(texts: list[str]) -> float:
    digits, others = map(_DIGIT.findall, texts)
    return 1.0 if digits == others else SequenceMatcher(None, digits, others).ratio()


@dataclass
class PlaceholderMatch(Preprocessor):
    """Drop train records whose placeholders, tags or web addresses are not the same on both sides, in any order.

    Placeholders are `{name}`, `{{ name }}`, `${name}`, `%s`, `%1$d` (equal to `%d`), `%(name)s`, `%NAME` and `$[name]`;
    of `{count, plural, ...}` only the name and the kind count, of `<a href="...">` only that it opens an `a`.
    """

    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """The two text columns to compare."""

    def __post_init__(self) -> None:
        check_pair(self.columns)

    def change(self, record: Record) -> Record | None:
        """Return the record, or None where the marks of its texts differ."""
        texts = texts_of(record, self.columns)
        return record if texts is None or marks(texts[0]) == marks(texts[1]) else None


_MARK = re.compile(
    r"""(?P<address>\bhttps?://[^\s<>"'{}]+)"""
    r"|(?P<bracket>\$\[\w+\])"
    r"|(?P<named>%\(\w+\)[sdif])|(?P<constant>%[A-Z][A-Z_0-9]{2,})"
    r"|%(?:\d+\$)?(?P<printf>[-+0#]?\d*(?:\.\d+)?(?:l|ll|z)?[sdiufxXc@])(?!\w)"
    r"|</?(?P<tag>[A-Za-z][\w-]*)\b[^<>]*>"
)
_BRACE = re.compile(r"[{}]")


def marks(text: str) -> Counter[str]:
    """Return how often each placeholder, tag and web address stands in a text."""
    if not {"{", "%", "<", "$"}.isdisjoint(text) or "://" in text:
        braced = _braced(text)
        found = Counter("{" + ",".join(part.split(",")[:2]) + "}" for part in braced)
        for mark in _MARK.finditer(text):
            kind = mark.lastgroup or ""
            value = mark[kind].rstrip(".,;:!?)") if kind == "address" else mark[kind]
            found[f"{kind} {'/' if mark[0].startswith('</') else ''}{value}"] += 1
        return found
    return Counter()


def _braced(text: str) -> list[str]:
    """Return what stands in each outermost pair of braces, without white space."""
    found, depth, start = [], 0, 0
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            start = start if depth else brace.end()
            depth += 1
        elif depth:
            depth -= 1
            if not depth:
                found.append("".join(text[start : brace.start()].split()))
    return found
