"""Muon: updates of matrices whose directions all count alike."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lamcore_trainers.optimizer import AdamW
from lamcore_trainers.supervised import Supervised

MOMENTUM = 0.95
COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of the Newton-Schulz iteration's quintic: found by Jordan et al. for speed at the cost of exactness."""
ITERATIONS = 5
SLIM = 8
"""A matrix this many times as long as wide is one of a vocabulary, not one between layers."""


class Muon(AdamW):
    """Muon (Jordan et al. 2024) for matrices between layers; AdamW for embeddings, the output, vectors and numbers.

    A matrix moves along its gradient's momentum with all singular values near 1. Updates have the size of AdamW's
    (root mean square 0.2; Liu et al. 2025), so that one learning rate and one decay do for both. Matrices that hold
    several projections, and those of feed-forward layers, are cut into squares: all of one side are one product.
    """

    def __init__(
        self, settings: Supervised, model: nn.Module, parameters: Mapping[str, nn.Parameter], device: torch.device
    ) -> None:
        super().__init__(settings, model, parameters, device)
        embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
        self.hidden = [
            name
            for name, p in self.parameters.items()
            if p.ndim == 2 and id(p) not in embeddings and max(p.shape) <= SLIM * min(p.shape)
        ]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update every parameter that has a gradient."""
        self._update_hidden([name for name in self.hidden if self.parameters[name].grad is not None], rate)
        self._update_others(rate, leave_out=self.hidden)

    def _update_hidden(self, names: list[str], rate: float) -> None:
        parameters: list[Tensor] = [self.parameters[name] for name in names]
        gradients = [p.grad for p in parameters if p.grad is not None]
        momenta = [self._state(name)["momentum"] for name in names]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, MOMENTUM)  # Nesterov's
        torch._foreach_mul_(parameters, 1 - rate * self.settings.weight_decay)
        pairs = [pair for p, u in zip(parameters, ahead, strict=True) for pair in zip(_cut(p), _cut(u), strict=True)]
        for shape in sorted({p.shape for p, _ in pairs}):
            alike = [pair for pair in pairs if pair[0].shape == shape]
            updates = orthogonal(torch.stack([u for _, u in alike])) * (-0.2 * rate * max(shape) ** 0.5)
            torch._foreach_add_([p for p, _ in alike], list(updates))

    def _state(self, name: str) -> dict[str, Tensor]:
        if name not in self.hidden:
            return super()._state(name)
        return self.state.setdefault(name, {"momentum": torch.zeros_like(self.parameters[name])})


def orthogonal(matrices: Tensor) -> Tensor:
    """Return (N, R, C) matrices with the singular vectors of the given ones and singular values of 0.7 to 1.2.

    Newton-Schulz iteration: X <- aX + b(XX')X + c(XX')^2 X."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.transpose(1, 2)
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x if wide else x.transpose(1, 2)


def _cut(matrix: Tensor) -> tuple[Tensor, ...]:
    """Cut the longer side into squares, where it is a multiple of the shorter."""
    rows, columns = matrix.shape
    side = min(rows, columns)
    return (matrix,) if max(rows, columns) % side else matrix.split(side, 0 if rows > columns else 1)
