"""AdamW by parameter names, and the size of a gradient."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from lamcore_trainers.supervised import Supervised

FUSED = ("cpu", "cuda", "mps", "xpu")
"""Devices with one kernel for the whole update."""


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019); matrices and embeddings decay, the rest does not.

    It calls torch's own kernel. A `torch.optim.Optimizer` would import torch's compiler first: seconds of every start.
    """

    def __init__(
        self, settings: Supervised, model: nn.Module, parameters: Mapping[str, nn.Parameter], device: torch.device
    ) -> None:
        self.settings, self.parameters, self.fused = settings, parameters, device.type in FUSED
        self.state: dict[str, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update every parameter that has a gradient."""
        self._update_others(rate)

    def _update_others(self, rate: float, leave_out: Collection[str] = ()) -> None:
        trained = {name: p for name, p in self.parameters.items() if p.grad is not None and name not in leave_out}
        self._update([name for name, p in trained.items() if p.ndim >= 2], rate, self.settings.weight_decay)
        self._update([name for name, p in trained.items() if p.ndim < 2], rate, 0.0)

    def _update(self, names: list[str], rate: float, decay: float) -> None:
        if not names:
            return
        parameters = [self.parameters[name] for name in names]
        state = [self._state(name) for name in names]
        adamw(
            parameters,  # type: ignore[arg-type] # a list of parameters is one of tensors
            [p.grad for p in parameters if p.grad is not None],
            [one["exp_avg"] for one in state],
            [one["exp_avg_sq"] for one in state],
            [],
            [one["step"] for one in state],
            fused=self.fused,
            amsgrad=False,
            maximize=False,
            beta1=self.settings.betas[0],
            beta2=self.settings.betas[1],
            lr=rate,
            weight_decay=decay,
            eps=self.settings.eps,
        )

    def _state(self, name: str) -> dict[str, Tensor]:
        """Return the running averages of a parameter, and how many updates they are of."""
        if name not in self.state:
            p = self.parameters[name]
            step = torch.zeros((), device=p.device if self.fused else "cpu")
            self.state[name] = {"step": step, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
        return self.state[name]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.parameters.values():
            p.grad = None

    def gradients(self) -> list[Tensor]:
        """Return the gradients that there are."""
        return [p.grad for p in self.parameters.values() if p.grad is not None]

    def state_dict(self) -> dict[str, Tensor]:
        """Return {PARAMETER/average: tensor}."""
        return {f"{name}/{key}": value for name, one in self.state.items() for key, value in one.items()}

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` gave; a parameter that is not trained here is passed over."""
        for place, value in saved.items():
            name, _, key = place.rpartition("/")
            if name in self.parameters:
                self._state(name)[key].copy_(value)


def total_norm(tensors: Iterable[Tensor]) -> Tensor:
    """Return the Euclidean norm of all numbers together; nan or inf where one of them is."""
    return torch.nn.utils.get_total_norm([tensor.detach() for tensor in tensors])


def shrink(grads: list[Tensor], count: Tensor, clip: float) -> Tensor:
    """Turn gradients of a summed loss into those of the loss per item, clipped; return their norm before clipping.

    Both factors go into one pass over the gradients. Nothing here waits for the device.
    """
    norm = total_norm(grads) / count
    factor = 1 / count
    if clip:
        factor = factor * torch.clamp(clip / (norm + 1e-6), max=1.0)
    torch._foreach_mul_(grads, factor)
    return norm
