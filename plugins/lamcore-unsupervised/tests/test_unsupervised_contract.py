"""The components and their package keep the promises of their kinds."""

from __future__ import annotations

import pytest

from lamcore.testing import AugmenterContract, PreprocessorContract, check_package
from lamcore.testing.toy import records
from lamcore_unsupervised import Autoencode, Denoise, Masked, PlainText, Side

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


def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-unsupervised")} == {
        "package", "augmenter denoise", "augmenter masked", "preprocessor autoencode", "preprocessor plain_text",
    }  # fmt: skip
