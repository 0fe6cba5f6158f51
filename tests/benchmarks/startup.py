"""How long until something happens: `python tests/benchmarks/startup.py`.

The first step is timed from torch's import to the first line of the log, on data that an earlier start has prepared.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from measure import LAM, measured, median, table

RUNS = 7
FIRST_STEP = """
import sys, time
import torch
open(sys.argv.pop(1), "w").write(str(time.time()))
from lamcore.cli import main
main()
"""
PAIRS = [(f"the {a} {b} is {c}", f"die {a} {b} ist {c}") for a in "abcdefgh" for b in "ijklmnop" for c in "qrstuvw"]


MANY = 50
PLUGIN = """
from dataclasses import dataclass
from lamcore import Augmenter, hookimpl


@dataclass
class Louder(Augmenter):
    '''Write louder.'''

    rate: float = 0.1
    '''Share of records.'''

    def apply(self, records, rng):
        return records


@hookimpl
def register_augmenters(register):
    register("NAME", Louder)
"""


def many_plugins(folder: Path) -> dict[str, str]:
    """Make plugins that look installed; return the variables that have `lam` find them, their bytecode kept."""
    for name in (f"made_{number}" for number in range(MANY)):
        info = folder / f"lamcore_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lamcore-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[lamcore]\n{name} = lamcore_{name}\n")
        (folder / f"lamcore_{name}.py").write_text(PLUGIN.replace("NAME", name))
    variables = {"PYTHONPATH": str(folder), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    measured((LAM, "plugins"), {**variables, "PYTHONDONTWRITEBYTECODE": ""})
    return variables


def seconds(*command: str, env: dict[str, str] | None = None) -> str:
    """Return median (least to greatest) seconds of a command."""
    times = [measured(command, env).seconds for _ in range(RUNS)]
    return f"{median(times):.2f} ({min(times):.2f} to {max(times):.2f})"


def first_step(folder: Path) -> float:
    """Return the seconds from torch's import to the end of the first update."""
    run = tempfile.mkdtemp(dir=folder)
    words = ["source=tsv", f"source.train={folder}/train.tsv", f"source.validation={folder}/validation.tsv"]
    words += ["tokenizer.kind=character", "trainer.steps=1", "trainer.log_every=1"]
    words += ["architecture.layers=2", "architecture.width=128", "trainer.batch_tokens=900", f"cache={folder}/cache"]
    measured([sys.executable, "-c", FIRST_STEP, f"{run}/began", "train", *words, f"hydra.run.dir={run}/run"])
    line = json.loads((Path(run) / "run" / "log.jsonl").read_text().split("\n")[0])
    return line["time"] - float((Path(run) / "began").read_text())


def main() -> None:
    rows = [(f"`lam {verb}`", seconds(LAM, verb)) for verb in ("--help", "plugins", "list")]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        rows.append((f"`lam plugins`, {MANY} more plugins", seconds(LAM, "plugins", env=many_plugins(Path(name)))))
    rows.append(("`python -c 'import torch'`", seconds(sys.executable, "-c", "import torch")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, pairs in (("train", PAIRS[:400]), ("validation", PAIRS[400:])):
            (folder / f"{split}.tsv").write_text("\n".join(["input\ttarget", *("\t".join(p) for p in pairs)]) + "\n")
        first_step(folder)  # prepares the data
        times = [first_step(folder) for _ in range(RUNS)]
    rows.append(
        ("torch imported to first step, cached data", f"{median(times):.2f} ({min(times):.2f} to {max(times):.2f})")
    )
    table(("what", f"seconds: median of {RUNS} (least to greatest)"), rows)
    sys.stderr.write(f"{time.perf_counter() - began:.0f} s\n")


if __name__ == "__main__":
    main()
