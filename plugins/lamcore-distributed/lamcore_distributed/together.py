"""A run as several processes share it: the first writes, validates and speaks, and tells the others what came of it.

The loop is that of `supervised`: it is given a run, a model and data that do for all processes what it asks for.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lamcore import LamcoreError
from lamcore.errors import NUMERICAL_STOP
from lamcore_distributed import Distributed, Shard
from lamcore_distributed.group import Group, SharedError, told_of_losses
from lamcore_distributed.model import SharedModel, whole_of
from lamcore_trainers import loop

if TYPE_CHECKING:
    from lamcore.data import Batch, Data
    from lamcore.run import Run

log = logging.getLogger("lamcore")
OTHER, INTERRUPTED = "another process", "interrupted"
REASONS = (None, OTHER, INTERRUPTED)
"""Why to stop, the strongest last."""


def train(settings: Distributed, run: Run, model: nn.Module, data: Data) -> None:
    """Fit `model` with all processes that torchrun started, or in this one."""
    world, first = int(os.environ.get("WORLD_SIZE", "1")), os.environ.get("RANK", "0") == "0"
    if world == 1:
        log.info(
            "trainer=distributed runs in one process; `torchrun --nproc-per-node=2 --no-python lam ...` makes it two."
        )
        loop.train(settings, run, model, data)
        return
    try:
        if settings.accumulation % world:
            raise SharedError(
                f"trainer.accumulation={settings.accumulation} batches can't be shared evenly among {world} processes: "
                f"set it to {world}, or a multiple."
            )
        with told_of_losses(run.folder):
            _train(settings, run, model, data, world)
    except LamcoreError as error:
        if first or not (isinstance(error, SharedError) or error.exit_code == NUMERICAL_STOP):
            raise


def _train(settings: Distributed, run: Run, model: nn.Module, data: Data, world: int) -> None:
    group, share = Group(run.device), replace(settings, accumulation=settings.accumulation // world)
    try:
        digest = hashlib.blake2b(data.encoded("train").sizes.tobytes(), digest_size=7).digest()
        if not group.same(int.from_bytes(digest)):
            raise SharedError("Processes have different train data: make source and cache the same on all machines.")
        shared = SharedRun(run, group)
        trained = shared.model = SharedModel(shared, model, settings.shard is Shard.full, share.accumulation)
        batches: Any = SharedData(data, trained)
        loop.train(share, shared, trained, batches, partial(SharedClock, group))  # type: ignore[arg-type]
    except LamcoreError as error:  # the loop knows this process's share of an update only
        now, right = (f"trainer.accumulation to {one.accumulation * 2}" for one in (share, settings))
        if now not in str(error):
            raise
        raise LamcoreError(f"Process {group.rank}: {str(error).replace(now, right)}", error.exit_code) from error
    finally:
        group.close()


class SharedRun:
    """A run in which the first process does what writes or validates, and tells all what came of it.

    `stopped` changes between a model's pass and the end of its update only, in all processes alike."""

    model: SharedModel

    def __init__(self, run: Run, group: Group) -> None:
        self.run, self.group = run, group
        self.stopped: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.run, name)

    def agree(self) -> None:
        """Have all processes stop after the same update, where one of them was asked to."""
        asked = self.run.stopped
        known = asked if asked in REASONS else OTHER
        strongest = REASONS[self.group.most(REASONS.index(known))]
        self.stopped = asked if strongest == known else strongest

    def stop(self, reason: str) -> None:
        """Ask for an end, as `Run.stop` does."""
        self.run.stop(reason)

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Add a line to the log, once."""
        if self.group.first:
            self.run.log(step, values)

    def validate(self, step: int) -> dict[str, float]:
        """Return the scores of the weights as they stand, from the first process."""
        self.model.gather()
        scores = self.run.validate(step) if self.group.first else {}
        broken_off = self.group.tell(self.run.stopped == INTERRUPTED)
        self.stopped = INTERRUPTED if broken_off else self.stopped
        told: dict[str, float] = self.group.tell(scores)
        return told

    def checkpoint(self, step: int, state: Mapping[str, Any], scores: Mapping[str, float] | None = None) -> None:
        """Commit the whole state, of which each process may hold a part."""
        every = {}
        for name, one in state.items():
            found = whole_of(one) if isinstance(one, Tensor) else one
            if self.group.first:  # what was put together goes to the CPU at once
                every[name] = one if found is one else found.cpu()
        self.model.gather()
        if self.group.first:
            self.run.checkpoint(step, every, scores)
        self._tell_best()

    def _tell_best(self) -> None:
        best = self.group.tell(self.run.best)
        self.run.best = tuple(best) if best else None

    def restore(self) -> tuple[int, dict[str, Any]] | None:
        """Return what the first process finds, each tensor as this process holds it."""
        step, state = (self.run.restore() if self.group.first else None) or (None, {})
        tensors = {name: one for name, one in state.items() if isinstance(one, Tensor)}
        step, plain = self.group.tell([step, {name: one for name, one in state.items() if name not in tensors}])
        self._tell_best()
        if step is None:
            return None
        held = self.group.tell_tensors(tensors).items()
        return step, {**plain, **{key: self.model.part(key.split("/")[1], one) for key, one in held}}

    def load_best(self) -> None:
        """Put the best weights into the first process's model: it is what `fit` is to return with."""
        if self.group.first:
            self.run.load_best()

    def save_weights(self, step: int) -> None:
        """Keep the weights alone."""
        self.model.gather()
        if self.group.first:
            self.run.save_weights(step)

    def weights(self) -> list[tuple[int, Path]]:
        """Return the weights that the first process keeps."""
        kept = self.run.weights() if self.group.first else []
        return [(step, Path(path)) for step, path in self.group.tell([(step, str(path)) for step, path in kept])]

    def load_weights(self, path: Path) -> dict[str, Tensor]:
        """Return weights that the first process kept."""
        return self.group.tell_tensors(self.run.load_weights(path) if self.group.first else {})

    def drop_weights(self, path: Path) -> None:
        """Forget weights that the first process kept."""
        if self.group.first:
            self.run.drop_weights(path)


class SharedData:
    """Data of which each process reads its own training batches, and knows the row numbers of all."""

    def __init__(self, data: Data, model: SharedModel) -> None:
        self.data, self.model = data, model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.data, name)

    def train_batches(self, tokens: int, start: int = 0, **_: int) -> Iterator[tuple[int, Batch]]:
        """Yield (epoch, batch) of this process; `rows` (R,) are all processes', `places` (B,) its own among them."""
        group, self.model.passes = self.model.group, start
        for epoch, batch in self.data.train_batches(tokens, start=start, rank=group.rank, world=group.world):
            rows, places = group.joined(batch["rows"])
            yield epoch, {**batch, "rows": rows, "places": places}


class SharedClock(loop.Clock):
    """The first process's clock: a plan that follows from time must be the same in all."""

    def __init__(self, group: Group, spent: float, device: torch.device) -> None:
        super().__init__(spent, device)
        self.group = group

    def read(self) -> float:
        """Return the seconds so far."""
        return float(self.group.tell(super().read()))
