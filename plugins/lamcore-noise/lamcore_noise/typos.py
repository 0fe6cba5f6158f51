"""Misspell words as fingers do."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import Enum
from functools import cache

from lamcore import Augmenter, Record
from lamcore_noise.words import check_shares, vary, vary_words


class Keyboard(Enum):
    """Which keys lie beside each other."""

    qwerty = "qwerty"
    qwertz = "qwertz"
    azerty = "azerty"


_ROWS = {  # the three rows of letters; each is set half a key to the right of the one above
    Keyboard.qwerty: ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    Keyboard.qwertz: ("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    Keyboard.azerty: ("azertyuiop", "qsdfghjklm", "wxcvbn"),
}


@cache
def neighbours(keyboard: Keyboard) -> dict[str, str]:
    """Return key -> the keys that touch it: left, right, two above, two below."""
    rows = _ROWS[keyboard]
    keys = {(row, place): key for row, line in enumerate(rows) for place, key in enumerate(line)}
    around = ((0, -1), (0, 1), (-1, 0), (-1, 1), (1, -1), (1, 0))
    return {
        key: "".join(keys.get((row + down, place + right), "") for down, right in around)
        for (row, place), key in keys.items()
    }


@dataclass
class Typos(Augmenter):
    """Misspell words: hit the key beside, swap two letters, leave one out or type it twice."""

    columns: list[str] = field(default_factory=lambda: ["input"])
    """Text columns to vary; those that a record lacks are passed over."""
    rate: float = 0.05
    """Share of the words that get one typing error, 0 to 1."""
    records: float = 0.5
    """Share of the records that are touched at all, 0 to 1."""
    everything: bool = False
    """Also misspell placeholders, tags, numbers and URLs."""
    keyboard: Keyboard = Keyboard.qwerty
    """Whose neighbouring keys are hit: qwerty, qwertz or azerty."""

    def __post_init__(self) -> None:
        check_shares(rate=self.rate, records=self.records)

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records with typing errors in some words."""
        return vary(records, rng, self.records if self.rate else 0, self.columns, self._varied)

    def _varied(self, text: str, rng: random.Random) -> str:
        return vary_words(text, rng, self.rate, self.everything, self._misspelt)

    def _misspelt(self, word: str, rng: random.Random) -> str:
        places = (
            range(len(word)) if self.everything or word.isalpha() else [i for i, c in enumerate(word) if c.isalpha()]
        )
        kind, which = divmod(int(rng.random() * 4 * len(places)), len(places))
        at = places[which]
        before, letter, after = word[:at], word[at], word[at + 1 :]
        if kind == 0 and (near := neighbours(self.keyboard).get(letter.lower())):
            key = near[int(rng.random() * len(near))]
            return before + (key.upper() if letter.isupper() else key) + after
        if kind == 1 and after[:1].isalpha() and after[0] != letter:
            return before + after[0] + letter + after[1:]
        if kind == 2 and len(places) > 1:
            return before + after
        return before + letter + letter + after  # always possible, so a chosen word always changes
