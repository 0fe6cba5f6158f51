"""One class a record: accuracy, precision, recall, F1, and what becomes of inputs that are in no class."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from lamcore import Answer, Metric, Record
from lamcore_action_metrics.values import classes, percent

SMALL = 20
"""Records of a class below which its score says little."""
Share = Callable[[float, float, float], float]
"""(right, gold, said) of a class -> its score in percent."""


class Average(Enum):
    """How the scores of classes become one."""

    macro = "macro"
    micro = "micro"
    weighted = "weighted"
    none = "none"


@dataclass
class Accuracy(Metric):
    """Percent of the records whose class is right."""

    column: str = "intent"
    """Column that holds the class."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    @property
    def signature(self) -> str:
        """Say what is compared."""
        return f"column:{self.column}"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return whether the class is right, and one for itself."""
        gold, said = classes("accuracy", answer, record, self.column)
        return {"right": float(gold == said), "all": 1.0}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"accuracy": percent}; 0 where there are no answers."""
        return {"accuracy": percent(sums.get("right", 0), sums.get("all", 0))}


@dataclass
class Precision(Metric):
    """Of the records that were given a class, the percent that are of it; as scikit-learn's precision_score.

    Beside the average stands `small_classes`, the percent of the classes with fewer than 20 records, whose scores say
    little. `average: none` gives each class of the records a score, and its number of records as CLASS.support."""

    column: str = "intent"
    """Column that holds the class."""
    average: Average = Average.macro
    """macro (all classes alike), micro (all records alike), weighted (by their records) or none (each class)."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)
    differences = ("small_classes",)

    def __post_init__(self) -> None:
        _widen(self, self.average)

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records of two classes, for checks."""
        return _examples()

    @property
    def signature(self) -> str:
        """Say what is averaged, and how."""
        return _signature(self.column, self.average)

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return one for the class of the record, for that of the answer, and for the class if they are the same."""
        return _counted(*classes("precision", answer, record, self.column))

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"precision": percent, "small_classes": percent}, or {class: percent, class.support: records}."""
        return _averaged("precision", sums, self.average, lambda right, gold, said: percent(right, said))


@dataclass
class Recall(Metric):
    """Of the records of a class, the percent that were given it; as scikit-learn's recall_score.

    Beside the average stands `small_classes`, the percent of the classes with fewer than 20 records, whose scores say
    little. `average: none` gives each class of the records a score, and its number of records as CLASS.support."""

    column: str = "intent"
    """Column that holds the class."""
    average: Average = Average.macro
    """macro (all classes alike), micro (all records alike), weighted (by their records) or none (each class)."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)
    differences = ("small_classes",)

    def __post_init__(self) -> None:
        _widen(self, self.average)

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records of two classes, for checks."""
        return _examples()

    @property
    def signature(self) -> str:
        """Say what is averaged, and how."""
        return _signature(self.column, self.average)

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return one for the class of the record, for that of the answer, and for the class if they are the same."""
        return _counted(*classes("recall", answer, record, self.column))

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"recall": percent, "small_classes": percent}, or {class: percent, class.support: records}."""
        return _averaged("recall", sums, self.average, lambda right, gold, said: percent(right, gold))


@dataclass
class F1(Metric):
    """The harmonic mean of a class's precision and recall; as scikit-learn's f1_score.

    Beside the average stands `small_classes`, the percent of the classes with fewer than 20 records, whose scores say
    little. `average: none` gives each class of the records a score, and its number of records as CLASS.support."""

    column: str = "intent"
    """Column that holds the class."""
    average: Average = Average.macro
    """macro (all classes alike), micro (all records alike), weighted (by their records) or none (each class)."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)
    differences = ("small_classes",)

    def __post_init__(self) -> None:
        _widen(self, self.average)

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records of two classes, for checks."""
        return _examples()

    @property
    def signature(self) -> str:
        """Say what is averaged, and how."""
        return _signature(self.column, self.average)

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return one for the class of the record, for that of the answer, and for the class if they are the same."""
        return _counted(*classes("f1", answer, record, self.column))

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"f1": percent, "small_classes": percent}, or {class: percent, class.support: records}."""
        return _averaged("f1", sums, self.average, lambda right, gold, said: percent(2 * right, gold + said))


def _widen(metric: Metric, average: Average) -> None:
    """Let the range of a metric that gives numbers of records too be without end."""
    if average is Average.none:
        metric.range = (0.0, math.inf)  # type: ignore[misc]


def _examples() -> list[Record]:
    return [{"id": f"{at}", "intent": ("on", "off")[at % 2]} for at in range(2 * SMALL)]


def _signature(column: str, average: Average) -> str:
    return f"column:{column}|average:{average.value}|small:fewer than {SMALL} records"


def _counted(gold: str, said: str) -> dict[str, float]:
    counts = {f"gold {gold}": 1.0, f"said {said}": 1.0}
    return {**counts, f"right {gold}": 1.0} if gold == said else counts


def _averaged(name: str, sums: Mapping[str, float], average: Average, share: Share) -> dict[str, float]:
    """Return the average over the classes that the records or the answers have, or each class of the records."""
    found = list(dict.fromkeys(key.partition(" ")[2] for key in sums))
    table = {one: tuple(sums.get(f"{what} {one}", 0.0) for what in ("right", "gold", "said")) for one in sorted(found)}
    if average is Average.none:
        named = {one or "(empty)": table[one] for one in table if f"gold {one}" in sums}
        each = {one: share(*counts) for one, counts in named.items()}
        return each | {f"{one}.support": gold for one, (_, gold, _) in named.items()}
    rows = [counts for counts in table.values() if counts[1] or counts[2]]
    sizes = [gold for _, gold, _ in rows if gold]
    small = percent(sum(size < SMALL for size in sizes), len(sizes))
    return {name: _mean(rows, average, share), "small_classes": small}


def _mean(rows: list[tuple[float, ...]], average: Average, share: Share) -> float:
    if not rows:
        return 0.0
    if average is Average.micro:
        return share(*(sum(column) for column in zip(*rows, strict=True)))
    weights = [gold if average is Average.weighted else 1.0 for _, gold, _ in rows]
    total = sum(weights)
    return sum(weight * share(*row) for weight, row in zip(weights, rows, strict=True)) / total if total else 0.0


@dataclass
class OutOfScopeRecall(Metric):
    """Percent of the inputs that are in no class and were found to be so (Larson et al. 2019).

    Beside it stands `in_scope_accuracy`, the percent of the other inputs whose class is right."""

    column: str = "intent"
    """Column that holds the class."""
    label: str = "oos"
    """The class of inputs that are in none."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records in scope and out of it, for checks."""
        return [{"id": f"{at}", "intent": ("on", "off", "oos")[at % 3]} for at in range(12)]

    @property
    def signature(self) -> str:
        """Say which class is that of inputs in none."""
        return f"column:{self.column}|out of scope:{self.label}"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return one for the record, in scope or out of it, and whether the answer is right."""
        gold, said = classes("out_of_scope_recall", answer, record, self.column)
        where = "out" if gold == self.label else "in"
        return {where: 1.0, f"right_{where}": float(gold == said)}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"out_of_scope_recall": percent, "in_scope_accuracy": percent}; 0 where there are no such records."""
        return {
            "out_of_scope_recall": percent(sums.get("right_out", 0), sums.get("out", 0)),
            "in_scope_accuracy": percent(sums.get("right_in", 0), sums.get("in", 0)),
        }
