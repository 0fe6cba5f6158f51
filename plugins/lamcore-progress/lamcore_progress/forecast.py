"""What a run will take: its time and memory before the first step, and on a dry run the share of the machine's peak."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import torch

from lamcore_progress.display import clock_time

SIZE = 1536
"""Rows and columns of the matrices whose product tells the machine's peak."""


def forecast(run: Any, batch: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return seconds and bytes of the largest batch's update, and the seconds that all updates will take, if known."""
    seconds = timed(run, batch)
    trainer = run.recipe.trainer
    steps, minutes = getattr(trainer, "steps", 0), getattr(trainer, "minutes", 0)
    each = seconds * getattr(trainer, "accumulation", 1)
    ends = [limit for limit in (steps * each, minutes * 60) if limit]
    return {"seconds": seconds, "bytes": memory(run.device), "left": min(ends) if ends else None}


def timed(run: Any, batch: Mapping[str, torch.Tensor]) -> float:
    """Return the seconds that a batch takes forward and backward."""
    began = time.perf_counter()
    losses, counts = run.model(batch)
    (losses.sum() / counts.sum()).backward()
    if run.device.type != "cpu":
        torch.accelerator.synchronize(run.device)
    run.model.zero_grad(set_to_none=True)
    return time.perf_counter() - began


def memory(device: torch.device) -> int:
    """Return the most bytes in use so far: of the process on a CPU, else of the accelerator; 0 where none tells."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def operations(run: Any, batch: Mapping[str, torch.Tensor]) -> int:
    """Return the floating-point operations of a batch forward and backward, as torch counts those of products."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        timed(run, batch)
    return counter.get_total_flops()


def peak(device: torch.device) -> float:
    """Return the machine's operations a second, measured on products of large matrices."""
    matrix, best = torch.rand(SIZE, SIZE, device=device), 0.0
    for _ in range(5):
        began = time.perf_counter()
        product = matrix @ matrix
        float(product[0, 0])  # waits for an accelerator
        best = max(best, 2 * SIZE**3 / (time.perf_counter() - began))
    return best


def in_words(found: Mapping[str, Any]) -> str:
    """Say a forecast in a line."""
    left = f"about {clock_time(found['left'])} in all" if found["left"] else "until it no longer improves"
    return f"{found['seconds'] * 1000:.0f} ms for the largest batch, {left}, {found['bytes'] / 1e6:,.0f} MB of memory"


def report(run: Any, batch: Mapping[str, torch.Tensor]) -> None:
    """Print what a dry run found, on standard output."""
    from lamcore.console import say

    found, count, most = forecast(run, batch), operations(run, batch), peak(run.device)
    rows = sum(len(rows) for split, rows in run.data.ready.items() if split == "train")
    say(f"parameters    {sum(weights.numel() for weights in run.model.parameters()):,}")
    say(f"train records {rows:,}")
    say(f"a step        {count / 1e9:.2f} GFLOP (largest batch, forward and backward)")
    say(f"the machine   {most / 1e9:.1f} GFLOP/s, of which a step uses {count / found['seconds'] / most:.0%}")
    say(f"forecast      {in_words(found)}")
