"""E2E and RNNLG as records: `fields`, `text`, `references`, `act`, `domain`, `group`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Self

from lamcore import MISSING, LamcoreError, Record, Source
from lamcore_data_to_text.slots import CLOSED, LENGTHS, Slot, filled, masked, read_fields, write_fields
from lamcore_files import readers

FILES = {"train": "train", "validation": "valid", "test": "test"}
"""Split -> what its file is called."""
READING = 2
"""Of RNNLG's texts: it changes when `plain` does."""


class Domain(Enum):
    """What RNNLG speaks of."""

    restaurant = "restaurant"
    hotel = "hotel"
    laptop = "laptop"
    tv = "tv"


@dataclass
class E2e(Source):
    """Restaurants in up to eight fields and what people wrote about them: the E2E challenge (Novikova et al. 2017).

    In train a record is a text; in validation and test it is a meaning, with all of its texts in `references`. Rows
    are {"slots": {field: value}, "ref": text} or {"slots", "refs": [texts]}. CC BY-SA 4.0."""

    folder: str = MISSING
    """Folder with train.jsonl.gz, valid.jsonl.gz and test.jsonl.gz."""
    asked: bool = False
    """Give another test, `asked`: each meaning of the test three times, asking for `length` short, medium and long
    and for one of its fields, in turn, to come `first`."""

    def load(self) -> Mapping[str, Iterable[Record]]:
        for _, path in self._paths():
            readers.check(path)
        splits = {split: _e2e(path, split) for split, path in self._paths()}
        return splits | ({"asked": _asked(dict(self._paths())["test"])} if self.asked else {})

    def fingerprint(self) -> str:
        return f"{readers.fingerprint(path for _, path in self._paths())} {self.asked}"

    def _paths(self) -> list[tuple[str, str]]:
        return [(split, _path(self.folder, f"{name}.jsonl.gz")) for split, name in FILES.items()]

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads small files written into a folder, for checks."""
        from lamcore_data_to_text.examples import write_e2e

        return cls(folder=write_e2e(folder))


@dataclass
class Rnnlg(Source):
    """Dialogue acts about restaurants, hotels, laptops and televisions, and a text each (Wen et al. 2015, 2016).

    Every split has a record a row. Text is cut as for the published scores: lower case, marks and plural -s apart, no
    last mark. `references` of validation and test are those scores' too: the texts of all rows of the split with the
    same act and fields, where open values count as the same, with this row's values in them. Rows are {"act", "slots":
    [[field, value]], "ref": text}; an empty value is what a question asks for. Apache-2.0."""

    folder: str = MISSING
    """Folder with DOMAIN.train.jsonl.gz, DOMAIN.valid.jsonl.gz and DOMAIN.test.jsonl.gz."""
    domains: list[Domain] = field(default_factory=lambda: list(Domain))
    """Which domains: restaurant, hotel, laptop, tv."""

    def __post_init__(self) -> None:
        if not self.domains or len(set(self.domains)) < len(self.domains):
            raise ValueError("domains must be one or more of restaurant, hotel, laptop and tv, each once")

    def load(self) -> Mapping[str, Iterable[Record]]:
        for _, _, path in self._paths():
            readers.check(path)
        return {split: self._read(split) for split in FILES}

    def fingerprint(self) -> str:
        data = readers.fingerprint(path for *_, path in self._paths())
        return f"{data} {[one.value for one in self.domains]} reading {READING}"

    def _paths(self) -> list[tuple[str, str, str]]:
        return [
            (split, one.value, _path(self.folder, f"{one.value}.{name}.jsonl.gz"))
            for split, name in FILES.items()
            for one in self.domains
        ]

    def _read(self, split: str) -> Iterator[Record]:
        for one, domain, path in self._paths():
            if one == split:
                yield from _rnnlg(path, split, domain)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads small files written into a folder, for checks."""
        from lamcore_data_to_text.examples import write_rnnlg

        return cls(folder=write_rnnlg(folder), domains=[Domain.hotel, Domain.tv])


def _path(folder: str, name: str) -> str:
    if folder == MISSING:
        raise LamcoreError("source.folder names no folder - give it the one with the data's files")
    return f"{folder.rstrip('/')}/{name}"


# E2E


def _e2e(path: str, split: str) -> Iterator[Record]:
    for line, row in readers.read_jsonl(path):
        slots = row.get("slots")
        texts = row["refs"] if "refs" in row else [row.get("ref")]
        if not isinstance(slots, dict) or not _texts(slots.values()) or not slots:
            raise readers.problem(
                path, line, 1, "slots is no object of texts", 'write {"name": "Aromi", "food": "Thai"}'
            )
        if not isinstance(texts, list) or not texts or not _texts(texts):
            raise readers.problem(path, line, 1, "there is no text", "write ref (a text) or refs (a list of them)")
        yield _record(f"{split}-{line}", list(slots.items()), texts, "inform", "restaurant")


