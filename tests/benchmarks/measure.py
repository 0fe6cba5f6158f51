"""What the benchmarks share: run a command, take its time and memory, train beside others, print a table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

LAM = str(Path(sysconfig.get_path("scripts")) / "lam")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
PINNED = {"OMP_NUM_THREADS": "2", "OMP_PROC_BIND": "close", "OMP_PLACES": "cores"}
EVERY = 5
"""Updates between two figures of a training."""
BUSY = "import time\n\ntime.time = time.monotonic = time.perf_counter = time.process_time\n"
T = TypeVar("T")


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


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """Show the middle, least and greatest of some values."""
    middle, least, most = (form.format(value) for value in (median(values), min(values), max(values)))
    return f"{middle} ({least} to {most})"


# ---- training beside others


def train(folder: Path, words: Sequence[str], env: Mapping[str, str]) -> tuple[list[float], float]:
    """Train anew in folder/run on the data of folder/cache; return the tokens a second that it logs, and MB."""
    measured(["rm", "-rf", f"{folder}/run"])
    own = [f"trainer.log_every={EVERY}", f"cache={folder}/cache", f"hydra.run.dir={folder}/run", "--quiet"]
    took = measured([LAM, "train", *words, *own], env)
    lines = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().split("\n")[:-1]]
    return [line["tokens_per_second"] for line in lines if "tokens_per_second" in line], took.peak_mb


def train_peer(command: Sequence[str], env: Mapping[str, str]) -> tuple[dict[str, Any], float]:
    """Run the program of a peer; return the JSON that it prints last, and its peak in MB."""
    took = measured(command, env)
    return json.loads(took.output.split("\n")[-2]), took.peak_mb


def settled(speeds: Sequence[float]) -> float:
    """Return the middle of the second half."""
    return median(speeds[len(speeds) // 2 :])


def by_turns(turns: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Take so many turns of each, interleaved."""
    found: dict[str, list[T]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            found[name].append(turn())
    return found


def count_processor_time(folder: Path, env: dict[str, str]) -> None:
    """Have every clock of the Pythons started with these variables show the seconds of processor time."""
    (folder / "busy").mkdir()
    (folder / "busy" / "sitecustomize.py").write_text(BUSY)
    env["PYTHONPATH"] = os.pathsep.join([str(folder / "busy"), os.environ.get("PYTHONPATH", "")])


def opened(run: Path) -> tuple[Any, Any, Any, int]:
    """Return recipe, model and data of a run that was trained by `train`, and the records of a batch on average."""
    from itertools import islice

    from lamcore.commands import read_config
    from lamcore.data import Data
    from lamcore.kinds import Recipe
    from lamcore.make import make
    from lamcore.model import load_model
    from lamcore.plugins import load_plugins
    from lamcore.prepare import prepare

    registry, cache = load_plugins(), run.parent / "cache"
    recipe = make(Recipe, read_config(run), find=registry.find)
    trained = load_model(run, registry, "cpu")  # type: ignore[arg-type]
    data = Data(recipe, prepare(recipe, cache), cache)
    data.bind(trained.model, trained.tokenizer, trained.labels)
    sizes = [len(batch["rows"]) for _, batch in islice(data.train_batches(recipe.trainer.batch_tokens), 200)]
    return recipe, trained, data, round(sum(sizes) / len(sizes))


def arguments(about: str, steps: int) -> argparse.ArgumentParser:
    """Return the command line of a comparison with one peer."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--huggingface", required=True, help="python of its environment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--busy", action="store_true", help="seconds of processor time")
    return parser


def compared(results: Mapping[str, Sequence[tuple[float, float]]], form: str) -> None:
    """Print a row a system, the first of which is lamcore, of its (examples a second, peak in MB), round by round."""
    ours = next(iter(results.values()))
    rows = []
    for system, found in results.items():
        ratios = [a / b for (a, _), (b, _) in zip(ours, found, strict=True)]
        speeds, peak = spread([speed for speed, _ in found], form), max(peak for _, peak in found)
        rows.append((f"{system}, fp32", speeds, spread(ratios), f"{peak:,.0f}"))
    columns = ("system", "examples a second: median (least to greatest)", "lamcore / system, round by round")
    table((*columns, "peak memory, MB"), rows)
