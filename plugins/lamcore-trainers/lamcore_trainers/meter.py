"""What an update came to: sums for the log, and the stop when a number isn't finite or memory is short."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from lamcore import LamcoreError
from lamcore.errors import NO_ROOM, NUMERICAL_STOP, some
from lamcore_trainers.learner import Share
from lamcore_trainers.progress import Clock, Progress
from lamcore_trainers.supervised import Supervised

if TYPE_CHECKING:
    from lamcore.data import Data


class Update(NamedTuple):
    """The numbers of one update, still on their device."""

    step: int
    rate: float
    shares: Sequence[Share]
    items: Tensor
    norm: Tensor
    weights: Tensor  # their norm, before the step


class Meter:
    """Sums updates for the log.

    On a CPU each update is looked at before its step; reading a GPU's numbers would make it wait, so there they are
    looked at together, before every line of the log and every checkpoint.
    """

    def __init__(self, settings: Supervised, progress: Progress, data: Data, clock: Clock) -> None:
        self.settings, self.progress, self.data, self.clock = settings, progress, data, clock
        self.eager = clock.device.type == "cpu"
        self.waiting: list[Update] = []
        self._restart()

    def add(self, update: Update) -> None:
        """Take in an update."""
        self.waiting.append(update)
        self.updates += 1
        if self.eager:
            self.check()

    def check(self) -> None:
        """Sum the updates that wait; raise at the first one with a number that isn't finite."""
        for update in self.waiting:
            loss = sum(float(share.losses.sum()) for share in update.shares)
            self.norm = float(update.norm)
            if problem := _problem(loss, self.norm, float(update.weights)):
                raise _not_finite(self.settings, self.data, update, problem)
            self.last = update
            self.progress.loss += loss
            self.progress.count += float(update.items)
            self.items += float(update.items)
        self.waiting.clear()

    def line(self) -> dict[str, Any]:
        """Return the values of a line of the log, and begin the next one."""
        self.check()
        progress, seconds = self.progress, max(self.clock.read() - self.since, 1e-9)
        values = {
            "loss": progress.loss / max(progress.count, 1e-9),
            "learning_rate": self.last.rate,
            "grad_norm": self.norm,
            "epoch": int(self.last.shares[-1].epoch),
            "steps": progress.total,
            "tokens_per_second": round(self.items / seconds, 1),
        }
        if progress.total:
            values["seconds_left"] = round((progress.total - progress.step) * seconds / max(self.updates, 1), 1)
        progress.loss = progress.count = 0.0
        self._restart()
        return values

    def leave_out(self, seconds: float) -> None:
        """Don't count these seconds (of a validation) as time of updates."""
        self.since += seconds

    def _restart(self) -> None:
        self.since, self.items, self.updates = self.clock.read(), 0.0, 0


def _problem(loss: float, norm: float, weights: float) -> str:
    """Say which number is not finite; weights come first, since they spoil the others."""
    told = {"the norm of the weights": weights, "the loss": loss, "the gradient's norm": norm}
    return next((f"{what} is {value}" for what, value in told.items() if not math.isfinite(value)), "")


def _not_finite(settings: Supervised, data: Data, update: Update, problem: str) -> LamcoreError:
    advice = f"try a smaller trainer.lr ({settings.lr:g} now), a longer trainer.warmup ({settings.warmup})"
    if not settings.clip:
        advice += ", trainer.clip=1"
    return LamcoreError(
        f"Update {update.step}: {problem}, at records {_names(data, update)}. "
        f"Look at these records, or {advice}. The last good checkpoint is kept.",
        NUMERICAL_STOP,
    )


def _names(data: Data, update: Update) -> str:
    """Name the records whose loss isn't finite, or where all are, the records of the update."""
    bad = torch.cat([share.rows[~torch.isfinite(share.losses).cpu()] for share in update.shares])
    rows = bad if len(bad) else torch.cat([share.rows for share in update.shares])
    return some(data.names({"rows": rows}))


@contextmanager
def enough_memory(settings: Supervised) -> Iterator[None]:
    """Turn an allocator's failure into one line that says what to do."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise LamcoreError(
            f"Memory was too small for a batch of {settings.batch_tokens} tokens: set trainer.batch_tokens to "
            f"{max(settings.batch_tokens // 2, 1)} and trainer.accumulation to {settings.accumulation * 2} "
            "(the same update in smaller pieces); if a validation failed, make decoding.batch_tokens smaller.",
            NO_ROOM,
        ) from error


def _is_out_of_memory(error: Exception) -> bool:
    told = str(error).lower()
    words = ("can't allocate memory", "not enough memory", "out of memory", "memoryerror")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in told for word in words)
