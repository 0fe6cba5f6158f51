"""Losses and answers are those of transformers itself, whatever the batch."""

from __future__ import annotations

import json

import pytest
import torch

from lamcore import Decoding, LamcoreError
from lamcore.model import evaluating
from lamcore_hf import HfCausalLm, HfSeq2Seq
from lamcore_hf.example import write

FAMILIES = ["t5", "marian", "bart", "llama"]
RECORDS = [
    {"id": "a", "input": "open the door", "target": "Tür auf"},
    {"id": "b", "input": "light", "target": "Licht an, bitte"},
    {"id": "c", "input": "", "target": "?"},
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("checkpoints")
    return {family: write(base / family, family) for family in FAMILIES}


@pytest.fixture(scope="module")
def models(folders):
    """Models that were taught a little, so that their answers are no noise."""
    made = {}
    for family, folder in folders.items():
        torch.manual_seed(3)
        model = settings(family, folder).build({}, {})
        batch = model.collate(model.encode(RECORDS))
        optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
        for _ in range(15):
            optimizer.zero_grad()
            model(batch)[0].sum().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        made[family] = model.eval()
    return made


def settings(family, folder, **given):
    return (HfCausalLm if family == "llama" else HfSeq2Seq)(checkpoint=str(folder), **given)


def of_transformers(model, record):
    """Return the inputs of one record as transformers takes them, cut by its own rules."""
    ids = model.cutter.source.encode
    if isinstance(model.settings, HfSeq2Seq):
        return {"input_ids": torch.tensor([ids(record["input"]).ids])}, torch.tensor([ids(record["target"]).ids])
    prompt = ids(record["input"] + "\n").ids
    row = [*prompt, *ids(record["target"], add_special_tokens=False).ids, 1]
    labels = [-100] * len(prompt) + row[len(prompt) :]
    return {"input_ids": torch.tensor([row])}, torch.tensor([labels])


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_are_those_of_transformers(models, family):
    model = models[family]
    with evaluating(model):
        losses, counts = model(model.collate(model.encode(RECORDS)))
        for record, loss, count in zip(RECORDS, losses, counts, strict=True):
            inputs, labels = of_transformers(model, record)
            theirs = model.inner(**inputs, labels=labels).loss
            assert int(count) == int((labels != -100).sum())
            assert torch.allclose(loss / count, theirs, rtol=1e-5, atol=1e-6), (record, loss / count, theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_are_those_of_generate(models, family):
    model = models[family]
    batch = model.collate(model.encode(RECORDS))
    answers = [a["target"] for a in model.predict(batch, Decoding(max_length=16, max_ratio=0))]
    for record, answer in zip(RECORDS, answers, strict=True):
        inputs, labels = of_transformers(model, record)
        if family == "llama":
            inputs["input_ids"] = inputs["input_ids"][:, : int((labels == -100).sum())]
        never = {"suppress_tokens": model.never(), "num_beams": 1, "do_sample": False}
        row = model.inner.generate(**inputs, **never, max_new_tokens=17)[0].tolist()
        row = row[len(inputs["input_ids"][0]) if family == "llama" else 1 :][:16]
        assert model.texts([row[: row.index(1)] if 1 in row else row]) == [answer]
    assert len({*answers}) > 1, answers


@pytest.mark.parametrize("family", ["t5", "marian", "llama"])  # bart's marks before an answer are in no text
def test_a_beam_finds_answers_that_score_as_they_say(models, family):
    model = models[family]
    batch = model.collate(model.encode(RECORDS))
    plain = Decoding(max_length=16, max_ratio=0, length_penalty=0)
    for decoding in (plain, Decoding(beam=3, n_best=2, max_length=16, max_ratio=0, length_penalty=0)):
        for record, answer in zip(RECORDS, model.predict(batch, decoding), strict=True):
            if len(answer["target"]) < 16:
                with evaluating(model):
                    loss = model(model.collate(model.encode([{**record, "target": answer["target"]}])))[0]
                assert answer["score"] == pytest.approx(-float(loss), abs=1e-3)


def test_decoders_learn_only_what_segments_say_and_the_end_after_it(folders):
    model = settings("llama", folders["llama"]).build({}, {})
    segments = [("ab", False), ("cd", True), ("e", False), ("f", True), ("ignored", False)]
    record = {"id": "x", "segments": [{"text": text, "train": train} for text, train in segments]}
    (example,) = model.encode([record])
    read = model.cutter.source.decode(example["tokens"].tolist(), skip_special_tokens=False)
    assert read == "<s>abcdef"
    labels = ["-" if i == -100 else model.cutter.source.id_to_token(int(i)) for i in example["labels"]]
    assert labels == ["-", "-", "c", "d", "</s>", "f", "</s>"]
    assert model.texts([example["prompt"].tolist()]) == ["abcde"]


def test_what_is_too_long_is_cut(folders):
    long = {"id": "x", "input": "a" * 50 + "b", "target": "c" * 50}
    (example,) = settings("t5", folders["t5"], max_length=10).build({}, {}).encode([long])
    assert example["size"] == (10, 10)
    assert example["source"][-1] == example["target"][-1] == 1
    model = settings("llama", folders["llama"], max_length=16).build({}, {})
    (example,) = model.encode([{**long, "target": "cc"}])
    assert model.texts([example["tokens"].tolist()]) == ["a" * 11 + "b\ncc"]
    with pytest.raises(LamcoreError, match="'x': what it trains takes 51 tokens, of at most 16"):
        model.encode([long])


def test_a_special_token_of_a_target_comes_back(folders, tmp_path):
    folder = write(tmp_path, "t5", vocab_size=200)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    number = max(tokenizer["model"]["vocab"].values()) + 1
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "content": "<0>", "id": number})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    model = settings("t5", folder).build({}, {})
    (example,) = model.encode([{"id": "x", "input": "", "target": "a<0> b"}])
    assert number in example["target"] and model.texts([example["target"].tolist()]) == ["a<0> b"]
    assert {*range(number + 1, 200)} <= {*model.never()}  # rows without a piece


def test_examples_of_another_tokenizer_are_refused(folders, tmp_path):
    examples = settings("t5", folders["t5"]).build({}, {}).encode(RECORDS)
    other = write(tmp_path, "t5")
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Lowercase"}
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(LamcoreError, match="the checkpoint has changed since"):
        settings("t5", other).build({}, {}).collate(examples)
