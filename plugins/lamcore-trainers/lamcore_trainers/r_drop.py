"""R-Drop (Liang et al. 2021, "R-Drop: Regularized Dropout for Neural Networks"): two passes must agree.

The paper's loss of a record is -log P1 - log P2 + alpha (KL(P1, P2) + KL(P2, P1)) / 2, where P1 and P2 are what the
model gives under two draws of dropout. `trainer.r_drop` is its alpha. Here the likelihood comes from a third draw, by
the model's own `forward`, so that any model with `logits` can be trained so: half of the paper's loss in expectation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lamcore import LamcoreError


def check_logits(model: Any) -> None:
    """Raise LamcoreError for a model that has no logits to compare."""
    if not hasattr(model, "logits"):
        what = f"trainer.r_drop compares a model's logits, and {type(model).__name__} has none."
        raise LamcoreError(f"{what} Set trainer.r_drop to 0.")


def divergence(model: Any, batch: Mapping[str, Tensor], counts: Tensor) -> Tensor:
    """Return (KL(P1, P2) + KL(P2, P1)) / 2 of two passes, summed over items.

    Of a record's places (B, T, V) its first `counts` (B,) are items, the others are padding."""
    first, second = model.logits(batch), model.logits(batch)
    items = torch.arange(first.shape[1], device=first.device) < counts[:, None]
    one, two = (scores[items].float().log_softmax(-1) for scores in (first, second))  # (items, V)
    return ((one.exp() - two.exp()) * (one - two)).sum() / 2
