"""Muon: which parameters it takes, where it moves them, and what a checkpoint keeps of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lamcore_trainers import Supervised
from lamcore_trainers.muon import Muon, orthogonal

CPU = torch.device("cpu")


def small():
    torch.manual_seed(0)
    parts = {"embedding": nn.Embedding(40, 8), "wide": nn.Linear(8, 24), "norm": nn.LayerNorm(8)}
    return nn.ModuleDict({**parts, "output": nn.Linear(8, 100, bias=False)})


def gradients_for(model, seed):
    torch.manual_seed(seed)
    for p in model.parameters():
        p.grad = torch.randn_like(p)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 8, 20), (2, 20, 8)])
def test_every_direction_of_an_update_counts_alike(shape):
    torch.manual_seed(1)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
    assert values.min() > 0.6 and values.max() < 1.3


def test_it_keeps_the_directions_of_the_gradient():
    torch.manual_seed(2)
    left, right = (torch.linalg.qr(torch.randn(6, 6))[0] for _ in "lr")
    turned = left.T @ orthogonal((left @ torch.diag(torch.tensor([9.0, 4, 3, 2, 1, 0.5])) @ right.T)[None])[0] @ right
    assert (turned - turned.diag().diag()).abs().max() < 1e-3 and turned.diag().min() > 0.6


def test_embeddings_the_output_and_vectors_are_left_to_adamw():
    model = small()
    muon = Muon(Supervised(steps=1), model, dict(model.named_parameters()), CPU)
    assert muon.hidden == ["wide.weight"]
    gradients_for(model, 3)
    muon.step(1e-2)
    assert {name for name, one in muon.state.items() if "momentum" in one} == {"wide.weight"}
    assert set(muon.state) == {name for name, _ in model.named_parameters()}


def test_an_update_has_the_size_of_adamws():
    model = small()
    before = model["wide"].weight.detach().clone()
    gradients_for(model, 4)
    Muon(Supervised(steps=1, weight_decay=0), model, dict(model.named_parameters()), CPU).step(1e-2)
    moved = (model["wide"].weight - before).square().mean().sqrt() / 1e-2
    assert 0.15 < moved < 0.25


def test_it_goes_on_from_a_checkpoint_bit_for_bit():
    whole, resumed = small(), small()
    optimizer = Muon(Supervised(steps=4), whole, dict(whole.named_parameters()), CPU)
    for seed in range(4):
        if seed == 2:
            resumed.load_state_dict(whole.state_dict())
            kept = {name: tensor.clone() for name, tensor in optimizer.state_dict().items()}
        gradients_for(whole, seed)
        optimizer.step(1e-2)
    again = Muon(Supervised(steps=4), resumed, dict(resumed.named_parameters()), CPU)
    again.load_state_dict(kept)
    for seed in (2, 3):
        gradients_for(resumed, seed)
        again.step(1e-2)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
