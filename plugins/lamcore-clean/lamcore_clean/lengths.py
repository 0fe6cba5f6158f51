"""Drop pairs that are too short, too long or too unequal to be translations of each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from lamcore import Preprocessor, Record


class Unit(Enum):
    """What a text's length counts."""

    words = "words"
    characters = "characters"


@dataclass
class LengthFilter(Preprocessor):
    """Drop train records whose texts are too short, too long or too unequal; the defaults are OpusFilter's."""

    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """Text columns to measure; those that a record lacks are passed over."""
    unit: Unit = Unit.words
    """words (cut at white space) or characters."""
    least: int = 1
    """Fewest units of each text; 0 lets empty texts pass."""
    most: int = 100
    """Most units of each text; 0 is no bound."""
    ratio: float = 3.0
    """Drop where the longest text has this many times the units of the shortest, or more; 0 is no bound."""

    def __post_init__(self) -> None:
        if self.least < 0:
            raise ValueError(f"least must be 0 or more, not {self.least}")
        if self.most and self.most < max(self.least, 1):
            raise ValueError(f"most must be 0 (no bound) or at least `least` ({self.least}), not {self.most}")
        if self.ratio and not self.ratio > 1:
            raise ValueError(f"ratio must be 0 (no bound) or more than 1, not {self.ratio}")

    def change(self, record: Record) -> Record | None:
        """Return the record as it is, or None where its lengths are out of bounds."""
        texts = [text for column in self.columns if isinstance(text := record.get(column), str)]
        if not texts:
            return record
        lengths = [len(text.split()) if self.unit is Unit.words else len(text) for text in texts]
        low, high = min(lengths), max(lengths)
        if low < self.least or (self.most and high > self.most):
            return None
        if self.ratio and high and high >= self.ratio * low:
            return None
        return record
