"""The metrics and their package keep the promises of their kind, and agree with the programs that they name."""

from __future__ import annotations

import warnings

import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from lamcore.testing import MetricContract, check_package
from lamcore.testing.toy import records
from lamcore_action_metrics import (
    F1,
    Accuracy,
    Average,
    CalibrationError,
    CallMatch,
    Mode,
    OutOfScopeRecall,
    Precision,
    Recall,
    RiskCoverage,
    Scheme,
    SlotF1,
)

MANY = [{**record, "intent": ("on", "off", "dim")[at % 3]} for at, record in enumerate(records(66))]


def by_sklearn(which, average):
    """Return what scikit-learn says: precision (0), recall (1) or f1 (2); no class of MANY is small."""

    def score(answers, given):
        gold, said = [record["intent"] for record in given], [answer["intent"] for answer in answers]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # classes that nobody said
            found = precision_recall_fscore_support(gold, said, average=average, zero_division=0)
        small = [gold.count(name) < 20 for name in set(gold)]
        name = ("precision", "recall", "f1")[which]
        return {name: 100 * found[which], "small_classes": 100 * sum(small) / len(small)}

    return staticmethod(score)


def sklearn_accuracy(answers, given):
    pairs = [record["intent"] for record in given], [answer["intent"] for answer in answers]
    return {"accuracy": 100 * accuracy_score(*pairs)}


class TestAccuracy(MetricContract):
    component = Accuracy()
    reference = staticmethod(sklearn_accuracy)


@pytest.mark.full
class TestMacroPrecision(MetricContract):
    component = Precision()
    records = MANY
    reference = by_sklearn(0, "macro")


@pytest.mark.full
class TestWeightedPrecision(MetricContract):
    component = Precision(average=Average.weighted)
    records = MANY
    reference = by_sklearn(0, "weighted")


@pytest.mark.full
class TestMacroRecall(MetricContract):
    component = Recall()
    records = MANY
    reference = by_sklearn(1, "macro")


class TestMacroF1(MetricContract):
    component = F1()
    records = MANY
    reference = by_sklearn(2, "macro")


@pytest.mark.full
class TestMicroF1(MetricContract):
    component = F1(average=Average.micro)
    records = MANY
    reference = by_sklearn(2, "micro")


@pytest.mark.full
class TestWeightedF1(MetricContract):
    component = F1(average=Average.weighted)
    records = MANY
    reference = by_sklearn(2, "weighted")


@pytest.mark.full
class TestF1OfEachClass(MetricContract):
    component = F1(average=Average.none)
    records = MANY


@pytest.mark.full
class TestOutOfScopeRecall(MetricContract):
    component = OutOfScopeRecall(label="none")


class TestSlotF1(MetricContract):
    component = SlotF1()
    records = SlotF1.example_records()


@pytest.mark.full
class TestStrictSlotF1(MetricContract):
    component = SlotF1(scheme=Scheme.strict)
    records = SlotF1.example_records()


class TestCallMatch(MetricContract):
    component = CallMatch()
    records = CallMatch.example_records()


class TestCallMatchByBfcl(MetricContract):
    component = CallMatch(mode=Mode.bfcl)
    records = CallMatch.example_records()


class TestCalibrationError(MetricContract):
    component = CalibrationError()


class TestRiskCoverage(MetricContract):
    component = RiskCoverage()


@pytest.mark.full
def test_the_package_and_all_that_it_provides_keep_their_promises():
    names = (
        "accuracy calibration_error call_match f1 out_of_scope_recall precision recall risk_coverage slot_f1".split()
    )
    assert {what for what, _ in check_package("lamcore-action-metrics")} == {
        "package",
        *(f"metric {n}" for n in names.split()),
    }