def _asked(path: str) -> Iterator[Record]:
    for number, record in enumerate(_e2e(path, "asked")):
        names = [name for name, _ in read_fields(record["fields"]) if name != "name"]
        for at, length in enumerate(LENGTHS):
            first = names[(number + at) % len(names)] if names else ""
            yield {**record, "id": f"{record['id']}-{length}", "length": length, "first": first}


def _texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _record(id: str, slots: list[Slot], texts: list[str], act: str, domain: str) -> Record:
    fields = write_fields(slots)
    return {
        "id": id, "fields": fields, "text": texts[0], "references": texts, "act": act, "domain": domain, "group": fields
    }  # fmt: skip


# RNNLG

_Row = tuple[int, str, list[Slot], str]


def _rnnlg(path: str, split: str, domain: str) -> Iterator[Record]:
    rows = _rows(path)
    if split == "train":
        for line, act, slots, text in rows:
            yield _record(f"{domain}-{split}-{line}", slots, [text], act, domain)
        return
    held = list(rows)
    hidden = [masked(text, slots) for *_, slots, text in held]
    alike: dict[Any, dict[str, None]] = {}
    for (_, act, slots, _), own in zip(held, hidden, strict=True):
        alike.setdefault(_kind(act, slots), {})[own] = None
    for (line, act, slots, text), own in zip(held, hidden, strict=True):
        others = (filled(other, slots) for other in alike[_kind(act, slots)] if other != own)
        yield _record(f"{domain}-{split}-{line}", slots, list(dict.fromkeys([text, *others])), act, domain)


def _kind(act: str, slots: list[Slot]) -> Any:
    """Return what makes a dialogue act the same as another: its values count only where they are closed."""
    return act, tuple(sorted((name, _CALLED.get(value, value) if value in CLOSED else "_") for name, value in slots))


_CALLED = {"true": "yes", "false": "no", "dont_care": "dontcare"}


def _rows(path: str) -> Iterator[_Row]:
    for line, row in readers.read_jsonl(path):
        act, slots, text = row.get("act"), row.get("slots"), row.get("ref")
        if not isinstance(act, str) or not isinstance(text, str):
            raise readers.problem(path, line, 1, "act and ref must be text", 'write {"act", "slots", "ref"}')
        if not isinstance(slots, list) or not all(isinstance(s, list) and len(s) == 2 and _texts(s) for s in slots):
            raise readers.problem(path, line, 1, "slots is no list of [field, value]", 'write [["name", "aromi"]]')
        yield line, act, [(name, value) for name, value in slots], plain(text)


_STEMS = (
    "application area battery business capability card child choice computer constraint consumer customer dimension "
    "drive family hotel hour inch include kid laptop location machine meal model option place port price product "
    "purpose quality range rating requirement restaurant size specification television user watt"
).split()
_PLURALS = {re.sub("y$", "ie", one) + ("es" if one.endswith(("ss", "ch")) else "s"): one for one in _STEMS}
_ENDINGS = {plural: f"{one} -s" for plural, one in _PLURALS.items()} | {
    "children": "child -s", "moderately": "moderate -ly", "cheaply": "cheap -ly", "expensively": "expensive -ly",
    "cheaper": "cheap -er", "st": "street",
}  # fmt: skip
_SHORT = [
    (r"\bcan't\b", "cannot"), (r"\bwon't\b", "will not"), (r"n't\b", " not"), (r"'re\b", " are"), (r"'ve\b", " have"),
    (r"'ll\b", " will"), (r"'d\b", " would"), (r"\bi'm\b", "i am"), (r"\b(it|that|there|what)'s\b", r"\1 is"),
    (r"'s\b", " 's"), (r"[\"<>:@]", ""), (";", ","), ("/", " and "), (r"([()])", r" \1 "),
    (r"(?<!\d)([.,?!])|([.,?!])(?!\d)", r" \1\2 "),
]  # fmt: skip


def plain(text: str) -> str:
    """Return an RNNLG text as its published scores read it: lower case, short forms opened, marks and endings apart."""
    text = text.lower()
    for found, written in _SHORT:
        text = re.sub(found, written, text)
    words = [_ENDINGS.get(word, word) for word in text.split()]
    return " ".join(words[:-1] if words and words[-1] in (".", "?", "!") else words)
