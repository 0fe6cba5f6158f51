"""Leave words out, or change their order."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from lamcore import Augmenter, Record
from lamcore_noise.words import check_shares, chosen, cut, is_free, vary


@dataclass
class DropWords(Augmenter):
    """Leave words out, but never all of a text: word dropout (Iyyer et al. 2015)."""

    columns: list[str] = field(default_factory=lambda: ["input"])
    """Text columns to vary; those that a record lacks are passed over."""
    rate: float = 0.1
    """Share of the words that are left out, 0 to 1."""
    records: float = 0.5
    """Share of the records that are touched at all, 0 to 1."""
    everything: bool = False
    """Also leave out placeholders, tags, numbers and URLs."""

    def __post_init__(self) -> None:
        check_shares(rate=self.rate, records=self.records)

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records with some words left out."""
        return vary(records, rng, self.records if self.rate else 0, self.columns, self._varied)

    def _varied(self, text: str, rng: random.Random) -> str:
        words = cut(text)
        out = [n for n in chosen(len(words), self.rate, rng) if is_free(words[n], self.everything)]
        if out and len(out) == sum(map(bool, map(str.strip, words))):
            out.pop(int(rng.random() * len(out)))
        for number in reversed(out):
            del words[number]
        return " ".join(words)


@dataclass
class SwapWords(Augmenter):
    """Let words change places with one that stands a little later."""

    columns: list[str] = field(default_factory=lambda: ["input"])
    """Text columns to vary; those that a record lacks are passed over."""
    rate: float = 0.05
    """Share of the words that change places with a later one, 0 to 1; no word moves twice."""
    records: float = 0.5
    """Share of the records that are touched at all, 0 to 1."""
    everything: bool = False
    """Also move placeholders, tags, numbers and URLs."""
    distance: int = 3
    """Most places that a word moves."""

    def __post_init__(self) -> None:
        check_shares(rate=self.rate, records=self.records)
        if self.distance < 1:
            raise ValueError(f"distance must be 1 or more, not {self.distance}")

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records with some words swapped."""
        return vary(records, rng, self.records if self.rate else 0, self.columns, self._varied)

    def _varied(self, text: str, rng: random.Random) -> str:
        words = cut(text)
        moved: set[int] = set()
        for here in chosen(len(words), self.rate, rng):
            later = range(here, min(here + self.distance + 1, len(words)))
            places = [at for at in later if at not in moved and is_free(words[at], self.everything)]
            if len(places) > 1 and places[0] == here:
                there = places[1 + int(rng.random() * (len(places) - 1))]
                words[here], words[there] = words[there], words[here]
                moved |= {here, there}
        return " ".join(words)
