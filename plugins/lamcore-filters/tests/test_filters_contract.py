"""The filters and their package keep the promises of their kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamcore.testing import PreprocessorContract, check_package, check_preprocessor
from lamcore_filters import Alignment, Alphabet, Characters, Copies, Language, LengthRatio, Numbers, PlaceholderMatch


class TestLengthRatio(PreprocessorContract):
    component = LengthRatio(threshold=1.5)


class TestCharacters(PreprocessorContract):
    component = Characters(threshold=0.8)


class TestAlphabet(PreprocessorContract):
    component = Alphabet(threshold=0.5, exclude_whitespace=True)


class TestCopies(PreprocessorContract):
    component = Copies(lowercase=True)


class TestNumbers(PreprocessorContract):
    component = Numbers(threshold=1.0)


class TestPlaceholderMatch(PreprocessorContract):
    component = PlaceholderMatch()


@pytest.mark.full
class TestLanguage(PreprocessorContract):
    component = Language(languages=["en", "de"], langid_languages=["de", "en", "fr"])


@pytest.mark.full
def test_alignment_keeps_the_promises_of_its_kind(tmp_path: Path) -> None:
    check_preprocessor(Alignment.example(tmp_path), records=Alignment.example_records())


@pytest.mark.full
def test_the_package_and_all_that_it_provides_keep_their_promises() -> None:
    assert {what for what, _ in check_package("lamcore-filters")} == {
        "package", "preprocessor language", "preprocessor length_ratio", "preprocessor characters",
        "preprocessor alphabet", "preprocessor copies", "preprocessor numbers", "preprocessor placeholder_match",
        "preprocessor alignment",
    }  # fmt: skip
