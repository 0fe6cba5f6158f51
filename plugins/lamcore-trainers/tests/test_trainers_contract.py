"""The trainer keeps the promises of its kind with other settings than those of its example."""

from __future__ import annotations

from lamcore.testing import TrainerContract
from lamcore_trainers.supervised import Optimizer, Schedule, Supervised


class TestSupervisedWithEverything(TrainerContract):
    component = Supervised(
        optimizer=Optimizer.muon,
        steps=40,
        warmup=5,
        lr=2e-2,
        schedule=Schedule.cosine,
        accumulation=2,
        average=2,
        ema=0.9,
        validate_every=8,
        log_every=3,
    )
