"""Give slots other values: sentences of a batch borrow what fills a slot of the same name elsewhere in it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from lamcore import Augmenter, Record


@dataclass
class SwapSlots(Augmenter):
    """Fill slots of `tokens` and `tags` with values that the same slot has in other records of the batch.

    Known as mention replacement (Dai and Adel 2020), with the batch as what is chosen from. `input` becomes the tokens
    with spaces between; records without tags stay as they are."""

    rate: float = 0.3
    """Share of the slots that get another value, 0 to 1."""

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate must be between 0 and 1, not {self.rate}")

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return sentences with slots, for checks."""
        values = [["gutter", "ballet"], ["one"], ["the", "last", "song"], ["rain"]]
        return [
            {
                "id": f"r{at}",
                "input": " ".join(["play", *value, "now"]),
                "tokens": ["play", *value, "now"],
                "tags": ["O", *_tags("track", len(value)), "O"],
                "intent": "play",
            }
            for at, value in enumerate(values)
        ]

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records, some with other values in their slots."""
        values: dict[str, list[list[str]]] = {}
        for record in records:
            for slot, start, end in spans(record.get("tags") or []):
                values.setdefault(slot, []).append(record["tokens"][start:end])
        return [self._filled(record, values, rng) for record in records]

    def _filled(self, record: Record, values: dict[str, list[list[str]]], rng: random.Random) -> Record:
        tokens, tags = list(record.get("tokens") or []), list(record.get("tags") or [])
        for slot, start, end in reversed(list(spans(tags))):  # from the end: places before it stay
            if rng.random() < self.rate:
                tokens[start:end] = value = rng.choice(values[slot])
                tags[start:end] = _tags(slot, len(value))
        if tokens == (record.get("tokens") or []):
            return record
        return {**record, "input": " ".join(tokens), "tokens": tokens, "tags": tags}


def spans(tags: list[str]) -> Iterator[tuple[str, int, int]]:
    """Yield (slot, start, end) of BIO tags; an I that continues no slot of its name begins one."""
    start = 0
    for at, (tag, following) in enumerate(zip(tags, [*tags, "O"][1:], strict=True)):
        _, _, slot = tag.partition("-")
        if tag.startswith("B-") or at == 0 or tags[at - 1][2:] != slot:
            start = at
        if slot and following != f"I-{slot}":
            yield slot, start, at + 1


def _tags(slot: str, length: int) -> list[str]:
    return [f"B-{slot}", *[f"I-{slot}"] * (length - 1)]
