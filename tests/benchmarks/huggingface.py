"""What the models that Hugging Face's Trainer trains share: settings and a clock. Needs transformers and accelerate.

The scripts `..._huggingface.py` import this in an environment that has no lamcore."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import torch
from measure import EVERY
from transformers import Trainer, TrainerCallback, TrainingArguments


class Speed(TrainerCallback):
    """How much is learnt a second, for every so many updates; a `collate` counts it in `learnt`."""

    def __init__(self) -> None:
        self.speeds: list[float] = []
        self.learnt = 0

    def on_train_begin(self, *_: object, **__: object) -> None:
        self.since = time.perf_counter()

    def on_step_end(self, _: object, state: object, *__: object, **___: object) -> None:
        if state.global_step % EVERY == 0:  # type: ignore[attr-defined]
            self.speeds.append(self.learnt / (time.perf_counter() - self.since))
            self.learnt, self.since = 0, time.perf_counter()


def padded(rows: Sequence[dict[str, Any]], column: str, value: int) -> torch.Tensor:
    """Return lists of whole numbers as (B, T)."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row[column]) for row in rows], True, value)


def train(model: Any, rows: list[dict[str, Any]], speed: Any, batch: int, **more: Any) -> None:
    """Train a model on rows with `input_ids`, `labels` and `length`, in batches of rows of like length.

    `speed` has a `collate`; `trainer` and `arguments` may be other classes than Trainer and TrainingArguments, and the
    rest are settings."""
    trainer, arguments = more.pop("trainer", Trainer), more.pop("arguments", TrainingArguments)
    with tempfile.TemporaryDirectory() as output:
        settings = arguments(
            output_dir=output, max_steps=int(sys.argv[2]), per_device_train_batch_size=batch, adam_beta2=0.98,
            train_sampling_strategy="group_by_length", use_cpu=True, logging_steps=EVERY, save_strategy="no",
            report_to=[], disable_tqdm=True, remove_unused_columns=False, **more,
        )  # fmt: skip
        trainer(model, settings, train_dataset=rows, data_collator=speed.collate, callbacks=[speed]).train()
