"""Embeddings that begin with the sentences of the train split."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lamcore_transformer import Beginning, Transformer, on_model
from lamcore_transformer.embeddings import latent

PAD, UNK, BOS, EOS = range(4)
SOURCE, TARGET = range(4, 24), range(24, 44)
"""Words of two languages, each the translation of the one twenty further on."""


class Words:
    pad, unk, bos, eos, size = PAD, UNK, BOS, EOS, 48


class Pairs:
    """The train split of 300 sentences, of three to six words each, as `Data.encoded` gives it."""

    def __init__(self):
        rng = random.Random(3)
        texts = [rng.sample(SOURCE, rng.randint(3, 6)) for _ in range(300)]
        self.rows = [
            {"source": np.array([*words, EOS]), "target": np.array([*(word + 20 for word in words), EOS])}
            for words in texts
        ]
        self.sizes = np.array([[len(words) + 1] * 2 for words in texts])

    def encoded(self, split):
        assert split == "train"
        return self

    def __getitem__(self, rows):
        return [self.rows[row] for row in rows]


class SomeRun:
    """What the hook is given."""

    def __init__(self, architecture):
        self.data, self.recipe = Pairs(), self
        self.architecture, self.init = architecture, None


def begin(joint=True, **settings):
    torch.manual_seed(1)
    words: Any = Words()
    small = {"layers": 1, "width": 16, "heads": 2, "feed_forward": 16, "embeddings": Beginning.sentences}
    architecture = Transformer(**(small | settings))
    model = architecture.build({"input": words, "target": words if joint else Words()}, {})  # type: ignore[dict-item]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    run: Any = SomeRun(architecture)
    on_model(run, model)
    return model, before


@pytest.mark.parametrize("joint", [True, False])
def test_a_word_begins_nearest_to_its_translation(joint):
    model, _ = begin(joint)
    target = model.target_embedding.weight
    source = target if joint else model.source_embedding.weight
    likeness = source[[*SOURCE]] @ target[[*TARGET]].T
    assert likeness.argmax(1).tolist() == [*range(20)]
    assert likeness.diagonal().min() > 0.99


def test_embeddings_keep_their_size_and_what_tells_nothing_its_random_vector():
    model, before = begin()
    weight, old = model.target_embedding.weight, before["target_embedding.weight"]
    torch.testing.assert_close(weight[4:44].norm(dim=1), torch.ones(40))
    for unknown in (PAD, UNK, BOS, EOS, 44, 47):  # in no sentence, or in all of them
        assert torch.equal(weight[unknown], old[unknown])
    others = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert others == {"target_embedding.weight"}


def test_random_embeddings_stay_random():
    model, before = begin(embeddings=Beginning.random)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_same_run_begins_with_the_same_embeddings():
    assert torch.equal(begin()[0].target_embedding.weight, begin()[0].target_embedding.weight)


def test_vectors_are_the_singular_vectors_of_the_weighted_matrix():
    """Five records, four tokens; token 0 stands in every record and weighs nothing."""
    tokens = np.array([0, 1, 0, 1, 2, 0, 2, 0, 3, 0, 3])
    records = np.array([0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4])
    matrix = np.zeros((4, 5), dtype=np.float32)
    matrix[tokens, records] = np.log(5 / 2)
    matrix[0] = 0.0
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    exact = (left * np.sqrt(values))[1:]  # signs of columns are free: compare products of rows
    exact -= exact.mean(0)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    vectors, known = latent(tokens, records, 4, 8)
    assert vectors.shape == (4, 8) and known.tolist() == [False, True, True, True]
    torch.testing.assert_close(vectors[1:] @ vectors[1:].T, torch.tensor(exact @ exact.T), rtol=1e-3, atol=1e-3)
    assert F.cosine_similarity(vectors[1], vectors[2], dim=0) > F.cosine_similarity(vectors[1], vectors[3], dim=0)
