"""What a teacher adds to a model's loss, and the teacher itself.

Sizes: B records, T places of the longest, V classes (pieces of a vocabulary), N items of all records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import lamcore
from lamcore import LamcoreError
from lamcore.kinds import records_of
from lamcore.tokenizer import files_of

if TYPE_CHECKING:
    from lamcore.run import Run

TRIED = 100
"""Records that teacher and student must read alike."""


@contextmanager
def taught(model: Any, teacher: Any, weight: float, temperature: float) -> Iterator[None]:
    """Within, the model's losses in training are in part those of its distance to the teacher.

    The model reads a batch twice, with other dropout: once for its own loss, once for its scores. So any model that has
    `logits` can be taught, whatever its own loss is."""
    if not hasattr(model, "logits"):
        what = f"trainer distill compares scores of tokens, and {type(model).__name__} has no logits"
        raise LamcoreError(f"{what}: learn the teacher's answers instead, with source run_answers.")
    own = model.forward

    def forward(batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        if not model.training:
            return own(batch)
        with torch.set_grad_enabled(torch.is_grad_enabled() and weight < 1):
            losses, counts = own(batch)
        apart = divergence(model.logits(batch), teacher_logits(teacher, batch), counts, temperature)
        return (1 - weight) * losses + weight * temperature**2 * apart, counts

    model.forward = forward
    try:
        yield
    finally:
        model.forward = own


@torch.no_grad()
def teacher_logits(teacher: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """Return what the teacher thinks of a batch, (B, T, V)."""
    return teacher.logits(batch)


def divergence(student: Tensor, teacher: Tensor, counts: Tensor, temperature: float) -> Tensor:
    """Return KL(teacher, student) of scores (B, T, V) divided by the temperature, summed over a record's items: (B,).

    Of a record's places its first `counts` (B,) are items, the others are padding."""
    items = torch.arange(student.shape[1], device=student.device) < counts[:, None]
    log_q, log_p = ((scores[items].float() / temperature).log_softmax(-1) for scores in (student, teacher))  # (N, V)
    apart = F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)
    return apart.new_zeros(len(counts)).index_add(0, items.nonzero()[:, 0], apart)


def load_teacher(folder: str, run: Run) -> Any:
    """Return the model of a folder in evaluation mode; LamcoreError unless it reads what the run's model reads."""
    devices = [run.device] if run.device.type == "cuda" else []
    with torch.random.fork_rng(devices):  # building it draws numbers
        trained = lamcore.load(folder, str(run.device))
    if files_of(trained.tokenizer) != files_of(run.trained.tokenizer):
        what = f"trainer.teacher={folder} has another vocabulary than this run"
        how = "learn both from the same data and tokenizer settings, or learn its answers with source run_answers"
        raise LamcoreError(f"{what}: {how}.")
    if dict(trained.labels) != dict(run.trained.labels):
        raise LamcoreError(f"trainer.teacher={folder} knows other classes than this run: train both on the same data.")
    if not hasattr(trained.model, "logits") or not _read_alike(trained.model, run):
        what = f"trainer.teacher={folder} reads records otherwise than this run's model"
        raise LamcoreError(f"{what}: it must be the same architecture with the same max_length, of whatever size.")
    return trained.model


def _read_alike(teacher: Any, run: Run) -> bool:
    """Say whether teacher and student make the same examples of records."""
    train = run.data.ready["train"]
    records = list(records_of(train.select(range(min(TRIED, len(train))))))
    try:
        pairs = list(zip(teacher.encode(records), run.model.encode(records), strict=True))
    except (KeyError, TypeError, ValueError):  # it reads other columns
        return False
    return all(
        one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
        for one, other in pairs
    )
