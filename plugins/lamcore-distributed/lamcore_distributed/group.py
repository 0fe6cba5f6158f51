"""The processes that train together: how they meet, and what they tell one another, in tensors and JSON only."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from lamcore import LamcoreError
from lamcore.errors import ENDING

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
"""Device -> what carries its tensors; flags and numbers of records always go between CPUs, so no GPU waits for them."""
LONGEST = timedelta(hours=2)
"""The longest wait for another process: the first one validates alone."""
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo", "NCCL", "Timed out")
"""What torch's errors say where another process is gone."""


class SharedError(LamcoreError):
    """What every process finds out, and only the first says."""


class Group:
    """The processes that train together; `rank` is this one's number, and the first is 0."""

    def __init__(self, device: torch.device) -> None:
        if device.type not in BACKENDS:
            raise SharedError(f"Processes can't share a training on {device.type}: set device=cpu.")
        self.rank, self.world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        with self._ended_by_signals():
            dist.init_process_group(BACKENDS[device.type], timeout=LONGEST)

    @contextmanager
    def _ended_by_signals(self) -> Iterator[None]:
        """Within, a signal ends a process at once that waits for the first, which may have failed before it came."""
        before: dict[int, Any] = {}
        if self.rank and threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @property
    def first(self) -> bool:
        """Say whether this is the process that writes, validates and speaks."""
        return self.rank == 0

    def close(self) -> None:
        """Leave the others."""
        dist.destroy_process_group()

    def tell(self, value: Any = None) -> Any:
        """Return what the first process gives: a plain JSON value."""
        body = bytearray(json.dumps(value).encode()) if self.first else bytearray()
        size = torch.tensor(len(body))
        dist.broadcast(size, 0)
        text = torch.frombuffer(body, dtype=torch.uint8) if self.first else torch.empty(int(size), dtype=torch.uint8)
        dist.broadcast(text, 0)
        return json.loads(text.numpy().tobytes())

    def tell_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors that the first process gives, on the CPU; what others give is not looked at."""
        shapes = self.tell({name: (str(one.dtype).removeprefix("torch."), one.shape) for name, one in tensors.items()})
        told = {}
        for name, (dtype, shape) in shapes.items():
            one = tensors[name].cpu().contiguous() if self.first else torch.empty(shape, dtype=getattr(torch, dtype))
            if one.numel():
                dist.broadcast(one.flatten().view(torch.uint8), 0)  # bytes: any type will do
            told[name] = one
        return told

    def most(self, number: int) -> int:
        """Return the largest of the numbers that all processes give."""
        largest = torch.tensor(number)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def same(self, number: int) -> bool:
        """Say whether all processes give the same number."""
        return self.most(number) == -self.most(-number)

    def joined(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the row numbers of all processes' batches (R,), and the places among them of those given (B,)."""
        sizes = torch.zeros(self.world, dtype=torch.long)
        sizes[self.rank] = len(rows)
        dist.all_reduce(sizes)
        places = torch.arange(len(rows)) + sizes[: self.rank].sum()
        every = torch.zeros(int(sizes.sum()), dtype=torch.long).index_copy(0, places, rows)
        dist.all_reduce(every)
        return every, places


@contextmanager
def told_of_losses(where: Any) -> Iterator[None]:
    """Turn the error of a process that lost another into one line."""
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or any(word in str(error) for word in LOST)):
            raise
        raise SharedError(
            "Another process of this training has ended, or can't be reached. The last checkpoint is good: "
            f"start all again with `lam resume {where}` in the place of `lam train ...`."
        ) from error
