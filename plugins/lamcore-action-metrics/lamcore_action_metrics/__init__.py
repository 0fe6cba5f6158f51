"""Metrics of actions: classes, slots, calls, and how sure a model is of them."""

from __future__ import annotations

from typing import Any

from lamcore import hookimpl
from lamcore_action_metrics.calibration import CalibrationError, RiskCoverage
from lamcore_action_metrics.calls import CallMatch, Mode
from lamcore_action_metrics.classes import F1, Accuracy, Average, OutOfScopeRecall, Precision, Recall
from lamcore_action_metrics.slots import Scheme, SlotF1

__all__ = [
    "F1",
    "Accuracy",
    "Average",
    "CalibrationError",
    "CallMatch",
    "Mode",
    "OutOfScopeRecall",
    "Precision",
    "Recall",
    "RiskCoverage",
    "Scheme",
    "SlotF1",
    "register_metrics",
]


@hookimpl
def register_metrics(register: Any) -> None:
    """Offer the metrics."""
    register("accuracy", Accuracy)
    register("precision", Precision)
    register("recall", Recall)
    register("f1", F1)
    register("out_of_scope_recall", OutOfScopeRecall)
    register("slot_f1", SlotF1)
    register("call_match", CallMatch)
    register("calibration_error", CalibrationError)
    register("risk_coverage", RiskCoverage)
