"""Runs that begin with what another one learnt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

import lamcore
from lamcore.config import composed
from lamcore.init import NOISE, _grown
from lamcore.plugins import load_plugins
from lamcore.tokenizer import extended, from_file

SIZES = ("architecture.layers=", "architecture.width=", "architecture.heads=", "architecture.feed_forward=")
STILL = ["trainer.steps=1", "trainer.lr=1e-30"]
"""A training that changes no weight that can be seen."""


def words_of(toy_run):
    """Return the words of a run whose architecture and tokenizer are another's."""
    return [word for word in toy_run if not word.startswith((*SIZES, "architecture=", "tokenizer."))]


@pytest.fixture
def begun(toy_run, toy, lam, trained, tmp_path):
    """Give begun(*words): train a run that begins with the trained one, in the folder `begun`."""
    return lambda *more: lam("train", *words_of(toy_run), f"init={trained}", "hydra.run.dir=begun", *more)


def run_in(folder, words, run_lam, site):
    ended = run_lam("train", *words, "hydra.run.dir=begun", cwd=folder, site=site, LAMCORE_QUIET="1")
    assert ended.code == 0, ended.err
    return folder / "begun", ended.err


@pytest.fixture(scope="module")
def same(toy_run, trained, run_lam, site, tmp_path_factory):
    """Give a run that is the trained one once more."""
    words = [*words_of(toy_run), f"init={trained}", *STILL]
    return run_in(tmp_path_factory.mktemp("same"), words, run_lam, site)[0]


@pytest.fixture(scope="module")
def other(toy_run, trained, run_lam, site, tmp_path_factory):
    """Give a run that is the trained one with other settings, and what it said."""
    words = [*words_of(toy_run), f"init={trained}", *STILL, "tokenizer.symbols=['<0>','<1>']", "preprocessors=[only]"]
    settings = [f"architecture.{word}" for word in ("dropout=0.25", "adapter=4", "embeddings=sentences")]
    return run_in(tmp_path_factory.mktemp("other"), [*words, *settings], run_lam, site)


def weights(folder):
    return load_file(folder / "model.safetensors")


def alike(one, other):
    return torch.allclose(one, other, rtol=0, atol=1e-20)


