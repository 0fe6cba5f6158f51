"""The trainer, the step and their package keep the promises of their kinds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lamcore.testing import PreprocessorContract, TrainerContract, check_package
from lamcore.testing.models import Watch, fitted, same_weights, state_of
from lamcore_preferences import Dpo, TakeChosen


@pytest.mark.full
class TestDpo(TrainerContract):
    component = Dpo.example(Path())


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tmp_path):
    trainer = dataclasses.replace(Dpo.example(tmp_path), steps=12, validate_every=5, accumulation=2)
    trainer.batch_tokens = 100
    whole = fitted(tmp_path / "whole", trainer, Watch())
    assert fitted(tmp_path / "parts", trainer, Watch(stop_at=(15, "interrupted"))).steps() == [5, 8]
    parts = fitted(tmp_path / "parts", trainer, Watch())
    assert same_weights(state_of(parts.model), state_of(whole.model))
    assert parts.lines() == whole.lines()
    assert whole.watch.passes == 15 + 1 + parts.watch.passes  # an update has two


class TestTakeChosen(PreprocessorContract):
    component, records = TakeChosen(), TakeChosen.example_records()


def test_the_target_becomes_what_was_chosen_where_something_was():
    assert TakeChosen().change({"chosen": "a", "target": "b"}) == {"chosen": "a", "target": "a"}
    assert TakeChosen().change({"input": "x", "target": ""}) == {"input": "x", "target": ""}


@pytest.mark.full  # the contracts are above
def test_the_package_and_all_that_it_provides_keep_their_promises():
    found = {what for what, _ in check_package("lamcore-preferences")}
    assert found == {"package", "trainer dpo", "preprocessor take_chosen"}
