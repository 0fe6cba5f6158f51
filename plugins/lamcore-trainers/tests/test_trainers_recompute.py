"""Layers that compute their insides again: they keep less, and nothing else changes."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import torch
from torch import nn

import lamcore_trainers
from lamcore_trainers import Supervised
from lamcore_trainers.recompute import layers_of, recompute


class Block(nn.Module):
    """A layer of two parts, with dropout between them."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(8, 32), nn.Linear(32, 8)])

    def forward(self, x):
        inward, outward = self.parts
        return x + outward(nn.functional.dropout(torch.relu(inward(x)), 0.5, self.training))


class Layers(nn.Module):
    """Two blocks."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(2))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def numbers_kept(model):
    """Return how many numbers are kept for the way back."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: (kept.append(tensor.numel()), tensor)[1], lambda t: t):
        model(torch.ones(100, 8))
    return sum(kept)


def test_a_recomputed_layer_keeps_only_what_it_is_given():
    model = Layers()
    before = numbers_kept(model)
    recompute(model)
    assert before > 2 * 100 * (8 + 2 * 32)
    assert numbers_kept(model) <= 2 * 100 * 8 + 2


def test_losses_and_gradients_are_the_same_with_dropout_too():
    torch.manual_seed(1)
    plain = Layers()
    again = copy.deepcopy(plain)
    recompute(again)
    recompute(again)  # once is enough
    again = copy.deepcopy(again)
    sums = []
    for model in (plain, again):
        torch.manual_seed(2)
        sums.append(model(torch.ones(5, 8)).square().sum())
        sums[-1].backward()
    assert torch.equal(*sums)
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(plain.parameters(), again.parameters(), strict=True))


def test_layers_within_a_layer_are_none_of_their_own():
    model = Layers()
    assert layers_of(model) == [*model.blocks]


def test_the_rehearsal_recomputes_as_the_training_does():
    plain, model = Layers(), Layers()
    for one, asked in ((plain, False), (model, True)):
        trainer = Supervised(recompute=asked)
        lamcore_trainers.on_model(run=SimpleNamespace(recipe=SimpleNamespace(trainer=trainer)), model=one)
    assert numbers_kept(model) < numbers_kept(plain) / 5