def answers(run):
    lines = (run / "predictions-test.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["answer"]["target"] for line in lines]


def config(run):
    return yaml.safe_load((run / "config.yaml").read_text())


def facts(run):
    return json.loads((run / "vocabulary" / "init.json").read_text())


# What is taken ---------------------------------------------------------------------------------------------------


def test_a_run_begins_with_the_tokenizer_the_settings_and_the_weights_of_another(same, trained):
    assert config(same)["architecture"] == config(trained)["architecture"]
    assert (same / "model" / "tokenizer.json").read_text() == (trained / "model" / "tokenizer.json").read_text()
    old, new = weights(trained / "model"), weights(same / "model")
    assert old.keys() == new.keys() and all(alike(old[name], new[name]) for name in old)
    assert answers(same) == answers(trained)


def test_a_run_says_what_it_began_with(same, trained):
    sha256 = json.loads((trained / "model" / "manifest.json").read_text())["files"]["model.safetensors"]["sha256"]
    assert facts(same) == {"folder": str(trained), "sha256": sha256, "added": {"input": 0, "target": 0}, "fresh": []}
    card = (same / "model" / "README.md").read_text()
    assert f"It began with the weights of `{trained}` (SHA-256 `{sha256}`)." in card
    origins = json.loads((same / "provenance.json").read_text())
    assert origins["architecture.width"] == f"init={trained}"
    assert origins["tokenizer.size"] == f"not used: init={trained}"


def test_what_the_command_line_sets_of_the_architecture_is_kept_and_the_rest_is_the_other_runs(other):
    settings = config(other[0])["architecture"]
    assert [settings[key] for key in ("dropout", "adapter", "width", "layers")] == [0.25, 4, 32, 1]


def test_what_an_experiment_sets_of_the_architecture_counts_only_where_it_sets_init_as_well(
    toy_run, toy, lam, trained, tmp_path
):
    folder = tmp_path / "here" / "conf" / "experiment"
    folder.mkdir(parents=True)
    head = "# @package _global_\narchitecture:\n  dropout: 0.3\n"
    (folder / "plain.yaml").write_text(f"{head}  width: 64\n")
    (folder / "tuned.yaml").write_text(f"{head}init: {trained}\n")

    def settings(*more):
        found = composed(load_plugins(), [*words_of(toy_run), *more]).values["architecture"]
        return found["width"], found["dropout"]

    assert settings("experiment=plain", f"init={trained}") == (32, 0.1)
    assert settings("experiment=tuned") == (32, 0.3)
    assert settings("experiment=plain") == (64, 0.3)


def test_other_preprocessors_than_the_run_had_are_told(other):
    assert "was trained with other preprocessors, or settings of them: none. Here: only." in other[1]


def test_embeddings_that_were_learnt_are_not_begun_anew(other, trained):
    assert config(other[0])["architecture"]["embeddings"] == "sentences"
    old, new = (weights(run / "model")["target_embedding.weight"] for run in (trained, other[0]))
    assert alike(old, new[: len(old)])


@pytest.mark.parametrize("signal", ["SIGKILL@log-2", pytest.param("SIGINT@log-6", marks=pytest.mark.full)])
def test_a_run_goes_on_without_the_one_it_began_with(signal, toy_run, toy, lam, trained, site, run_lam, tmp_path):
    first = Path(shutil.copytree(trained, tmp_path / "first"))
    words = ["train", *words_of(toy_run), f"init={first}", "trainer.lr=1e-2", "trainer.steps=6"]
    assert lam(*words, "hydra.run.dir=whole").code == 0
    run, whole = tmp_path / "run", tmp_path / "here" / "whole"
    stopped = run_lam(*words, f"hydra.run.dir={run}", cwd=tmp_path, site=site, LAMCORE_TEST_SIGNAL=signal)
    assert stopped.code in (75, -9), stopped.err
    shutil.rmtree(first)
    ended = lam("resume", str(run))
    assert ended.code == 0, ended.err
    for file in ("model/model.safetensors", "vocabulary/model.safetensors", "predictions-test.jsonl"):
        assert (run / file).read_bytes() == (whole / file).read_bytes()


# What is added ---------------------------------------------------------------------------------------------------


def test_symbols_that_are_new_become_pieces_after_the_others(other, trained):
    old, new = (from_file(run / "model" / "tokenizer.json") for run in (trained, other[0]))
    (red,) = old.encode(["red"])
    assert new.encode(["red<1><0>"]) == [[*red, old.size + 1, old.size]] and new.decode(new.encode(["red<1>"])) == [
        "red<1>"
    ]
    before, after = (weights(run / "model")["target_embedding.weight"] for run in (trained, other[0]))
    assert after.shape == (before.shape[0] + 2, before.shape[1])
    assert torch.allclose(after[-2:], before.mean(0).expand(2, -1), atol=6 * NOISE * float(before.std(0).max()))
    assert not torch.equal(after[-1], after[-2])
    assert facts(other[0])["added"] == {"input": 2, "target": 2}


def test_an_adapter_begins_without_a_change_to_any_answer(other, trained):
    assert answers(other[0]) == answers(trained)
    fresh = facts(other[0])["fresh"]
    assert "encoder.layers.0.feed_forward.adapter.down.weight" in fresh and len(fresh) == 8


def test_symbols_that_are_there_already_stay_what_they_are(trained):
    one = from_file(trained / "model" / "tokenizer.json")
    made = extended({"input": one, "target": one}, ["<s>", "e"])
    assert made["input"] is made["target"] and made["input"].size == one.size
    assert made["input"].encode(["tree"]) == one.encode(["tree"])


def test_rows_that_are_new_are_the_mean_of_the_old_ones_in_every_dimension():
    torch.manual_seed(1)
    old = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    new = _grown(old, (3, 4))
    assert torch.equal(new[:2, :2], old) and new.shape == (3, 4)
    expected = torch.tensor([[2.0, 2.0], [6.0, 6.0], [4.0, 4.0]])
    assert torch.allclose(new[:, 2:], expected, atol=0.15) and torch.allclose(
        new[2, :2], torch.tensor([3.0, 5.0]), atol=0.15
    )


CLASSIFIER = """source=jsonl source.train=a.jsonl source.validation=a.jsonl metrics=[accuracy] architecture=classifier
architecture.encoder.width=16 architecture.encoder.embedding=16 architecture.encoder.heads=2
architecture.encoder.feed_forward=16 architecture.encoder.buckets=50 tokenizer.kind=character trainer.steps=2
trainer.validate_every=2 device=cpu""".split()


def put_intents(name, *intents):
    rows = [{"input": f"{intent} {thing}", "intent": intent} for intent in intents for thing in ("one", "two", "sea")]
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_labels_that_are_new_become_classes_after_the_others(lam, tmp_path):
    lam("list")
    put_intents("a.jsonl", "open", "close")
    put_intents("b.jsonl", "dim", "open")
    assert lam("train", *CLASSIFIER, "hydra.run.dir=a").code == 0
    words = [
        word.replace("a.jsonl", "b.jsonl") for word in CLASSIFIER if not word.startswith(("architecture.", "token"))
    ]
    ended = lam("train", *words, "init=a", "hydra.run.dir=b", "trainer.lr=1e-30")
    assert ended.code == 0, ended.err
    here = tmp_path / "here"
    assert json.loads((here / "a" / "model" / "labels.json").read_text()) == {"intent": ["close", "open"]}
    assert json.loads((here / "b" / "model" / "labels.json").read_text()) == {"intent": ["close", "open", "dim"]}
    before, after = (weights(here / name / "model") for name in "ab")
    assert after["output.weight"].shape[0] == 3 and after["output.bias"].shape == (3,)
    assert alike(after["output.weight"][:2], before["output.weight"])
    assert lamcore.load(here / "b").predict(["open one"])[0]["intent"] in ("close", "open", "dim")


@pytest.mark.full
def test_new_data_is_mixed_with_a_replay_of_the_old(toy_run, toy, lam, trained, tmp_path):
    parts = "{new: {name: backwards, train: 30, held_out: 13}, old: {name: backwards, train: 60}}"
    mixed = [word for word in words_of(toy_run) if word != "source=backwards"]
    mixed += ["source=mix", f"+source.components={parts}", "+source.weights={new: 3, old: 1}"]
    ended = lam("train", *mixed, f"init={trained}", "hydra.run.dir=mixed", "trainer.steps=2")
    assert ended.code == 0, ended.err
    scores = json.loads((tmp_path / "here" / "mixed" / "scores.json").read_text())
    assert {"validation", "new_test", "old_test"} <= {name.partition(" ")[0] for name in scores}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["init=nowhere"], "init=nowhere is no run with a finished model and no model folder."),
        (["architecture=echo"], "is of the architecture 'transformer', and this config's is 'echo': write"),
        (["architecture.width=64"], "weight [22, 32], and this config's architecture has [22, 64]: leave out settings"),
        (["tokenizer.size=50"], "tokenizer.size can't be set beside init, whose tokenizer is"),
        (["architecture.widht=64"], "No setting is called 'architecture.widht'. Did you mean 'architecture.width'?"),
    ],
    ids=["no folder", "another architecture", "other shapes", "another tokenizer", "misspelt"],
)
def test_what_does_not_fit_is_one_line(words, told, begun):
    ended = begun(*words)
    assert ended.code == 2 and told in ended.err and len(ended.err.strip().splitlines()) == 1


@pytest.mark.full
def test_layers_that_the_new_run_lacks_are_an_error_and_not_dropped(toy_run, toy, lam, begun, tmp_path):
    assert lam("train", *toy_run, "architecture.layers=2", "trainer.steps=1", "hydra.run.dir=deep").code == 0
    ended = begun("init=deep", "architecture.layers=1")
    assert ended.code == 2 and "init=deep has encoder.layers.1." in ended.err and "architecture has none" in ended.err


def test_a_damaged_model_is_one_line_and_exit_code_five(begun, trained, tmp_path):
    copy = Path(shutil.copytree(trained / "model", tmp_path / "copy"))
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "model.safetensors").write_bytes(bytes(data))
    ended = begun(f"init={copy}")
    assert ended.code == 5 and "model.safetensors is damaged" in ended.err
    (copy / "config.json").write_text("[1]")
    ended = begun(f"init={copy}")
    assert ended.code == 5 and "config.json is damaged" in ended.err
