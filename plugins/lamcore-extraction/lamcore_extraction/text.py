"""Fields as the text that a model writes: preprocessor `fields_text`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lamcore import Answer, LamcoreError, Preprocessor, Record
from lamcore_extraction.fields import canonical, parse


@dataclass
class FieldsText(Preprocessor):
    """Have a model read `text` and write its `fields`: `input` is the text, `target` canonical JSON of the fields.

    An answer's `fields` is the canonical JSON of what its `target` says, "{}" where it says nothing of any field, and
    `target` is the same; where its text is no JSON object, `fields` is "" and `target` stays as it was written. A
    record without `text` keeps its `input`, so that plain lines can be answered; at `lam predict` there are no fields.
    """

    blank: bool = False
    """Begin `input` and each text among the values with a blank: words are then cut alike in both, to be copied.

    A schema holds such answers by `decoding.constrain=fields:FILE`, others by `schema:FILE`."""

    def change(self, record: Record) -> Record | None:
        """Return the record with its text as `input` and its fields as `target`."""
        where = f"fields_text: record {record.get('id')!r}"
        if "text" not in record and "input" not in record:
            raise LamcoreError(f"{where} has no column text - name one in the source")
        text = record["text"] if "text" in record else record["input"]
        new = {**record, "input": _open(text) if self.blank else text}
        if record.get("fields"):
            return {**new, "target": self._written(record["fields"], where)}
        if record.get("target") != "":
            raise LamcoreError(f"{where} has no column fields - name one in the source")
        return new

    def undo(self, answer: Answer, record: Record) -> Answer:
        """Return the answer, and its alternatives, with `fields` read from its `target`."""
        if "target" not in answer:
            return answer
        fields = parse(answer["target"])
        text = "" if fields is None else canonical(_each_text(fields, _close) if self.blank else fields)
        new = {**answer, "target": text or answer["target"], "fields": text}
        if answer.get("alternatives"):
            new["alternatives"] = [self.undo(other, record) for other in answer["alternatives"]]
        return new

    def _written(self, text: str, where: str) -> str:
        fields = parse(text)
        if fields is None:
            raise LamcoreError(f"{where}: fields is no JSON object: {text!r:.60}")
        return canonical(_each_text(fields, _open) if self.blank else fields)

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records with text and fields, for checks."""
        from lamcore_extraction.examples import records

        return records()


def _each_text(value: Any, turn: Any) -> Any:
    """Return a value with every text in it turned; keys stay."""
    if isinstance(value, dict):
        return {key: _each_text(one, turn) for key, one in value.items()}
    if isinstance(value, list):
        return [_each_text(one, turn) for one in value]
    return turn(value) if isinstance(value, str) else value


def _open(text: str) -> str:
    return f" {text}"


def _close(text: str) -> str:
    return text.removeprefix(" ")
