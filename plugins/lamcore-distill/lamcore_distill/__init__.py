"""Learn from another model's probabilities: trainer `distill`. This module is light."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lamcore import MISSING, hookimpl
from lamcore.hookspecs import Register
from lamcore_trainers.supervised import Supervised

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run


@dataclass
class Distill(Supervised):
    """Learn from examples and from what a trained model, the teacher, thinks of every token of them.

    A record's loss is (1 - weight) times the model's own and weight * temperature**2 times the summed KL(teacher,
    student) of its tokens, both distributions softened by the temperature (Hinton et al. 2015; word-level in Kim and
    Rush 2016). Validation gives the model's own loss. The other settings are those of `supervised`."""

    teacher: str = MISSING
    """Folder of a finished run, or of a model, that reads records as this model does, with the same vocabulary."""
    weight: float = 0.5
    """Share of the teacher in the loss, from 0 to 1; 1 learns from the teacher alone."""
    temperature: float = 1.0
    """What scores are divided by: above 1 the teacher's unlikely tokens count for more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight must be between 0 and 1, not {self.weight}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be more than 0, not {self.temperature}")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that ends after some updates, with a teacher made on the spot, for checks."""
        from lamcore_distill.example import ToyDistill

        made: Any = ToyDistill(steps=60, warmup=10, lr=1e-2, validate_every=15, log_every=5, weight=0.2)
        return made

    def load(self, run: Run) -> Any:
        """Return the teacher, on the run's device."""
        from lamcore_distill.teaching import load_teacher

        return load_teacher(self.teacher, run)

    def fit(self, run: Run, model: Any, data: Data) -> None:
        """Train; return with the best weights in `model`."""
        from lamcore_distill.teaching import taught

        with taught(model, self.load(run), self.weight, self.temperature):
            super().fit(run, model, data)


@hookimpl
def register_trainers(register: Register) -> None:
    """Offer `distill`."""
    register("distill", Distill)
