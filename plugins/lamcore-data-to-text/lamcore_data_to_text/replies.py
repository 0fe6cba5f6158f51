"""Replies to customers, made from templates of our own: an intent, a person, a tone and a length."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, Self

from lamcore import Record, Source
from lamcore_data_to_text.slots import write_fields

TONES, SIZES = ("formal", "friendly"), ("short", "long")
VERSION = 1
"""Of the templates and of how they are drawn from."""

Way = tuple[str, str, str]
"""Intent, tone, length."""


@dataclass
class Replies(Source):
    """Customer-support replies from templates of our own: 15 intents, two tones, two lengths, invented people.

    Gives `fields` (a name, and what the intent speaks of), `act` (the intent), `tone`, `length`, `text` and
    `references` (all texts that the templates allow). No first or last name of train or validation stands in another
    split. In train each intent lacks one way of tone and length; the test `unseen` asks other people than `test` does
    for those alone, the rest for the others."""

    people: int = 150
    """People in train; each asks for every intent once, in a way drawn for them."""
    held_out: int = 20
    """People in each other split."""
    seed: int = 1
    """What is drawn follows from it."""

    makes_splits = True

    def __post_init__(self) -> None:
        if not 1 <= self.people <= 1600 or not 1 <= self.held_out <= 25:
            raise ValueError("people must be 1 to 1600, held_out 1 to 25")

    def load(self) -> Mapping[str, Iterable[Record]]:
        sizes = {"train": self.people, "validation": self.held_out, "test": self.held_out, "unseen": self.held_out}
        return {split: self._split(split, people) for split, people in sizes.items()}

    def fingerprint(self) -> str:
        return f"replies {VERSION} {self.people} {self.held_out} {self.seed}"

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return a small one, for checks."""
        return cls(people=4, held_out=2)

    def _split(self, split: str, people: int) -> Iterator[Record]:
        rng = random.Random(f"{self.seed} {split}")
        for person, name in enumerate(_names(split, people, self.seed)):
            for at, intent in enumerate(_data()["intents"]):
                ways = [way for way in product(TONES, SIZES) if (way == _kept_back(at)) == (split == "unseen")]
                yield _record(f"{split}-{person}-{intent}", (intent, *rng.choice(ways)), name, rng)


def _names(split: str, people: int, seed: int) -> list[str]:
    """Return people's names; `test` and `unseen` draw from the same lists, different people."""
    listed = "test" if split == "unseen" else split
    first, last = (_data()[f"{part}_names"][listed] for part in ("first", "last"))
    drawn = [f"{one} {other}" for one, other in product(first, last)]
    random.Random(f"{seed} {listed}").shuffle(drawn)
    return drawn[-people:] if split == "unseen" else drawn[:people]


def _kept_back(number: int) -> tuple[str, str]:
    """Return the way in which train never has an intent."""
    return list(product(TONES, SIZES))[number % 4]


@lru_cache(maxsize=1)
def _data() -> Any:
    return json.loads(files("lamcore_data_to_text").joinpath("data/replies.json").read_text(encoding="utf-8"))


def everybodys_values() -> list[str]:
    """Return every first and last name, and every value, that the replies draw from."""
    names = [names for part in ("first", "last") for names in _data()[f"{part}_names"].values()]
    return [value for values in (*names, *_data()["values"].values()) for value in values]


def _record(id: str, way: Way, name: str, rng: random.Random) -> Record:
    templates = _templates(*way)
    wanted = sorted(set(re.findall(r"\{(\w+)\}", templates[0])) - {"name"})
    values = {"name": name} | {one: rng.choice(_data()["values"][one]) for one in wanted}
    texts = [template.format(**values) for template in templates]
    text = rng.choice(texts)
    return {
        "id": id,
        "fields": write_fields(values.items()),
        "text": text,
        "references": [text, *(one for one in texts if one != text)],
        "act": way[0],
        "tone": way[1],
        "length": way[2],
        "domain": "support",
        "group": name,
    }


def _templates(intent: str, tone: str, size: str) -> list[str]:
    """Return all templates of a way: greeting and core, and for a long one more of it and a closing."""
    data = _data()
    parts = [data["greetings"][tone], data["intents"][intent][tone]["core"]]
    if size == "long":
        parts += [data["intents"][intent][tone]["more"], data["closings"][tone]]
    return [" ".join(chosen) for chosen in product(*parts)]
