"""Training by several processes, on one machine or many; this module is light, torch is imported when it begins."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lamcore import hookimpl
from lamcore.hookspecs import Register
from lamcore_trainers.supervised import Optimizer, Supervised

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run

__all__ = ["Distributed", "Shard"]


class Shard(Enum):
    """What of the model is cut into a part for each process."""

    none = "none"
    full = "full"


@dataclass
class Distributed(Supervised):
    """Learn as `supervised` does, in several processes that torchrun starts: they share the batches of each update."""

    shares_work = True
    shard: Shard = Shard.none
    """none: all have the whole model (DDP, Li et al. 2020); full: each a part of it (FSDP2, Zhao et al. 2023)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.workers != 1:
            raise ValueError(f"workers must be 1, not {self.workers}: torchrun starts the processes (--nproc-per-node)")
        if self.r_drop:
            raise ValueError("r_drop is for one process: set it to 0, or choose the trainer supervised")
        if self.lora.rank:
            raise ValueError("lora is for one process: set lora.rank to 0, or choose the trainer supervised")
        if self.shard is Shard.full and (self.ema or self.optimizer is not Optimizer.adamw):
            raise ValueError("shard=full knows optimizer=adamw and no ema: set those, or shard=none")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that ends after some updates, for checks."""
        return cls(steps=60, warmup=10, lr=1e-2, validate_every=15, log_every=5)

    def fit(self, run: Run, model: Any, data: Data) -> None:
        """Train together with the other processes; return with the best weights in the first one's `model`."""
        from lamcore_distributed.together import train

        train(self, run, model, data)


@hookimpl
def register_trainers(register: Register) -> None:
    """Offer `distributed`."""
    register("distributed", Distributed)
