"""Import a module in a process of its own and say what that did."""

from __future__ import annotations

import faulthandler
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from lamcore.errors import LamcoreError
from lamcore.plugins import Plugin, Registry
from lamcore.testing.state import changed, listening, state

STILL = 9
"""Seconds after which an import that has imported no further module is taken to hang, however slow the machine is."""
LONGEST = 60
"""Seconds that an import may take in all."""
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
    provides: Mapping[str, list[str]] = field(default_factory=dict)
    """What it offers: {kind: names}."""
    refused: str = ""
    """Why lamcore would not take it as a plugin, where it would not."""


def probe(module: str, first: str = "") -> Probe:
    """Import a module (or `module:attribute`) in a process of its own, in an empty folder, and register it as a plugin.

    `first` names a module to import before it."""
    with tempfile.TemporaryDirectory() as folder:
        here, output, hangs, report = (Path(folder) / name for name in ("here", "output", "hangs", "report"))
        here.mkdir()
        hangs.touch()
        path = os.pathsep.join(os.path.abspath(place) for place in sys.path if place)
        env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        start = "from lamcore.testing.probe import main; main()"
        command = [sys.executable, "-P", "-c", start, module, str(report), str(hangs), *([first] if first else [])]
        try:
            with output.open("wb") as file:  # no pipe: whatever the import has started may hold it open
                out: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
                code = subprocess.run(command, cwd=here, env=env, timeout=LONGEST, **out).returncode
        except subprocess.TimeoutExpired:
            return Probe(module, f"the import took more than {LONGEST} seconds")
        said = output.read_bytes().decode("utf-8", "backslashreplace")
        how = signal.Signals(-code).name if -code in signal.valid_signals() else str(code)
        if where := hangs.read_text(encoding="utf-8").rpartition("most recent call first):")[2].strip():
            when = "after" if report.is_file() else "in"
            place = where.split("\n")[0].strip()
            return Probe(module, f"the process hangs {when} the import, for {STILL} seconds now: {place}", output=said)
        if not report.is_file():
            last = said.strip().split("\n")[-1]
            return Probe(module, f"the import ended the process with {how}: {last}", output=said)
        found = json.loads(report.read_text(encoding="utf-8"))
        found["problem"] = found["problem"] or (f"after the import the process ended with {how}" if code else "")
    lists: dict[str, Any] = {name: tuple(found[name]) for name in ("imported", "changed")}
    events = tuple((event, what) for event, what in found["events"])
    lists |= {name: found[name] for name in ("provides", "refused")}
    return Probe(module, found["problem"], found["seconds"], **lists, events=events, output=said)


def main() -> None:
    """Import the module, and write what that did as JSON; names are on the command line."""
    module, report, hangs, *first = sys.argv[1:]
    for name in first:
        importlib.import_module(name)
    top, thing = module.partition(":")[0].partition(".")[0], None
    watch(Path(hangs).open("w", encoding="utf-8"))  # noqa: SIM115 - open as long as the process is
    known, before, problem = {*sys.modules}, state(), ""
    with listening() as heard:
        start = time.perf_counter()
        try:
            thing = importlib.metadata.EntryPoint(top, module, "").load()
        except BaseException as error:
            problem = f"the import failed with {type(error).__name__}: {error}"
        seconds, events = time.perf_counter() - start, list(heard)
    imported = sorted({name.partition(".")[0] for name in {*sys.modules} - known} - {top})
    provides, refused = ({}, "") if problem else offered(Plugin(top.replace("_", "-"), top, ""), thing)
    found = {"problem": problem, "seconds": seconds, "imported": imported, "changed": changed(before, state())}
    found |= {"events": events, "provides": provides, "refused": refused}
    Path(report).write_text(json.dumps(found), encoding="utf-8")


def watch(file: IO[str]) -> None:
    """End the process once it has imported no further module for a while, and write where it was into a file."""

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import":
            faulthandler.dump_traceback_later(STILL, exit=True, file=file)

    hear("import", ())
    sys.addaudithook(hear)


def offered(plugin: Plugin, thing: Any) -> tuple[dict[str, list[str]], str]:
    """Return what a plugin offers, and why lamcore would not take it."""
    registry = Registry()
    try:
        registry.add(plugin, thing)
    except BaseException as error:
        return {}, str(error) if isinstance(error, LamcoreError) else f"{type(error).__name__}: {error}"
    return registry.provided(plugin), ""
