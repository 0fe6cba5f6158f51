"""Data sets of the Hugging Face hub, or of a folder: source `huggingface`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lamcore import MISSING, Record, Source, hookimpl


@dataclass
class HuggingFace(Source):
    """A data set of the Hugging Face hub, or a folder that `datasets` reads; its code is never run.

    A column `translation` gives input and target of the `languages`; class labels become their names; pictures and
    sounds stay the bytes that they are."""

    path: str = MISSING
    """Name on the hub, such as wmt16, or a folder: of data files, or written by `save_to_disk`."""
    config: str | None = None
    """Which of the data set's configurations, such as de-en; null: its only or default one."""
    splits: dict[str, str] = field(default_factory=dict)
    """Our split -> the data set's, or a slice of it: {train: "train[:95%]", validation: "train[95%:]"}. Empty: all."""
    revision: str | None = None
    """Commit, tag or branch on the hub; null: the newest."""
    columns: dict[str, str] = field(default_factory=dict)
    """Our column -> the data set's, dots lead inside: {input: translation.en}. Empty: all, as they are."""
    languages: list[str] = field(default_factory=list)
    """Codes for input_lang and target_lang, such as [en, de]; empty: no such columns."""

    def __post_init__(self) -> None:
        if len(self.languages) not in (0, 2):
            raise ValueError(f"languages must be two codes, such as [en, de], or empty, not {self.languages}")

    def load(self) -> Mapping[str, Iterable[Record]]:
        from lamcore_huggingface.reading import records_in, tables

        found = tables(self).items()
        return {split: records_in(split, table, self.columns, self.languages) for split, table in found}

    def fingerprint(self) -> str:
        from lamcore_huggingface.reading import tables

        return " ".join(f"{split} {table._fingerprint}" for split, table in tables(self).items())

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a folder of JSON Lines, for checks."""
        for split, numbers in {"train": range(20), "validation": range(20, 25)}.items():
            lines = (f'{{"translation": {{"en": "door {at}", "de": "Tür {at}"}}}}\n' for at in numbers)
            (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
        return cls(path=str(folder), languages=["en", "de"])


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    register("huggingface", HuggingFace)
