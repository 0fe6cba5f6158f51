"""The trainer `consistency`: its settings, and the door to its work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lamcore import MISSING, Augmenter
from lamcore_trainers.supervised import Supervised
from lamcore_unsupervised.denoise import Denoise
from lamcore_unsupervised.raw import Side

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run


@dataclass
class Consistency(Supervised):
    """Learn from labelled records, and from all records that noise must not change the answer (UDA, Xie et al. 2020).

    A record's loss is its own, 0 where its answer is blank, and weight times the summed KL(p, q) of its items: p is
    what the model thinks of the record as it stands, without dropout, a goal that no gradient changes, and q what it
    thinks of a noised copy. A model that writes text compares the tokens of the record's answer, or where that is blank
    of its own greedy one. Validation gives the model's own loss. The other settings are those of `supervised`."""

    noise: Augmenter = MISSING
    """What makes the noised copies, such as {name: drop_words, rate: 0.2, records: 1}."""
    weight: float = 1.0
    """How much a record's consistency counts beside its own loss."""
    temperature: float = 1.0
    """What the scores behind p are divided by: below 1 makes the goal sharper (the paper: 0.4 to 0.9)."""
    confidence: float = 0.0
    """Least probability that p must give an answer for the item to count, 0 to 1 (the paper: 0.5 to 0.8); 0: all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight < 0:
            raise ValueError(f"weight must be 0 or more, not {self.weight}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be more than 0, not {self.temperature}")
        if not 0 <= self.confidence < 1:
            raise ValueError(f"confidence must be 0 (all) or more and less than 1, not {self.confidence}")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that ends after some updates, for checks."""
        noise = Denoise(clean=Side.input, rate=0.2)
        return cls(steps=60, warmup=10, lr=1e-2, validate_every=15, log_every=5, noise=noise)

    def fit(self, run: Run, model: Any, data: Data) -> None:
        """Train; return with the best weights in `model`."""
        from lamcore_unsupervised.agreeing import agreeing

        with agreeing(self, run, model, data):
            super().fit(run, model, data)
