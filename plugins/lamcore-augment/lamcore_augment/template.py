"""Sentences from templates whose slots are filled from lists of values; each token has its tag."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self

from lamcore import MISSING, LamcoreError, Record, Source
from lamcore_files import readers, splits

_SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
"""A word or a mark, as `tagger` cuts a text that has no tokens."""


class Part(NamedTuple):
    """A piece of a template: its text, or where it is a slot, that slot's name and values."""

    text: str
    slot: str = ""
    values: list[str] = []  # noqa: RUF012 - a tuple's default is never changed


@dataclass
class Template(Source):
    """Sentences from templates, one a line: `dim the {lamp} in the {room}`, and before a tab, if any, its intent.

    Records hold `input`, `tokens`, `tags` (B-lamp, I-lamp, O), `intent` ("" where a template has none) and `group`, the
    template: a template stays in one split. `{from:city}` fills the slot `from` with a value of `city`. Each template
    gives `per_template` different sentences, or all that there are; a sentence that stands already is left out."""

    train: str | list[str] = MISSING
    """A file of templates, or several. Alone, they are cut into the three splits."""
    validation: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    test: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    tests: dict[str, str | list[str]] = field(default_factory=dict)
    """More held-out tests: name -> file or files."""
    values: dict[str, str] = field(default_factory=dict)
    """Slot -> file of its values, one a line, such as {room: rooms.txt}."""
    per_template: int = 20
    """Most sentences made of each template."""
    language: str | None = None
    """Code for input_lang, such as en; null: no such column."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given; [1, 0, 0]: train alone, for a part of a mix."""
    seed: int = 1
    """Key of that cut and of which values are drawn; templates that are added change no others' sentences."""

    def __post_init__(self) -> None:
        splits.prepare(self)
        if self.per_template < 1:
            raise ValueError(f"per_template must be 1 or more, not {self.per_template}")

    def load(self) -> Mapping[str, Iterable[Record]]:
        values = {slot: _values(path) for slot, path in self.values.items()}
        return splits.load(self, partial(self._read, values))

    def fingerprint(self) -> str:
        return readers.fingerprint([*chain.from_iterable(splits.given(self).values()), *self.values.values()])

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads files written into a folder, for checks."""
        files = {
            "templates.txt": "".join(f"dim\tdim the {word} {{lamp}} in {{room}}\n" for word in WORDS),
            "lamps.txt": "lamp\ndesk lamp\nspot\n",
            "rooms.txt": "the hall\nmy kitchen\nBerlin\n",
        }
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        values = {"lamp": str(folder / "lamps.txt"), "room": str(folder / "rooms.txt")}
        return cls(train=str(folder / "templates.txt"), values=values, per_template=5, split=[6, 2, 2])

    def _read(self, values: Mapping[str, list[str]], paths: list[str]) -> Iterator[Record]:
        """Yield the sentences of all templates, none twice."""
        seen = set()
        for path in paths:
            for number, line in enumerate(readers.read_lines(path), start=1):
                intent, _, sentence = line.rpartition("\t")
                if not sentence.strip():
                    raise readers.problem(path, number, 1, "no sentence stands here", "remove the line, or write one")
                for record in self._filled(_parts(path, number, sentence, values), sentence):
                    if record["input"] not in seen:
                        seen.add(record["input"])
                        yield {**record, "intent": intent.strip()}

    def _filled(self, parts: list[Part], sentence: str) -> Iterator[Record]:
        """Yield the sentences drawn from a template: numbers below the product of the slots' values stand for them."""
        sizes = [len(part.values) or 1 for part in parts]
        drawn = _drawn(math.prod(sizes), self.per_template, random.Random(f"{self.seed} {sentence}"))
        language = {} if self.language is None else {"input_lang": self.language}
        for number in drawn:
            text, tokens, tags = "", list[str](), list[str]()
            for part, size in zip(parts, sizes, strict=True):
                number, which = divmod(number, size)
                piece = part.values[which] if part.slot else part.text
                words = _WORD.findall(piece)
                text, tokens = text + piece, tokens + words
                tags += [f"{'I' if at else 'B'}-{part.slot}" if part.slot else "O" for at in range(len(words))]
            yield {"input": text.strip(), "tokens": tokens, "tags": tags, "group": sentence, **language}


WORDS = ["big", "small", "red", "blue", "old", "new", "left", "right", "tall", "low", "nice", "dull", "soft", "warm"]
"""What tells the example's templates apart."""


def _drawn(size: int, count: int, rng: random.Random) -> list[int]:
    """Return different numbers below `size`, which may be huge: so many, or all that there are; ascending."""
    if size <= count:
        return list(range(size))
    found = set[int]()
    while len(found) < count:
        found.add(rng.randrange(size))
    return sorted(found)


def _values(path: str) -> list[str]:
    """Return the values that a file lists, each once."""
    found = dict.fromkeys(line.strip() for line in readers.read_lines(path) if _WORD.search(line))
    if not found:
        raise LamcoreError(f"{path}: no value stands here - write one a line")
    return list(found)


def _parts(path: str, number: int, sentence: str, values: Mapping[str, list[str]]) -> list[Part]:
    """Cut a template into text and slots."""
    parts, at = [], 0
    for match in _SLOT.finditer(sentence):
        slot, source = match[1], match[2] or match[1]
        if source not in values:
            known = readers.listed(values) or "none"
            what = f"the slot {match[0]} has no list of values, and there are: {known}"
            raise readers.problem(path, number, match.start() + 1, what, f'add "+source.values.{source}=FILE"')
        parts += [Part(sentence[at : match.start()]), Part("", slot, values[source])]
        at = match.end()
    parts.append(Part(sentence[at:]))
    for part in parts:
        if "{" in part.text or "}" in part.text:
            raise readers.problem(path, number, 1, "a brace belongs to no slot", "write slots as {room} or {from:city}")
    return parts
