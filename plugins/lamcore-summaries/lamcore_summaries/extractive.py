"""The architecture `extractive`; light: the model is in its module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lamcore import Architecture, Labels, Record

if TYPE_CHECKING:
    from lamcore.tokenizer import Tokenizer
    from lamcore_summaries.picker import PickerModel


@dataclass
class Extractive(Architecture):
    """Pick the sentence that sums up a text: sentences are bags of words, read in order by a GRU.

    A small relative of SummaRuNNer (Nallapati et al. 2017): it learns the sentence that is most like the target by
    ROUGE. It answers with that sentence as far as its tokenizer can write it, and its number, from 0, in `sentence`,
    by which the preprocessor `sentences` finds it word for word."""

    width: int = 128
    """Numbers that stand for a token, and for a sentence in its text."""
    places: int = 12
    """First sentences, and last ones, that are told apart by where they stand."""
    dropout: float = 0.3
    """Share of the numbers that are zeroed in training."""
    token_dropout: float = 0.1
    """Share of the tokens that are not read in training."""
    max_tokens: int = 100
    """Most tokens of a sentence that are read."""

    reads = ("input", "sentences", "target")
    answers = ("target",)

    def __post_init__(self) -> None:
        for name in ("width", "places", "max_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.width % 2:
            raise ValueError(f"width must be even, not {self.width}")
        for name in ("dropout", "token_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and less than 1, not {getattr(self, name)}")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return a small one, for checks."""
        return cls(width=32)

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return texts and which of their sentences sums them up, for checks."""
        records: list[Record] = []
        for at in range(16):
            text = ["Nets are big.", "Nobody knows why.", "They run on many days.", "It rains."]
            text[at % 4] = summary = f"We show how case {at} ends."
            text = text[: at % 4 + 1 + at % 3]
            records.append({"id": f"r{at}", "input": " ".join(text), "sentences": text, "target": summary})
        return [*records, {"id": "empty", "input": "", "sentences": [], "target": ""}]

    def build(self, tokenizer: Mapping[str, Tokenizer], labels: Labels) -> PickerModel:
        """Return a new model with random weights, drawn from torch's seed."""
        from lamcore_summaries.picker import PickerModel

        return PickerModel(self, tokenizer["input"])
