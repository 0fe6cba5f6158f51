"""Runs from end to end: their folders, going on after any interruption, scoring and answering."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import lamcore
from lamcore import LamcoreError
from lamcore.store import locked


def lines(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def timeless(path):
    """Return the log without what the clock decides."""
    clock = ("time", "tokens_per_second", "seconds_left")
    return [{key: value for key, value in line.items() if key not in clock} for line in lines(path)]


def outcome(run):
    """Return all of a finished run that must not depend on interruptions."""
    newest = max((run / "checkpoints").glob("step-*"))
    state = json.loads((newest / "state.json").read_text())
    state["state"]["progress"].pop("spent", None)
    return {
        "model": (run / "model" / "model.safetensors").read_bytes(),
        "checkpoint": (newest / "tensors.safetensors").read_bytes(),
        "state": state,
        "scores": json.loads((run / "scores.json").read_text()),
        "answers": (run / "predictions-test.jsonl").read_text(),
        "log": timeless(run / "log.jsonl"),
    }


@pytest.fixture
def copy(trained, tmp_path):
    """Give a copy of the trained run, to be spoilt."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


@pytest.fixture
def quick(toy, lam, echo, tmp_path):
    """Give quick(*words): train an echo in the folder `run`."""

    def train(*words, folder="run"):
        chosen = {word.partition("=")[0] for word in words}
        kept = [word for word in echo if word.partition("=")[0] not in chosen]
        return lam("train", *kept, f"hydra.run.dir={folder}", *words)

    return train


# A run and its folder --------------------------------------------------------------------------------------------


def test_a_run_is_a_folder_of_plain_files(trained):
    names = {path.name for path in trained.iterdir()} - {".lock"}
    assert names == {
        "config.yaml",
        "provenance.json",
        "environment.json",
        "preparation.json",
        "data-card.json",
        "data-card.md",
        "log.jsonl",
        "checkpoints",
        "vocabulary",
        "model",
        "scores.json",
        "predictions-validation.jsonl",
        "predictions-test.jsonl",
    }
    assert {path.name for path in (trained / "model").iterdir()} == {
        "README.md",
        "config.json",
        "labels.json",
        "manifest.json",
        "model.safetensors",
        "tokenizer.json",
    }
    assert sorted(path.name for path in (trained / "checkpoints").glob("step-*")) == ["step-00000008", "step-00000012"]
    assert len(list((trained / "checkpoints").glob("best-*"))) >= 1


def test_the_log_has_a_line_for_every_step_asked_for_and_every_validation(trained):
    found = lines(trained / "log.jsonl")
    assert [line["step"] for line in found if "loss" in line] == [2, 4, 6, 8, 10, 12]
    assert [line["step"] for line in found if "validation" in line] == [4, 8, 12]
    losses = [line["loss"] for line in found if "loss" in line]
    assert losses[-1] < losses[0]


def test_scores_have_values_intervals_and_directions(trained):
    scores = json.loads((trained / "scores.json").read_text())
    assert sorted(scores) == ["test", "validation"]
    assert set(scores["test"]["same"]) == {"value", "low", "high", "signature", "direction"}


def test_predictions_hold_every_record_in_order(trained):
    found = lines(trained / "predictions-test.jsonl")
    assert [line["id"] for line in found] == [f"test-{n}" for n in range(12)]
    assert all(set(line) == {"id", "input", "reference", "answer"} for line in found)
    assert found[0]["reference"] == " ".join(reversed(found[0]["input"].split()))


def test_the_run_tells_its_versions_and_where_its_values_came_from(trained):
    versions = json.loads((trained / "environment.json").read_text())
    assert versions["lamcore"] == lamcore.__version__ and versions["lamcore-toy"] == "1.0"
    assert {"python", "torch", "datasets", "tokenizers", "lamcore-transformer"} <= set(versions)
    origins = json.loads((trained / "provenance.json").read_text())
    assert origins["trainer.steps"] == "override trainer.steps=12"
    assert origins["source.train"] == "default of lamcore-toy:toy 1.0"
    assert yaml.safe_load((trained / "config.yaml").read_text())["trainer"]["steps"] == 12


