"""Drop pairs whose texts are not in the languages that they should be in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

from lamcore import LamcoreError, Preprocessor, Record
from lamcore_filters.texts import check_share, texts_of


@dataclass
class Language(Preprocessor):
    """Drop train records with a text that is not in its language; OpusFilter's LanguageIDFilter with `langid`.

    The score is the least of the texts' confidences (py3langid; Lui and Baldwin 2012), 0 where another language is
    likelier than the expected one. It must be greater than `threshold`, 0 as in OpusFilter.
    """

    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """Text columns to identify."""
    languages: list[str] = field(default_factory=list)
    """Language of each column (ISO 639-1), such as [en, de]; empty: as the record's input_lang, target_lang say."""
    threshold: float = 0.0
    """Keep confidences greater than this (0 to 1)."""
    langid_languages: list[str] = field(default_factory=list)
    """Languages that a text may be taken for; empty: all that py3langid knows. Few of them suit short texts."""

    direction: ClassVar[str] = "higher"
    against: ClassVar[str] = "swapped"

    def __post_init__(self) -> None:
        check_share(self.threshold)
        if self.languages and len(self.languages) != len(self.columns):
            raise ValueError(f"languages must be one a column ({', '.join(self.columns)}), not {self.languages}")

    def change(self, record: Record) -> Record | None:
        """Return the record, or None where a text is in another language."""
        score = self.scores([record])[0]
        return record if score is None or self.keeps(score) else None

    def keeps(self, score: float) -> bool:
        """Say whether a record of this score stays."""
        return score > self.threshold

    def scores(self, records: Sequence[Record]) -> list[float | None]:
        """Return each record's least confidence, 0 to 1; None where a text is missing."""
        return [self._score(record) for record in records]

    def _score(self, record: Record) -> float | None:
        texts = texts_of(record, self.columns)
        if texts is None:
            return None
        expected = self.languages or [self._expected(record, column) for column in self.columns]
        identify = _identifier(tuple(sorted(self.langid_languages)))
        return min(_confidence(identify, *pair) for pair in zip(texts, expected, strict=True))

    def _expected(self, record: Record, column: str) -> str:
        if found := record.get(f"{column}_lang"):
            return str(found)
        what = f"language: record {record.get('id')!r} has no column {column}_lang that says its language"
        raise LamcoreError(f"{what}: set language.languages=[en,de], or source.languages where the source has it.")


def _confidence(identifier: Any, text: str, expected: str) -> float:
    code = expected.lower().replace("_", "-").partition("-")[0]
    if code not in identifier.nb_classes:
        known = ", ".join(sorted(identifier.nb_classes))
        raise LamcoreError(f"language: {expected!r} is none of the languages that are told apart: {known}.")
    found, confidence = identifier.classify(text)
    return float(confidence) if found == code else 0.0


@cache
def _identifier(languages: tuple[str, ...]) -> Any:
    """Return py3langid's identifier, restricted to these languages; it takes a second or two to load."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if unknown := sorted({*languages} - {*identifier.nb_classes}):
        known = ", ".join(sorted(identifier.nb_classes))
        raise LamcoreError(f"language.langid_languages: py3langid does not know {', '.join(unknown)}, but {known}.")
    identifier.set_languages(languages or None)
    return identifier
