"""What a checkpoint must not bring is refused in one line, and nothing that it brings is run."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from lamcore import Decoding, LamcoreError
from lamcore_hf import HfCausalLm, HfSeq2Seq, Lora
from lamcore_hf.checkpoint import configured, fetch
from lamcore_hf.cutting import Cutter
from lamcore_hf.example import letters, write


@pytest.fixture(scope="module")
def t5(tmp_path_factory):
    return write(tmp_path_factory.mktemp("checkpoint") / "t5", "t5")


@pytest.fixture
def copy(t5, tmp_path):
    return shutil.copytree(t5, tmp_path / "copy")


def set_json(file, *path, value):
    content = json.loads(file.read_text())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(content))


def grown(file, size):
    file.unlink()
    with file.open("wb") as one:
        one.truncate(size)  # takes no room on disk


def weights(file, change):
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def config(*path, value):
    return lambda folder: set_json(folder / "config.json", *path, value=value)


def tokenizer(*path, value):
    return lambda folder: set_json(folder / "tokenizer.json", *path, value=value)


def split(regex):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


def remove(name):
    return lambda folder: (folder / name).unlink()


SPOILT = {
    "has its weights in pytorch_model.bin only, a file that could run code": lambda folder: (
        folder / "model.safetensors"
    ).rename(folder / "pytorch_model.bin"),
    "it has no model.safetensors": remove("model.safetensors"),
    "it has no config.json": remove("config.json"),
    "has no tokenizer.json: save one by transformers'": remove("tokenizer.json"),
    "config.json is no plain file of at most 1048576 bytes": lambda folder: grown(folder / "config.json", 2**20 + 1),
    "tokenizer.json is no plain file of at most 104857600 bytes": lambda folder: grown(
        folder / "tokenizer.json", 100 * 2**20 + 1
    ),
    "knows no model_type 'evil'": config("model_type", value="evil"),
    "a llama is no Seq2SeqLM of one part: hf_seq2seq is for": config("model_type", value="llama"),
    "its weights are quantised": config("quantization_config", value={"bits": 4}),
    "num_layers may be at most 1000, not 1000000000": config("num_layers", value=10**9),
    "is no config of a t5": config("d_model", value="wide"),
    "must be tokens, from 0 to vocab_size=": config("decoder_start_token_id", value=10**6),
    "lacks decoder_start_token_id": config("decoder_start_token_id", value=None),
    "holds an adapter: merge it": lambda folder: (folder / "adapter_config.json").write_text("{}"),
    "its regex '\\(a\\+\\)\\+\\$' is none of those known": tokenizer(
        "pre_tokenizer",
        value={"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False},
    ),
    "its character map has more than 1,048,576 characters": tokenizer(
        "normalizer", value={"type": "Precompiled", "precompiled_charsmap": "A" * (2**20 + 4)}
    ),
    "puts a longer text for a shorter one": tokenizer(
        "normalizer", value={"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    ),
    "its post_processor may be short": tokenizer("post_processor", "single", value=[{"x": "y" * 10_000}]),
    "it has ids up to 1000000": tokenizer("model", "vocab", "a", value=10**6),
    "a piece in it has two ids": tokenizer("added_tokens", 0, "id", value=3),
    "its weights can't be read": lambda folder: os.truncate(folder / "model.safetensors", 1000),
    "lacks weights that its config asks for: decoder.final_layer_norm.weight": lambda folder: weights(
        folder / "model.safetensors", lambda tensors: tensors.pop("decoder.final_layer_norm.weight")
    ),
}


@pytest.mark.parametrize("message", SPOILT)
def test_a_bad_checkpoint_is_refused_in_one_line(copy, message):
    SPOILT[message](copy)
    with pytest.raises(LamcoreError, match=message) as caught:
        HfSeq2Seq(checkpoint=str(copy)).build({}, {})
    assert "\n" not in str(caught.value)


def test_code_beside_a_checkpoint_is_never_run(copy, tmp_path):
    (copy / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nT5 = Config = None\n")
    set_json(
        copy / "config.json", "auto_map", value={"AutoModelForSeq2SeqLM": "modeling.T5", "AutoConfig": "modeling.C"}
    )
    set_json(copy / "config.json", "_attn_implementation", value="somebody/kernels")
    model = HfSeq2Seq(checkpoint=str(copy)).build({}, {})
    assert not (tmp_path / "ran").exists()
    assert model.inner.config._attn_implementation != "somebody/kernels"
    assert "auto_map" not in model.config_json and "somebody" not in model.config_json


def test_a_name_on_the_hub_is_not_looked_up_when_a_model_is_built(monkeypatch, tmp_path):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it reached for the network"))
    with pytest.raises(LamcoreError, match=r"nobody/nothing is no folder, .* \(hf download nobody/nothing\)"):
        HfCausalLm(checkpoint="nobody/nothing").build({}, {})
    with pytest.raises(LamcoreError, match=r"\.\./x is no folder, and can't be had from the hub: "):
        fetch("../x")


def test_decoding_that_needs_a_tokenizer_of_lamcore_is_refused(t5):
    model = HfSeq2Seq(checkpoint=str(t5)).build({}, {})
    batch = model.collate(model.encode([{"id": "a", "input": "x", "target": ""}]))
    for given in ({"copy": ["x"]}, {"constrain": "tools"}):
        with pytest.raises(LamcoreError, match="need a tokenizer of lamcore"):
            model.predict(batch, Decoding(**given))
    with pytest.raises(LamcoreError, match="Record 'a': input must be text, not None"):
        model.encode([{"id": "a", "input": None, "target": ""}])


def test_settings_are_checked():
    for cls, given, message in (
        (HfSeq2Seq, {"checkpoint": ""}, "checkpoint must be set"),
        (HfCausalLm, {"checkpoint": "x", "max_length": 2}, "max_length must be from 8"),
        (HfSeq2Seq, {"checkpoint": "x", "tokenizer_bytes": -1}, "tokenizer_bytes must be 0 or more"),
        (Lora, {"rank": -1}, "rank must be 0"),
        (Lora, {"dropout": 1.0}, "dropout must be at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            cls(**given)


def test_a_model_of_absurd_size_takes_no_time_to_describe():
    given = {"model_type": "marian", "vocab_size": 10, "max_position_embeddings": 10**9, "pad_token_id": 1}
    settings = HfSeq2Seq(checkpoint="", config=json.dumps({**given, "eos_token_id": 0, "decoder_start_token_id": 1}))
    with torch.device("meta"):
        assert sum(p.numel() for p in settings.build({}, {}).parameters()) > 10**11
    with pytest.raises(LamcoreError, match="is no config of a llama"):
        configured({"model_type": "llama", "num_hidden_layers": "many"}, AutoModelForCausalLM, "x")


def test_known_regexes_and_maps_are_taken():
    content = json.loads(letters(begins=True, ends=False).to_str())
    words = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    content["pre_tokenizer"] = split(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|" + words)
    content["normalizer"] = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    cutter = Cutter(json.dumps({"source": content}).encode(), 200)
    assert [cutter.source.id_to_token(i) for i in cutter.ids(["a  b1"])[0]] == ["<s>", "a", " ", "b", "1"]