def test_the_model_folder_says_what_it_is(trained):
    card = (trained / "model" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: lamcore\n---\n# `toy`\n") and "`backwards`" in card
    assert "Intended use: not stated\n\nLimits: not stated\n" in card
    config = json.loads((trained / "model" / "config.json").read_text())
    assert config["architecture"]["name"] == "transformer" and config["architecture"]["width"] == 32


def test_the_end_of_a_run_shows_scores_answers_and_the_commands_to_go_on_with(trained):
    shown = (trained.parent / "out.txt").read_text(encoding="utf-8")
    assert "95 % interval" in shown and "reference" in shown
    rows = [line.split()[:2] for line in shown.splitlines()]
    assert ["validation", "same"] in rows and ["test", "same"] in rows
    assert 'lam predict run "TEXT"' in shown and "\nThe run is in run. Go on with:" in shown and "\\x" not in shown


def test_a_run_learns_what_can_be_learnt(toy, tmp_path, echo, monkeypatch):
    monkeypatch.setenv("LAMCORE_QUIET", "1")
    run = lamcore.train(*echo, "trainer.steps=20", "trainer.lr=0.1", folder=tmp_path / "run")
    values = [line["validation"]["loss"] for line in lines(run.folder / "log.jsonl") if "validation" in line]
    assert len(values) == 10 and values == sorted(values, reverse=True) and values[-1] < values[0] / 3


def test_train_from_python_gives_the_folder_and_the_scores(toy, tmp_path, echo, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAMCORE_QUIET", "1")
    run = lamcore.train(*echo)
    assert run.folder.parent == Path("runs/echo") and (run.folder / "scores.json").is_file()
    assert (
        run.scores["test"]["same"]["value"]
        == json.loads((run.folder / "scores.json").read_text())["test"]["same"]["value"]
    )
    answers = lamcore.load(run.folder).predict(["moon sun", {"input": "cat", "id": "mine"}])
    assert [answer["target"] for answer in answers] == ["moon sun", "cat"]


def test_train_from_python_refuses_what_the_command_refuses(toy, echo):
    with pytest.raises(LamcoreError, match="^No setting is called 'trainer.stepz'. Did you mean 'trainer.steps'"):
        lamcore.train(*echo, "trainer.stepz=3")


@pytest.mark.full
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(quick, tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert quick(f"seed={seed}", folder=folder).code == 0
    a, b, c = (outcome(tmp_path / "here" / name) for name in "abc")
    assert a == b and a["model"] != c["model"]


def test_preparation_is_reported_into_the_folder(quick, tmp_path):
    assert quick("preprocessors=[only]", "preprocessors.only.most=15").code == 0
    report = json.loads((tmp_path / "here" / "run" / "preparation.json").read_text())
    assert [step["step"] for step in report["steps"]] == ["source", "only"]
    assert report["steps"][0]["rows"] == {"train": 120, "validation": 12, "test": 12}


def test_answers_climb_back_up_and_are_compared_with_what_the_source_gave(quick, tmp_path, lam):
    ended = quick(
        "preprocessors=[only]", "+preprocessors.again={name: only, mark: ' AGAIN'}", "preprocessors.only.mark=' ONLY'"
    )
    assert ended.code == 0
    first = lines(tmp_path / "here" / "run" / "predictions-test.jsonl")[0]
    assert first["answer"]["target"] == first["input"] + " AGAIN ONLY"
    assert lam("predict", "run", "cat").out == "cat AGAIN ONLY\n"


def put_rows(name, *texts):
    """Write records whose target is their input, but for those with a *."""
    rows = [{"input": text.strip("*"), "target": text} for text in texts]
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_overlap_of_given_splits_is_scored_with_and_without(quick, tmp_path):
    put_rows("train.jsonl", *(f"a {n}" for n in range(30)), "A x", "bad*")
    put_rows("validation.jsonl", "b 1")
    put_rows("test.jsonl", "a 1", "b 2", "A 2", "b*")
    files = [f"source.{split}={split}.jsonl" for split in ("train", "validation", "test")]
    assert quick("source=jsonl", *files, "metrics=[same]").code == 0
    scores = json.loads((tmp_path / "here" / "run" / "scores.json").read_text())
    assert {split: score["same"]["value"] for split, score in scores.items()} == {
        "validation": 1.0,
        "test": 0.75,
        "test without 2 seen": 0.5,
    }
    assert json.loads((tmp_path / "here" / "run" / "preparation.json").read_text())["overlap"] == {"test": 2}


def test_a_sweep_over_two_values_makes_two_runs(quick, tmp_path):
    assert quick("trainer.lr=0.1,0.2", "hydra.sweep.dir=sweep", "--multirun").code == 0
    runs = sorted((tmp_path / "here" / "sweep").glob("*/config.yaml"))
    assert [path.parent.name for path in runs] == ["0", "1"]
    assert [yaml.safe_load(path.read_text())["trainer"]["lr"] for path in runs] == [0.1, 0.2]
    assert all((path.parent / "scores.json").is_file() for path in runs)


def test_flags_may_stand_anywhere(quick, tmp_path):
    assert quick("--multirun", "hydra.sweep.dir=sweep", "trainer.lr=0.1").code == 0
    assert (tmp_path / "here" / "sweep" / "0" / "scores.json").is_file()


def test_hydra_shows_a_job_without_running_it(quick, tmp_path):
    ended = quick("--cfg", "job")
    assert ended.code == 0 and yaml.safe_load(ended.out)["trainer"]["steps"] == 6
    assert not (tmp_path / "here" / "run").exists()


# Interruptions ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uninterrupted(trained):
    return outcome(trained)


@pytest.mark.parametrize(
    ("signal", "code"),
    [
        ("SIGINT@log-6", 75),
        pytest.param("SIGTERM@log-10", 75, marks=pytest.mark.full),
        pytest.param("SIGKILL@log-6", -9, marks=pytest.mark.full),
        pytest.param("SIGKILL@save-8", -9, marks=pytest.mark.full),
    ],
)
def test_a_run_that_was_stopped_and_resumed_equals_one_that_was_not(
    signal, code, tmp_path, site, run_lam, toy_run, uninterrupted, toy, lam
):
    words = ["train", *toy_run, f"hydra.run.dir={tmp_path / 'run'}"]
    ended = run_lam(*words, cwd=tmp_path, site=site, LAMCORE_TEST_SIGNAL=signal, LAMCORE_QUIET="1")
    assert ended.code == code, ended.err
    assert not (tmp_path / "run" / "model").exists()
    if code == 75:
        assert ended.err.splitlines()[-1] == f"lam: Interrupted. Go on with: lam resume {tmp_path / 'run'}"
        assert (tmp_path / "run" / "checkpoints" / f"step-{int(signal[-2:].strip('-')):08d}").is_dir()
    done = lam("resume", str(tmp_path / "run"))
    assert done.code == 0, done.err
    assert outcome(tmp_path / "run") == uninterrupted
    assert not list((tmp_path / "run").rglob(".tmp-*"))


@pytest.mark.full
def test_a_run_that_is_stopped_before_the_next_stage_of_a_mix_goes_on_with_it(tmp_path, echo, toy, lam, monkeypatch):
    sources = "source.components={few: {name: backwards, train: 40}, many: {name: backwards, train: 80, held_out: 13}}"
    stages = "source.stages={begin: {weights: {few: 1}}, then: {epoch: 1, weights: {few: 1, many: 2}}}"
    words = [word for word in echo if word != "source=backwards"]
    words = ["train", *words, "source=mix", f"+{sources}", f"+{stages}", "source.held_out=[few]"]
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert lam(*words, f"hydra.run.dir={whole}").code == 0
    monkeypatch.setenv("LAMCORE_TEST_SIGNAL", "SIGINT@log-2")
    assert lam(*words, f"hydra.run.dir={run}").code == 75
    monkeypatch.delenv("LAMCORE_TEST_SIGNAL")
    assert lam("resume", str(run)).code == 0
    assert [one["epoch"] for one in timeless(run / "log.jsonl") if "epoch" in one][1:3] == [0, 1]
    assert timeless(run / "log.jsonl") == timeless(whole / "log.jsonl")
    for file in ("model/model.safetensors", "checkpoints/step-00000006/tensors.safetensors"):
        assert (run / file).read_bytes() == (whole / file).read_bytes()


def test_a_damaged_newest_checkpoint_is_set_aside_and_the_one_before_it_used(copy, toy, lam, uninterrupted, caplog):
    shutil.rmtree(copy / "model")
    newest = copy / "checkpoints" / "step-00000012"
    data = bytearray((newest / "tensors.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (newest / "tensors.safetensors").write_bytes(bytes(data))
    done = lam("resume", str(copy))
    assert done.code == 0, done.err
    assert f"{newest / 'tensors.safetensors'} is damaged" in caplog.text
    assert "It was set aside as damaged-0-step-00000012; step-00000008 is used." in caplog.text
    assert outcome(copy) == uninterrupted


def test_without_any_whole_checkpoint_a_run_ends_with_five(quick, tmp_path, lam):
    assert quick().code == 0
    run = tmp_path / "here" / "run"
    shutil.rmtree(run / "model")
    for path in (run / "checkpoints").glob("step-*/state.json"):
        path.write_text("{")
    ended = lam("resume", "run")
    assert ended.code == 5 and "holds no checkpoint that is whole" in ended.err


def test_ctrl_c_while_data_are_prepared_can_be_gone_on_from(quick, tmp_path, lam, monkeypatch):
    ended = quick("preprocessors=[only]", "preprocessors.only.kill=SIGINT")
    assert (ended.code, ended.err.strip()) == (75, "lam: Interrupted.")
    config = tmp_path / "here" / "run" / "config.yaml"
    config.write_text(config.read_text().replace("SIGINT", "''"))
    assert lam("resume", "run").code == 0
    assert (tmp_path / "here" / "run" / "scores.json").is_file()


def test_ctrl_c_at_the_start_leaves_a_run_that_can_be_gone_on_with(quick, lam, monkeypatch):
    monkeypatch.setenv("LAMCORE_TEST_SIGNAL", "SIGINT@start")
    assert quick().code == 75
    monkeypatch.delenv("LAMCORE_TEST_SIGNAL")
    assert lam("resume", "run").code == 0


def test_resuming_a_finished_run_changes_nothing(quick, tmp_path, lam):
    quick()
    run = tmp_path / "here" / "run"
    before = outcome(run)
    assert lam("resume", "run").code == 0
    assert outcome(run) == before


def test_what_is_missing_of_a_finished_run_is_made_again(quick, tmp_path, lam):
    quick()
    run = tmp_path / "here" / "run"
    before = outcome(run)
    shutil.rmtree(run / "model")
    (run / "scores.json").unlink()
    assert lam("resume", "run").code == 0 and outcome(run) == before


def test_a_folder_that_holds_a_run_is_not_trained_into(quick, tmp_path):
    quick()
    ended, run = quick(), tmp_path / "here" / "run"
    assert (ended.code, ended.err) == (2, f"lam: {run} holds a run already. Go on with it by: lam resume {run}\n")


def test_a_run_that_was_refused_before_anything_was_made_may_be_put_right_in_its_folder(quick, tmp_path):
    assert quick("monitor=nothing", "tokenizer.kind=byte_bpe").code == 2
    assert quick().code == 0
    assert '"byte_bpe"' not in (tmp_path / "here" / "run" / "config.yaml").read_text(encoding="utf-8")


def test_a_vocabulary_that_is_of_no_run_is_not_removed(quick, tmp_path):
    own = tmp_path / "here" / "run" / "vocabulary" / "words.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine", encoding="utf-8")
    assert quick().code == 2 and own.read_text(encoding="utf-8") == "mine"


def test_a_config_that_is_of_no_run_is_not_written_over(quick, tmp_path):
    own = tmp_path / "here" / "run" / "config.yaml"
    own.parent.mkdir()
    own.write_text("mine: 1\n", encoding="utf-8")
    ended = quick()
    assert ended.code == 2 and "holds a run already" in ended.err and own.read_text(encoding="utf-8") == "mine: 1\n"


def test_a_run_that_is_being_written_is_in_use(quick, lam, tmp_path):
    with locked(tmp_path / "here" / "run"):
        ended = quick()
        assert ended.code == 4 and f"/run is in use by process {os.getpid()} on " in ended.err
        assert ended.err.count("\n") == 1
    quick()
    with locked(tmp_path / "here" / "run"):
        assert (lam("resume", "run").code, lam("evaluate", "run").code) == (4, 4)


@pytest.mark.full
def test_a_full_disk_ends_with_six_and_the_run_goes_on_when_there_is_room(tmp_path, site, echo, toy, lam):
    """A real error of the kernel, under a limit on file sizes that only the checkpoints exceed."""
    code = (
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "from lamcore.cli import main\nmain()"
    )
    words = [*echo, "architecture.numbers=100000", f"hydra.run.dir={tmp_path / 'run'}"]
    env = {**os.environ, "PYTHONPATH": str(site), "LAMCORE_QUIET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, "train", *words], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 6, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last == f"lam: {tmp_path / 'run' / 'checkpoints'}: File too large. Free some space, then go on."
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []
    assert lam("resume", str(tmp_path / "run")).code == 0 and (tmp_path / "run" / "scores.json").is_file()


def test_a_loss_that_is_not_a_number_ends_with_three_and_the_last_good_checkpoint_stays(quick, tmp_path, lam):
    ended = quick("architecture.nan_at=6")  # the rehearsal is the first call, so step 5
    assert ended.code == 3 and "Update 5: the loss is nan, at records train-" in ended.err
    steps = sorted(path.name for path in (tmp_path / "here" / "run" / "checkpoints").glob("step-*"))
    assert steps == ["step-00000002", "step-00000004"]
    assert not (tmp_path / "here" / "run" / "model").exists()
    assert "NaN" not in (tmp_path / "here" / "run" / "log.jsonl").read_text()


def test_a_misspelt_monitor_costs_a_second_and_not_a_night(quick, tmp_path):
    ended = quick("monitor=sam")
    assert ended.code == 2
    assert ended.err == "lam: No score to monitor is called 'sam'. Did you mean 'same'? Known: loss, same.\n"
    assert not (tmp_path / "here" / "run" / "checkpoints").exists()


def test_a_metric_as_the_monitor_picks_the_best(quick, tmp_path):
    assert quick("monitor=same").code == 0
    found = [line["validation"] for line in lines(tmp_path / "here" / "run" / "log.jsonl") if "validation" in line]
    assert all(set(one) == {"loss", "same"} for one in found)


# The environment -------------------------------------------------------------------------------------------------


def test_a_value_of_the_environment_is_not_kept_and_is_asked_for_again(quick, tmp_path, lam, monkeypatch):
    monkeypatch.setenv("LAMCORE_TEST_CACHE", str(tmp_path / "secret!"))
    assert quick("cache=${oc.env:LAMCORE_TEST_CACHE}").code == 0
    run = tmp_path / "here" / "run"
    for name in ("config.yaml", "provenance.json", "environment.json", "log.jsonl", "preparation.json"):
        assert "secret!" not in (run / name).read_text(), name
    assert yaml.safe_load((run / "config.yaml").read_text())["cache"] == "${oc.env:LAMCORE_TEST_CACHE}"
    assert lam("resume", "run").code == 0
    monkeypatch.delenv("LAMCORE_TEST_CACHE")
    ended = lam("resume", "run")
    assert ended.code == 2 and "cache needs the environment variable LAMCORE_TEST_CACHE" in ended.err


def test_text_of_the_environment_does_not_go_into_a_model(quick, monkeypatch):
    monkeypatch.setenv("LAMCORE_TEST_MARK", "secret!")
    ended = quick("preprocessors=[only]", "preprocessors.only.mark=${oc.env:LAMCORE_TEST_MARK}")
    assert ended.code == 2 and "preprocessors takes text from the environment" in ended.err
    assert "secret!" not in ended.err


def test_a_locked_run_is_trained_anew_beside_it_unless_versions_differ(quick, lam, tmp_path):
    assert quick().code == 0
    run = tmp_path / "here" / "run"
    assert lam("train", "--locked", "run").code == 0
    weights = "model/model.safetensors"
    assert (tmp_path / "here" / "run-2" / weights).read_bytes() == (run / weights).read_bytes()
    used = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps({**used, "torch": "0.4", "lamcore-gone": "1"}))
    ended = lam("train", "--locked", "run")
    assert ended.code == 1 and "torch 0.4 -> " in ended.err and "lamcore-gone 1 -> not there" in ended.err
    assert not (tmp_path / "here" / "run-3").exists()


def test_a_dry_run_says_what_a_run_would_take_and_leaves_nothing(quick, tmp_path):
    before = set((tmp_path / "here").rglob("*"))
    assert quick("--dry-run").code == 0
    assert {path for path in (tmp_path / "here").rglob("*") if "cache" not in str(path)} <= before


def test_a_number_from_the_environment_is_a_number_when_the_run_goes_on(quick, lam, monkeypatch):
    monkeypatch.setenv("LAMCORE_TEST_MOST", "40")
    Path("conf/experiment").mkdir(parents=True)
    Path("conf/experiment/mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /preprocessors: [only]\n"
        "preprocessors:\n  only:\n    most: ${oc.decode:${oc.env:LAMCORE_TEST_MOST}}\n"
    )
    ended = quick("experiment=mine")
    assert ended.code == 0, ended.err
    ended = lam("resume", "run")
    assert ended.code == 0, ended.err


# Evaluate --------------------------------------------------------------------------------------------------------


def test_scoring_again_gives_the_same_scores(copy, toy, lam):
    before = (copy / "scores.json").read_bytes()
    shown = json.loads(lam("evaluate", str(copy), "--json").out)
    assert shown == json.loads(before) and (copy / "scores.json").read_bytes() == before


EVALUATION = """
import click

from lamcore import hookimpl


@click.command("first")
@click.option("--first", type=int, help="Show the first records.")
def first(registry, run, as_json, first):
    names = sorted(registry.evaluations)
    answers = run.trained.predict(run.data.raw["test"][:first]["input"])
    click.echo(f"{names} {as_json} {len(answers)}")


@hookimpl
def register_evaluations(register):
    register("first", first)
"""


def test_a_plugins_evaluation_works_instead_of_the_core_where_its_option_is_given(copy, toy, make_plugin, lam):
    make_plugin("first", EVALUATION)
    shown = lam("evaluate", str(copy), "--first", "2", "--json").out
    assert "'first'" in shown and shown.endswith("] True 2\n")
    assert "Show the first records." in lam("evaluate", "--help").out
    scores = json.loads((copy / "scores.json").read_text(encoding="utf-8"))
    assert json.loads(lam("evaluate", str(copy), "--json").out) == scores


def test_an_evaluation_that_is_no_click_command_is_refused(make_plugin, lam, caplog):
    make_plugin("odd", EVALUATION.replace('"first", first)', '"first", len)'))
    lam("plugins")
    assert "lamcore-odd:odd is broken: TypeError: 'first' is no click command" in caplog.text


def test_scoring_with_other_decoding_writes_nothing(quick, tmp_path, lam):
    quick()
    run = tmp_path / "here" / "run"
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    cut = json.loads(lam("evaluate", "run", "--decoding", "max_length=1", "--json").out)
    assert cut["test"]["same"]["value"] == 0.0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_mistakes_in_decoding_are_told(quick, lam):
    quick()
    for words, told in (
        (["beem=2"], "No setting is called 'decoding.beem'. Did you mean 'decoding.beam'?"),
        (["beam=two"], "decoding.beam must be a whole number, not 'two'."),
        (["beam=0"], "decoding: beam, n_best, max_length and batch_tokens must be 1 or more"),
        (["beam"], "--decoding beam: write KEY=VALUE, such as beam=5."),
    ):
        for verb in (["evaluate", "run"], ["predict", "run", "cat"]):
            ended = lam(*verb, "--decoding", *words)
            assert ended.code == 2 and ended.err.startswith(f"lam: {told}"), ended.err


# Predict ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def echoing(tmp_path_factory, run_lam, site, echo):
    """Give the folder of a run that answers with its input; never write into it."""
    folder = tmp_path_factory.mktemp("echoing")
    done = run_lam("train", *echo, "hydra.run.dir=run", cwd=folder, site=site)
    assert done.code == 0, done.err
    return folder / "run"


@pytest.fixture
def ready(toy, lam, echoing):
    """Give `lam` in a folder whose `run` answers with its input."""
    shutil.copytree(echoing, "run")
    return lam


def test_a_text_is_answered(ready):
    assert ready("predict", "run", "cat dog").out == "cat dog\n"
    assert json.loads(ready("predict", "run", "cat dog", "--json").out) == {"target": "cat dog"}
    assert ready("predict", "run/model", "sun").out == "sun\n"


def test_a_file_is_answered_line_by_line(ready):
    Path("in.txt").write_bytes(b"cat\r\n\nsun moon\ntree")
    assert ready("predict", "run", "--in", "in.txt").out == "cat\n\nsun moon\ntree\n"
    assert ready("predict", "run", "--in", "in.txt", "--out", "out.txt").out == ""
    assert Path("out.txt").read_bytes() == b"cat\n\nsun moon\ntree\n"


def test_records_are_answered_from_json_lines(ready):
    Path("in.jsonl").write_text('{"input": "cat", "id": 7}\n"dog"\n{"input": "sun", "target": "unused"}\n')
    ended = ready("predict", "run", "--in", "in.jsonl", "--json")
    assert [json.loads(line) for line in ended.out.splitlines()] == [{"target": t} for t in ("cat", "dog", "sun")]


def test_standard_input_is_answered(trained, tmp_path, site, run_lam):
    ended = run_lam("predict", str(trained), cwd=tmp_path, site=site, stdin="cat dog\nsun\n")
    assert ended.code == 0 and len(ended.out.splitlines()) == 2 and ended.err == ""


def test_answers_come_in_the_order_of_their_inputs_whatever_their_length(ready):
    texts = [" ".join(["cat", "dog", "sun"] * (n % 7 + 1)) for n in range(50)]
    Path("in.txt").write_text("\n".join(texts) + "\n")
    ended = ready("predict", "run", "--in", "in.txt", "--decoding", "batch_tokens=100")
    assert ended.out.splitlines() == texts


def test_an_empty_file_gets_no_answer(ready):
    Path("in.txt").write_text("")
    ended = ready("predict", "run", "--in", "in.txt")
    assert (ended.code, ended.out) == (0, "")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("none.txt", None, "none.txt can't be read: No such file or directory."),
        ("bad.txt", b"cat\n\xff\n", "bad.txt:2: "),
        ("bad.jsonl", b'{"input": "cat"}\n{"input"\n', "bad.jsonl:2: "),
        ("number.jsonl", b'{"input": "cat"}\n3\n', "Input 1 must be text or a record, not 3."),
        ("list.jsonl", b'["cat"]\n', "Input 0 must be text or a record, not ['cat']."),
        ("lacks.jsonl", b'{"id": "x7", "text": "cat"}\n', "'x7' lacks the column 'input'"),
        ("later.jsonl", b'{"input": "cat"}\n{"id": "x7", "text": "cat"}\n', "'x7' lacks the column 'input'"),
        ("type.jsonl", b'{"input": 5, "id": "x7"}\n', "Record 'x7': input must be text, not 5."),
    ],
)
def test_a_bad_input_to_predict_is_one_line_that_says_where(ready, name, content, told):
    if content is not None:
        Path(name).write_bytes(content)
    ended = ready("predict", "run", "--in", name, "--out", "out.txt")
    assert ended.code == 2 and told in ended.err and ended.err.count("\n") == 1, ended.err
    assert not Path("out.txt").exists() and not list(Path().glob(".tmp-*"))


def test_answers_are_not_written_over_what_is_asked(ready):
    Path("io.txt").write_text("cat\n", encoding="utf-8")
    ended = ready("predict", "run", "--in", "io.txt", "--out", "io.txt")
    assert (ended.code, ended.err) == (2, "lam: --out io.txt is the file of --in: give it a name of its own.\n")
    assert Path("io.txt").read_text(encoding="utf-8") == "cat\n"


def test_an_output_that_cannot_be_written_is_told(ready):
    ended = ready("predict", "run", "cat", "--out", "nowhere/out.txt")
    assert ended.code == 2 and "nowhere" in ended.err and ended.err.count("\n") == 1


def test_control_characters_of_an_answer_are_written_out_on_a_terminal_and_kept_in_json(ready):
    """The echo knows no such character, so what it can't know is no character at all."""
    shown = ready("predict", "run", "cat\x1b[31m").out
    assert "\x1b" not in shown


def test_a_folder_that_is_no_run_is_told(ready, lam):
    Path("empty").mkdir()
    for words in (["predict", "empty", "x"], ["evaluate", "empty"], ["resume", "empty"], ["predict", "none", "x"]):
        ended = lam(*words)
        assert ended.code == 2 and f"{words[1]} is no run" in ended.err, ended.err
    assert list(Path("empty").iterdir()) == [] and not Path("none").exists()


def test_a_run_that_is_not_finished_cannot_answer_yet(ready, lam):
    shutil.rmtree("run/model")
    ended = lam("predict", "run", "x")
    assert ended.code == 2 and "finished" in ended.err


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "harm",
    [
        lambda model: flip(model / "model.safetensors"),
        lambda model: (model / "model.safetensors").write_bytes(b""),
        lambda model: (model / "model.safetensors").unlink(),
        lambda model: flip(model / "config.json"),
        lambda model: (model / "config.json").unlink(),
        lambda model: (model / "tokenizer.json").unlink(),
        lambda model: (model / "labels.json").write_text("{}x"),
        lambda model: (model / "manifest.json").unlink(),
        lambda model: (model / "manifest.json").write_text("null"),
    ],
    ids=["bit", "empty", "no weights", "config bit", "no config", "no tokenizer", "labels", "no manifest", "null"],
)
def test_a_damaged_model_folder_ends_with_five(ready, harm):
    harm(Path("run/model"))
    for words in (["predict", "run", "cat"], ["evaluate", "run"]):
        ended = ready(*words)
        assert ended.code == 5 and ended.err.count("\n") == 1 and "run/model" in ended.err, (ended.code, ended.err)


def remake(folder, name, change):
    """Change a JSON file of a model folder and its manifest with it, as someone with bad intent would."""
    from lamcore.store import _entry

    path = folder / name
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = _entry(path)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (lambda c: {**c, "format": 99}, 5, "it has format 99, and this lamcore reads 1"),
        (
            lambda c: {k: v for k, v in c.items() if k != "architecture"},
            2,
            "run/model can't be used as a model: architecture must be set",
        ),
        (lambda c: {k: v for k, v in c.items() if k != "empty"}, 2, "empty must be set"),
        (lambda c: [c], 5, "run/model can't be used as a model: "),
        (lambda c: {**c, "architecture": {"name": "eco"}}, 2, "No architecture is called 'eco'. Did you mean 'echo'?"),
        (lambda c: {**c, "architecture": {"_target_": "os.system", "name": "echo"}}, 2, "architecture._target_"),
        (
            lambda c: {**c, "architecture": {**c["architecture"], "numbers": 5}},
            5,
            "weight is ('F32', [4]) in its weights, ('F32', [5]) in",
        ),
    ],
    ids=["format", "no architecture", "no empty", "a list", "unknown", "code", "other shape"],
)
def test_a_model_folder_made_to_deceive_is_refused(ready, change, code, told):
    remake(Path("run/model"), "config.json", change)
    ended = ready("predict", "run", "cat")
    assert (ended.code, ended.err.count("\n")) == (code, 1) and told in ended.err, (ended.code, ended.err)


