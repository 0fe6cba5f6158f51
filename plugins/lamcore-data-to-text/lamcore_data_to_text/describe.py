"""Fields to text: what the model reads, which values it copies, and what a person may ask of the text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lamcore import Answer, LamcoreError, Preprocessor, Record
from lamcore.kinds import records_of
from lamcore_data_to_text.rules import Rules, find
from lamcore_data_to_text.slots import CLOSED, LENGTHS, Slot, marks, masked, read_fields

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass
class Describe(Preprocessor):
    """Write `fields` into `input` (`[name] <food> Thai`) and `text`, its copied values marked, into `target`.

    A copied value is a mark in both, `[name]` (`[name_2]` for a field's second value); `undo` puts the value back,
    character by character. Two columns control an answer: `length` (short, medium, long) and `first`, the field to
    mention first (a name apart); in train they are what the text itself is like. Give `<food>` and `[name]` to
    tokenizer.symbols, and marks to decoding.copy, so that each stands once in every answer."""

    rules: Rules = Rules.exact
    """How slots are found in a text: exact (word for word), e2e or rnnlg."""
    copied: list[str] = field(default_factory=lambda: ["name", "near"])
    """Fields whose values are copied, but for yes, no, none, dontcare and empty ones; * is every field."""
    columns: list[str] = field(default_factory=list)
    """Columns told in front of the fields, such as act, domain, tone; an empty one is left out."""
    lengths: list[float] = field(default_factory=list)
    """Words a field up to which a text is short, and above which it is long; empty: no control of length."""
    per_field: bool = True
    """Whether lengths are words a field, not words."""
    first: bool = False
    """Control what is mentioned first."""
    share: float = 0.5
    """Share of the train records that tell their length, and share that tell what is first; ids decide which."""
    agree: bool = False
    """In train leave out slots that the text doesn't state, and texts that state others or a name twice."""
    rerank: bool = False
    """Put the one of `decoding.n_best` answers first that errs least in slots, and then in length and first."""

    def __post_init__(self) -> None:
        if self.lengths and (len(self.lengths) != 2 or not 0 < self.lengths[0] <= self.lengths[1]):
            raise ValueError(f"lengths must be none or two rising numbers above 0, not {self.lengths}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be between 0 and 1, not {self.share}")

    def apply(self, rows: Dataset, split: str) -> Iterator[Record]:
        """Turn a split; in train the controls are taken from the texts."""
        for record in records_of(rows):
            if split != "train":
                yield self._told(record, slots_of(record), record)
            elif (slots := self._stated(record)) is not None:
                yield self._told(record, slots, self._controls(record, slots))

    def undo(self, answer: Answer, record: Record) -> Answer:
        """Return the answer, and its alternatives, with the record's values for marks."""
        if isinstance(text := answer.get("target"), str):
            copied = self._copied(slots_of(record))
            values = {sign: value for sign, (_, value) in zip(_signs(copied), copied, strict=True)}
            known = "|".join(map(re.escape, values))
            text = re.sub(known, lambda mark: values[mark[0]], text) if known else text
            answer = {**answer, "target": text}
        if answer.get("alternatives"):
            others = [self.undo(other, record) for other in answer["alternatives"]]
            if self.rerank:
                others.sort(key=lambda other: self._errors(other, record))
                answer = {**answer, **others[0]}
            answer = {**answer, "alternatives": others}
        return answer

    def _errors(self, answer: Answer, record: Record) -> tuple[int, int]:
        """Return the slot errors of an answer, and how many controls it doesn't follow."""
        text, slots = answer.get("target") or "", slots_of(record)
        found = find(text, slots, self.rules, record.get("act") or "")
        length, first = record.get("length"), record.get("first")
        long = self.lengths and length_of(text, len(slots) if self.per_field else 1, self.lengths)
        return found.errors, bool(long and length and long != length) + bool(first and found.first != first)

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records to try it on, for checks."""
        from lamcore_data_to_text.examples import records

        return records(48)

    def _copied(self, slots: list[Slot]) -> list[Slot]:
        return [
            (name, value)
            for name, value in slots
            if value not in CLOSED and (name in self.copied or "*" in self.copied)
        ]

    def _stated(self, record: Record) -> list[Slot] | None:
        """Return the slots to learn from, or None where the text is not to be learnt from."""
        slots = slots_of(record)
        if not self.agree:
            return slots
        found = find(record["text"], slots, self.rules, record.get("act") or "")
        names = [slot for slot in slots if slot[0] == "name"]
        once = masked(record["text"], names, ignore_case=True)
        if found.redundant or masked(once, names, ignore_case=True) != once:
            return None
        return [slot for number, slot in enumerate(slots) if number not in found.missing]

    def _controls(self, record: Record, slots: list[Slot]) -> Record:
        told = dict(record)
        if self.lengths and slots and not told.get("length"):
            length = length_of(record["text"], len(slots) if self.per_field else 1, self.lengths)
            told["length"] = length if self._tells(record, "length") else ""
        if self.first and not told.get("first"):
            first = find(record["text"], slots, self.rules, record.get("act") or "").first
            told["first"] = first if self._tells(record, "first") else ""
        return told

    def _tells(self, record: Record, what: str) -> bool:
        key = f"{what} {record.get('id')}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "big") < self.share * 2**32

    def _told(self, record: Record, slots: list[Slot], controls: Record) -> Record:
        copied = self._copied(slots)
        signs = _signs(copied)
        names = [*self.columns, *(["length"] if self.lengths else []), *(["first"] if self.first else [])]
        parts = [f"<{name}> {value}" for name in names if (value := _control(controls, name, slots))]
        left = list(zip(copied, signs, strict=True))
        for name, value in slots:
            if left and left[0][0] == (name, value):
                parts.append(left.pop(0)[1])
            else:
                parts.append(f"<{name}> {value or '?'}")
        new = {**record, "input": " ".join(parts)}
        if isinstance(text := record.get("text"), str):
            hidden = masked(text, copied, ignore_case=True)
            for inner, sign in zip(marks(copied), signs, strict=True):
                hidden = hidden.replace(inner, sign)
            new["target"] = hidden
        return new


def _signs(copied: list[Slot]) -> list[str]:
    """Return the mark of each copied slot that the model sees: [name], [name_2], ..."""
    signs: list[str] = []
    for name, _ in copied:
        number = 1 + sum(other == name for other, _ in copied[: len(signs)])
        signs.append(f"[{name}]" if number == 1 else f"[{name}_{number}]")
    return signs


def slots_of(record: Record) -> list[Slot]:
    """Return the slots of a record's `fields`; raise LamcoreError where it has none that can be read."""
    fields = record.get("fields")
    if isinstance(fields, dict):  # as a person may write them in JSON lines
        fields = json.dumps({name: value for name, value in fields.items() if value is not None}, sort_keys=True)
    if not isinstance(fields, str):
        raise LamcoreError(f'{record.get("id", "a record")} has no fields - give it {{"fields": {{"name": "Aromi"}}}}')
    return read_fields(fields)


def length_of(text: str, slots: int, lengths: list[float]) -> str:
    """Return short, medium or long: how many words a text has for each slot."""
    words = len(text.split()) / max(slots, 1)
    return LENGTHS[(words > lengths[0]) + (words > lengths[1])]


def _control(record: Record, name: str, slots: list[Slot]) -> Any:
    value = record.get(name) or ""
    there = LENGTHS if name == "length" else [one for one, _ in slots if one != "name"] if name == "first" else None
    if value and there is not None and value not in there:
        raise LamcoreError(
            f"{record.get('id', 'a record')}: {name} is {value!r} - it may be {', '.join(there) or 'empty'}"
        )
    return value
