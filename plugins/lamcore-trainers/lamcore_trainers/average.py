"""Averages of the weights of one training: of several moments, or moving along with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def mean_weights(weights: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean, summed in double precision; what isn't a float (a counter) is the last one's.

    Checkpoint averaging: Popel and Bojar 2018."""
    sums: dict[str, Tensor] = {}
    last: Mapping[str, Tensor] = {}
    number = 0
    for last in weights:
        number += 1
        for name, tensor in last.items():
            if tensor.is_floating_point():
                sums[name] = sums.get(name, 0) + tensor.double()
    return {name: (sums[name] / number).to(t.dtype) if name in sums else t for name, t in last.items()}


class MovingAverage:
    """An exponential moving average of the trained weights, as in Marian (Junczys-Dowmunt et al. 2018).

    The decay begins low, (1 + t) / (10 + t) after t updates, so that the random weights are soon forgotten. With a
    decay of 0 there is no average and nothing is done.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.trained = {name: p for name, p in model.named_parameters() if p.requires_grad and decay}
        self.weights = {name: p.detach().clone() for name, p in self.trained.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after update `step`."""
        if self.weights:
            decay = min(self.decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(self.weights.values()), list(self.trained.values()), 1 - decay)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Within, the model has the averaged weights; tensors that were taken from it before keep their values."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, p in self.trained.items():
            p.data, self.weights[name] = self.weights[name], p.data
