"""Number names to digits: a source, an augmenter and a metric."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lamcore import Answer, Augmenter, Metric, Record, Source, hookimpl

ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen""".split()
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def name(number: int) -> str:
    """Return the English name of a number below 10,000."""
    for size, word in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = f" {name(number % size)}" if number % size else ""
            return f"{name(number // size)} {word}{rest}"
    if number < 20:
        return ONES[number]
    return f"{TENS[number // 10 - 2]} {ONES[number % 10]}" if number % 10 else TENS[number // 10 - 2]


@dataclass
class Numerals(Source):
    """Give the names of numbers and their digits."""

    most: int = 1000
    """Give the numbers below this one, 100 to 10000."""

    makes_splits = True

    def __post_init__(self) -> None:
        if not 100 <= self.most <= 10_000:
            raise ValueError(f"most must be between 100 and 10000, not {self.most}")

    def load(self) -> dict[str, Iterator[Record]]:
        return {split: self.numbers(split) for split in ("train", "validation", "test")}

    def fingerprint(self) -> str:
        return "1"

    def numbers(self, split: str) -> Iterator[Record]:
        """Yield one number in ten for validation, another for test, the others for train."""
        for number in range(self.most):
            if {0: "validation", 1: "test"}.get(random.Random(number).randrange(10), "train") == split:
                yield {"id": f"n{number}", "input": name(number), "target": str(number)}


@dataclass
class Hesitate(Augmenter):
    """Say "er" before some words of the input."""

    rate: float = 0.1
    """Share of the words, 0 to 1."""

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate must be between 0 and 1, not {self.rate}")

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        return [{**record, "input": self.said(record["input"], rng)} for record in records]

    def said(self, text: str, rng: random.Random) -> str:
        """Return a text with hesitations."""
        return " ".join(f"er {word}" if rng.random() < self.rate else word for word in text.split(" "))


@dataclass
class DigitsRight(Metric):
    """Share of the target's digits that the answer has at their place; what is too much counts as wrong."""

    @property
    def signature(self) -> str:
        return "digits at their place, of the longer of answer and target"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        given, right = answer["target"], record["target"]
        pairs = zip(given, right, strict=False)
        return {"right": sum(a == b for a, b in pairs), "all": max(len(given), len(right))}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        return {"digits_right": sums["right"] / sums["all"] if sums["all"] else 1.0}


@hookimpl
def register_sources(register):
    register("numerals", Numerals)


@hookimpl
def register_augmenters(register):
    register("hesitate", Hesitate)


@hookimpl
def register_metrics(register):
    register("digits_right", DigitsRight)
