"""Whole runs: a teacher, students of it, and teachers that don't fit."""

from __future__ import annotations

import copy
import dataclasses
import json

import pytest
import torch

import lamcore
from lamcore import LamcoreError
from lamcore.kinds import Subwords, TokenizerPlan
from lamcore.plugins import load_plugins
from lamcore.tokenizer import learn
from lamcore_distill import Distill
from lamcore_distill.teaching import load_teacher, taught

WORDS = "red blue green sun moon star".split()
SMALL = [
    "source=jsonl", "source.train=train.jsonl", "source.validation=validation.jsonl", "device=cpu", "metrics=[]",
    "preprocessors=[]", "decoding.max_length=8", "architecture.layers=1", "architecture.heads=2",
    "trainer.warmup=2", "trainer.lr=1e-2", "trainer.log_every=1", "trainer.steps=3", "trainer.validate_every=3",
]  # fmt: skip
NEW = ["tokenizer.kind=character"]
WIDE = ["architecture=transformer", "architecture.width=32", "architecture.feed_forward=32"]
NARROW = ["architecture=transformer", "architecture.width=16", "architecture.feed_forward=16"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """Return the run of a teacher, in a folder with its pairs."""
    folder = tmp_path_factory.mktemp("place")
    for split, count in {"train": 60, "validation": 6}.items():
        rows = [{"input": " ".join(WORDS[n * k % 6] for k in (1, 2, 5)), "target": WORDS[n % 6]} for n in range(count)]
        (folder / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return lamcore.train(*SMALL, *NEW, *WIDE, folder=folder / "teacher")


@pytest.fixture
def train(teacher, monkeypatch, tmp_path):
    """Return a function that trains a student, with some words more, and gives its log's losses."""
    monkeypatch.chdir(teacher.folder.parent)

    def run(*words):
        lamcore.train(*SMALL, "trainer=distill", "trainer.teacher=teacher", *words, folder=tmp_path / "run")
        lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
        return [line["loss"] for line in lines if "loss" in line]

    return run


def test_a_small_model_comes_near_to_its_teacher(train):
    losses = train(*NEW, *NARROW, "trainer.weight=1", "trainer.steps=30", "architecture.dropout=0")
    assert losses[-1] < losses[0] / 3


def test_a_model_that_is_its_teacher_has_nothing_to_learn_from_it(train):
    words = ["init=teacher", "architecture=transformer", "architecture.dropout=0"]
    assert train(*words, "trainer.weight=1", "trainer.lr=1e-9") == pytest.approx([0, 0, 0], abs=1e-5)


def student(run, tokenizer=None, architecture=None, **settings):
    """Return the run of a model that differs from a run's in some ways."""
    architecture = architecture or dataclasses.replace(run.recipe.architecture, **settings)
    parts, other = dataclasses.replace(run.trained.parts, architecture=architecture), copy.copy(run)
    other.trained = dataclasses.replace(run.trained, parts=parts, tokenizer=tokenizer or run.trained.tokenizer).build()
    return other


def test_a_teacher_of_another_size_that_reads_the_same_is_taken(teacher):
    loaded = load_teacher(str(teacher.folder), student(teacher, width=16, layers=2))
    assert not loaded.training
    assert all(torch.equal(one, teacher.model.state_dict()[name]) for name, one in loaded.state_dict().items())


def test_loading_a_teacher_draws_nothing(teacher):
    before = torch.get_rng_state()
    load_teacher(str(teacher.folder), teacher)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_teacher_that_does_not_fit_is_refused(teacher):
    folder, alphabet = str(teacher.folder), {column: ["abc"] for column in ("input", "target")}
    with pytest.raises(LamcoreError, match="has another vocabulary than this run: learn both from the same data and"):
        load_teacher(folder, student(teacher, learn(TokenizerPlan(Subwords.character), alphabet)))
    with pytest.raises(LamcoreError, match="reads records otherwise than this run's model: it must be the same archi"):
        load_teacher(folder, student(teacher, max_length=5))
    causal_lm = load_plugins().find("architecture", "causal_lm")(layers=1, width=16, heads=2, key_value_heads=1)
    with pytest.raises(LamcoreError, match="reads records otherwise than this run's model: it must be the same archi"):
        load_teacher(folder, student(teacher, architecture=causal_lm))
    with pytest.raises(LamcoreError, match="^nowhere is no run with a finished model and no model folder"):
        load_teacher("nowhere", teacher)


def test_a_student_without_logits_is_refused(teacher):
    what = "^trainer distill compares scores of tokens, and Linear has no logits: learn the teacher's answers instead"
    with pytest.raises(LamcoreError, match=what), taught(torch.nn.Linear(1, 1), teacher.model, 0.5, 1.0):
        pass


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"^weight must be between 0 and 1, not 1\.5"):
        Distill(teacher="large", weight=1.5)
    with pytest.raises(ValueError, match="^temperature must be more than 0, not 0"):
        Distill(teacher="large", temperature=0)
    with pytest.raises(ValueError, match="^steps must be 0 or more, not -1"):  # as supervised
        Distill(teacher="large", steps=-1)
