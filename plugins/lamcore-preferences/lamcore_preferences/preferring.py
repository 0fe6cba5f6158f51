"""The loss of direct preference optimization, and batches that hold both answers of each record."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lamcore import LamcoreError, Record
from lamcore.kinds import records_of

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run
    from lamcore_preferences import Dpo

SIDES = ("chosen", "rejected")


def dpo_losses(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Return -log sigmoid(beta (how much more the policy prefers what was chosen than the reference does)), (B,).

    Both (2, B): log probabilities of the chosen answers, then of the rejected ones (Rafailov et al. 2023, eq. 7)."""
    chosen, rejected = policy - reference
    return -F.logsigmoid(beta * (chosen - rejected))


@contextmanager
def preferring(settings: Dpo, run: Run, model: Any, data: Data) -> Iterator[Any]:
    """Within, the model's losses are those of pairs, in training and in validation; gives the data that holds them."""
    check(settings, run, data)
    pairs: Any = Pairs(data, model, settings.column)
    own, reference = model.forward, copy.deepcopy(model).eval().requires_grad_(False)
    vars(reference).pop("forward", None)  # whoever wrapped the model's own did not mean this one's

    def forward(batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        training = model.training
        model.eval()  # neither dropout nor smoothed labels: a loss is a log probability
        try:
            losses, _ = own(batch)
        finally:
            model.train(training)
        with torch.no_grad():
            begun, _ = reference(batch)
        made = dpo_losses(-losses.view(2, -1), -begun.view(2, -1), settings.beta)
        return made, torch.ones_like(made)

    model.forward, run.data = forward, pairs
    try:
        yield pairs
    finally:
        model.forward, run.data = own, data


class Pairs:
    """The data of a run, of whose batches each holds its records with what was chosen, and after them once more with
    what was rejected; what is not about batches is the data's own."""

    def __init__(self, data: Data, model: Any, column: str) -> None:
        self.data, self.model, self.column = data, model, column

    def __getattr__(self, name: str) -> Any:
        return getattr(self.data, name)

    def train_batches(self, tokens: int, start: int = 0, rank: int = 0, world: int = 1) -> Iterator[tuple[int, Any]]:
        """Yield (epoch, batch) without end; two answers take half of the tokens each."""
        for epoch, batch in self.data.train_batches(max(1, tokens // 2), start=start, rank=rank, world=world):
            yield epoch, self._both("train", batch["rows"])

    def batches(self, split: str, tokens: int) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield (row numbers, batch) over a split."""
        for rows, batch in self.data.batches(split, max(1, tokens // 2)):
            yield rows, self._both(split, batch["rows"])

    def _both(self, split: str, rows: Tensor) -> dict[str, Tensor]:
        """Return the batch of these rows: B records with the chosen answer, the same B with the rejected one."""
        records = list(records_of(self.data.ready[split].select(rows.tolist())))
        both = [_with(record, self.column, record[side]) for side in SIDES for record in records]
        return {**self.model.collate(self.model.encode(both)), "rows": rows}


def _with(record: Record, column: str, answer: Any) -> Record:
    if not isinstance(answer, str):
        raise LamcoreError(f"Record {record['id']!r}: chosen and rejected must be text, not {answer!r}.")
    return {**record, column: answer}


def check(settings: Dpo, run: Run, data: Data) -> None:
    """Raise LamcoreError for a run whose pairs would not be read as they stand."""
    recipe = run.recipe
    if settings.column not in recipe.architecture.answers:
        told = ", ".join(recipe.architecture.answers)
        raise LamcoreError(f"trainer dpo compares texts that a model writes, and the architecture answers {told}.")
    for split in ("train", "validation"):
        columns = data.ready[split].column_names
        if missing := [side for side in SIDES if side not in columns]:
            what = f"trainer dpo reads the column {missing[0]!r}, which the split {split} lacks"
            raise LamcoreError(f"{what}. There are: {', '.join(columns)}.")
        if "segments" in columns:
            what = "trainer dpo reads input, chosen and rejected, and the model would read segments instead"
            raise LamcoreError(f"{what}: leave the step or column out that gives them.")
    if recipe.augmenters or recipe.tokenizer.dropout:
        which = "augmenters" if recipe.augmenters else "tokenizer.dropout"
        raise LamcoreError(f"trainer dpo reads chosen and rejected as they stand: set no {which}.")
