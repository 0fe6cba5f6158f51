"""Tell a model of several languages which one to write."""

from __future__ import annotations

from dataclasses import dataclass

from lamcore import LamcoreError, Preprocessor, Record


@dataclass
class LanguageTag(Preprocessor):
    """Put the language to write before the input, as <2de>: one model for many pairs (Johnson et al. 2017)."""

    column: str = "input"
    """Text column that the tag is put before."""
    language: str | None = None
    """Language of records without target_lang; null: such a record is an error."""

    def change(self, record: Record) -> Record:
        """Return the record with `<2LANGUAGE> ` before its text; LamcoreError where no language is known."""
        language = record.get("target_lang") or self.language
        if not language:
            where = f"Record {record.get('id')!r} has no target_lang"
            raise LamcoreError(f"{where}: give it one, or set language_tag.language to what records without it get.")
        return record | {self.column: f"<2{language}> {record[self.column]}"}
