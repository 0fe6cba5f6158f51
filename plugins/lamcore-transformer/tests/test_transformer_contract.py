"""The Transformer keeps the promises of an architecture in several builds, and with attention of others."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from lamcore.testing import ArchitectureContract
from lamcore_transformer import Activation, NormKind, Place, Positions, Transformer, layers
from lamcore_transformer.model import TransformerModel

WORDS = ["".join(random.Random(number).choices("abcdefghij", k=2 + number % 6)) for number in range(32)]
SHORT = [{"id": f"r{number}", "input": word, "target": word[::-1]} for number, word in enumerate(WORDS)]
SMALL: dict[str, Any] = {"layers": 1, "width": 64, "heads": 4, "feed_forward": 128}
SEPARATE = {"kind": "character", "joint": False}


class OfWords(ArchitectureContract):
    """Tried on words that are to be reversed, in this process; the test of the package tries all else."""

    records = SHORT
    test_another_process_gives_the_same: Any = None


class TestRotaryRmsSwiglu(OfWords):
    component = Transformer(
        **SMALL, positions=Positions.rotary, norm=NormKind.rms, activation=Activation.swiglu, tie=False
    )
    tokenizer = SEPARATE


@pytest.mark.full
class TestPostNorm(OfWords):
    component = Transformer(**SMALL, place=Place.post)


@pytest.mark.full
class TestLearnedPositions(OfWords):
    component = Transformer(**SMALL, positions=Positions.learned, decoder_layers=2, max_length=40)


@pytest.mark.full
class TestCopy(OfWords):
    component = Transformer(**SMALL, copy=True)


class NormalisedAttention(layers.SelfAttention):
    """Queries and keys of length 1, with a learnt scale a head (Henry et al. 2020)."""

    def __init__(self, width: int, heads: int, rate: float):
        super().__init__(width, heads, rate)
        self.scale = torch.nn.Parameter(torch.full((heads, 1, 1), 10.0))

    def split(self, x, turn):
        query, key, value = super().split(x, turn)
        scale = self.scale.repeat(len(query) // self.heads, 1, 1)
        return torch.stack([F.normalize(query, dim=-1) * scale, F.normalize(key, dim=-1), value])


class FadingAttention(layers.SelfAttention):
    """Scores that fall with distance (Press et al. 2022)."""

    def __init__(self, width: int, heads: int, rate: float, slope: float):
        super().__init__(width, heads, rate)
        self.slope = slope

    def bias(self, start, stop, device):
        places = torch.arange(stop, device=device)
        distance = (places[start:, None] - places).abs()
        return -self.slope / torch.arange(1, self.heads + 1, device=device)[:, None, None] * distance


@dataclass
class Normalised(Transformer):
    """The Transformer with another split."""

    def build(self, tokenizer, labels):
        return TransformerModel(self, tokenizer, NormalisedAttention)


@dataclass
class Fading(Transformer):
    """The Transformer with a bias."""

    slope: float = 0.5
    """How much less the first head sees of each token farther away."""

    def build(self, tokenizer, labels):
        return TransformerModel(self, tokenizer, partial(FadingAttention, slope=self.slope))


@pytest.mark.full
class TestAnotherSplitOfQueriesAndKeys(OfWords):
    component = Normalised(**SMALL)


@pytest.mark.full
class TestABiasOfScores(OfWords):
    component = Fading(**SMALL)
