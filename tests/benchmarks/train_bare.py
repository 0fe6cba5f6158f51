"""Train the model of a run folder in a bare loop: `train_bare.py RUN STEPS`; the last line printed is JSON.

Its batches are made before the clock runs, padding and all as the trainer gets them."""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from pathlib import Path

import torch

from lamcore.commands import _build, _prepare, read_config
from lamcore.kinds import Recipe
from lamcore.make import make
from lamcore.plugins import load_plugins
from lamcore.run import Run

EVERY = 5


def main() -> None:
    folder, steps = Path(sys.argv[1]), int(sys.argv[2])
    registry = load_plugins()
    recipe = make(Recipe, read_config(folder), find=registry.find)
    run = Run(folder, recipe, registry, torch.device("cpu"))
    run.notify = lambda *_, **__: None  # type: ignore[method-assign]
    _prepare(run)
    _build(run, registry)
    batches = [batch for _, batch in islice(run.data.train_batches(recipe.trainer.batch_tokens), steps)]
    model = run.model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, betas=(0.9, 0.98), eps=1e-9, fused=True)

    speeds, tokens, since = [], 0.0, time.perf_counter()
    for step, batch in enumerate(batches, 1):
        losses, counts = model(batch)
        count = counts.sum()
        (losses.sum() / count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens += float(count)
        if step % EVERY == 0:
            speeds.append(tokens / (time.perf_counter() - since))
            tokens, since = 0.0, time.perf_counter()
    filled, whole = (sum(int(part) for part in parts) for parts in zip(*map(_size, batches), strict=True))
    sys.stdout.write(json.dumps({"speeds": speeds, "padding": f"{100 * (1 - filled / whole):.1f} %"}) + "\n")


def _size(batch: dict[str, torch.Tensor]) -> tuple[int, int]:
    return int((batch["target"] != 0).sum()), batch["target"].numel()


if __name__ == "__main__":
    main()
