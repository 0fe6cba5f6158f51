"""The components and their package keep the promises of their kinds."""

from __future__ import annotations

import pytest

from lamcore.testing import MetricContract, PreprocessorContract, check_package
from lamcore_data_to_text import ControlAccuracy, Describe, Leaks, SlotErrorRate
from lamcore_data_to_text.examples import PEOPLE, records


class TestDescribe(PreprocessorContract):
    component = Describe(copied=["*"], lengths=[2.5, 3], first=True, agree=True)
    records = records(32)


class TestSlotErrorRate(MetricContract):
    component = SlotErrorRate()
    records = records(32)


class TestControlAccuracy(MetricContract):
    component = ControlAccuracy()
    records = records(32)


class TestLeaks(MetricContract):
    component = Leaks(values=PEOPLE)
    records = records(32)


@pytest.mark.full
def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-data-to-text")} == {
        "package", "source e2e", "source rnnlg", "source replies", "preprocessor describe", "metric slot_error_rate",
        "metric control_accuracy", "metric leaks",
    }  # fmt: skip
