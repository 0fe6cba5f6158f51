"""Hold a model's answers to records and to noised copies of them together.

Sizes: B records, T places of the longest, V classes (pieces of a vocabulary), N items of all records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lamcore import LamcoreError, Record
from lamcore.model import evaluating
from lamcore_unsupervised.consistency import Consistency
from lamcore_unsupervised.passes import answers_to, batch_of, drawn, records_behind

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run


@contextmanager
def agreeing(settings: Consistency, run: Run, model: Any, data: Data) -> Iterator[None]:
    """Within, the model's losses in training are those of `Consistency`."""
    if not hasattr(model, "logits"):
        raise LamcoreError(f"trainer consistency compares scores of answers, and {type(model).__name__} has no logits.")
    own, columns = model.forward, run.recipe.architecture.answers

    def forward(batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        losses, counts = own(batch)
        if not model.training:
            return losses, counts
        records = records_behind(batch, data)
        known = losses.new_tensor([not _is_blank(record, columns) for record in records])
        clean, noised = _copies(settings, _answered(records, run, model), run, model)
        with evaluating(model):
            goal, (_, items) = model.logits(clean), own(clean)
        apart = divergence(goal.clone(), model.logits(noised), items.clone(), settings.temperature, settings.confidence)
        return losses * known + settings.weight * apart, items.clone()

    model.forward = forward
    try:
        yield
    finally:
        model.forward = own


def _is_blank(record: Record, columns: Sequence[str]) -> bool:
    return all(record.get(column) in (None, "", []) for column in columns)


def _answered(records: list[Record], run: Run, model: Any) -> list[Record]:
    """Return the records, with the model's own answers where the text that it writes is blank."""
    written = [column for column in run.recipe.architecture.answers if column in run.trained.tokenizer]
    blank = [number for number, record in enumerate(records) if written and _is_blank(record, written)]
    made = list(records)
    answers = answers_to([records[number] for number in blank], run, model) if blank else []
    for number, answer in zip(blank, answers, strict=True):
        made[number] = {**records[number], **{column: answer[column] for column in written}}
    return made


def _copies(
    settings: Consistency, records: list[Record], run: Run, model: Any
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return batches of the records and of noised copies, whose answers are the records'."""
    columns = run.recipe.architecture.answers
    noised = settings.noise.apply(list(records), drawn())
    kept = [
        {**copy, **{column: record[column] for column in columns if column in record}}
        for record, copy in zip(records, noised, strict=True)
    ]
    return batch_of(records, run, model), batch_of(kept, run, model)


def divergence(goal: Tensor, scores: Tensor, counts: Tensor, temperature: float, confidence: float) -> Tensor:
    """Return KL(p, q) of scores (B, T, V), summed over those of a record's items of which p is confident: (B,).

    p is the goal's, divided by the temperature. Of a record's places its first `counts` (B,) are items, the others are
    padding. Raises LamcoreError where noise has changed how many items there are."""
    if goal.shape != scores.shape:
        what = f"trainer.noise changes how many items a record has, here {goal.shape[1]} to {scores.shape[1]}"
        raise LamcoreError(f"{what}, so that they can't be compared: choose noise that keeps them.")
    items = torch.arange(goal.shape[1], device=goal.device) < counts[:, None]
    sure = goal[items].float().softmax(-1).amax(-1) >= confidence  # (N,)
    log_p = (goal[items].float() / temperature).log_softmax(-1)
    log_q = scores[items].float().log_softmax(-1)
    apart = (log_p.exp() * (log_p - log_q)).sum(-1) * sure
    return apart.new_zeros(len(counts)).index_add(0, items.nonzero()[:, 0], apart)
