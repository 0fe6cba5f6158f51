"""`distributed` as a user starts it: torchrun, the command line, two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LAM = Path(sys.executable).with_name("lam")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--no-python"]
TOY = [
    "source=numbers",
    "architecture=tagging",
    "metrics=[]",
    "trainer=distributed",
    "trainer.accumulation=2",
    "trainer.steps=6",
    "trainer.warmup=2",
    "trainer.batch_tokens=20",
    "trainer.log_every=1",
    "hydra.run.dir=run",
]
LAMFILE = '''
import random
from dataclasses import dataclass

from lamcore import Architecture, Source, hookimpl


@dataclass
class Numbers(Source):
    """Records of three numbers."""

    def load(self):
        rng = random.Random(5)
        records = [{"id": f"r{n}", "tokens": [rng.randint(1, 9) for _ in range(3)]} for n in range(70)]
        return {"train": records[:60], "validation": records[60:]}


@dataclass
class Tagging(Architecture):
    """Embedding, a layer, linear."""

    reads = ("tokens",)
    answers = ()

    def build(self, tokenizer, labels):
        import numpy as np
        import torch
        from torch import nn

        class Tagger(nn.Module):
            def __init__(self):
                super().__init__()
                self.embedding, self.layers = nn.Embedding(10, 8), nn.ModuleList([nn.Linear(8, 8)])
                self.head = nn.Linear(8, 3)

            def encode(self, records):
                return [{"tokens": np.array(record["tokens"]), "size": 3} for record in records]

            def collate(self, examples):
                return {"tokens": torch.tensor(np.stack([example["tokens"] for example in examples]))}

            def forward(self, batch):
                scores = self.head(self.layers[0](self.embedding(batch["tokens"])))
                losses = nn.functional.cross_entropy(scores.mT, batch["tokens"] % 3, reduction="none")
                return losses.sum(1), torch.full((len(losses),), 3)

            def predict(self, batch, decoding):
                return [{} for _ in batch["tokens"]]

        return Tagger()


@hookimpl
def register_sources(register):
    register("numbers", Numbers)


@hookimpl
def register_architectures(register):
    register("tagging", Tagging)
'''


@pytest.fixture
def shell(tmp_path):
    """Return a function that runs a command in a folder with a lamfile, and returns how it ended."""
    (tmp_path / "lamfile.py").write_text(LAMFILE, encoding="utf-8")
    own = {"LAMCORE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()

    def call(*words, **variables):
        environment = {**os.environ, **own, **variables}
        return subprocess.run([*map(str, words)], cwd=tmp_path, env=environment, capture_output=True, text=True)

    return call


def losses(folder):
    return [one["loss"] for one in map(json.loads, (folder / "log.jsonl").read_text().splitlines()) if "loss" in one]


@pytest.mark.full
def test_torchrun_trains_one_run_that_one_process_could_have_trained(tmp_path, shell):
    two = shell(*TORCHRUN, LAM, "train", *TOY)
    assert two.returncode == 0, two.stderr
    assert two.stdout.count("The run is in run.") == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cache", "lamfile.py", "run", "temporary"]
    left = {file.name.partition("_")[0] for file in (tmp_path / "temporary").iterdir()}
    assert left <= {"torchelastic", "torchinductor"}
    files = {file.suffix for file in (tmp_path / "run").rglob("*") if file.is_file() and not file.name.startswith(".")}
    assert files <= {".json", ".jsonl", ".yaml", ".safetensors", ".md"}
    assert (tmp_path / "run" / "scores.json").is_file()
    one = shell(LAM, "train", *TOY[:-1], "hydra.run.dir=one")
    assert "trainer=distributed runs in one process" in one.stderr
    assert losses(tmp_path / "run") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)


@pytest.mark.full
def test_torchrun_with_a_trainer_for_one_process_is_refused(tmp_path, shell):
    ended = shell(*TORCHRUN, LAM, "train", *TOY[:3], "trainer=supervised", *TOY[5:])
    assert ended.returncode != 0
    assert "lam: torchrun started several processes, and this trainer is for one: trainer=distributed." in ended.stderr


@pytest.mark.full
def test_a_second_process_refuses_a_sweep(shell):
    ended = shell(LAM, "train", *TOY, "trainer.lr=1e-3,1e-2", "--multirun", RANK="1", WORLD_SIZE="2")
    assert ended.returncode == 2
    assert ended.stderr.endswith("lam: torchrun starts the processes of one run: leave out --multirun.\n")
