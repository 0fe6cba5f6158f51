"""Make a noised copy of a text, to be turned into the text again."""

from __future__ import annotations

import random
from dataclasses import dataclass

from lamcore import Augmenter, Record
from lamcore_unsupervised.raw import RAW, Side, as_clean, shares, tags_and_text
from lamcore_unsupervised.spans import parts, placed, poisson_lengths


@dataclass
class Denoise(Augmenter):
    """Make the target's noised copy the input: text infilling as BART learns it (Lewis et al. 2020).

    Words that stand side by side, as many as a Poisson distribution says, are hidden behind one mask; a span of none
    puts a mask in. `drop` and `distance` are the noise of Lample et al. 2018 (with rate=0: drop=0.1, distance=3). Tags
    that the input begins with, such as <2de>, stay before it. Records that `autoencode` knows for pairs stay pairs."""

    clean: Side = Side.target
    """Column of the clean text, target or input: it becomes the target, its noised copy the input."""
    rate: float = 0.3
    """Share of the words that are hidden, 0 to 1."""
    span: float = 3.0
    """Mean number of words behind one mask, 1 or more."""
    mask: str = "<mask>"
    """What stands for them; name it among tokenizer.symbols."""
    drop: float = 0.0
    """Share of the words that are left out without a trace, 0 to 1; never all of them."""
    distance: int = 0
    """Most places that a word is shuffled away from its own; 0 keeps the order."""
    records: float = 1.0
    """Share of the records that are touched at all, 0 to 1."""

    def __post_init__(self) -> None:
        shares(rate=self.rate, drop=self.drop, records=self.records)
        if self.span < 1:
            raise ValueError(f"span must be 1 or more, not {self.span}")
        if self.distance < 0:
            raise ValueError(f"distance must be 0 or more, not {self.distance}")
        if len(self.mask.split()) != 1:
            raise ValueError(f"mask must be a text without spaces, not {self.mask!r}")

    @property
    def symbols(self) -> list[str]:
        """What the vocabulary must have as one piece each."""
        return [self.mask] if self.rate else []

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records, a share of them with a noised input and the clean text as target."""
        return [self._noised(r, rng) if r.get(RAW, True) and rng.random() < self.records else r for r in records]

    def _noised(self, record: Record, rng: random.Random) -> Record:
        text = record.get(self.clean.value) or ""
        clean = tags_and_text(text)[1] if self.clean is Side.input else text
        return as_clean(record, self.clean, " ".join(self._words(clean.split(), rng)), clean)

    def _words(self, words: list[str], rng: random.Random) -> list[str]:
        """Return the words, some of them left out, shuffled and hidden."""
        if self.drop and words:
            words = [word for word in words if rng.random() >= self.drop] or [rng.choice(words)]
        if self.distance:
            places = [(at + rng.random() * (self.distance + 1), word) for at, word in enumerate(words)]
            words = [word for _, word in sorted(places, key=lambda one: one[0])]
        hidden = int(self.rate * len(words) + rng.random())
        spans = placed(len(words), poisson_lengths(hidden, self.span, rng), rng)
        shown = [[*before, self.mask] if span is not None else before for before, span in parts(words, spans)]
        return [word for part in shown for word in part]
