"""Tagger and classifier keep the promises of an architecture, and mean what they say."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch

from lamcore import LamcoreError
from lamcore.data import vocabulary
from lamcore.kinds import Decoding
from lamcore.model import ModelParts, TrainedModel
from lamcore.testing import ArchitectureContract
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
    component = Classifier(encoder=SMALL, label_smoothing=0.0)
    test_another_process_gives_the_same: Any = None


def trained(architecture, records):
    """Return an untrained model with the steps around it."""
    from datasets import Dataset

    from lamcore.kinds import Recipe, Subwords, TokenizerPlan
    from lamcore.testing.toy import Commands, Idle

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
