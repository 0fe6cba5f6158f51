"""Several processes of one thread each that share an update, on a CPU.

A small model's operations are too short to be cut into threads: two processes with half of the records each are faster
than one with two threads. They are forked from the training process and see its weights, in memory that all share;
each reads its own batches, and leaves its gradients in such memory too. What they draw at random follows from the run's
seed, the update and the worker, so that a checkpoint needs to know nothing of them.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from lamcore import LamcoreError
from lamcore_trainers.learner import Learner, Share
from lamcore_trainers.supervised import Supervised

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run

PR_SET_PDEATHSIG = 1
"""Linux: what a process is sent when its parent ends (prctl(2))."""


class Workers:
    """All workers of a training; the first is this process, and the only one where `workers` is 1."""

    def __init__(
        self,
        settings: Supervised,
        run: Run,
        model: nn.Module,
        parameters: Mapping[str, nn.Parameter],
        data: Data,
        done: int,
    ) -> None:
        self.trained = [*parameters.values()]
        self.others: list[_Other] = []
        if settings.workers > 1:
            _check(run.device)
            for p in {*model.parameters(), *self.trained}:
                p.data = _shared(p.data)
        for rank in range(1, settings.workers):
            make = partial(Learner, settings, run, model, data, done, rank)
            self.others.append(_Other(make, self.trained, f"{run.seed}/{rank}"))
        self.learner = Learner(settings, run, model, data, done)

    def learn(self, step: int) -> Sequence[Share]:
        """Leave the gradients of update `step` in the model; return what each worker did."""
        if not self.others:
            return [self.learner.learn()]
        for other in self.others:
            other.begin(step)
        with _one_thread():
            shares = [self.learner.learn()]
        for other in self.others:
            shares.append(other.end())
            for p, grad in zip(self.trained, other.gradients, strict=True):
                p.grad = grad.clone() if p.grad is None else p.grad.add_(grad)
        return shares

    def close(self) -> None:
        """End the other processes."""
        for other in self.others:
            other.connection.close()
        for other in self.others:
            other.process.join()


class _Other:
    """A worker in another process, seen from this one."""

    def __init__(self, make: Callable[[], Learner], trained: Sequence[nn.Parameter], key: str) -> None:
        self.gradients = [_shared(torch.zeros_like(p)) for p in trained]
        context = get_context("fork")
        self.connection, theirs = context.Pipe()
        serve = partial(_serve, make, theirs, self.connection, trained, self.gradients, key)
        self.process = context.Process(target=serve)
        self.process.start()
        theirs.close()

    def begin(self, step: int) -> None:
        try:
            self.connection.send_bytes(step.to_bytes(8))
        except OSError as error:
            raise self._ended() from error

    def end(self) -> Share:
        try:
            problem = self.connection.recv_bytes().decode()
            if not problem:
                return Share(**load(self.connection.recv_bytes()))
        except (EOFError, OSError) as error:
            raise self._ended() from error
        code, _, message = problem.partition("\n")
        raise LamcoreError(message, int(code)) if code else RuntimeError(message)

    def _ended(self) -> LamcoreError:
        return LamcoreError(
            f"A worker (process {self.process.pid}) was ended from outside, perhaps because memory was short; "
            "`lam resume` goes on from the last checkpoint."
        )


def _serve(
    make: Callable[[], Learner],
    connection: Connection,
    other_end: Connection,
    trained: Sequence[nn.Parameter],
    gradients: Sequence[Tensor],
    key: str,
) -> None:
    """Learn whenever told to; end with the process that tells."""
    other_end.close()
    for one in (signal.SIGINT, signal.SIGTERM):  # whoever sends these to the whole group means the first process
        signal.signal(one, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    torch.set_num_threads(1)
    learner = make()
    while step := _told(connection):
        _seed(f"{key}/{step}")
        try:
            for part in _learnt(learner, trained, gradients):
                connection.send_bytes(part)
        except OSError:  # the first process has stopped listening
            break
    os._exit(0)  # what the first process has not written yet is not this one's to write


def _learnt(learner: Learner, trained: Sequence[nn.Parameter], gradients: Sequence[Tensor]) -> list[bytes]:
    """Return an empty text and the share that was learnt, its gradients being in `gradients`; or what went wrong.

    That is the exit code of a LamcoreError, or nothing, and after a line's end the message."""
    try:
        share = learner.learn()
    except LamcoreError as error:
        return [f"{error.exit_code}\n{error}".encode()]
    except Exception as error:
        return [f"\n{type(error).__name__}: {error}".encode()]
    for p, kept in zip(trained, gradients, strict=True):
        kept.zero_() if p.grad is None else kept.copy_(p.grad)
        p.grad = None
    return [b"", save(share._asdict())]


def _told(connection: Connection) -> int:
    """Return the number of the update to compute, or 0 when there is nobody left to ask for one."""
    try:
        return int.from_bytes(connection.recv_bytes())
    except EOFError:
        return 0


def _seed(key: str) -> None:
    seed = random.Random(key).getrandbits(32)
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def _shared(tensor: Tensor) -> Tensor:
    """Return a copy in memory that forked processes share."""
    room = mmap.mmap(-1, tensor.nbytes)
    return torch.frombuffer(room, dtype=tensor.dtype).view(tensor.shape).copy_(tensor)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _check(device: torch.device) -> None:
    if device.type != "cpu":
        raise LamcoreError(f"trainer.workers shares a CPU among processes; on {device.type} set trainer.workers=1.")
    if "fork" not in get_all_start_methods():
        raise LamcoreError("trainer.workers needs a system that forks processes; set trainer.workers=1.")
