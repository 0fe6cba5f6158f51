"""The trainer `unsupervised_translation`: its settings, and the door to its work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lamcore import Record
from lamcore_trainers.supervised import Supervised

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run

Translate = Callable[[list[Record], int], list[Record]]
"""(train records, number of the update) -> what is learnt instead: their inputs are translations of their targets."""


@dataclass
class UnsupervisedTranslation(Supervised):
    """Learn to translate from texts of two languages that nobody translated (Lample et al. 2018; Artetxe et al. 2018).

    Of the batches, some are learnt as they are: with `autoencode`, `language_tag` and `denoise`, texts are mended. In
    the others each text is translated to the other language, at first word by word with a dictionary that is found in
    the texts themselves, then by the model as it stands (greedy search), and the way back is learnt. The other settings
    are those of `supervised`."""

    share: float = 0.5
    """Share of the batches that are translated back, 0 to 1; the others are learnt as they are."""
    word_by_word: int = 1000
    """Updates in which texts are translated by the dictionary; 0: by the model from the beginning."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be between 0 and 1, not {self.share}")
        if self.word_by_word < 0:
            raise ValueError(f"word_by_word must be 0 or more, not {self.word_by_word}")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that ends after some updates, on texts of one language, for checks."""
        from lamcore_unsupervised.example import ToyTranslation

        made: Any = ToyTranslation(steps=60, warmup=10, lr=1e-2, validate_every=15, log_every=5)
        return made

    def translate(self, run: Run, model: Any, data: Data) -> Translate:
        """Return what makes records to translate back."""
        from lamcore_unsupervised.translating import translator

        return translator(self.word_by_word, run, model, data)

    def fit(self, run: Run, model: Any, data: Data) -> None:
        """Train; return with the best weights in `model`."""
        from lamcore_unsupervised.translating import translating

        with translating(self, run, model, data):
            super().fit(run, model, data)
