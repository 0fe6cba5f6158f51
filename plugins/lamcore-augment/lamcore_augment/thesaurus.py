"""Say the same in other words that a file lists."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

from lamcore import MISSING, Augmenter, Record
from lamcore_files import readers

_LETTERS = r"[^\W\d_]+"
_WORD = re.compile(
    r"\{[^{}]*\}|<[^<>\s][^<>]*>|\[%[^%\]]*%\]|\S+://\S+|\S+@\S+"  # placeholders, tags, references, addresses: no words
    rf"|(?<!\w)(?P<word>{_LETTERS}(?:['’-]{_LETTERS})*)(?!\w)"
)


@dataclass
class Thesaurus(Augmenter):
    """Put synonyms in the place of words: whole words, in the case of the word that goes.

    The file has one set of synonyms a line, with tabs between them: `lamp<TAB>light<TAB>luminaire`. A word may stand in
    several sets. What has several words is put in, and not looked for. `tokens` and `tags` stay as they are: a model
    that reads those sees nothing of it."""

    file: str = MISSING
    """The thesaurus: UTF-8, one set a line, tabs between synonyms."""
    columns: list[str] = field(default_factory=lambda: ["input"])
    """Text columns to vary; those that a record lacks are passed over."""
    rate: float = 0.2
    """Share of the words with synonyms that are replaced, 0 to 1."""
    records: float = 0.5
    """Share of the records that are touched at all, 0 to 1."""

    def __post_init__(self) -> None:
        for name, value in {"rate": self.rate, "records": self.records}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {value}")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a small thesaurus written into a folder, for checks."""
        file = folder / "thesaurus.tsv"
        file.write_text("open\tunlock\nlight\tlamp\tluminaire\nkitchen\tcooking room\n", encoding="utf-8")
        return cls(file=str(file), rate=0.9)

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records, some words of a share of them replaced."""
        return [self._varied(record, rng) if rng.random() < self.records else record for record in records]

    def _varied(self, record: Record, rng: random.Random) -> Record:
        texts = {name: text for name in self.columns if isinstance(text := record.get(name), str)}
        new = {name: _WORD.sub(lambda match: self._other(match, rng), text) for name, text in texts.items()}
        return record if new == texts else {**record, **new}

    def _other(self, match: re.Match[str], rng: random.Random) -> str:
        word = match["word"] or ""
        others = synonyms(self.file).get(word.casefold())
        return _as(word, rng.choice(others)) if others and rng.random() < self.rate else match[0]


@cache
def synonyms(file: str) -> dict[str, list[str]]:
    """Return {word, its case folded: what may stand in its place} as a file has it; it is read once a process."""
    found: dict[str, dict[str, None]] = {}
    for number, line in enumerate(readers.read_lines(file), start=1):
        words = [word.strip() for word in line.split("\t") if word.strip()]
        if len(words) < 2:
            raise readers.problem(file, number, 1, "fewer than two synonyms stand here", "put tabs between two or more")
        for word in words:
            others = (other for other in words if other.casefold() != word.casefold())
            found.setdefault(word.casefold(), {}).update(dict.fromkeys(others))
    return {word: list(others) for word, others in found.items() if others}


def _as(old: str, new: str) -> str:
    """Write `new` with a capital, or in capitals, where `old` has it so; else as the file has it."""
    if len(old) > 1 and old.isupper():
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new
