"""The components and their package keep the promises of their kinds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lamcore.testing import AugmenterContract, PreprocessorContract, TrainerContract, check_package
from lamcore.testing.models import Watch, fitted, same_weights, state_of
from lamcore.testing.toy import records
from lamcore_unsupervised import Autoencode, Consistency, Denoise, Masked, PlainText, Side, UnsupervisedTranslation

RAW = [{name: record[name] for name in ("id", "target", "target_lang")} for record in records(64)]
CHANGED = ("input", "target", "input_lang", "target_lang")


class TestDenoise(AugmenterContract):
    component = Denoise(drop=0.1, distance=3)
    varies = CHANGED


@pytest.mark.full
class TestDenoiseOfInputs(AugmenterContract):
    component = Denoise(clean=Side.input, rate=0.9, span=1.5, records=0.5)
    varies = CHANGED


@pytest.mark.full
class TestMasked(AugmenterContract):
    component = Masked(rate=0.5, span=2, sentinels=3)
    varies = CHANGED


@pytest.mark.full
class TestAutoencodeOfPairs(PreprocessorContract):
    component = Autoencode()


@pytest.mark.full
class TestAutoencodeOfRawText(PreprocessorContract):
    component = Autoencode(noise=Masked())
    records = RAW
    answers = ()

    test_held_out_splits_are_turned_alike = None  # at predict nothing is noised: what is asked is the noised text


@pytest.mark.full
class TestPlainText(PreprocessorContract):
    component = PlainText()


@pytest.mark.full
class TestConsistency(TrainerContract):
    component = Consistency.example(Path())


@pytest.mark.full
class TestUnsupervisedTranslation(TrainerContract):
    component = UnsupervisedTranslation.example(Path())


@pytest.mark.parametrize("cls", [Consistency, UnsupervisedTranslation])
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tmp_path, cls):
    trainer = dataclasses.replace(cls.example(tmp_path), steps=12, validate_every=5, batch_tokens=100)
    whole = fitted(tmp_path / "whole", trainer, Watch())
    assert fitted(tmp_path / "parts", trainer, Watch(stop_at=(8, "interrupted"))).steps() == [5, 8]
    parts = fitted(tmp_path / "parts", trainer, Watch())
    assert same_weights(state_of(parts.model), state_of(whole.model))
    assert parts.lines() == whole.lines()
    assert whole.watch.passes == 8 + parts.watch.passes == 12


@pytest.mark.full  # the trainers' contracts are above
def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-unsupervised")} == {
        "package", "augmenter denoise", "augmenter masked", "preprocessor autoencode", "preprocessor plain_text",
        "trainer consistency", "trainer unsupervised_translation",
    }  # fmt: skip
