"""Hide spans of a text and ask for them alone."""

from __future__ import annotations

import random
from dataclasses import dataclass

from lamcore import Augmenter, Record
from lamcore_unsupervised.raw import RAW, Side, as_clean, shares, tags_and_text
from lamcore_unsupervised.spans import even_lengths, parts, placed


@dataclass
class Masked(Augmenter):
    """Hide spans of the text behind sentinels, and ask for what they hide: span corruption (T5, Raffel et al. 2020).

    "turn on the light" is read as "turn <extra_id_0> light", and "<extra_id_0> on the <extra_id_1>" is learnt. Tags
    that the input begins with, such as <2de>, stay before it. Records that `autoencode` knows for pairs stay pairs."""

    clean: Side = Side.target
    """Column of the clean text, target or input."""
    rate: float = 0.15
    """Share of the words that are hidden, 0 to 1; at least one of a text of two or more, never all."""
    span: float = 3.0
    """Mean number of words behind one sentinel, 1 or more."""
    sentinels: int = 10
    """How many there are, <extra_id_0> and so on, all of them tokenizer.symbols; each but one can hide a span."""
    records: float = 1.0
    """Share of the records that are touched at all, 0 to 1."""

    def __post_init__(self) -> None:
        shares(rate=self.rate, records=self.records)
        if self.span < 1:
            raise ValueError(f"span must be 1 or more, not {self.span}")
        if self.sentinels < 2:
            raise ValueError(f"sentinels must be 2 or more, not {self.sentinels}")

    @property
    def symbols(self) -> list[str]:
        """What the vocabulary must have as one piece each."""
        return [f"<extra_id_{number}>" for number in range(self.sentinels)]

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records, a share of them with spans hidden in the input and asked for in the target."""
        return [self._masked(r, rng) if r.get(RAW, True) and rng.random() < self.records else r for r in records]

    def _masked(self, record: Record, rng: random.Random) -> Record:
        words = tags_and_text(record.get(self.clean.value) or "")[1].split()
        hidden = min(max(1, int(self.rate * len(words) + rng.random())), len(words) - 1)
        lengths = even_lengths(hidden, self.span, rng)[: self.sentinels - 1] if hidden > 0 else []
        read: list[str] = []
        learnt: list[str] = []
        for sentinel, (before, span) in zip(self.symbols, parts(words, placed(len(words), lengths, rng)), strict=False):
            read += before if span is None else [*before, sentinel]
            learnt += [sentinel, *(span or [])]
        return as_clean(record, self.clean, " ".join(read), " ".join(learnt))
