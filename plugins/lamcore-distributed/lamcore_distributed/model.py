"""The model as a process of several trains it: whole (DDP) or in parts (FSDP2), with everybody's losses."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from lamcore.run import seed_all
from lamcore_distributed.group import Group, SharedError
from lamcore_trainers.recompute import layers_of

if TYPE_CHECKING:
    from lamcore_distributed.together import SharedRun


class SharedModel:
    """Gives, for the batch of this process, losses and counts of all processes' records: so each logs the same.

    Gradients reach the parameters of `whole`, the run's own model, or where that is `sharded`, of its parts: then
    `whole` is what is validated and kept, and `gather` brings it up to date.
    """

    def __init__(self, run: SharedRun, model: nn.Module, sharded: bool, accumulation: int) -> None:
        self.run, self.group, self.whole = run, run.group, model
        self.sharded, self.accumulation, self.passes = sharded, accumulation, 0
        self.module = shard(copy.deepcopy(model), self.group, run.device) if sharded else model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    @cached_property
    def engine(self) -> nn.Module:
        """Return the module whose gradients are averaged over processes; made when it is known what is trained."""
        return self.module if self.sharded else DistributedDataParallel(self.module, forward_sync_buffers=False)

    def __call__(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return (losses (R,), counts (R,)) of the R records of all processes; only this one's have gradients."""
        self.passes += 1
        if not self.group.first:  # the first goes on with its own chance, which its checkpoints keep
            seed_all(random.Random(f"{self.run.seed}/{self.group.rank}/{self.passes}").getrandbits(32))
        if not self.sharded:  # all processes' gradients are needed after the last batch of an update only
            self.engine.require_backward_grad_sync = self.passes % self.accumulation == 0  # type: ignore[assignment]
        places, rows = batch["places"], batch["rows"]
        own = {name: value for name, value in batch.items() if name != "places"}
        losses, counts = self.engine({**own, "rows": rows[places]})
        losses = losses.to(torch.promote_types(losses.dtype, torch.float32))

        every = losses.new_zeros(2, len(rows)).index_copy(1, places, torch.stack([losses.detach(), counts.to(losses)]))
        dist.all_reduce(every)
        mine = losses.new_zeros(len(rows)).index_copy(0, places, losses)
        self.run.agree()
        # both engines make the mean of all processes' gradients, and an update needs their sum
        return every[0] + self.group.world * (mine - mine.detach()), every[1]

    @torch.no_grad()
    def gather(self) -> None:
        """Bring the first process's whole model up to date; every process must call it."""
        if self.sharded:
            target = self.whole.state_dict() if self.group.first else {}
            for name, value in self.module.state_dict().items():
                found = whole_of(value)
                if self.group.first:
                    target[name].copy_(found)

    def part(self, name: str, value: Tensor) -> Tensor:
        """Return what this process holds of a tensor of the parameter `name` that all have whole; a part stays one."""
        like = self.shapes.get(name)
        if isinstance(value, DTensor) or not isinstance(like, DTensor) or value.shape != like.shape:
            return value
        parts = value.chunk(self.group.world)  # as FSDP2 cuts; the last processes may have none
        mine = parts[self.group.rank] if self.group.rank < len(parts) else value[:0]
        placed = like.device_mesh, like.placements
        return DTensor.from_local(mine.to(like.device), *placed, shape=value.shape, stride=value.stride())

    @cached_property
    def shapes(self) -> dict[str, Any]:
        """Return the module's tensors by name."""
        return dict(self.module.state_dict())

    def load_state_dict(self, weights: Mapping[str, Tensor]) -> None:
        """Take whole weights into what this process trains."""
        self.module.load_state_dict({name: self.part(name, value) for name, value in weights.items()})


def whole_of(value: Tensor) -> Tensor:
    """Return a tensor of which each process may hold a part; every process must call it."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def shard(model: nn.Module, group: Group, device: torch.device) -> nn.Module:
    """Cut each layer's weights, and then the others, into a part for each process, in place."""
    mesh = init_device_mesh(device.type, (group.world,))
    try:
        for layer in layers_of(model):
            layer.register_forward_hook(_no_view)
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    except ValueError as error:
        raise SharedError(f"trainer.shard=full can't cut this model: {error} Set trainer.shard=none.") from error
    return model


def _no_view(layer: nn.Module, given: Any, made: Any) -> Any:
    """Copy what a layer returns where that is a view: FSDP2 would miss what is changed in place in one."""
    return made.clone() if isinstance(made, Tensor) and made._is_view() else made
