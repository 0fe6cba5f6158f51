"""Drop pairs with text in the wrong script, or with hardly any letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

from lamcore import Preprocessor, Record
from lamcore_filters.texts import check_share, judged


@dataclass
class Characters(Preprocessor):
    """Drop train records with letters of another script; OpusFilter's CharacterScoreFilter.

    The score is the least share of a text's letters that are in its script, 1 for a text without letters. It must be
    `threshold` or more, 1 as in OpusFilter.
    """

    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """Text columns to look at."""
    scripts: list[str] = field(default_factory=lambda: ["Latin", "Latin"])
    """Unicode script of each column: Latin, Cyrillic, Greek, Han, Arabic, ..."""
    threshold: float = 1.0
    """Least share of letters in the script (0 to 1)."""

    direction: ClassVar[str] = "higher"
    against: ClassVar[str] = "script"

    def __post_init__(self) -> None:
        check_share(self.threshold)
        if len(self.scripts) != len(self.columns):
            raise ValueError(f"scripts must be one a column ({', '.join(self.columns)}), not {self.scripts}")
        for script in self.scripts:
            _patterns(script)

    def change(self, record: Record) -> Record | None:
        """Return the record, or None where too many letters are of another script."""
        score = self.scores([record])[0]
        return record if score is None or self.keeps(score) else None

    def keeps(self, score: float) -> bool:
        """Say whether a record of this score stays."""
        return score >= self.threshold

    def scores(self, records: Sequence[Record]) -> list[float | None]:
        """Return each record's least share of letters in the script, 0 to 1; None where a text is missing."""
        return judged(records, self.columns, lambda texts: min(map(_share_in_script, texts, self.scripts)))


@dataclass
class Alphabet(Preprocessor):
    """Drop train records with few letters; OpusFilter's AlphabetRatioFilter.

    The score is the least share of a text's characters that are alphabetic. It must be `threshold` or more, 0.75 as in
    OpusFilter.
    """

    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """Text columns to look at."""
    threshold: float = 0.75
    """Least share of alphabetic characters (0 to 1)."""
    exclude_whitespace: bool = False
    """Leave white space out of the count of all characters."""

    direction: ClassVar[str] = "higher"
    against: ClassVar[str] = "garbled"

    def __post_init__(self) -> None:
        check_share(self.threshold)

    def change(self, record: Record) -> Record | None:
        """Return the record, or None where too few characters are letters."""
        score = self.scores([record])[0]
        return record if score is None or self.keeps(score) else None

    def keeps(self, score: float) -> bool:
        """Say whether a record of this score stays."""
        return score >= self.threshold

    def scores(self, records: Sequence[Record]) -> list[float | None]:
        """Return each record's least share of letters, 0 to 1; None where a text is missing."""
        return judged(records, self.columns, lambda texts: min(map(self._share, texts)))

    def _share(self, text: str) -> float:
        characters = "".join(text.split()) if self.exclude_whitespace else text
        return len(_alphabetic().findall(characters)) / len(characters)


def _share_in_script(text: str, script: str) -> float:
    if script == "Latin" and text.isascii():
        return 1.0
    alphabetic, of_script = _patterns(script)
    letters = len(alphabetic.findall(text))
    return len(of_script.findall(text)) / letters if letters else 1.0


@cache
def _alphabetic() -> Any:
    import regex

    return regex.compile(r"\p{Alphabetic}")


@cache
def _patterns(script: str) -> tuple[Any, Any]:
    """Return what finds alphabetic characters, and those of the script; raise ValueError where there is no such."""
    import regex

    try:
        return _alphabetic(), regex.compile(rf"[\p{{Alphabetic}}&&\p{{Script={script}}}]", regex.V1)
    except regex.error as error:
        raise ValueError(f"scripts: Unicode has no script {script!r}, but Latin, Cyrillic, Greek, Han, ...") from error