def test_weights_that_are_no_safetensors_are_refused(ready):
    from lamcore.store import _entry

    model = Path("run/model")
    (model / "model.safetensors").write_bytes(b"\x80\x04cos\nsystem\n")
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["files"]["model.safetensors"] = _entry(model / "model.safetensors")
    (model / "manifest.json").write_text(json.dumps(manifest))
    ended = ready("predict", "run", "cat")
    assert ended.code == 5 and "run/model can't be used as a model: JSONDecodeError" in ended.err


def test_a_damaged_config_of_a_run_is_told(ready):
    for text, code in (("name: [", 2), ("3", 2), ("name: run\n", 2)):
        Path("run/config.yaml").write_text(text)
        ended = ready("resume", "run")
        assert ended.code in (code, 5) and ended.err.count("\n") == 1, ended.err


def test_a_model_folder_can_be_carried_away(ready, tmp_path):
    shutil.move("run/model", tmp_path / "elsewhere")
    shutil.rmtree("run")
    assert ready("predict", str(tmp_path / "elsewhere"), "cat").out == "cat\n"


def test_answering_and_scoring_import_no_hydra(trained, tmp_path, site):
    code = (
        "import sys\nfrom lamcore import load\n"
        f"print(len(load({str(trained)!r}).predict(['cat', 'dog'])))\n"
        "print(sorted({'hydra', 'omegaconf'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["2", "[]"], done.stderr


# What is shown ---------------------------------------------------------------------------------------------------


def test_hostile_text_reaches_no_terminal_raw(toy, lam, echo):
    hostile = "\x1b]0;owned\x07\x1b[2J [/x] :smile: ‮"
    rows = [{"input": f"{n} {hostile}", "target": f"{n} {hostile}"} for n in range(30)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [w for w in echo if not w.startswith("source")]
    ended = lam(
        "train", *words, "source=jsonl", "source.train=rows.jsonl", "source.split=[70,15,15]", "hydra.run.dir=run"
    )
    assert ended.code == 0, ended.err
    for shown in (ended.out, ended.err, lam("predict", "run", hostile).out):
        assert not {c for c in shown if (ord(c) < 32 and c != "\n") or c in "\x7f\x9b‮"}
    assert "[/x] :smile:" in ended.out and "\\x1b]0;owned\\x07" in ended.out
