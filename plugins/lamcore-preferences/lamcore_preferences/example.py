"""Pairs for the toy task of `lamcore.testing`, for those who check the trainer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from lamcore_preferences import Dpo

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run


@dataclass
class ToyDpo(Dpo):
    """Prefer a command's intent to another one."""

    column: ClassVar[str] = "intent"

    def fit(self, run: Run, model: Any, data: Data) -> None:
        """Train on the toy task, of whose records each rejects the intent that comes next."""
        kinds = list(run.trained.labels["intent"])
        others = dict(zip(kinds, [*kinds[1:], kinds[0]], strict=True))
        for split in ("train", "validation"):
            rows = data.ready[split]
            chosen = rows["intent"][:]
            added = rows.add_column("chosen", chosen)
            data.ready = {**data.ready, split: added.add_column("rejected", [others[one] for one in chosen])}
        with noticed(model):
            super().fit(run, model, data)


@contextmanager
def noticed(model: Any) -> Iterator[None]:
    """Tell the toy model's watch of the passes that learn: by itself it notices those in training mode only."""
    watch, own = model.watch, model.forward

    def forward(batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        losses, counts = own(batch)
        return losses * watch() if watch and torch.is_grad_enabled() else losses, counts

    model.watch, model.forward = None, forward
    try:
        yield
    finally:
        model.watch, model.forward = watch, own
