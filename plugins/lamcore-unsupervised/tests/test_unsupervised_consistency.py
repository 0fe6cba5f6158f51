"""What consistency adds to a loss, by hand, and in whole runs."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset

import lamcore
from lamcore import LamcoreError
from lamcore.make import make
from lamcore.plugins import load_plugins
from lamcore.testing.models import bench
from lamcore_unsupervised import Consistency, Denoise, Side
from lamcore_unsupervised.agreeing import agreeing, divergence
from lamcore_unsupervised.passes import answers_to

EVEN, THREE_TO_ONE = [0.0, 0.0], [math.log(3), 0.0]


def test_the_divergence_is_that_of_the_goal_from_the_scores():
    """KL((3/4, 1/4), (1/2, 1/2)) = 3/4 ln(3/2) + 1/4 ln(1/2) = 0.130812; the other way round 1/2 ln(4/3) = 0.143841."""
    goal, scores = torch.tensor([[THREE_TO_ONE], [EVEN]]), torch.tensor([[EVEN], [THREE_TO_ONE]])
    apart = divergence(goal, scores, torch.tensor([1, 1]), temperature=1.0, confidence=0.0)
    assert apart.tolist() == pytest.approx([0.130812, 0.143841], abs=1e-6)


def test_items_are_summed_and_padding_is_left_out():
    goal = torch.tensor([[THREE_TO_ONE, THREE_TO_ONE, THREE_TO_ONE], [THREE_TO_ONE, EVEN, EVEN]])
    apart = divergence(goal, torch.zeros_like(goal), torch.tensor([2, 1]), 1.0, 0.0)
    assert apart.tolist() == pytest.approx([2 * 0.130812, 0.130812], abs=1e-5)


def test_a_temperature_below_one_sharpens_the_goal():
    """At 0.5 the odds 3 to 1 become 9 to 1: 0.9 ln(1.8) + 0.1 ln(0.2) = 0.368064."""
    apart = divergence(torch.tensor([[THREE_TO_ONE]]), torch.tensor([[EVEN]]), torch.tensor([1]), 0.5, 0.0)
    assert apart.tolist() == pytest.approx([0.368064], abs=1e-6)


def test_only_items_that_the_goal_is_sure_of_count():
    goal, scores = torch.tensor([[THREE_TO_ONE], [EVEN]]), torch.tensor([[EVEN], [THREE_TO_ONE]])
    assert divergence(goal, scores, torch.tensor([1, 1]), 0.5, 0.7).tolist() == pytest.approx([0.368064, 0], abs=1e-6)
    assert divergence(goal, scores, torch.tensor([1, 1]), 0.5, 0.8).tolist() == [0, 0]  # 3/4 is what it was sure of


def test_noise_that_changes_how_many_items_there_are_is_refused():
    with pytest.raises(LamcoreError, match=r"^trainer\.noise changes how many items a record has, here 1 to 2, so"):
        divergence(torch.zeros(1, 1, 2), torch.zeros(1, 2, 2), torch.tensor([1]), 1.0, 0.0)


def test_a_model_without_logits_is_refused():
    settings = Consistency(noise=Denoise())
    what = "^trainer consistency compares scores of answers, and Linear has no logits"
    with pytest.raises(LamcoreError, match=what), agreeing(settings, None, torch.nn.Linear(1, 1), None):
        pass


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"weight": -1}, "^weight must be 0 or more, not -1"),
        ({"temperature": 0}, "^temperature must be more than 0, not 0"),
        ({"confidence": 1}, "^confidence must be 0 .all. or more and less than 1, not 1"),
        ({"steps": -1}, "^steps must be 0 or more, not -1"),  # as supervised
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Consistency(noise=Denoise(), **settings)


# ---- models that read records

CITIES = "Rome Oslo Bern Kyiv Lima Doha".split()
SMALL = {"width": 16, "heads": 2, "feed_forward": 16, "layers": 1}


def made(architecture, settings, records):
    """Return a model that was built for records, as a run and data that hold them, and the batch of all of them."""
    plan = make(load_plugins().find("architecture", architecture), settings)
    built = bench(plan, records, {"kind": "character"})
    run = SimpleNamespace(recipe=SimpleNamespace(architecture=plan), trained=built.trained)
    data = SimpleNamespace(ready={"train": Dataset.from_list(records)})
    return built.model, run, data, {**built.batch(records), "rows": torch.arange(len(records))}


def losses_of(settings, model, run, data, batch):
    with torch.inference_mode(), agreeing(settings, run, model, data):
        return [one.tolist() for one in model.train()(batch)]


def commands(labelled):
    texts = [f"fly me to {city} in May" for city in CITIES] + [f"what is the weather in {city}" for city in CITIES]
    return [
        {"id": str(n), "input": text, "intent": text.split()[0] if n % 6 < labelled else ""}
        for n, text in enumerate(texts)
    ]


def test_a_blank_label_is_no_class_and_its_record_has_its_consistency_alone():
    model, *rest = made("classifier", {"encoder": {**SMALL, "buckets": 50}, "label_smoothing": 0}, commands(labelled=3))
    assert model.classes == ["fly", "what"]
    own, counts = losses_of(Consistency(noise=Denoise(), weight=0), model, *rest)
    assert [loss > 0 for loss in own] == 2 * [True, True, True, False, False, False]
    assert counts == 12 * [1]
    torch.manual_seed(1)
    noise = Denoise(clean=Side.input, rate=0.5)
    once, _ = losses_of(Consistency(noise=noise, weight=1), model, *rest)
    torch.manual_seed(1)
    twice, _ = losses_of(Consistency(noise=noise, weight=2), model, *rest)
    assert all(loss > 0 for loss in once)
    assert twice[3:6] == pytest.approx([2 * loss for loss in once[3:6]], rel=1e-3)


def test_a_model_that_writes_text_compares_its_own_answer_where_there_is_none():
    records = [
        {"id": str(n), "input": f"fly to {city}", "target": city.lower() if n < 3 else ""}
        for n, city in enumerate(CITIES)
    ]
    model, run, data, batch = made("transformer", {**SMALL, "dropout": 0, "label_smoothing": 0}, records)
    torch.manual_seed(1)
    losses, counts = losses_of(Consistency(noise=Denoise(clean=Side.input, rate=0)), model, run, data, batch)
    assert losses[:3] == pytest.approx(model(batch)[0].tolist()[:3], rel=1e-3)  # a copy without noise adds nothing
    assert losses[3:] == pytest.approx([0, 0, 0], abs=1e-3)
    answers = [answer["target"] for answer in answers_to(records, run, model)]
    texts = [record["target"] or answer for record, answer in zip(records, answers, strict=True)]
    assert counts == [len(ids) + 1 for ids in run.trained.tokenizer["target"].encode(texts)]  # and the end mark


@pytest.mark.full
def test_a_model_learns_to_answer_noised_copies_as_it_answers_the_records(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for split, rows in {"train": commands(labelled=3), "validation": commands(labelled=6)}.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    words = [
        "source=jsonl", "source.train=train.jsonl", "source.validation=validation.jsonl", "device=cpu", "metrics=[]",
        "preprocessors=[]", "tokenizer.kind=character", "architecture=classifier", "architecture.encoder.width=16",
        "architecture.encoder.feed_forward=16", "architecture.encoder.heads=2", "architecture.encoder.buckets=50",
        "architecture.encoder.dropout=0", "architecture.encoder.word_dropout=0", "architecture.label_smoothing=0",
        "trainer=consistency", "trainer.noise={name: drop_words, rate: 0.5, records: 1}", "trainer.warmup=2",
        "trainer.lr=1e-2", "trainer.log_every=1", "trainer.steps=60", "trainer.validate_every=30",
    ]  # fmt: skip
    run = lamcore.train(*words, folder=tmp_path / "run")
    log = (run.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [line["loss"] for line in map(json.loads, log) if "loss" in line]
    assert losses[-1] < losses[0] / 3
    assert [answer["intent"] for answer in run.trained.predict(["fly to Bern", "what is it"])] == ["fly", "what"]
