"""Transformers whose layers are computed again on the way back (trainer.recompute) learn the same, bit for bit."""

from __future__ import annotations

import pytest
import torch

from lamcore_trainers.recompute import recompute
from lamcore_transformer import Activation, CausalLm, NormKind, Transformer

from .letters import LETTERS

ROWS = [
    {"id": "1", "input": "abcdefghijk", "target": "xy"},
    {"id": "2", "input": "b", "target": "abcdefgh"},
    {"id": "3", "input": "cde", "target": "edc"},
]
SMALL = {"layers": 2, "width": 16, "heads": 2, "feed_forward": 24, "max_length": 64}
SHAPES = {
    "encoder-decoder": lambda **more: Transformer(**SMALL, **more),
    "rms, swiglu": lambda **more: Transformer(**SMALL, norm=NormKind.rms, activation=Activation.swiglu, **more),
    "copying": lambda **more: Transformer(**SMALL, copy=True, **more),
    "decoder-only": lambda **more: CausalLm(**SMALL, **more),
}


def learnt(architecture, again):
    torch.manual_seed(4)
    model = architecture.build({"input": LETTERS, "target": LETTERS}, {}).train()
    if again:
        recompute(model)
    losses, _ = model(model.collate(model.encode(ROWS)))
    losses.sum().backward()
    return losses, [weight.grad for weight in model.parameters()], torch.get_rng_state()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("shape", SHAPES)
def test_losses_gradients_and_chance_are_the_same_where_layers_are_computed_again(shape, dropout):
    losses, slopes, chance = learnt(SHAPES[shape](dropout=dropout), again=False)
    losses_2, slopes_2, chance_2 = learnt(SHAPES[shape](dropout=dropout), again=True)
    assert torch.equal(losses, losses_2)
    assert all(torch.equal(one, other) for one, other in zip(slopes, slopes_2, strict=True))
    assert torch.equal(chance, chance_2)
