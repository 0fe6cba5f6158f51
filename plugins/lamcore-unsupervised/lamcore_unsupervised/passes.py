"""What the trainers share: the records behind a batch, batches of other records, chance that a checkpoint keeps."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lamcore import Answer, Record
from lamcore.kinds import Decoding, records_of
from lamcore.model import evaluating

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run

GREEDY = Decoding()


def records_behind(batch: Mapping[str, Tensor], data: Data) -> list[Record]:
    """Return the train records that a batch was made of, as they are before augmenters."""
    return list(records_of(data.ready["train"].select(batch["rows"].tolist())))


def batch_of(records: Sequence[Record], run: Run, model: Any) -> dict[str, Tensor]:
    """Return a batch of records, on the run's device."""
    return run.trained.on(model.collate(model.encode(list(records))))


def answers_to(records: Sequence[Record], run: Run, model: Any) -> list[Answer]:
    """Return what the model answers as it stands, by greedy search, without dropout and without the run's steps up."""
    with evaluating(model):
        answers: list[Answer] = model.predict(batch_of(records, run, model), GREEDY)
    return answers


def drawn() -> random.Random:
    """Return chance that follows from torch's, whose state checkpoints keep."""
    return random.Random(int(torch.randint(2**62, ())))
