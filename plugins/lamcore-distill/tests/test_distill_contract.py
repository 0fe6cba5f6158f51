"""The trainer and its package keep the promises of their kind."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lamcore.testing import TrainerContract, check_package
from lamcore.testing.models import Watch, fitted, same_weights, state_of
from lamcore_distill import Distill


@pytest.mark.full
class TestDistill(TrainerContract):
    component = Distill.example(Path())


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tmp_path):
    trainer = dataclasses.replace(Distill.example(tmp_path), steps=12, validate_every=5, accumulation=2)
    trainer.batch_tokens = 100
    whole = fitted(tmp_path / "whole", trainer, Watch())
    assert fitted(tmp_path / "parts", trainer, Watch(stop_at=(15, "interrupted"))).steps() == [5, 8]
    parts = fitted(tmp_path / "parts", trainer, Watch())
    assert same_weights(state_of(parts.model), state_of(whole.model))
    assert parts.lines() == whole.lines()
    assert whole.watch.passes == 15 + 1 + parts.watch.passes  # an update has two


@pytest.mark.full  # the trainer's contract is above
def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-distill")} == {"package", "trainer distill"}
