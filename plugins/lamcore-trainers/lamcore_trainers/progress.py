"""How far a training is: plain values that a checkpoint keeps, with weights, optimizer and chance around them."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from lamcore_trainers.average import MovingAverage
from lamcore_trainers.optimizer import AdamW
from lamcore_trainers.schedule import MEASURE_FROM, PLAN_AT, plan_is_due, planned_steps
from lamcore_trainers.supervised import Supervised

if TYPE_CHECKING:
    from lamcore.run import Run


@dataclass
class Progress:
    """What the next update depends on, beside tensors."""

    step: int = 0
    """Updates done."""
    total: int = 0
    """Updates after which training ends; 0: not known, or no limit."""
    ended: str | None = None
    """Why training is over: steps, target, patience, or what `run.stop` was told; null while it goes on."""
    validated: int = 0
    """The update of the last validation."""
    waited: int = 0
    """Validations since the best one."""
    lowered: int = 0
    """Plateaus at which the learning rate was lowered."""
    loss: float = 0.0
    """Summed loss since the last line of the log."""
    count: float = 0.0
    """Items in that sum."""
    planned: int | None = None
    """The update at which `total` became final; null before. The fields below are only written before it is."""
    spent: float = 0.0
    """Seconds of training, also before an interruption."""
    updates: list[float] = field(default_factory=list)
    """Seconds of each update after MEASURE_FROM."""
    validating: float = 0.0
    """The part of `spent` that went into validations."""
    validations: int = 0
    """How many those were."""


def begin(settings: Supervised) -> Progress:
    """Return the progress of a training that has not begun."""
    few = 0 < settings.steps <= PLAN_AT
    return Progress(total=settings.steps, planned=0 if few or not settings.minutes else None)


def time_update(progress: Progress, now: float) -> None:
    """Note how long the update took that has just been done; `now` is all seconds so far."""
    if progress.step > MEASURE_FROM:
        progress.updates.append(now - progress.spent)
    progress.spent = now


def plan(settings: Supervised, progress: Progress, now: float) -> None:
    """Turn `minutes` into updates once, after a validation; the median is not moved by a short disturbance."""
    progress.spent = now
    if plan_is_due(settings, progress.step, now):
        validation = progress.validating / progress.validations
        progress.total = planned_steps(settings, progress.step, now, median(progress.updates), validation)
        progress.planned = progress.step
        progress.updates.clear()


class Clock:
    """Seconds of training, over interruptions; what was queued on an accelerator is waited for."""

    def __init__(self, spent: float, device: torch.device) -> None:
        self.started = time.monotonic() - spent
        self.device = device

    def read(self) -> float:
        """Return the seconds so far."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)
        return time.monotonic() - self.started


def pack(
    progress: Progress, model: nn.Module, optimizer: AdamW, ema: MovingAverage, device: torch.device
) -> dict[str, Any]:
    """Return all that a resumed training needs to equal an uninterrupted one: {name: tensor or plain value}."""
    weights = model.state_dict()
    groups = {
        "model": weights,
        "beside": {name: p for name, p in optimizer.parameters.items() if name not in weights},  # of LoRA
        "optimizer": optimizer.state_dict(),
        "ema": ema.weights,
        "random": _random_state(device),
    }
    tensors = {f"{group}/{name}": tensor for group, named in groups.items() for name, tensor in named.items()}
    return {"progress": asdict(progress), "random": _other_random_state(), **tensors}


def unpack(
    state: Mapping[str, Any], model: nn.Module, optimizer: AdamW, ema: MovingAverage, device: torch.device
) -> Progress:
    """Put everything back where `pack` found it."""
    model.load_state_dict(_group(state, "model"))
    optimizer.load_state_dict(_group(state, "optimizer"))
    for name, tensor in _group(state, "beside").items():
        optimizer.parameters[name].data.copy_(tensor)
    for name, tensor in _group(state, "ema").items():
        ema.weights[name].copy_(tensor)
    chance = {name: value.cpu() for name, value in _group(state, "random").items()}
    torch.set_rng_state(chance["cpu"])
    if device.type == "cuda" and "cuda" in chance:
        torch.cuda.set_rng_state(chance["cuda"], device)
    if device.type == "mps" and "mps" in chance:
        torch.mps.set_rng_state(chance["mps"])
    version, numbers, gauss = state["random"]["python"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(tuple(state["random"]["numpy"]))
    return Progress(**state["progress"])


def _group(state: Mapping[str, Any], group: str) -> dict[str, torch.Tensor]:
    return {name.partition("/")[2]: value for name, value in state.items() if name.startswith(f"{group}/")}


def restore(settings: Supervised, run: Run, model: nn.Module, optimizer: AdamW, ema: MovingAverage) -> Progress:
    """Return the progress of the run's newest checkpoint, its tensors put back; or begin."""
    found = run.restore()
    return unpack(found[1], model, optimizer, ema, run.device) if found else begin(settings)


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def _other_random_state() -> dict[str, Any]:
    """Return the state of Python's and numpy's own chance, which a model may draw from (as layer drop does)."""
    name, numbers, *rest = tuple[Any, ...](np.random.get_state())
    return {"python": random.getstate(), "numpy": [name, numbers.tolist(), *rest]}
