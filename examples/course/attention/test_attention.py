"""What right looks like: numbers worked out by hand, the contract of architectures, and learning."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lamcore.testing import ArchitectureContract

HERE = Path(__file__).resolve().parent
THRESHOLD = 0.9
"""Least share of right answers; ten runs of a right solution gave 0.995 or more."""
LAM = [sys.executable, "-c", "from lamcore.cli import main; main()"]
LINES = (HERE / "data" / "train.tsv").read_text(encoding="utf-8").split("\n")[1:33]
RECORDS = [
    {"id": str(number), "input": line.partition("\t")[0], "target": line.partition("\t")[2]}
    for number, line in enumerate(LINES)
]


def lamfile():
    spec = importlib.util.spec_from_file_location("course_lamfile", HERE / "lamfile.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mine = lamfile()


def test_a_query_takes_the_average_of_values_weighted_by_the_fit_of_their_keys():
    query = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    keys = torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]])
    values = torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]])
    found = mine.attend(query, keys, values, torch.tensor([[False, False]]))
    # dot products 2 and 0, divided by 2 (the root of 4): weights e / (e + 1) and 1 / (e + 1)
    assert torch.allclose(found, torch.tensor([[0.7311, 0.2689, 0.0, 0.0]]), atol=1e-4)


def test_padding_weighs_nothing():
    query, keys = torch.ones(1, 4), torch.ones(1, 3, 4)
    values = torch.tensor([[[1.0] * 4, [3.0] * 4, [99.0] * 4]])
    found = mine.attend(query, keys, values, torch.tensor([[False, False, True]]))
    assert torch.allclose(found, torch.full((1, 4), 2.0))


class TestContract(ArchitectureContract):
    """What every architecture promises."""

    component = mine.Recall(width=32)
    records = RECORDS


@pytest.mark.parametrize("seed", [int(os.environ.get("COURSE_SEED", "1"))])
def test_it_learns_to_look_up(tmp_path, seed):
    cache = [f"cache={os.environ['COURSE_CACHE']}"] if "COURSE_CACHE" in os.environ else []
    words = ["source=tsv", *(f"source.{split}=data/{split}.tsv" for split in ("train", "validation", "test"))]
    words += ["architecture=recall", "metrics=[exact_match]", "tokenizer.kind=character", f"seed={seed}", "device=cpu"]
    words += ["trainer.steps=150", "trainer.lr=1e-2", "trainer.warmup=20", "trainer.batch_tokens=300"]
    done = subprocess.run(
        [*LAM, "--quiet", "train", *words, *cache, f"hydra.run.dir={tmp_path}/run"],
        cwd=HERE, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "run" / "scores.json").read_text(encoding="utf-8"))
    right = scores["test"]["exact_match"]["value"] / 100
    assert right >= THRESHOLD, f"seed {seed}: {right:.1%} of the held-out lines are right, not {THRESHOLD:.0%}"
