"""Answers that are right as a whole, or in their placeholders."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lamcore import Answer, Metric, Record
from lamcore_text_metrics.references import references

_BRACE = re.compile(r"[{}]")


@dataclass
class ExactMatch(Metric):
    """Percent of the answers that equal their reference."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    column: str = "target"
    """Column to compare, of any type; for target, any of the list `references` is right where a record has one."""
    also: list[str] = field(default_factory=list)
    """More columns that must be equal too, such as tags beside the column intent."""
    ignore_case: bool = False
    """Let capitals make no difference."""
    ignore_space: bool = False
    """Let kind and amount of white space, and that at both ends, make no difference."""

    @property
    def signature(self) -> str:
        """Say which differences count, and which columns where there are several."""
        ways = f"case:{'lc' if self.ignore_case else 'mixed'}|space:{'folded' if self.ignore_space else 'kept'}"
        return f"{ways}|columns:{'+'.join([self.column, *self.also])}" if self.also else ways

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return whether the answer is right, and one for itself."""
        return {"right": int(all(self._right(answer, record, one) for one in (self.column, *self.also))), "all": 1}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"exact_match": percent}; 0 where there are no answers."""
        return {"exact_match": 100 * sums["right"] / sums["all"] if sums.get("all") else 0.0}

    def _right(self, answer: Answer, record: Record, column: str) -> bool:
        return self._plain(answer.get(column)) in map(self._plain, references(record, column))

    def _plain(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if self.ignore_case:
            value = value.casefold()
        return " ".join(value.split()) if self.ignore_space else value


@dataclass
class Placeholders(Metric):
    """Percent of the answers with the very placeholders of their reference, each as often, in any order.

    A placeholder is an outermost balanced `{...}`, so that `{count, plural, one {# day} other {# days}}` is one.
    `placeholders` is over all records, where an answer without any is right if its reference has none;
    `present` is over the records whose reference has one, and 100 if there are no such records.
    """

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    column: str = "target"
    """Text column to compare; for target, any of the list `references` is right where a record has one."""

    @property
    def signature(self) -> str:
        """Say what is compared."""
        return "multiset of outermost {...}"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return whether the placeholders are right, over all and over those that have some."""
        given = [placeholders(text or "") for text in references(record, self.column)]
        right = placeholders(answer.get(self.column) or "") in given
        present = any(given)
        return {"right": int(right), "all": 1, "right_present": int(right and present), "present": int(present)}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"placeholders": percent, "present": percent}."""
        return {
            "placeholders": 100 * sums["right"] / sums["all"] if sums.get("all") else 0.0,
            "present": 100 * sums["right_present"] / sums["present"] if sums.get("present") else 100.0,
        }


def placeholders(text: str) -> Counter[str]:
    """Return how often each outermost balanced `{...}` stands in a text; braces without a partner are text."""
    if "{" not in text:
        return Counter()
    found: list[tuple[int, int]] = []
    open_at: list[int] = []
    for match in _BRACE.finditer(text):
        if match[0] == "{":
            open_at.append(match.start())
        elif open_at:
            start = open_at.pop()
            while found and found[-1][0] > start:  # what this pair encloses
                found.pop()
            found.append((start, match.end()))
    return Counter(text[start:end] for start, end in found)
