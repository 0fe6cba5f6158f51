"""Write words in the wrong case."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from lamcore import Augmenter, Record
from lamcore_noise.words import check_shares, vary, vary_words


@dataclass
class CaseNoise(Augmenter):
    """Write words in lower case, in capitals or with a first capital, whichever they were not."""

    columns: list[str] = field(default_factory=lambda: ["input"])
    """Text columns to vary; those that a record lacks are passed over."""
    rate: float = 0.1
    """Share of the words whose case changes, 0 to 1."""
    records: float = 0.5
    """Share of the records that are touched at all, 0 to 1."""
    everything: bool = False
    """Also change placeholders, tags and URLs."""

    def __post_init__(self) -> None:
        check_shares(rate=self.rate, records=self.records)

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records with some words in another case."""
        return vary(records, rng, self.records if self.rate else 0, self.columns, self._varied)

    def _varied(self, text: str, rng: random.Random) -> str:
        return vary_words(text, rng, self.rate, self.everything, _other_case)


def _other_case(word: str, rng: random.Random) -> str:
    others = [other for other in dict.fromkeys((word.lower(), word.upper(), word.capitalize())) if other != word]
    return others[int(rng.random() * len(others))] if others else word
