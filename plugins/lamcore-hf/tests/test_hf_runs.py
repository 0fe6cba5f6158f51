"""Runs that fine-tune small checkpoints: what is learnt, kept, resumed and handed on."""

from __future__ import annotations

import json
import random
import shutil
import types
from dataclasses import dataclass, field

import pytest
import torch
from safetensors.torch import load_file

from lamcore import LamcoreError, Record, Source, hookimpl
from lamcore.commands import load, reopen, resume, start
from lamcore.model import packed
from lamcore.plugins import Plugin, load_plugins
from lamcore.store import commit
from lamcore_hf.example import write

WORDS = ["".join(random.Random(number).choices("abcde", k=2 + number % 4)) for number in range(24)]


@dataclass
class Reversed(Source):
    """Words and how they are read from the end."""

    words: list[str] = field(default_factory=lambda: WORDS)
    """The words."""

    def load(self) -> dict[str, list[Record]]:
        rows = [{"input": word, "target": word[::-1]} for word in self.words]
        return {"train": rows[:16], "validation": rows[16:20], "test": rows[20:]}


class Stop:
    """Interrupts a run at a step."""

    def __init__(self, step):
        self.step = step

    @hookimpl
    def on_log(self, run, step):
        if step == self.step:
            run.stop("interrupted")


@pytest.fixture(scope="module")
def registry():
    return with_stop(-1)


def with_stop(step):
    made = load_plugins()
    module = types.ModuleType("of_tests")

    @hookimpl
    def register_sources(register):
        register("reversed", Reversed)

    module.register_sources = register_sources
    module.on_log = Stop(step).on_log
    made.add(Plugin("of-tests", "of_tests", "0"), module)
    return made


def values(cache, architecture, **trainer):
    supervised = {"name": "supervised", "steps": 12, "warmup": 0, "lr": 3e-3, "validate_every": 6, "log_every": 1}
    return {
        "source": {"name": "reversed"},
        "architecture": architecture,
        "trainer": {**supervised, **trainer},
        "decoding": {"max_length": 8},
        "device": "cpu",
        "cache": str(cache),
    }


def seq2seq(folder, **given):
    return {"name": "hf_seq2seq", "checkpoint": str(folder), **given}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("hf-runs")


@pytest.fixture(scope="module")
def t5(base):
    return write(base / "t5", "t5", dropout_rate=0.1)


@pytest.fixture(scope="module")
def trained(registry, base, t5):
    """A run of the whole model, whose checkpoint is gone."""
    folder, checkpoint = base / "trained", base / "gone"
    shutil.copytree(t5, checkpoint)
    given = values(base / "cache", seq2seq(checkpoint))
    start(registry, given, given, {}, folder)
    shutil.rmtree(checkpoint)
    return folder


LORA = {"lora": {"rank": 2, "alpha": 4.0, "dropout": 0.1, "modules": ["SelfAttention"]}}


@pytest.fixture(scope="module")
def with_lora(registry, base, t5):
    given = values(base / "cache", seq2seq(t5, **LORA))
    start(registry, given, given, {}, base / "with-lora")
    return base / "with-lora"


def validations(run):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().split("\n")[:-1]]
    return [line["validation"]["loss"] for line in lines if "validation" in line]


def test_some_updates_lower_the_loss(trained):
    first, second = validations(trained)
    assert second < first < 6


def test_a_trained_model_needs_its_checkpoint_no_more(trained, registry):
    answered = [json.loads(line) for line in (trained / "predictions-test.jsonl").read_text().split("\n")[:-1]]
    model = load(trained, device="cpu")
    again = model.predict([{"input": line["input"]} for line in answered])
    assert [answer["target"] for answer in again] == [line["answer"]["target"] for line in answered]
    assert sorted(file.name for file in (trained / "model").iterdir()) == [
        "README.md", "config.json", "labels.json", "manifest.json", "model.safetensors"
    ]  # fmt: skip
    settings = json.loads((trained / "model" / "config.json").read_text())["architecture"]
    assert settings["checkpoint"] == "" and "gone" not in (trained / "model" / "config.json").read_text()
    assert reopen(registry, trained, {"beam": 2}).score("test")[0] == {}


