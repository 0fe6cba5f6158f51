"""The loss by hand and beside trl's, and whole runs that prefer what was chosen."""

from __future__ import annotations

import copy
import dataclasses
import json
from itertools import islice
from math import log

import pytest
import torch
from datasets import Dataset

import lamcore
from lamcore import LamcoreError
from lamcore.model import evaluating
from lamcore.testing.toy import Intents
from lamcore_preferences import Dpo
from lamcore_preferences.preferring import Pairs, check, dpo_losses

WORDS = "red blue green sun moon star".split()
SMALL = [
    "source=jsonl", "source.train=train.jsonl", "source.validation=validation.jsonl", "device=cpu", "metrics=[]",
    "preprocessors=[take_chosen]", "decoding.max_length=8", "trainer.warmup=2", "trainer.log_every=1",
]  # fmt: skip
NEW = ["tokenizer.kind=character", "architecture.layers=1", "architecture.width=16", "architecture.heads=2"]
NEW += ["architecture.feed_forward=16", "architecture.dropout=0.3", "trainer.steps=2", "trainer.validate_every=2"]
KINDS = ["transformer", pytest.param("causal_lm", marks=pytest.mark.full)]


@pytest.mark.parametrize(
    ("policy", "reference", "beta", "expected"),
    [
        ([-2.0, -3.0], [-2.0, -3.0], 0.1, log(2)),  # as the reference
        ([-1.0, -3.0], [-2.0, -2.0], 0.5, 0.313262),  # chosen 1 up, rejected 1 down: ln(1 + e**-1)
        ([-3.0, -1.0], [-2.0, -2.0], 0.5, 1.313262),  # the other way round: ln(1 + e)
        ([-5.0, -5.0], [-1.0, -3.0], 1.0, 2.126928),  # both went down, the chosen one by 2 more: ln(1 + e**2)
        # what DPOTrainer._compute_loss of trl 1.16.0 gives (loss_type sigmoid):
        ([-12.5, -20.25], [-14.0, -18.0], 0.1, 0.523123),
        ([-30.0, -7.5], [-28.0, -9.0], 0.3, 1.350059),
        ([-4.0, -4.5], [-6.0, -2.0], 1.0, 0.011048),
    ],
)
def test_a_pair_costs_the_surprise_at_the_choice(policy, reference, beta, expected):
    made = dpo_losses(torch.tensor(policy)[:, None], torch.tensor(reference)[:, None], beta)
    assert made.tolist() == pytest.approx([expected], abs=1e-6)


@pytest.fixture(scope="module")
def begin(tmp_path_factory):
    """Return a function that gives the run of a model of a kind, which begins in a folder with some preferences."""
    folder, runs = tmp_path_factory.mktemp("place"), {}
    for split, count in {"train": 36, "validation": 6}.items():
        rows = [
            {"input": WORDS[n % 6], "chosen": WORDS[n % 6].upper(), "rejected": f"{WORDS[n % 6]} {WORDS[n // 6]}"}
            for n in range(count)
        ]
        (folder / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")

    def run(kind):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            runs[kind] = runs.get(kind) or lamcore.train(*SMALL, f"architecture={kind}", *NEW, folder=folder / kind)
        return runs[kind]

    return run


def preference(run):
    """Return how much likelier a model's chosen answers are than its rejected ones: their mean log ratio."""
    records = run.data.ready["validation"].to_list()
    losses = []
    with evaluating(run.model):
        for side in ("chosen", "rejected"):
            batch = run.model.collate(run.model.encode([{**record, "target": record[side]} for record in records]))
            losses.append(float(run.model(batch)[0].mean()))
    return losses[1] - losses[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_learns_to_prefer_what_was_chosen(begin, kind, monkeypatch, tmp_path):
    first = begin(kind)
    monkeypatch.chdir(first.folder.parent)
    words = [f"init={kind}", f"architecture={kind}", "trainer=dpo", "trainer.validate_every=10", "trainer.steps=20"]
    run = lamcore.train(*SMALL, *words, "trainer.lr=1e-2", folder=tmp_path / "run")
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[0] == pytest.approx(log(2), abs=1e-6)  # the reference still, whatever its dropout and smoothing
    assert [line["validation"]["loss"] for line in lines if "validation" in line][-1] < 0.3
    assert preference(run) > preference(first) + 10


def test_a_batch_holds_the_chosen_answers_of_its_records_and_then_their_rejected_ones(begin):
    run = begin("transformer")
    pairs = Pairs(run.data, run.model, "target")
    for split, (where, batch) in {
        "train": next(pairs.train_batches(60)),
        "validation": next(pairs.batches("validation", 60)),
    }.items():
        rows, records = batch["rows"].tolist(), run.data.ready[split]
        assert split == "train" or where.tolist() == rows
        both = [records[row][side] for side in ("chosen", "rejected") for row in rows]
        ids = run.trained.tokenizer["target"].encode(both)
        assert [[i for i in row if i > 3] for row in batch["target"].tolist()] == ids


def test_batches_go_on_where_they_are_told_to(begin):
    run = begin("transformer")
    pairs = Pairs(run.data, run.model, "target")
    rows = [batch["rows"].tolist() for _, batch in islice(pairs.train_batches(60), 5)]
    assert [batch["rows"].tolist() for _, batch in islice(pairs.train_batches(60, start=3), 2)] == rows[3:]
    assert [batch["rows"].tolist() for _, batch in islice(pairs.train_batches(60, rank=1, world=2), 2)] == rows[1:4:2]


def refused(run, told, data=None, **recipe):
    other = copy.copy(run)
    other.recipe = dataclasses.replace(run.recipe, **recipe)
    with pytest.raises(LamcoreError, match=told):
        check(Dpo(), other, data or run.data)


def test_what_would_not_be_read_as_it_stands_is_refused(begin):
    run = begin("transformer")
    check(Dpo(), run, run.data)
    refused(run, "^trainer dpo reads chosen and rejected as they stand: set no augmenters", augmenters={"any": None})
    plan = dataclasses.replace(run.recipe.tokenizer, dropout=0.1)
    refused(run, "^trainer dpo reads chosen and rejected as they stand: set no tokenizer.dropout", tokenizer=plan)
    refused(run, "^trainer dpo compares texts that a model writes, and the archit", architecture=Intents())
    for column, told in {
        "rejected": "^trainer dpo reads the column 'rejected', which the split validation lacks. There are: ",
        "segments": "and the model would read segments instead: leave the step or column out that gives them",
    }.items():
        data, rows = copy.copy(run.data), run.data.ready["validation"]
        changed = rows.remove_columns(column) if column == "rejected" else rows.add_column(column, [""] * len(rows))
        data.ready = {**data.ready, "validation": changed}
        refused(run, told, data)


def test_an_answer_that_is_no_text_is_named(begin):
    run = begin("transformer")
    data = copy.copy(run.data)
    rows = [{**record, "rejected": None} for record in run.data.ready["train"].to_list()]
    data.ready = {**data.ready, "train": Dataset.from_list(rows)}
    with pytest.raises(LamcoreError, match="^Record 'train-[0-9]+': chosen and rejected must be text, not None"):
        next(Pairs(data, run.model, "target").train_batches(60))


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="^beta must be more than 0, not 0"):
        Dpo(beta=0)
    with pytest.raises(ValueError, match="^r_drop must be 0: dpo trains without dropout"):
        Dpo(r_drop=1)
