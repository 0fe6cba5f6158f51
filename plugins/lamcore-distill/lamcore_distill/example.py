"""A teacher for the toy task of `lamcore.testing`, for those who check the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from lamcore_distill import Distill

if TYPE_CHECKING:
    from lamcore.run import Run


@dataclass
class ToyDistill(Distill):
    """Learn from a model of the run's own architecture that knows nothing."""

    teacher: str = "made on the spot"
    """No folder."""

    def load(self, run: Run) -> Any:
        """Return a model with random weights, the same each time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            return run.recipe.architecture.build(run.trained.tokenizer, run.trained.labels).eval()  # type: ignore[attr-defined]
