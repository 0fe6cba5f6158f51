"""The trainer `supervised`: its settings, and the door to its loop."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lamcore import Trainer

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run


class Schedule(Enum):
    """How the learning rate falls after the warm-up."""

    inverse_square_root = "inverse_square_root"
    cosine = "cosine"
    constant = "constant"
    plateau = "plateau"


class Optimizer(Enum):
    """How gradients become updates."""

    adamw = "adamw"
    muon = "muon"


class Precision(Enum):
    """What numbers forward and backward are computed in."""

    fp32 = "fp32"
    bf16 = "bf16"


@dataclass
class Plateau:
    """Lower the learning rate where validation gets no better, as PyTorch's ReduceLROnPlateau does."""

    factor: float = 0.5
    """What the learning rate is multiplied by."""
    patience: int = 3
    """Validations without improvement after which that is done, and again after as many (in PyTorch one more)."""


@dataclass
class Lora:
    """Matrices of which only a low-rank change is learnt (Hu et al. 2021); it is merged after every update."""

    rank: int = 0
    """Rank of the change of a matrix: 8, say; 0 is off. Matrices smaller than their change are trained whole."""
    alpha: float = 16.0
    """The change is scaled by alpha / rank."""
    modules: list[str] = field(default_factory=list)
    """Regexes that are looked for in the names of linear modules: those found are changed; empty is all."""


@dataclass
class Supervised(Trainer):
    """Learn from examples with AdamW, a warmed-up learning rate, early stopping, a time budget and exact resume."""

    steps: int = 0
    """Most updates; 0 is no limit."""
    minutes: float = 0.0
    """Time budget, validations included: early on it becomes a fixed number of updates; 0 is none."""
    optimizer: Optimizer = Optimizer.adamw
    """adamw (Loshchilov and Hutter 2019) or muon (Jordan et al. 2024; AdamW for embeddings and vectors)."""
    lr: float = 1e-3
    """Peak learning rate."""
    warmup: int = 400
    """Updates over which the learning rate rises to its peak; 0 is no warm-up."""
    schedule: Schedule = Schedule.inverse_square_root
    """After the warm-up: inverse_square_root, cosine (needs steps or minutes), constant or plateau."""
    plateau: Plateau = field(default_factory=Plateau)
    """When and by how much schedule=plateau lowers the learning rate."""
    min_lr: float = 0.0
    """Where the schedule ends, as a share of lr."""
    weight_decay: float = 0.01
    """AdamW's decay of matrices and embeddings; biases and norms have none."""
    betas: list[float] = field(default_factory=lambda: [0.9, 0.98])
    """AdamW's two decay rates of the running averages."""
    eps: float = 1e-9
    """AdamW's epsilon."""
    batch_tokens: int = 4096
    """Most padded tokens in a batch; small models on a CPU learn faster per minute with about 1000."""
    accumulation: int = 1
    """Batches an update; the update equals that of one large batch."""
    workers: int = 1
    """Processes of one thread that share an update on a CPU, a batch each: as many as cores."""
    clip: float = 1.0
    """Largest norm of the gradient of the loss per item; 0 is no clipping."""
    precision: Precision = Precision.fp32
    """fp32, or bf16 (autocast: weights stay fp32)."""
    recompute: bool = False
    """Compute each layer again on the way back instead of keeping its insides: less memory, more time."""
    validate_every: int = 500
    """Updates between validations, each of which is also a checkpoint."""
    patience: int = 10
    """Validations without improvement after which training ends; 0 is off."""
    target: float | None = None
    """Value of the monitor at which training ends; null is none."""
    average: int = 0
    """Average the weights of the last so many validations, kept where it beats the best; 0 is off."""
    ema: float = 0.0
    """Decay of a moving average of the weights, which is validated and kept instead of them: 0.999; 0 is off."""
    r_drop: float = 0.0
    """How much two passes with other dropout must agree (Liang et al. 2021): 5 for translation; 0 is off."""
    only: list[str] = field(default_factory=list)
    """Regexes that are looked for in the names of parameters: only those found are trained; empty is all.

    With lora they are trained whole beside its changes, and empty is none."""
    lora: Lora = field(default_factory=Lora)
    """Train low-rank changes of matrices instead of them."""
    log_every: int = 50
    """Updates between lines of the log."""

    def __post_init__(self) -> None:
        _check_ranges(self)
        if not (self.steps or self.minutes or self.patience) and self.target is None:
            raise ValueError("nothing would end the training: set steps, minutes, patience or target")
        for regex in (*self.only, *self.lora.modules):
            try:
                re.compile(regex)
            except re.error as error:
                raise ValueError(f"only and lora.modules must be regexes, and {regex!r} is none: {error}") from error
        if self.schedule is Schedule.cosine and not (self.steps or self.minutes):
            raise ValueError("schedule cosine must know its end: set steps or minutes")
        if self.schedule is Schedule.plateau and 0 < self.patience <= self.plateau.patience:
            what = f"patience must be more than plateau.patience ({self.plateau.patience}), or 0, not {self.patience}"
            raise ValueError(f"{what}: training would end before the rate falls")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that ends after some updates, for checks."""
        return cls(steps=60, warmup=10, lr=1e-2, validate_every=15, log_every=5)

    def fit(self, run: Run, model: Any, data: Data) -> None:
        """Train; return with the best weights in `model`."""
        from lamcore_trainers.loop import train

        train(self, run, model, data)


def _check_ranges(settings: Supervised) -> None:
    for name in ("steps", "minutes", "warmup", "weight_decay", "clip", "patience", "average", "r_drop"):
        if getattr(settings, name) < 0:
            raise ValueError(f"{name} must be 0 or more, not {getattr(settings, name)}")
    for name in ("batch_tokens", "accumulation", "workers", "validate_every", "log_every"):
        if getattr(settings, name) < 1:
            raise ValueError(f"{name} must be 1 or more, not {getattr(settings, name)}")
    if not 0 < settings.plateau.factor < 1:
        raise ValueError(f"plateau.factor must be between 0 and 1, not {settings.plateau.factor}")
    if settings.plateau.patience < 1:
        raise ValueError(f"plateau.patience must be 1 or more, not {settings.plateau.patience}")
    if settings.lora.rank < 0:
        raise ValueError(f"lora.rank must be 0 (off) or more, not {settings.lora.rank}")
    for name in ("lr", "eps"):
        if not getattr(settings, name) > 0:
            raise ValueError(f"{name} must be more than 0, not {getattr(settings, name)}")
    if not 0 <= settings.min_lr <= 1:
        raise ValueError(f"min_lr must be between 0 and 1 (a share of lr), not {settings.min_lr}")
    if not 0 <= settings.ema < 1:
        raise ValueError(f"ema must be 0 (off) or a decay below 1, not {settings.ema}")
    if settings.average == 1:
        raise ValueError("average must be 0 (off) or 2 or more, not 1")
    if len(settings.betas) != 2 or not all(0 <= beta < 1 for beta in settings.betas):
        raise ValueError(f"betas must be two numbers from 0 to below 1, not {settings.betas}")
