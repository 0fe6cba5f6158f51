"""Let components do their work in a process of its own, and say what came of it."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from functools import partial
from typing import Any

from lamcore.make import make

HANG = 300
"""Seconds after which work in the other process is taken to hang."""


def digest(value: Any) -> str:
    """Return a short text that two results share only where they are equal."""
    return hashlib.blake2b(repr(value).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


class Other:
    """Another Python, where text is hashed another way; it lasts until folder, path or variables are others."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._errors: Any = None
        self._place: Any = None
        atexit.register(self.end)

    def ask(self, request: str) -> str:
        """Return the digest of what came of a request; raise ChildProcessError with the last line of its errors."""
        place = (os.getpid(), {**os.environ, "PYTEST_CURRENT_TEST": ""}, os.getcwd(), list(sys.path))
        if self._process is None or self._process.poll() is not None or self._place != place:
            self.end()
            self._place = place
            self._begin()
        process = self._process
        assert process and process.stdin and process.stdout
        late = threading.Timer(HANG, process.kill)
        late.start()
        try:
            process.stdin.write(request + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            late.cancel()
            late.join()
        if answer:
            return answer.strip()
        raise ChildProcessError(self.end().strip().split("\n")[-1])

    def _begin(self) -> None:
        hashing = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - `end` closes it
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from lamcore.testing.again import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONHASHSEED": hashing, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            text=True,
            encoding="utf-8",
        )

    def end(self) -> str:
        """End the process where this one began it, and return its errors."""
        process, self._process = self._process, None
        if process is None or self._place[0] != os.getpid():
            return ""
        process.kill()
        process.communicate()
        with self._errors as errors:
            errors.seek(0)
            return str(errors.read())


other = Other()


def _named(classes: dict[str, type], kind: str, name: str) -> type:
    return classes[name]


def main() -> None:
    """Answer requests of `ComponentContract`: the kind, the component's classes and settings, what `use` needs."""
    from lamcore.testing import CONTRACTS
    from lamcore.testing.component import find_class

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a component prints is no answer
    for line in sys.stdin:
        request = json.loads(line)
        classes = {name: find_class(*place) for name, place in request["places"].items()}
        tried: Any = CONTRACTS[request["contract"]]()
        tried.component = make(classes[""], request["values"], find=partial(_named, classes))
        for name, value in request["given"].items():
            setattr(tried, name, value)
        answers.write(digest(tried.use()) + "\n")
        answers.flush()
