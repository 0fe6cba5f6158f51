"""The components and their package keep the promises of their kinds."""

from __future__ import annotations

import pytest

from lamcore.testing import PreprocessorContract, check_package
from lamcore_augment import Curriculum, Easy


@pytest.mark.full
class TestCurriculum(PreprocessorContract):
    component = Curriculum(column="target", easy=Easy.high, start=0.01, epochs=9)


def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-augment")} == {
        "package", "source template", "augmenter thesaurus", "preprocessor curriculum",
    }  # fmt: skip
