"""Tagger and classifier keep the promises of an architecture, and mean what they say."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from datasets import Dataset

from lamcore import LamcoreError
from lamcore.data import Data, vocabulary
from lamcore.kinds import Decoding, Recipe, Subwords, TokenizerPlan
from lamcore.model import ModelParts, TrainedModel
from lamcore.plugins import Registry
from lamcore.prepare import prepare
from lamcore.run import Run
from lamcore.testing import ArchitectureContract
from lamcore.testing.toy import Commands, Given, Idle
from lamcore_trainers import Supervised
from lamcore_transformer import Classifier, Tagger
from lamcore_transformer.readers import Encoder
from lamcore_transformer.reading import grams_of, words_of
from lamcore_transformer.tagger import Chain

SMALL = Encoder(embedding=16, width=16, heads=2, feed_forward=32, buckets=300, dropout=0.1, word_dropout=0.0)
RECORDS = Tagger.example_records()


class TestTagger(ArchitectureContract):
    component = Tagger(SMALL)
    records = RECORDS
    test_another_process_gives_the_same: Any = None


@pytest.mark.full
class TestTaggerWithoutAttention(ArchitectureContract):
    component = Tagger(replace(SMALL, layers=0))
    records = RECORDS
    test_another_process_gives_the_same: Any = None


class TestClassifierOfAwkwardTexts(ArchitectureContract):
    component = Classifier(encoder=replace(SMALL, dropout=0.0), label_smoothing=0.0)
    test_another_process_gives_the_same: Any = None


def trained(architecture, records):
    """Return an untrained model with the steps around it."""
    torch.manual_seed(1)
    recipe = Recipe(Commands(), architecture, Idle(), tokenizer=TokenizerPlan(Subwords.character))
    tokenizer, labels = vocabulary(recipe, Dataset.from_list(records))
    empty = {"intent": "", "tags": []} if isinstance(architecture, Tagger) else {"intent": ""}
    parts = ModelParts(architecture, {}, Decoding())
    model = TrainedModel(parts, tokenizer, labels, empty, torch.device("cpu")).build()
    model.model.eval().requires_grad_(False)
    return model


def test_the_chain_sums_and_searches_over_all_paths():
    torch.manual_seed(3)
    chain = Chain(3)
    for weight in chain.requires_grad_(False).parameters():
        torch.nn.init.normal_(weight)
    scores, padding = torch.randn(1, 4, 3), torch.tensor([[False, False, False, True]])
    paths = list(itertools.product(range(3), repeat=3))

    def value(path):
        places = sum(scores[0, place, tag] for place, tag in enumerate(path))
        pairs = sum(chain.pairs[a, b] for a, b in itertools.pairwise(path))
        return places + pairs + chain.first[path[0]] + chain.last[path[-1]]

    values = torch.stack([value(path) for path in paths])
    losses = [float(chain(scores, torch.tensor([[*path, 0]]), padding)) for path in paths]
    assert losses == pytest.approx((values.logsumexp(0) - values).tolist(), abs=1e-5)
    best, chance = chain.best(scores, padding)
    assert tuple(best[0, :3].tolist()) == paths[int(values.argmax())]
    assert float(chance) == pytest.approx(float(values.max() - values.logsumexp(0)), abs=1e-5)


def test_a_text_without_tokens_is_cut_into_words_and_each_gets_a_tag():
    model = trained(Tagger(SMALL), RECORDS)
    plain, given = model.predict(["open the door, please", {"input": "?", "tokens": ["open", "the", "door"]}])
    assert len(plain["tags"]) == 5
    assert len(given["tags"]) == 3
    assert plain["intent"] in {"open", "dim"}
    assert 0 < plain["probability"] <= 1


def test_words_are_cut_at_spaces_and_marks_and_keep_apostrophes():
    assert words_of("What's on at 8:30, d'accord?") == ["What's", "on", "at", "8", ":", "30", ",", "d'accord", "?"]


def test_a_misspelt_word_shares_most_of_its_n_grams():
    right, wrong = set(grams_of("restaurant", 10_000)), set(grams_of("restaurent", 10_000))
    assert len(right & wrong) / len(right) > 0.5


def test_a_label_that_train_lacks_costs_nothing():
    model = trained(Tagger(SMALL), RECORDS).model
    changes = {"all": {}, "intent": {"tags": ["O", "O", "B-spaceship"]}, "tags": {"intent": "fly"}}
    loss = {
        name: float(model(model.collate(model.encode([{**RECORDS[0], **change}])))[0])
        for name, change in changes.items()
    }
    assert loss["all"] == pytest.approx(loss["intent"] + loss["tags"], abs=1e-4)
    assert min(loss.values()) > 0


def test_more_tags_than_tokens_are_refused_by_the_records_name():
    model = trained(Tagger(SMALL), RECORDS).model
    with pytest.raises(LamcoreError, match="Record 'r0': 2 tags for 3 tokens; there must be one a token"):
        model.encode([{**RECORDS[0], "tags": ["O", "O"]}])


def test_the_classifier_abstains_below_its_threshold_and_only_there():
    records = [{"id": f"{i}", "input": f"{word} it", "intent": word} for i, word in enumerate(["open", "shut", "dim"])]
    always, never = (
        trained(Classifier(encoder=SMALL, threshold=threshold, abstain="none"), records) for threshold in (0.99, 0.0)
    )
    assert [answer["intent"] for answer in always.predict(["open it", "paint it"])] == ["none", "none"]
    assert {answer["intent"] for answer in never.predict(["open it", "paint it"])} <= {"open", "shut", "dim"}


def test_a_classifier_reads_the_class_of_the_column_that_it_is_told():
    architecture = Classifier(column="domain", encoder=SMALL)
    assert (list(architecture.labels), list(architecture.answers)) == (["domain"], ["domain"])


@pytest.mark.parametrize("architecture", [Tagger(SMALL), Classifier(encoder=SMALL)])
def test_a_constraint_of_written_text_is_refused_where_no_text_is_written(architecture):
    model = trained(architecture, RECORDS).model
    with pytest.raises(LamcoreError, match="^decoding.constrain=tools is for models that write text, and this one"):
        model.predict(model.collate(model.encode(RECORDS)), Decoding(constrain="tools"))


def fit(folder, architecture, stop_at=0):
    """Train as a run does, interrupted in the training pass numbered `stop_at`; return the weights."""
    trainer = Supervised(steps=12, lr=1e-2, warmup=2, batch_tokens=20, validate_every=5, ema=0.9)
    source = Given({"train": RECORDS[:12], "validation": RECORDS[12:]})
    recipe = Recipe(source, architecture, trainer, tokenizer=TokenizerPlan(Subwords.character))
    folder.mkdir(exist_ok=True)
    run = Run(folder, recipe, Registry(), torch.device("cpu"))
    run.data = Data(recipe, prepare(recipe, folder), folder)
    tokenizer, labels = vocabulary(recipe, run.data.ready["train"])
    torch.manual_seed(run.seed)
    parts = ModelParts(architecture, {}, Decoding())
    run.trained = TrainedModel(parts, tokenizer, labels, {}, run.device).build()
    run.data.bind(run.model, tokenizer, labels)
    passes = itertools.count(1)

    def interrupt(model, batch):
        if model.training and next(passes) == stop_at:
            run.stop("interrupted")

    run.model.register_forward_pre_hook(interrupt)
    trainer.fit(run, run.model, run.data)
    return run.model.state_dict(), run.stopped


@pytest.mark.parametrize("architecture", [Tagger, Classifier], ids=lambda one: one.__name__)
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(architecture, tmp_path):
    architecture = architecture(encoder=replace(SMALL, dropout=0.3, word_dropout=0.3))
    whole, _ = fit(tmp_path / "whole", architecture)
    assert fit(tmp_path / "parts", architecture, stop_at=7)[1] == "interrupted"
    resumed, _ = fit(tmp_path / "parts", architecture)
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 30, "heads": 4}, "multiple of heads"),
        ({"width": 15, "heads": 3}, "even"),
        ({"word_dropout": 1.0}, "word_dropout must be"),
        ({"layers": -1}, "layers must be 0 or more"),
    ],
)
def test_an_encoder_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Encoder(**change)
