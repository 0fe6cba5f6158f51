"""What the benchmarks share: run a command, take its time and memory, print a table with the machine."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAM = str(Path(sysconfig.get_path("scripts")) / "lam")
PINNED = {"OMP_NUM_THREADS": "2", "OMP_PROC_BIND": "close", "OMP_PLACES": "cores"}


@dataclass
class Measured:
    """What a finished command took."""

    seconds: float
    peak_mb: float
    output: str


def measured(command: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Measured:
    """Run a command to its end; peak memory is that of the largest moments of its process and of those it forks."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, cwd=cwd, text=True
    )
    peak = [0.0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - began
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{output[-3000:]}")
    return Measured(seconds, peak[0], output)


def _watch(process: subprocess.Popen[str], peak: list[float]) -> None:
    forked = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        try:
            peaks = [_peak_mb(name) for name in (str(process.pid), *forked.read_text().split())]
            peak[0] = max(peak[0], sum(peaks))
        except OSError:  # one of them has ended
            pass
        time.sleep(0.05)


def _peak_mb(process: str) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def machine() -> str:
    """Say where and when: processor, cores, versions, date."""
    import torch

    info = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    cpu = name[1] if name else platform.processor()
    parts = [cpu, f"{os.cpu_count()} cores", torch.backends.cpu.get_cpu_capability()]
    return ", ".join([*parts, f"Python {platform.python_version()}", f"torch {torch.__version__}", time.strftime("%F")])


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table and the machine below it."""
    sys.stdout.write("| " + " | ".join(columns) + " |\n" + "|" + " --- |" * len(columns) + "\n")
    for row in rows:
        sys.stdout.write("| " + " | ".join(str(cell) for cell in row) + " |\n")
    sys.stdout.write(f"\n{machine()}\n")


def median(values: Sequence[float]) -> float:
    """Return the middle one of some values."""
    return sorted(values)[len(values) // 2]
