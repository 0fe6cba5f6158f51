"""Training speed of `causal_lm` beside Hugging Face's Trainer with a LlamaForCausalLM of the same size.

    python tests/benchmarks/causal_lm.py --data DIR --huggingface PYTHON [--rounds 3] [--steps 60] [--busy] [WORDS ...]

DIR holds tldr-commands; PYTHON is that of an environment with transformers 5.23.0 and accelerate; WORDS are overrides
of the experiment actions/tldr_commands. Both get the same ids, learn the same tokens (the commands and their ends),
without dropout, on one thread, in batches of as many records on average, Hugging Face's grouped by length. Examples a
second are learnt tokens a second over those that a record has on average. The first half of each run is not counted.

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


def lamcore(folder: Path, steps: int, words: list[str]) -> tuple[float, float]:
    """Train by the command; return learnt tokens a second and the peak of memory in MB."""
    own = ["experiment=actions/tldr_commands", "architecture.dropout=0", "metrics=[]", "trainer.minutes=0"]
    own += [f"trainer.steps={steps}", f"trainer.validate_every={steps}", f"trainer.log_every={EVERY}"]
    own += ["decoding=greedy", "decoding.max_length=2", f"cache={folder}/cache", f"hydra.run.dir={folder}/run"]
    measured(["rm", "-rf", f"{folder}/run"])
    took = measured([LAM, "train", *own, *words, "--quiet"], ENV)
    lines = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().split("\n")[:-1]]
    speeds = [line["tokens_per_second"] for line in lines if "tokens_per_second" in line]
    return median(speeds[len(speeds) // 2 :]), took.peak_mb


def huggingface(folder: Path, python: str, steps: int) -> tuple[float, float]:
    """Train with Hugging Face's Trainer; return the same."""
    took = measured([python, str(HERE / "causal_lm_huggingface.py"), str(folder / "plan.json"), str(steps)], ENV)
    speeds = json.loads(took.output.split("\n")[-2])
    return median(speeds[len(speeds) // 2 :]), took.peak_mb


def write_plan(folder: Path) -> float:
    """Write what the peer needs: sizes, the records' ids and labels, records a batch; return learnt tokens a record."""
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
    encoded = data.encoded("train")
    records = [[one["tokens"].tolist(), one["labels"].tolist()] for one in encoded[np.arange(len(encoded.sizes))]]
    batches = [len(batch["rows"]) for _, batch in islice(data.train_batches(recipe.trainer.batch_tokens), 200)]
    s = recipe.architecture
    sizes = {name: getattr(s, name) for name in ("layers", "width", "heads", "key_value_heads", "feed_forward", "tie")}
    sizes |= {"vocabulary": trained.tokenizer["target"].size, "max_length": s.max_length}  # type: ignore[attr-defined]
    plan = {"sizes": sizes, "batch": round(np.mean(batches)), "records": records}
    (folder / "plan.json").write_text(json.dumps(plan))
    return float(np.mean([sum(label >= 0 for label in labels) for _, labels in records]))


def main() -> None:
    """Measure by turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--huggingface", required=True, help="python of its environment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--busy", action="store_true", help="seconds of processor time")
    parser.add_argument("words", nargs="*", help="overrides")
    given = parser.parse_args()
    ENV["TLDR_COMMANDS"] = os.environ["TLDR_COMMANDS"] = str(given.data.absolute())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lamcore(folder, EVERY, given.words)  # prepares the data
        each = write_plan(folder)
        if given.busy:
            (folder / "busy").mkdir()
            (folder / "busy" / "sitecustomize.py").write_text(BUSY)
            ENV["PYTHONPATH"] = os.pathsep.join([str(folder / "busy"), os.environ.get("PYTHONPATH", "")])
        ours, theirs = [], []
        for _ in range(given.rounds):
            ours.append(lamcore(folder, given.steps, given.words))
            theirs.append(huggingface(folder, given.huggingface, given.steps))
    rows = []
    for system, found in {"lamcore": ours, "Hugging Face Trainer 5.23.0": theirs}.items():
        speeds = [speed / each for speed, _ in found]
        ratios = [a / b for (a, _), (b, _) in zip(ours, found, strict=True)]
        rows.append((f"{system}, fp32", spread(speeds, "{:.1f}"), spread(ratios), f"{max(p for _, p in found):,.0f}"))
    columns = ("system", "examples a second: median (least to greatest)", "lamcore / system, round by round")
    table((*columns, "peak memory, MB"), rows)


if __name__ == "__main__":
    sys.exit(main())