def test_a_strangers_model_is_read_as_data(trained, base, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it reached for the network"))
    names = ("README.md", "config.json", "labels.json", "model.safetensors")
    files = {name: (trained / "model" / name).read_bytes() for name in names}
    tensors = load_file(trained / "model" / "model.safetensors")
    tokenizer = tensors["tokenizer"].numpy().tobytes()
    evil = tokenizer.replace(b'"normalizer": null', b'"normalizer": 1 ' + b" " * 2)
    tensors["tokenizer"] = torch.tensor([*evil], dtype=torch.uint8)
    model = load(commit(base / "evil", {**files, "model.safetensors": packed(tensors)}), device="cpu")
    with pytest.raises(LamcoreError, match="The checkpoint's tokenizer can't be used: "):
        model.predict(["ab"])
    for old, new, message in (
        (b'"checkpoint": ""', b'"checkpoint": "nobody/nothing"', "nobody/nothing is no folder"),
        (
            b'"tokenizer_bytes": ',
            b'"tokenizer_bytes": 99',
            r"tokenizer is \('U8', \[\d+\]\) in its weights, \('U8', \[99",
        ),
        (b'\\"num_layers\\": 1', b'\\"num_layers\\": 999', "its architecture has more parameters than its weights"),
        (b'\\"model_type\\": \\"t5\\"', b'\\"model_type\\": \\"evil\\"', "knows no model_type 'evil'"),
    ):
        config = files["config.json"].replace(old, new)
        assert config != files["config.json"]
        folder = commit(base / f"strange-{len(new)}", {**files, "config.json": config})
        with pytest.raises(LamcoreError, match=message):
            load(folder, device="cpu")


def test_a_run_begins_with_the_weights_of_another(trained, registry, base):
    settings = json.loads((trained / "model" / "config.json").read_text())["architecture"]
    given = {**values(base / "cache", settings, steps=1, lr=1e-30), "init": str(trained)}
    start(registry, given, given, {}, base / "begun")
    old, new = (load_file(run / "model" / "model.safetensors") for run in (trained, base / "begun"))
    assert old.keys() == new.keys() and all(torch.allclose(old[name], new[name]) for name in old)


@pytest.mark.parametrize("way", ["trained", "with_lora"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(registry, base, t5, way, request):
    once, twice = request.getfixturevalue(way), base / f"{way}-twice"
    given = values(base / "cache", seq2seq(t5, **(LORA if way == "with_lora" else {})))
    with pytest.raises(LamcoreError, match="Interrupted"):
        start(with_stop(8), given, given, {}, twice)
    resume(registry, twice)
    for file in ("model/model.safetensors", "predictions-test.jsonl"):
        assert (once / file).read_bytes() == (twice / file).read_bytes()
    assert validations(once) == validations(twice)


def test_lora_is_merged_into_the_weights_that_it_was_to_change(with_lora, t5):
    before, after = load_file(t5 / "model.safetensors"), load_file(with_lora / "model" / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[f"inner.{name}"])}
    assert changed == {name for name in before if "SelfAttention" in name and "relative" not in name}
    assert {*after} == {"tokenizer", *(f"inner.{name}" for name in before)}
    for name in changed:
        assert int(torch.linalg.matrix_rank(after[f"inner.{name}"] - before[name], atol=1e-5)) <= 2
    assert load(with_lora, device="cpu").parts.architecture.lora.rank == 0


def test_lora_and_only_of_the_trainer_work_too(registry, base, t5):
    given = values(base / "cache", seq2seq(t5), steps=3, lora={"rank": 2}, only=["layer_norm"])
    start(registry, given, given, {}, base / "trainer")
    before, after = load_file(t5 / "model.safetensors"), load_file(base / "trainer" / "model" / "model.safetensors")
    kept = {name for name in before if torch.equal(before[name], after[f"inner.{name}"])}
    assert kept == {name for name in before if "shared" in name or "relative" in name}  # embeddings, and their head


def test_two_ways_of_lora_at_once_are_refused(registry, base, t5):
    given = values(base / "cache", seq2seq(t5, **LORA), lora={"rank": 2})
    with pytest.raises(LamcoreError, match=r"architecture\.lora is peft's, trainer\.lora .* set one of them"):
        start(registry, given, given, {}, base / "both")
    given = values(base / "cache", seq2seq(t5, lora={"rank": 2, "modules": ["attn"]}))
    with pytest.raises(LamcoreError, match="lora.modules: 'attn' is found in no name; there are encoder.block.0"):
        start(registry, given, given, {}, base / "none")


def test_a_decoder_learns_and_is_handed_on_alike(registry, base):
    given = values(base / "cache", {"name": "hf_causal_lm", "checkpoint": str(write(base / "llama", "llama"))})
    start(registry, given, given, {}, base / "decoder")
    first, second = validations(base / "decoder")
    assert second < first
    shutil.rmtree(base / "llama")
    answered = [json.loads(line) for line in (base / "decoder/predictions-test.jsonl").read_text().split("\n")[:-1]]
    again = load(base / "decoder", device="cpu").predict([line["input"] for line in answered])
    assert [answer["target"] for answer in again] == [line["answer"]["target"] for line in answered]
