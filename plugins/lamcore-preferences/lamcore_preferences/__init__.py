"""Learn which of two answers is better: trainer `dpo`, preprocessor `take_chosen`. This module is light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lamcore import Preprocessor, Record, hookimpl
from lamcore.hookspecs import Register
from lamcore_trainers.supervised import Supervised

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run


@dataclass
class Dpo(Supervised):
    """Learn to prefer `chosen` to `rejected`: direct preference optimization (Rafailov et al. 2023, equation 7).

    The reference is the model as the run begins with it, so begin with a trained one (`init=RUN`). The loss, in
    training and in validation, is that of a pair: ln 2 at the start, lower where the model prefers what was chosen more
    than the reference does. Dropout and label smoothing are off. The other settings are those of `supervised`."""

    lr: float = 1e-4
    """Peak learning rate: a tenth or less of what the model was trained with."""
    warmup: int = 50
    """Updates over which the learning rate rises to its peak; 0 is no warm-up."""
    beta: float = 0.1
    """How dear it is to leave the reference: small values go far from it, large ones stay near."""

    column: ClassVar[str] = "target"
    """What stands in for `chosen` and `rejected` when the model reads them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.beta > 0:
            raise ValueError(f"beta must be more than 0, not {self.beta}")
        if self.r_drop:
            raise ValueError("r_drop must be 0: dpo trains without dropout")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that ends after some updates, with pairs made on the spot, for checks."""
        from lamcore_preferences.example import ToyDpo

        made: Any = ToyDpo(steps=60, warmup=10, lr=1e-2, validate_every=15, log_every=5)
        return made

    def fit(self, run: Run, model: Any, data: Data) -> None:
        """Train; return with the best weights in `model`."""
        from lamcore_preferences.preferring import preferring

        with preferring(self, run, model, data) as pairs:
            super().fit(run, model, pairs)


@dataclass
class TakeChosen(Preprocessor):
    """Let `target` be what was chosen, where a record says so: for preferences that come without a target."""

    def change(self, record: Record) -> Record:
        """Return the record with `chosen` as its target."""
        return record if record.get("chosen") is None else {**record, "target": record["chosen"]}

    @classmethod
    def example_records(cls) -> Sequence[Record]:
        """Return records with both answers, for checks."""
        texts = [("what is open", "the door", "the window"), ("what is on", "the light", ""), ("empty", "", "no")]
        return [{"id": f"r{n}", "input": i, "chosen": c, "rejected": r} for n, (i, c, r) in enumerate(texts)]


@hookimpl
def register_trainers(register: Register) -> None:
    """Offer `dpo`."""
    register("dpo", Dpo)


@hookimpl
def register_preprocessors(register: Register) -> None:
    """Offer `take_chosen`."""
    register("take_chosen", TakeChosen)
