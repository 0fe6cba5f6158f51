"""Misread words as a scanner does."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cache

from lamcore import Augmenter, Record
from lamcore_noise.words import check_shares, vary, vary_words

ALIKE = (
    "rn m, nn m, cl d, ci a, li h, lc k, vv w, ii u, iv w, fi h, "
    "l 1, l I, I 1, i l, i j, O 0, o 0, O Q, D O, S 5, B 8, Z 2, z 2, G 6, g 9, g q, b 6, "
    "e c, c o, h b, n u, n h, u v, t f, y v, C G, E F, P F, R B, K X"
)
"""Shapes that are taken for each other, in pairs."""
LOST = "ä a, å a, á a, à a, ö o, ó o, ü u, é e, è e, ê e, í i, ç c, ñ n, ß B"
"""Shapes that lose what stands above or below them, and what they become."""


@cache
def confusions() -> dict[str, tuple[str, ...]]:
    """Return shape -> the shapes that it may be taken for."""
    alike, lost = ([tuple(pair.split()) for pair in table.split(", ")] for table in (ALIKE, LOST))
    found: dict[str, list[str]] = {}
    for one, other in [*alike, *((other, one) for one, other in alike), *lost]:
        found.setdefault(one, []).append(other)
    return {shape: tuple(others) for shape, others in found.items()}


@dataclass
class OcrNoise(Augmenter):
    """Misread words as a scanner does: rn for m, 1 for l, 0 for O, an accent lost."""

    columns: list[str] = field(default_factory=lambda: ["input"])
    """Text columns to vary; those that a record lacks are passed over."""
    rate: float = 0.1
    """Share of the words that get one such error, 0 to 1; one without letters that look like others stays."""
    records: float = 0.5
    """Share of the records that are touched at all, 0 to 1."""
    everything: bool = False
    """Also misread placeholders, tags, numbers and URLs."""

    def __post_init__(self) -> None:
        check_shares(rate=self.rate, records=self.records)

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records with some words misread."""
        return vary(records, rng, self.records if self.rate else 0, self.columns, self._varied)

    def _varied(self, text: str, rng: random.Random) -> str:
        return vary_words(text, rng, self.rate, self.everything, _misread)


def _misread(word: str, rng: random.Random) -> str:
    known = confusions()
    places = [(at, n) for n in (1, 2) for at in range(len(word) + 1 - n) if word[at : at + n] in known]
    if not places:
        return word
    at, length = places[int(rng.random() * len(places))]
    others = known[word[at : at + length]]
    return word[:at] + others[int(rng.random() * len(others))] + word[at + length :]
