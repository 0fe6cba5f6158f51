"""AdamW by parameter names, and the size of a gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from lamcore_trainers.supervised import Supervised

FUSED = ("cpu", "cuda", "mps", "xpu")
"""Devices with one kernel for the whole update."""


def make_optimizer(settings: Supervised, model: nn.Module, device: torch.device) -> torch.optim.AdamW:
    """Return AdamW over the trainable parameters; matrices and embeddings decay, vectors and numbers do not."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [(name, p) for name, p in named if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [(name, p) for name, p in named if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.lr,
        betas=(settings.betas[0], settings.betas[1]),
        eps=settings.eps,
        fused=device.type in FUSED,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use this learning rate from now on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Return every parameter that is trained."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def total_norm(tensors: Iterable[Tensor]) -> Tensor:
    """Return the Euclidean norm of all numbers together; nan or inf where one of them is."""
    return torch.nn.utils.get_total_norm([tensor.detach() for tensor in tensors])


def shrink(grads: list[Tensor], count: Tensor, clip: float) -> Tensor:
    """Turn gradients of a summed loss into those of the loss per item, clipped; return their norm before clipping.

    Both factors go into one pass over the gradients. Nothing here waits for the device.
    """
    norm = total_norm(grads) / count
    factor = 1 / count
    if clip:
        factor = factor * torch.clamp(clip / (norm + 1e-6), max=1.0)
    torch._foreach_mul_(grads, factor)
    return norm


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return {PARAMETER/average: tensor}, the running averages by parameter name."""
    names = _names(optimizer)
    averages = [(names[index], values) for index, values in optimizer.state_dict()["state"].items()]
    return {f"{name}/{key}": value for name, values in averages for key, value in values.items()}


def load_optimizer_state(optimizer: torch.optim.Optimizer, saved: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_state` gave."""
    fresh, numbers = optimizer.state_dict(), {name: index for index, name in enumerate(_names(optimizer))}
    state: dict[int, dict[str, Tensor]] = {}
    for place, value in saved.items():
        name, _, key = place.rpartition("/")
        if name in numbers:
            state.setdefault(numbers[name], {})[key] = value.clone()
    optimizer.load_state_dict({**fresh, "state": state})


def _names(optimizer: torch.optim.Optimizer) -> list[str]:
    return [name for group in optimizer.param_groups for name in group["param_names"]]
