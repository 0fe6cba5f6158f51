"""Give the model one short mark for each `{placeholder}`, and the user the placeholder again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lamcore import Answer, Preprocessor, Record
from lamcore_clean.text import braces

_MARK = re.compile(r"<(0|[1-9][0-9]{0,17})>")


@dataclass
class Placeholders(Preprocessor):
    """Write each `{...}` of the input as <0>, <1>, ... and put it back into answers.

    Numbers follow the first appearance in the input alone, so that an answer can be turned back without a target;
    equal placeholders share a number, nested braces are one placeholder, and one that only the target has stays text.
    A text's own <n> moves up by the number of placeholders and back down in `undo`: any record comes back as it was,
    and a mark that a model made up stays visible as <n>. With
    `tokenizer.symbols=['<0>','<1>','<2>']` a mark is one piece.
    """

    source: str = "input"
    """Text column whose placeholders are numbered."""
    columns: list[str] = field(default_factory=lambda: ["target"])
    """Further text columns that get the same numbers; in answers, the columns where placeholders are put back."""

    def change(self, record: Record) -> Record | None:
        """Return the record with marks for the placeholders of its input."""
        names = _placeholders(record.get(self.source))
        if not names:
            return record
        numbers = {name: f"<{number}>" for number, name in enumerate(names)}
        new = dict(record)
        for column in (self.source, *self.columns, "prefix"):  # what an answer has to begin with
            if isinstance(text := record.get(column), str):
                new[column] = _marked(text, numbers)
        return new

    def undo(self, answer: Answer, record: Record) -> Answer:
        """Return the answer, and its alternatives, with placeholders for marks."""
        names = _placeholders(record.get(self.source))
        return self._restored(answer, names) if names else answer

    def _restored(self, answer: Answer, names: list[str]) -> Answer:
        new = dict(answer)
        for column in self.columns:
            if isinstance(text := answer.get(column), str):
                new[column] = _MARK.sub(lambda mark: _meaning(int(mark[1]), names), text)
        if answer.get("alternatives"):
            new["alternatives"] = [self._restored(other, names) for other in answer["alternatives"]]
        return new


def _placeholders(text: object) -> list[str]:
    """Return the distinct placeholders of a text in order of first appearance."""
    if not isinstance(text, str) or "{" not in text:
        return []
    return list(dict.fromkeys(text[start:end] for start, end in braces(text)))


def _marked(text: str, numbers: dict[str, str]) -> str:
    parts, at = [], 0
    for start, end in braces(text):
        if (mark := numbers.get(text[start:end])) is not None:
            parts += [_moved(text[at:start], len(numbers)), mark]
            at = end
    return "".join(parts) + _moved(text[at:], len(numbers))


def _moved(text: str, by: int) -> str:
    return _MARK.sub(lambda mark: f"<{int(mark[1]) + by}>", text) if "<" in text else text


def _meaning(number: int, names: list[str]) -> str:
    return names[number] if number < len(names) else f"<{number - len(names)}>"
