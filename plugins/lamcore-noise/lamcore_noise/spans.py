"""Hide words behind a mask."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import groupby

from lamcore import Augmenter, Record
from lamcore_noise.words import check_shares, cut, is_free, vary


@dataclass
class MaskSpans(Augmenter):
    """Hide words that stand side by side behind one mask, so that a model learns to do without them.

    What it should answer stays as it is; to learn to write what is hidden, see `denoise` and `masked`."""

    columns: list[str] = field(default_factory=lambda: ["input"])
    """Text columns to vary; those that a record lacks are passed over."""
    rate: float = 0.15
    """Share of the words that are hidden, 0 to 1."""
    records: float = 0.5
    """Share of the records that are touched at all, 0 to 1."""
    everything: bool = False
    """Also hide placeholders, tags, numbers and URLs."""
    span: int = 3
    """Most words that are drawn to be hidden together; spans that touch share a mask."""
    mask: str = "<mask>"
    """What stands for them; name it among tokenizer.symbols."""

    def __post_init__(self) -> None:
        check_shares(rate=self.rate, records=self.records)
        if self.span < 1:
            raise ValueError(f"span must be 1 or more, not {self.span}")
        if not self.mask.strip() or " " in self.mask:
            raise ValueError(f"mask must be a text without spaces, not {self.mask!r}")

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records with some words hidden."""
        return vary(records, rng, self.records if self.rate else 0, self.columns, self._varied)

    def _varied(self, text: str, rng: random.Random) -> str:
        words = cut(text)
        hidden = self._drawn([is_free(word, self.everything) for word in words], rng)
        groups = groupby(enumerate(words), lambda one: one[0] in hidden)
        return " ".join(self.mask if masked else " ".join(word for _, word in group) for masked, group in groups)

    def _drawn(self, free: list[bool], rng: random.Random) -> set[int]:
        """Return which words are hidden: the share, rounded up or down by chance, or all that are free."""
        places = [at for at, may in enumerate(free) if may]
        left, hidden = min(int(self.rate * len(free) + rng.random()), len(places)), set[int]()
        while left:
            start = places[int(rng.random() * len(places))]
            for at in range(start, start + min(1 + int(rng.random() * self.span), left)):
                if at == len(free) or not free[at] or at in hidden:
                    break
                hidden.add(at)
                left -= 1
        return hidden
