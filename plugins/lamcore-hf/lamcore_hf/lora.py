"""LoRA by peft: attached when a run's model is built, merged into every weight that is kept, gone when training ends.

While it is attached, `state_dict` gives the weights under their own names with the changes merged, and none of peft's
names: so the best weights, averages and the model folder are plain. A trainer keeps what it trains beside (`lora_A`,
`lora_B`). Weights that are put back before anything was learnt are those of a run that goes on: its changes follow, and
the matrices under them stay as they are. Later on they are what the run ends with: the changes are taken off."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lamcore import LamcoreError
from lamcore.errors import some

if TYPE_CHECKING:
    from lamcore.run import Run
    from lamcore_hf import Lora

NAME = "default"
"""What peft calls the only change there is."""


def attach(settings: Lora, run: Run, model: Any) -> None:
    """Give linear modules a low-rank change to learn, and freeze all else."""
    import peft

    trainer: Any = run.recipe.trainer
    if getattr(trainer, "only", None) or getattr(getattr(trainer, "lora", None), "rank", 0):
        raise LamcoreError("architecture.lora is peft's, trainer.lora and trainer.only the trainer's: set one of them.")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise LamcoreError("architecture.lora trains in one process: with several use trainer.lora.")
    model.fixed = [weight for weight in model.parameters() if not weight.requires_grad]
    rates: dict[str, Any] = {"lora_alpha": settings.alpha, "lora_dropout": settings.dropout}
    peft.inject_adapter_in_model(
        peft.LoraConfig(r=settings.rank, target_modules=_chosen(settings, model.inner), **rates), model.inner, NAME
    )
    model.lora = True


def _chosen(settings: Lora, inner: Any) -> list[str]:
    last = inner.get_output_embeddings()
    linear = [n for n, one in inner.named_modules() if isinstance(one, nn.Linear) and one is not last]
    for regex in settings.modules:
        if not any(re.search(regex, name) for name in linear):
            raise LamcoreError(
                f"architecture.lora.modules: {regex!r} is found in no name; there are {some(linear, 12)}."
            )
    return [name for name in linear if not settings.modules or any(re.search(one, name) for one in settings.modules)]


def _changed(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, module) of each module that has a change."""
    if model.lora:
        from peft.tuners.lora import LoraLayer

        yield from ((name, one) for name, one in model.named_modules() if isinstance(one, LoraLayer))


@torch.no_grad()
def merged(model: Any, state: dict[str, Tensor], prefix: str) -> None:
    """Turn a `state_dict` in place into one without peft: changes merged, under the module's own names."""
    for name, module in _changed(model):
        own = {one for one in state if one.startswith(f"{prefix}{name}.")}
        held = {one.removeprefix(f"{prefix}{name}."): state.pop(one) for one in sorted(own)}
        plain = {one.removeprefix("base_layer."): held[one] for one in held if one.startswith("base_layer.")}
        plain["weight"] = plain["weight"] + module.get_delta_weight(NAME).to(plain["weight"].dtype)
        state |= {f"{prefix}{name}.{one}": tensor for one, tensor in plain.items()}


def put(model: Any, state: dict[str, Tensor], prefix: str) -> None:
    """Make a plain `state_dict` in place one that fits: see the head of this file."""
    changed = [*_changed(model)]
    if any(module.lora_B[NAME].weight.any() for _, module in changed):
        _take_off(model, changed)
        return
    for name, module in changed:
        for one in [one for one in state if one.startswith(f"{prefix}{name}.")]:
            del state[one]
        state |= {f"{prefix}{name}.{one}": tensor for one, tensor in module.state_dict().items()}


def _take_off(model: Any, changed: list[tuple[str, Any]]) -> None:
    for name, module in changed:
        where, _, own = name.rpartition(".")
        setattr(model.get_submodule(where), own, module.get_base_layer())
    fixed = {id(weight) for weight in model.fixed}
    for weight in model.parameters():
        weight.requires_grad_(id(weight) not in fixed)
    model.lora = False
