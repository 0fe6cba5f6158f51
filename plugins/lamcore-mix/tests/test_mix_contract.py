"""The source, the preprocessors and their package keep the promises of their kinds."""

from __future__ import annotations

import pytest

from lamcore.testing import PreprocessorContract, check_package
from lamcore_mix import Balance, Cap, Sampling


@pytest.mark.full
class TestBalanceUp(PreprocessorContract):
    component = Balance(columns=["intent"], temperature=2)


@pytest.mark.full
class TestBalanceDown(PreprocessorContract):
    component = Balance(columns=["intent", "domain"], sampling=Sampling.down)


@pytest.mark.full
class TestCap(PreprocessorContract):
    component = Cap(columns=["intent"], most=5)


def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-mix")} == {
        "package", "source mix", "source part", "preprocessor balance", "preprocessor cap",
    }  # fmt: skip
