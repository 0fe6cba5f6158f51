"""A `causal_lm` becomes a LlamaForCausalLM: equal logits, equal answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

import lamcore
from lamcore import Decoding, LamcoreError
from lamcore.kinds import Subwords, TokenizerPlan
from lamcore.model import ModelParts, TrainedModel
from lamcore.plugins import load_plugins
from lamcore.tokenizer import learn
from lamcore_export import export, to_llama

WORDS = "red blue green sun moon star cat dog bird one two three".split()
RUN = """name=loud source=jsonl source.train=train.jsonl source.validation=validation.jsonl metrics=[]
architecture=causal_lm architecture.layers=1 architecture.width=32 architecture.heads=4 architecture.feed_forward=64
architecture.dropout=0 tokenizer.kind=byte_bpe tokenizer.size=300 trainer=supervised trainer.steps=60 trainer.warmup=10
trainer.lr=1e-2 trainer.batch_tokens=400 trainer.validate_every=60 device=cpu decoding.max_length=12""".split()


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train a run of seconds; never write into its model folder."""
    here = tmp_path_factory.mktemp("causal")
    for split, numbers in {"train": range(200), "validation": range(200, 210)}.items():
        texts = [" ".join([WORDS[n % 12], WORDS[n // 12 % 12], WORDS[n // 5 % 12]]) for n in numbers]
        lines = [json.dumps({"input": text, "target": text.upper()}) for text in texts]
        (here / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMCORE_CACHE", str(here / "cache"))
        patch.chdir(here)
        return lamcore.train(*RUN, folder=here / "run").folder


def made(registry, **settings) -> TrainedModel:
    """Return a model with random weights."""
    cls = registry.find("architecture", "causal_lm")
    small = {"layers": 2, "width": 32, "feed_forward": 48, "max_length": 40, **settings}
    tokenizer = learn(TokenizerPlan(kind=Subwords.character), {"input": ["the cat sat there"], "target": ["zbdßü"]})
    torch.manual_seed(7)
    parts = ModelParts(cls(**small), {}, Decoding())
    trained = TrainedModel(parts, tokenizer, {}, {"target": ""}, torch.device("cpu")).build()
    for parameter in trained.model.parameters():  # norms too are to differ from 1
        torch.nn.init.normal_(parameter, std=0.3)
    trained.model.eval()
    return trained


@pytest.mark.parametrize(
    "settings", [{}, {"tie": False, "key_value_heads": 1}, {"heads": 2, "key_value_heads": 2, "max_length": 8}]
)
def test_transformers_computes_what_the_architecture_does(settings, registry, tmp_path):
    assert to_llama.write(tmp_path, made(registry, **settings)) < 1e-4


def test_the_folder_is_one_that_servers_of_llama_read(run, registry, tmp_path):
    folder, difference = export.export(registry, run, "huggingface", tmp_path / "out")
    assert difference < 1e-4
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["model_type"] == "llama"
    assert config["num_key_value_heads"] == 2
    names = sorted(file.name for file in folder.iterdir())
    assert {"README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= {*names}


def test_the_code_of_its_readme_answers_as_the_run(run, registry, tmp_path, monkeypatch):
    folder, _ = export.export(registry, run, "huggingface", tmp_path / "out")
    monkeypatch.chdir(folder)
    found: dict = {}
    exec(re.search(r"```python\n(.*?)```", Path("README.md").read_text(), re.S)[1], found)
    texts = ["red sun two", "bird one cat", "moon"]
    answers = found["complete"]([f"{text}<s>" for text in texts], max_new_tokens=12)
    assert answers == [answer["target"] for answer in lamcore.load(run, "cpu").predict(texts)]


@pytest.mark.parametrize("kind", ["torch", "onnx", "ctranslate2"])
def test_another_kind_is_refused_in_one_line(kind, run, registry, tmp_path):
    with pytest.raises(LamcoreError, match=f"--to {kind} is not for the architecture `causal_lm`: use --to huggingfa"):
        export.export(registry, run, kind, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_weights_that_causal_lm_does_not_have_are_named(registry, tmp_path):
    trained = made(registry)
    trained.model.extra = torch.nn.Linear(1, 1)
    with pytest.raises(LamcoreError, match=r"extra.bias, extra.weight are not as `causal_lm` names its weights"):
        to_llama.write(tmp_path, trained)
