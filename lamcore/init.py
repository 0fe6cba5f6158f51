"""Begin a run with what another one learnt: its tokenizer and labels, to which new ones are added, and its weights."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lamcore import tokenizer as tokenizers
from lamcore.data import vocabulary
from lamcore.errors import LamcoreError, some
from lamcore.model import WEIGHTS, TrainedModel, load_model, packed
from lamcore.plugins import Registry
from lamcore.run import Run, seed_all
from lamcore.store import MANIFEST, dumps

NOISE = 0.01
"""Of new rows, as a share of the deviation of the old ones."""
log = logging.getLogger("lamcore")


def begin(run: Run, registry: Registry, folder: Path) -> dict[str, bytes]:
    """Return the files of the run's vocabulary, and its weights, as they begin with the model in `folder`.

    Symbols that it lacks become pieces and labels that it lacks classes, after its own."""
    first, recipe = load_model(folder, registry, torch.device("cpu")), run.recipe
    if first.parts.preprocessors != recipe.preprocessors:
        there, here = (", ".join(steps) or "none" for steps in (first.parts.preprocessors, recipe.preprocessors))
        log.warning("%s was trained with other preprocessors, or settings of them: %s. Here: %s.", folder, there, here)
    tokenizer = tokenizers.extended(first.tokenizer, recipe.tokenizer.symbols)
    _, found = vocabulary(recipe, run.data.ready["train"], given=tokenizer)
    known: dict[str, list[Any]] = {name: [*first.labels.get(name, [])] for name in found}
    labels = {name: [*old, *(one for one in found[name] if one not in old)] for name, old in known.items()}
    sizes = {name: (first.tokenizer[name].size, one.size) for name, one in tokenizer.items()}
    sizes |= {name: (len(old), len(labels[name])) for name, old in known.items()}
    weights, fresh = _weights(run, first, tokenizer, labels, {*sizes.values()})

    where = folder / "model" if (folder / "model").is_dir() else folder
    sha256 = json.loads((where / MANIFEST).read_text(encoding="utf-8"))["files"][WEIGHTS]["sha256"]
    added = {name: after - before for name, (before, after) in sizes.items()}
    told = ", ".join(f"{name} {more}" for name, more in added.items() if more)
    log.info("begins with %s; adds: %s; begins anew: %s", folder, told or "nothing", some(fresh) or "nothing")
    texts = {"init.json": dumps({"folder": recipe.init, "sha256": sha256, "added": added, "fresh": fresh})}
    texts |= {"labels.json": dumps(labels), "columns.json": dumps(list(tokenizer)), **tokenizers.files_of(tokenizer)}
    return {**{name: text.encode() for name, text in texts.items()}, WEIGHTS: packed(weights)}


def _weights(
    run: Run,
    first: TrainedModel,
    tokenizer: Mapping[str, tokenizers.Tokenizer],
    labels: Mapping[str, list[Any]],
    sizes: set[tuple[int, int]],
) -> tuple[dict[str, Tensor], list[str]]:
    """Return the weights to begin with, and the names of those that `first` lacks: these are drawn anew."""
    seed_all(run.seed)
    model: Any = run.recipe.architecture.build(tokenizer, labels)
    old, new = first.model.state_dict(), model.state_dict()
    for name, tensor in old.items():
        here = tuple(new[name].shape) if name in new else ()
        fits = name in new and len(here) == tensor.ndim
        if not fits or any(pair[0] != pair[1] and pair not in sizes for pair in zip(tensor.shape, here, strict=True)):
            what = f"init={run.recipe.init} has {name} {list(tensor.shape)}, and this config's architecture has"
            hint = "leave out settings of it that change the shapes of weights"
            raise LamcoreError(f"{what} {list(here) if name in new else 'none'}: {hint}.")
        new[name] = _grown(tensor, here)
    return new, [name for name in new if name not in old]


def _grown(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return a tensor with rows (in any dimension) added: the mean of the old ones and a little noise.

    So new tokens are as likely as tokens are on average, and no answer is spoilt (Hewitt 2021)."""
    for axis, size in enumerate(shape):
        if more := size - tensor.shape[axis]:
            deviation, mean = torch.std_mean(tensor, axis, correction=0, keepdim=True)
            noise = torch.randn([*tensor.shape[:axis], more, *tensor.shape[axis + 1 :]])
            tensor = torch.cat([tensor, mean + NOISE * deviation * noise], axis)
    return tensor
