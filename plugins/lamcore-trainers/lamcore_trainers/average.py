"""The mean of the weights of several moments of one training (checkpoint averaging, Popel and Bojar 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor


def mean_weights(weights: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean, summed in double precision; what isn't a float (a counter) is the last one's."""
    sums: dict[str, Tensor] = {}
    last: Mapping[str, Tensor] = {}
    number = 0
    for last in weights:
        number += 1
        for name, tensor in last.items():
            if tensor.is_floating_point():
                sums[name] = sums.get(name, 0) + tensor.double()
    return {name: (sums[name] / number).to(t.dtype) if name in sums else t for name, t in last.items()}
