"""The metric `slot_f1`: spans of words, read from BIO tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from lamcore import Answer, LamcoreError, Metric, Record
from lamcore_action_metrics.values import pair, percent


class Scheme(Enum):
    """How spans are read from tags."""

    conlleval = "conlleval"
    strict = "strict"


@dataclass
class SlotF1(Metric):
    """F1 of slots over all records: a slot is right if its type, its first and its last word are.

    conlleval reads tags as the program of that name does (Tjong Kim Sang and Buchholz 2000), as published slot F1 are
    made, and equals seqeval's default; strict equals nervaluate's strict F1. In both, an I- that continues nothing
    opens a slot. They differ where tags are no BIO: conlleval reads E- and S- too, and takes any other tag for I-;
    strict takes all those for O. `precision` and `recall` stand beside the F1."""

    column: str = "tags"
    """Column that holds a list of tags, one a word; the two lists need not be of one length."""
    scheme: Scheme = Scheme.conlleval
    """conlleval or strict."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records with slots, for checks."""
        tags = [["O", "B-device", "B-room", "I-room"], ["B-time", "I-time"], ["O", "B-device"], ["B-room", "O", "O"]]
        return [{"id": f"{at}", "tags": tags[at % 4]} for at in range(12)]

    @property
    def signature(self) -> str:
        """Say how spans are read."""
        return f"column:{self.column}|scheme:{self.scheme.value}|average:micro"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return how many slots are right (tp), said wrongly (fp) and missed (fn)."""
        both = pair("slot_f1", answer, record, self.column)
        if odd := [tags for tags in both if isinstance(tags, str)]:
            what = f"slot_f1: {self.column!r} of record {record.get('id')!r} holds {odd[0]!r:.60}, no list of tags"
            raise LamcoreError(f"{what}: use accuracy or f1 for classes.")
        gold, said = (_slots(tags or (), self.scheme) for tags in both)
        right = len(gold & said)
        return {"tp": float(right), "fp": float(len(said) - right), "fn": float(len(gold) - right)}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"slot_f1", "precision", "recall"} in percent; 0 where there are no slots."""
        right, wrong, missed = (sums.get(name, 0.0) for name in ("tp", "fp", "fn"))
        return {
            "slot_f1": percent(2 * right, 2 * right + wrong + missed),
            "precision": percent(right, right + wrong),
            "recall": percent(right, right + missed),
        }


def _slots(tags: Sequence[str], scheme: Scheme) -> set[tuple[str, int, int]]:
    if scheme is Scheme.strict:
        tags = [tag if tag.startswith(("B-", "I-")) else "O" for tag in tags]
    return slots(tags)


def slots(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Return the (type, first word, word after the last) of tags, whatever they are, as conlleval reads them."""
    found, first, before, kind = set(), -1, "O", ""
    for at, tag in enumerate([*tags, "O"]):
        letter, _, type_ = tag.partition("-")
        letter = letter or "O"
        if first >= 0 and (letter in ("O", "B", "S") or before in ("E", "S") or type_ != kind):
            found.add((kind, first, at))
            first = -1
        if first < 0 and letter != "O":
            first = at
        before, kind = letter, type_
    return found
