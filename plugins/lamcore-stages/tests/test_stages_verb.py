"""The verb `stages`: it trains in order, goes on where it was, and says what is wrong before it begins."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lamcore import LamcoreError
from lamcore.plugins import load_plugins
from lamcore_stages.running import read, train

LAM = [sys.executable, "-P", "-c", "from lamcore.cli import main; main()"]
SHORT = ["architecture=transformer", "architecture.layers=1", "architecture.width=16", "architecture.heads=2"]
SHORT += ["architecture.feed_forward=16", "trainer=supervised", "trainer.steps=2", "device=cpu"]
SHORT += ["trainer.validate_every=2", "metrics=[]", "preprocessors=[]", "augmenters=[]", "decoding.max_length=4"]


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


@pytest.fixture
def words(tmp_path) -> list[str]:
    """Return the overrides of a run of two updates."""
    rows = [{"input": f"turn on light {n}", "target": f"schalte licht {n} ein"} for n in range(40)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ["source=jsonl", f"source.train=[{tmp_path}/pairs.jsonl]", f"cache={tmp_path}/cache", *SHORT]


def write(folder: Path, stages: object) -> str:
    file = folder / "my.yaml"
    file.write_text(yaml.safe_dump(stages, sort_keys=False))
    return str(file)


def told(errors: str) -> list[str]:
    """Return what is said of stages."""
    return [line for line in errors.split("\n") if line.startswith("lam: stage")]


@pytest.mark.full
def test_stages_are_trained_in_order_each_from_the_one_before_and_only_once(tmp_path, words):
    file = write(tmp_path, {"first": [*words, "tokenizer.size=50"], "second": [*words, "init=${first}"]})
    line = [*LAM, "--quiet", "stages", file, "--into", str(tmp_path / "runs"), "trainer.steps=1"]
    first = subprocess.run(line, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert told(first.stderr) == [
        f"lam: stage 1 of 2, first: training in {tmp_path}/runs/first",
        f"lam: stage 2 of 2, second: training in {tmp_path}/runs/second",
    ]
    second = yaml.safe_load((tmp_path / "runs" / "second" / "config.yaml").read_text())
    assert second["init"] == f"{tmp_path}/runs/first"
    assert second["trainer"]["steps"] == 1
    before = (tmp_path / "runs" / "second" / "scores.json").stat().st_mtime_ns
    again = subprocess.run(line, capture_output=True, text=True)
    assert told(again.stderr) == [
        f"lam: stage 1 of 2, first: finished before, in {tmp_path}/runs/first",
        f"lam: stage 2 of 2, second: finished before, in {tmp_path}/runs/second",
    ]
    assert (tmp_path / "runs" / "second" / "scores.json").stat().st_mtime_ns == before


def test_a_stage_that_fails_ends_the_job_with_its_code_and_the_same_line_goes_on(tmp_path, words, registry, capfd):
    folder, stages = tmp_path / "runs", {"first": [*words, "tokenizer.size=50"]}
    lost = tmp_path / "pairs.jsonl"
    text = lost.read_text()
    lost.unlink()
    with pytest.raises(
        LamcoreError, match="Stage first ended with exit code 2. The same line goes on with it."
    ) as caught:
        train(registry, stages, folder)
    assert caught.value.exit_code == 2
    assert json.loads((folder / "stages.json").read_text())["first"]["finished"] is False
    lost.write_text(text)
    train(registry, stages, folder)
    assert json.loads((folder / "stages.json").read_text())["first"]["finished"] is True
    assert (folder / "first" / "scores.json").is_file()


def test_words_after_the_name_are_added_to_every_stage(tmp_path, registry):
    file = write(tmp_path, {"a": ["seed=1"], "b": ["seed=2"]})
    assert read(registry, file, ["trainer.steps=3"]) == {
        "a": ["seed=1", "trainer.steps=3"], "b": ["seed=2", "trainer.steps=3"],
    }  # fmt: skip


def test_a_wrong_key_of_a_later_stage_is_said_before_anything_is_trained(tmp_path, words, registry):
    with pytest.raises(LamcoreError, match=r"second: .*trainer.stepz"):
        train(registry, {"first": words, "second": [*words, "+trainer.stepz=3", "init=${first}"]}, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_folder_whose_stages_had_other_overrides_is_refused(tmp_path, words, registry):
    (tmp_path / "runs").mkdir()
    state = {"first": {"overrides": ["seed=1"], "finished": True}}
    (tmp_path / "runs" / "stages.json").write_text(json.dumps(state))
    with pytest.raises(LamcoreError, match=r"has a stage first with other overrides \(seed=1\): choose another --into"):
        train(registry, {"first": words}, tmp_path / "runs")


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        ({"a": ["seed=1"], "b": ["init=${c}"]}, "No earlier stage is called 'b.c'."),
        ({"a": ["init=${a}"]}, "No earlier stage is called 'a.a'."),
        ({"a": "seed=1"}, "a must be a list of overrides"),
        ({"A b": []}, "a stage's name is a-z, 0-9 and _, not 'A b'"),
        ([], "write stages as NAME: [OVERRIDES]"),
    ],
)
def test_a_file_that_holds_no_stages_is_refused(tmp_path, registry, stages, told):
    with pytest.raises(LamcoreError) as caught:
        read(registry, write(tmp_path, stages), [])
    assert told in str(caught.value)


def test_a_reference_to_the_environment_is_left_to_the_run(tmp_path, registry):
    file = write(tmp_path, {"a": ["source.train=${oc.env:DATA,data}/train.jsonl"]})
    assert read(registry, file, [])["a"] == ["source.train=${oc.env:DATA,data}/train.jsonl"]


def test_an_unknown_name_names_those_that_there_are(registry):
    with pytest.raises(LamcoreError, match=r"No file of stages is called 'translation/back_translatio'. Did you mean"):
        read(registry, "translation/back_translatio", [])
