"""What of a model is trained: all of it, the parameters that are named, or low-rank changes of matrices (LoRA).

A matrix W that LoRA changes is W0 + s B A, with B (outputs, r) and A (r, inputs) trained, s = alpha / r, B zero at
first (Hu et al. 2021, equation 3). Here the model holds W itself all along, made anew after every update, and the
gradients of A and B follow from that of W, G, by the chain rule: s B' G and s G A'. So a model of any shape computes at
its usual speed, in training and in answering, and what is validated, averaged and kept is merged already. G itself is
dropped as soon as it was used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from lamcore import LamcoreError
from lamcore.errors import some
from lamcore_trainers.supervised import Supervised

T = TypeVar("T")


@dataclass
class Tuning:
    """What is trained, by name, and the matrices that follow from it."""

    parameters: dict[str, nn.Parameter]
    changed: list[Change] = field(default_factory=list)

    @torch.no_grad()
    def merge(self) -> None:
        """Make the changed matrices anew, in place."""
        for one in self.changed:
            torch.addmm(one.base, one.up, one.down, alpha=one.scale, out=one.weight.data)


class Change:
    """A matrix (outputs, inputs) and its change: `up` (outputs, rank) times `down` (rank, inputs), scaled."""

    def __init__(self, weight: nn.Parameter, rank: int, alpha: float) -> None:
        self.weight, self.base, self.scale = weight, weight.detach().clone(), alpha / rank
        self.down = nn.Parameter(torch.randn_like(weight[:rank]) * weight.shape[1] ** -0.5)
        self.up = nn.Parameter(torch.zeros_like(weight[:, :rank]))

    def pass_on(self, weight: Tensor) -> None:
        """Turn the gradient of the matrix into those of its change."""
        if weight.grad is not None:
            slope, weight.grad = weight.grad * self.scale, None
            for one, more in ((self.down, self.up.T @ slope), (self.up, slope @ self.down.T)):
                one.grad = more if one.grad is None else one.grad.add_(more)


@contextmanager
def tuned(settings: Supervised, model: nn.Module) -> Iterator[Tuning]:
    """Freeze what is not trained and attach LoRA; afterwards all of the model can be trained again, LoRA is merged."""
    given = {name: p for name, p in model.named_parameters() if p.requires_grad}
    matrices, rank = _matrices(settings, model) if settings.lora.rank else {}, settings.lora.rank
    whole = _found("trainer.only", settings.only, given) if settings.only or matrices else given
    whole |= {name: weight for name, weight in matrices.items() if rank * sum(weight.shape) >= weight.numel()}
    tuning = Tuning({**whole})
    for name, weight in matrices.items():
        if name not in whole:
            change = Change(weight, rank, settings.lora.alpha)
            tuning.changed.append(change)
            tuning.parameters |= {f"{name}.lora_a": change.down, f"{name}.lora_b": change.up}
    frozen = [p for name, p in given.items() if name not in tuning.parameters and name not in matrices]
    hooks = [one.weight.register_post_accumulate_grad_hook(one.pass_on) for one in tuning.changed]
    try:
        for p in frozen:
            p.requires_grad_(False)
        yield tuning
    finally:
        for hook in hooks:
            hook.remove()
        for p in frozen:
            p.requires_grad_(True)


def share_of(tuning: Tuning, model: nn.Module) -> dict[str, float]:
    """Return how many numbers are trained, how many the model has, and the percentage, for the log."""
    trained = sum(p.numel() for p in tuning.parameters.values())
    every = sum(p.numel() for p in model.parameters())
    return {"trained": trained, "parameters": every, "trained_percent": round(100 * trained / every, 2)}


def _matrices(settings: Supervised, model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that LoRA changes."""
    every = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    linear = {name: module for name, module in every.items() if module.weight.requires_grad}
    chosen = _found("trainer.lora.modules", settings.lora.modules, linear) if settings.lora.modules else linear
    if not chosen:
        raise LamcoreError("trainer.lora changes linear modules, and this model has none: set trainer.lora.rank=0.")
    return {f"{name}.weight": module.get_parameter("weight") for name, module in chosen.items()}


def _found(what: str, regexes: Sequence[str], named: Mapping[str, T]) -> dict[str, T]:
    """Return those in whose name a regex is found; raise LamcoreError for a regex that is found in none."""
    for regex in regexes:
        if not any(re.search(regex, name) for name in named):
            beginnings = some(sorted({".".join(name.split(".")[:2]) for name in named}), 12)
            raise LamcoreError(f"{what}: {regex!r} is found in no name; names begin with {beginnings}.")
    return {name: p for name, p in named.items() if any(re.search(regex, name) for regex in regexes)}
