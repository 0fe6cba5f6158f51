"""`lam check-resume` on real runs: equal is what resumes exactly, and of the rest the first difference is named."""

from __future__ import annotations

import json
import tempfile

import pytest

from lamcore_author.check_resume import compare, tensors_differ, timeless

FORGETFUL = '''
import random
from dataclasses import dataclass

from lamcore import Augmenter, hookimpl


@dataclass
class Unkeyed(Augmenter):
    """Drop the first word by chance that no checkpoint knows of."""

    seeded: bool = False
    """Whether the chance begins alike in every process."""

    def apply(self, records, rng):
        if self.seeded and not hasattr(self, "chance"):
            self.chance = random.Random(1)
        chance = self.chance if self.seeded else random.SystemRandom()
        cut = [chance.random() < 0.5 for _ in records]
        return [{**r, "input": r["input"].partition(" ")[2] or r["input"]} if c else r for r, c in zip(records, cut)]


@hookimpl
def register_augmenters(register):
    register("unkeyed", Unkeyed)
'''


pytestmark = pytest.mark.timeout(900)  # several runs, each in a process of its own


@pytest.fixture
def check(tmp_path, toy_run, lam, toy, make_plugin, monkeypatch):
    """Give check(*words): call the verb on the toy run, whose processes have the toy plugin and the forgetful one."""
    make_plugin("forgetful", FORGETFUL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return lambda *words: lam("check-resume", *toy_run, *words)


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=pytest.mark.full)])
def test_a_run_that_is_killed_and_resumed_is_found_equal(check, tmp_path, kills):
    ended = check("--kills", str(kills), "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["equal"] and found["seed"] == 1 and found["advice"] == ""
    assert 1 <= len(found["kills"]) <= kills
    assert all(4 <= kill["checkpoint"] <= kill["step"] <= 12 for kill in found["kills"])
    assert all(check["problem"] == "" for check in found["checks"])
    compared = {check["what"]: check["compared"] for check in found["checks"]}
    assert compared["log"] == "9 lines" and compared["answers and scores"] == "3 files"
    assert {"checkpoints/step-00000008", "checkpoints/step-00000012", "model", "vocabulary"} <= set(compared)
    assert "tensors" in compared["checkpoints/step-00000012"] and "tensors" in compared["model"]
    assert list((tmp_path / "temporary").iterdir()) == []
    print(f"lam check-resume: {len(found['kills'])} kills, {len(found['checks'])} of {len(found['checks'])} equal")


@pytest.mark.parametrize(
    ("seeded", "advice"),
    [
        pytest.param("false", "Two undisturbed runs differ as well", marks=pytest.mark.full),
        pytest.param("true", "something that training depends on is in no checkpoint", marks=pytest.mark.full),
    ],
    ids=["chance of the system", "chance kept in the component"],
)
def test_chance_that_no_checkpoint_knows_of_is_caught(check, tmp_path, seeded, advice):
    ended = check("--kills", "1", "augmenters=[unkeyed]", f"augmenters.unkeyed.seeded={seeded}")
    assert ended.code == 1, ended.err
    row = next(line for line in ended.out.split("\n") if line.startswith("log "))
    assert ", step " in row and "loss is" in row
    assert "tensor " in ended.out and advice in ended.out
    kept = next((tmp_path / "temporary").glob("lam-check-resume-*"))
    assert f"both runs are kept in {kept}" in ended.err
    print(f"lam check-resume: caught ({ended.out.strip().split(chr(10))[-1]})")


def test_a_time_budget_is_refused_with_what_to_write_instead(toy, lam, toy_run):
    ended = lam("check-resume", *toy_run, "trainer.minutes=1")
    assert ended.code == 2
    assert "trainer.minutes=1 lets the clock decide" in ended.err.replace("1.0", "1")
    assert "add trainer.minutes=0 trainer.steps=60" in ended.err and ended.err.count("\n") == 1


@pytest.mark.full
def test_a_run_with_one_checkpoint_at_its_end_cannot_be_proved(check):
    ended = check("trainer.validate_every=100", "trainer.log_every=100")
    assert ended.code == 2 and "before it could be killed after its first checkpoint: lower trainer.valid" in ended.err


@pytest.mark.full
def test_what_the_run_itself_says_is_passed_on(check):
    ended = check("monitor=sam")
    assert ended.code == 2
    assert ended.err.split("\n")[-2].startswith(
        "lam: A run ended with exit code 2: No score to monitor is called 'sam'"
    )


def test_a_wrong_config_is_refused_before_anything_is_trained(toy, lam, toy_run):
    ended = lam("check-resume", *toy_run, "trainer.stepz=3")
    assert ended.code == 2 and ended.err.startswith("lam: No setting is called 'trainer.stepz'")


def test_a_log_line_is_compared_without_what_the_clock_decides():
    line = {"step": 2, "time": 1.5, "loss": 3.0, "tokens_per_second": 9, "seconds_left": 1}
    assert timeless(line) == {"step": 2, "loss": 3.0}


def test_the_first_tensor_that_differs_by_a_bit_is_named():
    import torch
    from safetensors.torch import save

    tensors = {"b": torch.tensor([1.0, float("nan")]), "a": torch.ones(2, dtype=torch.bfloat16)}
    same, other = save(tensors), save({**tensors, "b": torch.tensor([1.0000001, float("nan")])})
    assert tensors_differ(same, save(tensors), "x") == (2, "")
    assert tensors_differ(same, other, "x") == (2, "x: tensor b")
    assert tensors_differ(same, save({"a": tensors["a"]}), "x") == (2, "x: tensor b")


def test_a_file_that_one_run_lacks_is_a_difference(tmp_path):
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.jsonl").write_text('{"step": 1, "time": 2}\n')
    (tmp_path / "undisturbed" / "scores.json").write_text("{}\n")
    problems = [check.problem for check in compare(tmp_path / "undisturbed", tmp_path / "killed")]
    assert problems == ["", "scores.json is not in the killed run"]
