"""What the user can put right, as one line with an exit code."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable
from typing import Any

CHECK_FAILED, BAD_INPUT, NUMERICAL_STOP, RUN_IN_USE, DAMAGED, NO_ROOM, BUG, INTERRUPTED = 1, 2, 3, 4, 5, 6, 70, 75
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
"""Signals that ask a process to end, which it does with INTERRUPTED."""
HIDDEN = {*range(0x20), 0x7F, *range(0x80, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x61C}
ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in HIDDEN}


class LamcoreError(Exception):
    """Say what is wrong, where, and what to do, in one line; `exit_code` is what `lam` ends with."""

    def __init__(self, message: str, exit_code: int = BAD_INPUT):
        super().__init__(message)
        self.exit_code = exit_code


def safe(text: Any) -> str:
    """Return text whose control, escape and direction characters are written out."""
    return str(text).translate(ESCAPES).encode("utf-8", "backslashreplace").decode("utf-8")


def some(names: Iterable[Any], shown: int = 5) -> str:
    """Return the first names, and how many more there are."""
    listed = [str(name) for name in names]
    return ", ".join(listed[:shown]) + (f" and {len(listed) - shown} more" if len(listed) > shown else "")


def unknown(what: str, name: str, known: Iterable[str], *, has: str = "Known", where: str = "") -> LamcoreError:
    """Return the error for a name that is not there: the nearest name and the list of names, all under the key `where`.

    >>> str(unknown("metric", "blue", ["bleu", "chrf"]))
    "No metric is called 'blue'. Did you mean 'bleu'? Known: bleu, chrf."
    """
    names, under = sorted(set(known)), f"{where}." if where else ""
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{under}{near[0]}'?" if near else ""
    listed = ", ".join(under + one for one in names) or "none"
    return LamcoreError(f"No {what} is called '{under}{name}'.{hint} {has}: {listed}.")
