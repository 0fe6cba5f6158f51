"""Get punctuation wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from lamcore import Augmenter, Record
from lamcore_noise.words import check_shares, chosen, cut, is_free, vary

MARKS = frozenset(".,;:!?…。，、；：！？،؟।")


@dataclass
class PunctuationNoise(Augmenter):
    """Leave out marks at the ends of words, write them twice, or move them to the word before or after."""

    columns: list[str] = field(default_factory=lambda: ["input"])
    """Text columns to vary; those that a record lacks are passed over."""
    rate: float = 0.3
    """Share of the marks at ends of words (. , ; : ! ?) that are left out, doubled or moved, 0 to 1."""
    records: float = 0.5
    """Share of the records that are touched at all, 0 to 1."""
    everything: bool = False
    """Also change marks behind placeholders, tags, numbers and URLs."""

    def __post_init__(self) -> None:
        check_shares(rate=self.rate, records=self.records)

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records with some marks left out, doubled or moved."""
        return vary(records, rng, self.records if self.rate else 0, self.columns, self._varied)

    def _varied(self, text: str, rng: random.Random) -> str:
        words = cut(text)
        marked = [n for n, word in enumerate(words) if self._ends(word) and len(word) > 1]
        for place in chosen(len(marked), self.rate, rng):
            at = marked[place]
            kind, word, mark = int(rng.random() * 3), words[at][:-1], words[at][-1]
            words[at] = word + mark * 2 if kind == 1 else word
            if kind == 2 and (beside := self._unmarked(words, at)):
                words[beside[int(rng.random() * len(beside))]] += mark
        return " ".join(words)

    def _ends(self, word: str) -> bool:
        """Say whether a word that may be varied ends with a mark."""
        return word[-1:] in MARKS and is_free(word, self.everything)

    def _unmarked(self, words: list[str], at: int) -> list[int]:
        """Return which of the words beside one may get its mark."""
        beside = [n for n in (at - 1, at + 1) if 0 <= n < len(words)]
        return [n for n in beside if is_free(words[n], self.everything) and words[n][-1] not in MARKS]
