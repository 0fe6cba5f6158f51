"""Calls as the text that a model writes: preprocessor `calls_text`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lamcore import Answer, LamcoreError, Preprocessor, Record
from lamcore_actions.calls import canonical, json_text, parse

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass
class CallsText(Preprocessor):
    """Have a model that writes text write the calls: `target` is the text of `calls`, and answers are read back.

    An answer's `calls` is the canonical JSON of what its `target` says, "[]" where it calls nothing, and `target` is
    the same; where its text is no list of calls, `calls` is "" and `target` stays as it was written. At `lam predict`,
    where there are no calls, nothing changes on the way down.
    """

    blank: bool = False
    """Begin each JSON string with a blank: its words are then cut into the pieces that an input has, to copy."""

    def change(self, record: Record) -> Record | None:
        """Return the record with its calls as `target`."""
        if "calls" in record:
            return {**record, "target": self._spaced(json_text(record, "calls"))}
        if record.get("target") != "":
            raise LamcoreError(f"calls_text: record {record.get('id')!r} has no column calls - name one in the source")
        return record

    def undo(self, answer: Answer, record: Record) -> Answer:
        """Return the answer, and its alternatives, with `calls` read from its `target`."""
        if "target" not in answer:
            return answer
        calls = parse(_STRING.sub(_close, answer["target"]) if self.blank else answer["target"])
        text = "" if calls is None else canonical(calls)
        new = {**answer, "target": text or answer["target"], "calls": text}
        if answer.get("alternatives"):
            new["alternatives"] = [self.undo(other, record) for other in answer["alternatives"]]
        return new

    def _spaced(self, calls: str) -> str:
        return _STRING.sub(lambda found: '" ' + found[0][1:], calls) if self.blank else calls

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records with calls, for checks."""
        from lamcore_actions.examples import commands

        return commands(40)


def _close(string: re.Match[str]) -> str:
    return '"' + string[0][1:].removeprefix(" ")
