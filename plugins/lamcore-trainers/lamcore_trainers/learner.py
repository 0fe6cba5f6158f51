"""The gradients of an update, or of one worker's share of it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from lamcore_trainers.r_drop import divergence
from lamcore_trainers.supervised import Precision, Supervised

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run


class Share(NamedTuple):
    """What a worker did for an update, beside gradients."""

    epoch: Tensor
    """That of its last batch ()."""
    rows: Tensor
    """Numbers of its records (N,)."""
    losses: Tensor
    """Each record's summed loss (N,)."""
    items: Tensor
    """How many items (tokens) those sum ()."""


class Learner:
    """Reads every `workers`-th batch, beginning with that numbered `rank`, and adds up gradients in `model`."""

    def __init__(self, settings: Supervised, run: Run, model: nn.Module, data: Data, done: int, rank: int = 0) -> None:
        self.settings, self.model, self.device = settings, model, run.device
        start = done * settings.accumulation
        self.stream = data.train_batches(settings.batch_tokens, start=start, rank=rank, world=settings.workers)

    def learn(self) -> Share:
        """Add up the gradients of the summed losses of `accumulation` batches.

        Dividing by the count comes after the last batch of all workers, when it is known: so an update of several
        batches equals that of one large batch, whatever the lengths of their records.
        """
        rows, kept, items = [], [], torch.zeros((), device=self.device)
        batches = list(islice(self.stream, self.settings.accumulation))
        for _, given in batches:
            batch = {name: value.to(self.device, non_blocking=True) for name, value in given.items()}
            with self._autocast():
                losses, counts = self.model(batch)
            losses.float().sum().backward()
            if self.settings.r_drop:
                with self._autocast():
                    apart = divergence(self.model, batch, counts)
                (self.settings.r_drop / 2 * apart).backward()
            rows.append(given["rows"])
            kept.append(losses.detach())
            items += counts.detach().sum()
        return Share(torch.tensor(batches[-1][0]), torch.cat(rows), torch.cat(kept), items)

    def _autocast(self) -> AbstractContextManager[object]:
        """Compute what allows it in half as many bits, where that was asked for."""
        half = self.settings.precision is Precision.bf16
        return torch.autocast(self.device.type, torch.bfloat16) if half else nullcontext()
