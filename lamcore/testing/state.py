"""What a process is set to, so that one can say what a plugin changed: folder, environment, chance, defaults."""

from __future__ import annotations

import contextlib
import decimal
import functools
import hashlib
import locale
import logging
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

CHANCE = ("random", "numpy's random numbers", "torch's random numbers")
"""What `state` says of the generators that all code shares."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FILES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate")
OUTSIDE = ("socket.connect", "socket.getaddrinfo", "urllib.Request", "subprocess.Popen", "os.system", "os.exec")
_heard: list[list[tuple[str, str]]] = []


def state() -> dict[str, Any]:
    """Return {what: value} of all that a component must leave as it was; of torch and numpy only where loaded."""
    found: dict[str, Any] = {
        "the working folder": os.getcwd(),
        "the environment": dict(os.environ),
        "sys.path": list(sys.path),
        "signal handlers": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "sys.excepthook": sys.excepthook,
        "sys.stdout": sys.stdout,
        "sys.stderr": sys.stderr,
        "the recursion limit": sys.getrecursionlimit(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the decimal context": repr(decimal.getcontext()),
        "the sockets' timeout": socket.getdefaulttimeout(),
        "the root logger": (logging.root.level, list(logging.root.handlers), logging.root.disabled),
        "the running threads": {thread.name for thread in threading.enumerate()},
        CHANCE[0]: _digest(random.getstate()),
    }
    if "numpy" in sys.modules:
        import numpy

        found |= {
            CHANCE[1]: _digest([numpy.asarray(part).tolist() for part in numpy.random.get_state()]),
            "numpy's error settings": numpy.geterr(),
        }
    if "torch" in sys.modules:
        import torch

        found |= {
            CHANCE[2]: _digest(torch.get_rng_state().tolist()),
            "torch's default dtype": torch.get_default_dtype(),
            "torch's default device": str(torch.get_default_device()),
            "torch's threads": torch.get_num_threads(),
            "torch's gradients": torch.is_grad_enabled(),
            "torch's determinism": torch.are_deterministic_algorithms_enabled(),
            "torch's float32 precision": torch.get_float32_matmul_precision(),
        }
    return found


def _digest(value: Any) -> str:
    return hashlib.blake2b(repr(value).encode(), digest_size=8).hexdigest()


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what differs between two states, where both say something of it."""
    return [what for what, value in before.items() if what in after and after[what] != value]


@contextlib.contextmanager
def seeded(number: int) -> Iterator[None]:
    """Set the random numbers that all code shares to those of a seed, and back at the end."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    before: list[Any] = [random.getstate(), numpy and numpy.random.get_state(), torch and torch.get_rng_state()]
    try:
        random.seed(number)
        if numpy:
            numpy.random.seed(number)
        if torch:
            torch.manual_seed(number)
        yield
    finally:
        random.setstate(before[0])
        if numpy:
            numpy.random.set_state(before[1])
        if torch:
            torch.set_rng_state(before[2])


@contextlib.contextmanager
def listening() -> Iterator[list[tuple[str, str]]]:
    """Give a list that fills with (event, what): files written or moved, sockets opened, processes started.

    What compiled code does without Python is not heard; Python's own compiled files (__pycache__) do not count."""
    _arm()
    heard: list[tuple[str, str]] = []
    _heard.append(heard)
    try:
        yield heard
    finally:
        _heard.remove(heard)


@functools.cache
def _arm() -> None:
    """Hear what happens from now on; a hook can't be taken away again, it is deaf while no list is open."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _heard or not (event == "open" or event in FILES or event in OUTSIDE):
        return
    what = arguments[1] if event == "socket.connect" else arguments[0]
    reads = event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING)
    name = os.fsdecode(what) if isinstance(what, bytes) else str(what)
    if not reads and not isinstance(what, int) and "__pycache__" not in name:
        for heard in _heard:
            heard.append((event, name))
