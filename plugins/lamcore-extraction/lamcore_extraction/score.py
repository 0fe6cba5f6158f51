"""The metric `field_f1`: which fields are right, with their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lamcore import Answer, LamcoreError, Metric, Record
from lamcore_extraction.fields import Fields, canonical, parse


@dataclass
class FieldF1(Metric):
    """F1 of the pairs of a field and a value, over all records: a pair is right if the record has it too.

    A field with a list has a pair for each different value in it; an object is one value. Values are equal where their
    JSON is: letter for letter. Beside the F1 stand `precision`, `recall`, `exact` (percent of the records of which
    every pair and no other was said) and `malformed` (percent whose answer is no JSON object; it says no pair, and is
    never exact)."""

    column: str = "fields"
    """Text column that holds a JSON object; "" in an answer is malformed."""
    each: bool = False
    """Give the F1 of each field of the records too, as FIELD.f1."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)
    differences = ("malformed",)

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records with fields, for checks."""
        from lamcore_extraction.examples import records

        return records()

    @property
    def signature(self) -> str:
        """Say what is compared."""
        return f"column:{self.column}|pairs:field and value, equal JSON|average:micro|malformed:no pair, never exact"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return how many pairs are in the record (gold), in the answer (said) and in both (right), and by field."""
        for which, row in (("records", record), ("answers", answer)):
            if self.column not in row:
                raise LamcoreError(f"field_f1: the {which} have no column {self.column!r}, only: {', '.join(row)}.")
        wanted, found = parse(record[self.column] or ""), parse(answer[self.column] or "")
        if wanted is None:
            raise LamcoreError(f"field_f1: {self.column!r} of record {record.get('id')!r} is no JSON object.")
        gold, said = _pairs(wanted), _pairs(found or {})
        counts = Counter(all=1, malformed=int(found is None), exact=int(found is not None and gold == said))
        for which, pairs in {"gold": gold, "said": said, "right": gold & said}.items():
            counts[which] += len(pairs)
            counts.update(f"{which} {field}" for field, _ in sorted(pairs) if self.each)
        return counts

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"field_f1", "precision", "recall", "exact", "malformed"} in percent, 0 of nothing; with `each` also
        {"FIELD.f1"} for each field that the records have."""
        right, gold, said = (sums.get(name, 0.0) for name in ("right", "gold", "said"))
        scores = {
            "field_f1": _percent(2 * right, gold + said),
            "precision": _percent(right, said),
            "recall": _percent(right, gold),
            **{name: _percent(sums.get(name, 0.0), sums.get("all", 0.0)) for name in ("exact", "malformed")},
        }
        for key in sorted(key for key in sums if key.startswith("gold ")):
            field = key.removeprefix("gold ")
            right, gold, said = (sums.get(f"{name} {field}", 0.0) for name in ("right", "gold", "said"))
            scores[f"{field}.f1"] = _percent(2 * right, gold + said)
        return scores


def _pairs(fields: Fields) -> set[tuple[str, str]]:
    """Return (field, JSON of a value) for each value of each field."""
    return {
        (name, canonical(one))
        for name, value in fields.items()
        for one in (value if isinstance(value, list) else [value])
    }


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0
