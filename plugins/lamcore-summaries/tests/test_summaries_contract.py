"""The components and their package keep the promises of their kinds."""

from __future__ import annotations

import pytest

from lamcore.testing import (
    ArchitectureContract,
    AugmenterContract,
    MetricContract,
    PackageContract,
    PreprocessorContract,
    SourceContract,
    check_package,
)
from lamcore_summaries import Extractive, GapSentences, Rouge, Scitldr, Sentences


class TestScitldr(SourceContract):
    @pytest.fixture(autouse=True)
    def _written(self, tmp_path):
        self.component = Scitldr.example(tmp_path)


class TestSentences(PreprocessorContract):
    component = Sentences()
    records = GapSentences.example_records()


class TestGapSentences(AugmenterContract):
    component = GapSentences()
    records = GapSentences.example_records()
    varies = ("input", "target")


class TestRouge(MetricContract):
    component = Rouge()
    records = Rouge.example_records()

    @pytest.mark.full  # each process imports torchmetrics
    def test_another_process_gives_the_same(self) -> None:
        super().test_another_process_gives_the_same()


class TestExtractive(ArchitectureContract):
    component = Extractive(width=32)
    records = Extractive.example_records()

    @pytest.mark.full  # each process imports torchmetrics
    def test_another_process_gives_the_same(self) -> None:
        super().test_another_process_gives_the_same()


class TestPackage(PackageContract):
    distribution = "lamcore-summaries"


@pytest.mark.full  # of all that it provides: in the short form the classes above try each
def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-summaries")} == {
        "package", "source scitldr", "preprocessor sentences", "augmenter gap_sentences", "metric rouge",
        "architecture extractive",
    }  # fmt: skip
