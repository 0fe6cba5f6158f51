"""What a metric compares."""

from __future__ import annotations

from typing import Any

from lamcore import Answer, LamcoreError, Record


def pair(metric: str, answer: Answer, record: Record, column: str) -> tuple[Any, Any]:
    """Return (gold, said): a column of the record and of the answer; LamcoreError where either has no such column."""
    for which, row in (("records", record), ("answers", answer)):
        if column not in row:
            raise LamcoreError(f"{metric}: the {which} have no column {column!r}, only: {', '.join(row)}.")
    return record[column], answer[column]


def classes(metric: str, answer: Answer, record: Record, column: str) -> tuple[str, str]:
    """Return (gold, said) as names of classes; None is the empty name."""
    gold, said = pair(metric, answer, record, column)
    for value in (gold, said):
        if isinstance(value, (list, dict)):
            what = f"{metric}: {column!r} of record {record.get('id')!r} holds {value!r:.60}, no single class"
            raise LamcoreError(f"{what}: use slot_f1 or exact_match.")
    return _name(gold), _name(said)


def _name(value: Any) -> str:
    return "" if value is None else str(value)


def percent(part: float, whole: float) -> float:
    """Return how many of 100; 0 of nothing."""
    return 100 * part / whole if whole else 0.0
