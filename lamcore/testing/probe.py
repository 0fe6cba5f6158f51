"""Import a module in a process of its own and say what that did."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from lamcore.testing.state import changed, listening, state

HANG = 60
"""Seconds after which an import is taken to hang."""
HEAVY = (
    "torch", "datasets", "numpy", "pyarrow", "pandas", "scipy", "sklearn", "tokenizers", "transformers", "tensorflow",
    "jax", "PIL", "matplotlib", "hydra", "omegaconf",
)  # fmt: skip
"""Modules that take long to import, so that a plugin imports them only inside the method that needs them."""


@dataclass(frozen=True)
class Probe:
    """What importing a module did."""

    module: str
    problem: str = ""
    """How the process ended, where it did not end well."""
    seconds: float = 0.0
    imported: tuple[str, ...] = ()
    """Top-level modules that were imported beside it."""
    changed: tuple[str, ...] = ()
    """What of the process's state is another than before."""
    events: tuple[tuple[str, str], ...] = ()
    """Files written or moved, sockets opened, processes started: (event, what)."""
    output: str = ""
    """What it wrote to standard output and standard error."""


def probe(module: str, first: str = "") -> Probe:
    """Import a module in a process of its own, in an empty folder, after another one where `first` names it."""
    with tempfile.TemporaryDirectory() as folder:
        here, report = Path(folder) / "here", Path(folder) / "report.json"
        here.mkdir()
        path = os.pathsep.join(os.path.abspath(place) for place in sys.path if place)
        env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        start = "from lamcore.testing.probe import main; main()"
        command = [sys.executable, "-P", "-c", start, module, str(report), *([first] if first else [])]
        try:
            done = subprocess.run(
                command, cwd=here, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=HANG
            )
        except subprocess.TimeoutExpired:
            return Probe(module, f"the import did not end within {HANG} seconds")
        said = (done.stdout + done.stderr).decode("utf-8", "backslashreplace")
        if not report.is_file():
            last = (said.strip().split("\n") or [""])[-1]
            return Probe(module, f"the import ended the process with {done.returncode}: {last}", output=said)
        found = json.loads(report.read_text(encoding="utf-8"))
    lists = {name: tuple(found[name]) for name in ("imported", "changed")}
    events = tuple((event, what) for event, what in found["events"])
    return Probe(module, found["problem"], found["seconds"], **lists, events=events, output=said)


def main() -> None:
    """Import the module, and write what that did as JSON; names are on the command line."""
    module, report, *first = sys.argv[1:]
    for name in first:
        importlib.import_module(name)
    known, before, problem = {*sys.modules}, state(), ""
    with listening() as heard:
        start = time.perf_counter()
        try:
            importlib.import_module(module)
        except BaseException as error:
            problem = f"the import failed with {type(error).__name__}: {error}"
        seconds, events, after = time.perf_counter() - start, list(heard), state()
    imported = sorted({name.partition(".")[0] for name in {*sys.modules} - known} - {module.partition(".")[0]})
    found = {"problem": problem, "seconds": seconds, "imported": imported, "changed": changed(before, after)}
    Path(report).write_text(json.dumps({**found, "events": events}), encoding="utf-8")
