"""Training speed of `classifier` beside Hugging Face's Trainer with a BertForSequenceClassification of the same size.

    python tests/benchmarks/classify.py --data DIR --huggingface PYTHON [--rounds 3] [--steps 200] [--busy]

DIR holds CLINC150; PYTHON is that of an environment with transformers 5.23.0 and accelerate. The peer reads the pieces
of the same tokenizer. It has two layers of the same width, which are as many parameters as the classifier's LSTM and
one layer, and a table of as many rows as the classifier's two. Both have the same dropout, one thread and, on average,
as many records a batch, Hugging Face's grouped by length. The first half of each run is not counted.

--busy is for a machine that does other things too: every clock of both shows seconds of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import LAM, measured, median, table
from train import BUSY, EVERY, spread

HERE = Path(__file__).parent
ENV = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def lamcore(folder: Path, steps: int) -> tuple[float, float]:
    """Train by the command; return examples a second and the peak of memory in MB."""
    words = ["experiment=actions/clinc150", f"trainer.steps={steps}", f"trainer.validate_every={steps}"]
    words += [f"trainer.log_every={EVERY}", "trainer.ema=0", "monitor=loss", "metrics=[]"]
    words += [f"cache={folder}/cache", f"hydra.run.dir={folder}/run"]
    measured(["rm", "-rf", f"{folder}/run"])
    took = measured([LAM, "train", *words, "--quiet"], ENV)
    lines = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().split("\n")[:-1]]
    speeds = [line["tokens_per_second"] for line in lines if "tokens_per_second" in line]  # a record counts as one
    return median(speeds[len(speeds) // 2 :]), took.peak_mb


def huggingface(folder: Path, python: str, steps: int) -> tuple[float, float]:
    """Train with Hugging Face's Trainer; return the same."""
    took = measured([python, str(HERE / "classify_huggingface.py"), str(folder / "plan.json"), str(steps)], ENV)
    found = json.loads(took.output.split("\n")[-2])
    return median(found["speeds"][len(found["speeds"]) // 2 :]), took.peak_mb


def write_plan(folder: Path) -> None:
    """Write what the peer needs: sizes, the records' pieces and classes, and the records a batch."""
    from itertools import islice

    from lamcore.commands import read_config
    from lamcore.data import Data
    from lamcore.kinds import Recipe
    from lamcore.make import make
    from lamcore.model import load_model
    from lamcore.plugins import load_plugins
    from lamcore.prepare import prepare

    registry, run = load_plugins(), folder / "run"
    recipe = make(Recipe, read_config(run), find=registry.find)
    trained = load_model(run, registry, "cpu")  # type: ignore[arg-type]
    data = Data(recipe, prepare(recipe, folder / "cache"), folder / "cache")
    data.bind(trained.model, trained.tokenizer, trained.labels)
    rows, classes, tokenizer = data.ready["train"], list(trained.labels["intent"]), trained.tokenizer["input"]
    batches = [len(batch["rows"]) for _, batch in islice(data.train_batches(recipe.trainer.batch_tokens), 200)]
    s = recipe.architecture.encoder  # type: ignore[attr-defined]
    sizes = {"width": s.width, "heads": s.heads, "feed_forward": s.feed_forward, "dropout": s.dropout}
    plan = {
        "sizes": {**sizes, "vocabulary": tokenizer.size + s.buckets + 1, "classes": len(classes)},
        "batch": round(float(np.mean(batches))),
        "records": list(zip(tokenizer.encode(rows["input"]), map(classes.index, rows["intent"]), strict=True)),
        "parameters": sum(weight.numel() for weight in trained.model.parameters()),
    }
    (folder / "plan.json").write_text(json.dumps(plan))


def main() -> None:
    """Measure by turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--huggingface", required=True, help="python of its environment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--busy", action="store_true", help="seconds of processor time")
    given = parser.parse_args()
    ENV["CLINC150"] = os.environ["CLINC150"] = str(given.data.absolute())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lamcore(folder, EVERY)  # prepares the data
        write_plan(folder)
        if given.busy:
            (folder / "busy").mkdir()
            (folder / "busy" / "sitecustomize.py").write_text(BUSY)
            ENV["PYTHONPATH"] = os.pathsep.join([str(folder / "busy"), os.environ.get("PYTHONPATH", "")])
        ours, theirs = [], []
        for _ in range(given.rounds):
            ours.append(lamcore(folder, given.steps))
            theirs.append(huggingface(folder, given.huggingface, given.steps))
        own = json.loads((folder / "plan.json").read_text())["parameters"]
    rows = []
    for system, found in {f"lamcore, {own:,} parameters": ours, "Hugging Face Trainer 5.23.0": theirs}.items():
        ratios = [a / b for (a, _), (b, _) in zip(ours, found, strict=True)]
        speeds = spread([speed for speed, _ in found], "{:.0f}")
        rows.append((f"{system}, fp32", speeds, spread(ratios), f"{max(peak for _, peak in found):,.0f}"))
    columns = ("system", "examples a second: median (least to greatest)", "lamcore / system, round by round")
    table((*columns, "peak memory, MB"), rows)


if __name__ == "__main__":
    sys.exit(main())
