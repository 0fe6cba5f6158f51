"""Activation checkpointing: layers that keep only what they are given, and compute the rest again for gradients."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from lamcore import LamcoreError


def recompute(model: nn.Module) -> None:
    """Let each layer compute its insides again on the way back instead of keeping them (Chen et al. 2016).

    Layers are the members of a model's module lists; LamcoreError where it has none. Chance is put back for the second
    time (torch's own, so that dropout is the same): losses and gradients are equal bit for bit."""
    layers = layers_of(model)
    if not layers:
        what = "trainer.recompute is for layers in a torch.nn.ModuleList, and this model has none"
        raise LamcoreError(f"{what}: set trainer.recompute=false.")
    for layer in layers:
        if "forward" not in vars(layer):  # not yet
            layer.forward = partial(_forward, layer.forward)


def _forward(forward: Any, *given: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*given, **named)
    return checkpoint(forward, *given, use_reentrant=False, **named)


def layers_of(model: nn.Module) -> list[nn.Module]:
    """Return a model's layers: the members of its module lists, but not of those within a layer."""
    lists = {name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    outer = [one for name, one in lists.items() if not any(name.startswith(f"{other}.") for other in lists)]
    return [layer for one in outer for layer in one if [*layer.parameters()]]
