"""What a checkpoint costs: against writing the same bytes with one fsync, and as time that training stands still.

    python tests/benchmarks/checkpoint.py [--folder DIR]

The model has the sizes of the demo's; DIR lies on the disk to be measured."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from measure import median, table

from lamcore.kinds import TokenizerPlan
from lamcore.run import Run
from lamcore.store import commit, remove
from lamcore.tokenizer import learn
from lamcore_trainers import Supervised
from lamcore_trainers.average import MovingAverage
from lamcore_trainers.optimizer import AdamW
from lamcore_trainers.progress import begin, pack
from lamcore_transformer import Transformer

VOCABULARY = 6000
ROUNDS = 21


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--folder", type=Path, default=Path.cwd(), help="where to write")
    with tempfile.TemporaryDirectory(dir=words.parse_args().folder) as folder:
        model = demo_model()
        settings = Supervised(minutes=6)
        optimizer = AdamW(settings, model, dict(model.named_parameters()), torch.device("cpu"))
        ema = MovingAverage(model, settings.ema)
        sum(p.sum() for p in model.parameters()).backward()
        optimizer.step(settings.lr)
        state = pack(begin(settings), model, optimizer, ema, torch.device("cpu"))
        run = a_run(Path(folder), model)
        rows = [*cost_of_commit(Path(folder), state), *blocked(run, state)]
    table(["what", "median ms", "least", "most"], rows)


def demo_model() -> torch.nn.Module:
    """Return a model of the sizes of experiment=translation/home_assistant."""
    rng = random.Random(1)
    texts = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz  ", k=60)) for _ in range(5000)]
    tokenizer = learn(TokenizerPlan(size=VOCABULARY), {"input": texts, "target": texts})
    return Transformer(layers=2, width=128, feed_forward=512, heads=4).build(tokenizer, {})


def a_run(folder: Path, model: torch.nn.Module) -> Run:
    """Return a run that only checkpoints."""
    recipe: Any = SimpleNamespace(seed=1, monitor="loss", metrics={})
    registry: Any = SimpleNamespace(notify=lambda *_, **__: None)
    run = Run(folder, recipe, registry, torch.device("cpu"))
    run.trained = SimpleNamespace(model=model)  # type: ignore[assignment]
    return run


def cost_of_commit(folder: Path, state: dict[str, Any]) -> list[list[object]]:
    """Compare a commit of a checkpoint's bytes with writing them to one file, by turns."""
    size = sum(value.nbytes for value in state.values() if isinstance(value, torch.Tensor))
    files = {"tensors.safetensors": os.urandom(size), "state.json": os.urandom(1000)}
    plain, whole = [], []
    for _ in range(ROUNDS):
        plain.append(seconds(lambda: write_once(folder / "plain", files)))
        (folder / "plain").unlink()
        whole.append(seconds(lambda: commit(folder / "whole", files)))
        remove(folder / "whole")
    ratio = sorted(b / a for a, b in zip(plain, whole, strict=True))
    return [
        row(f"{size / 1e6:.1f} MB in one file, one fsync", plain),
        row("the same bytes, committed", whole),
        ["ratio (bound: 3.5)", f"{median(ratio):.2f} x", f"{ratio[0]:.2f} x", f"{ratio[-1]:.2f} x"],
    ]


def write_once(path: Path, files: dict[str, bytes]) -> None:
    """Write all bytes to one file and wait for the disk."""
    with path.open("wb") as file:
        for content in files.values():
            file.write(content)
        file.flush()
        os.fsync(file.fileno())


def blocked(run: Run, state: dict[str, Any]) -> list[list[object]]:
    """Time checkpoints as the trainer makes them, without and with new best weights."""
    plain, best = [], []
    for number in range(ROUNDS):
        plain.append(seconds(lambda: run.checkpoint(2 * number, state)))  # noqa: B023
        best.append(seconds(lambda: run.checkpoint(2 * number + 1, state, {"loss": -number})))  # noqa: B023
    return [row("training stands still (bound: 100 ms)", plain), row("and new best weights", best)]


def seconds(do: Callable[[], Any]) -> float:
    """Return what a call takes, with nothing else on its way to the disk."""
    os.sync()
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def row(what: str, times: list[float]) -> list[object]:
    """Return a line of the table, in milliseconds."""
    return [what, *(f"{1000 * one:.1f}" for one in (median(times), min(times), max(times)))]


if __name__ == "__main__":
    main()
