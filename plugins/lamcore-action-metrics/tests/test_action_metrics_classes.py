"""Classes and how sure a model is of them."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from lamcore import LamcoreError
from lamcore.scores import scored
from lamcore_action_metrics import (
    F1,
    Accuracy,
    Average,
    CalibrationError,
    OutOfScopeRecall,
    Precision,
    Recall,
    RiskCoverage,
)


def score(metric, gold, said, **columns):
    answers = [{"intent": one, **{name: values[at] for name, values in columns.items()}} for at, one in enumerate(said)]
    total: Counter[str] = Counter()
    for count in metric.counts(answers, [{"id": f"{at}", "intent": one} for at, one in enumerate(gold)]):
        total.update(count)
    return dict(metric.score(total))


def drawn(seed):
    """Return random (gold, said): some classes are never right, some only said, some missed altogether."""
    rng = random.Random(seed)
    names = [f"class {letter}" for letter in "abcdefgh"[: rng.randint(2, 8)]]
    size = rng.choice([1, 7, 150])
    gold = rng.choices(names[:-1] if rng.random() < 0.5 else names, k=size)
    return gold, [one if rng.random() < 0.6 else rng.choice(names) for one in gold]


@pytest.mark.parametrize("average", [Average.macro, Average.micro, Average.weighted])
@pytest.mark.parametrize(("which", "kind"), [(0, Precision), (1, Recall), (2, F1)])
def test_averages_over_classes_are_those_of_scikit_learn(average, which, kind):
    for seed in range(15):
        gold, said = drawn(seed)
        right = precision_recall_fscore_support(gold, said, average=average.value, zero_division=0)[which]
        name = kind.__name__.lower()
        assert score(kind(average=average), gold, said)[name] == pytest.approx(100 * right, abs=1e-9)


@pytest.mark.parametrize(("which", "kind"), [(0, Precision), (1, Recall), (2, F1)])
def test_each_class_has_scikit_learns_score_and_support(which, kind):
    for seed in range(15):
        gold, said = drawn(seed)
        names = sorted(set(gold))
        found = precision_recall_fscore_support(gold, said, labels=names, zero_division=0)
        each = score(kind(average=Average.none), gold, said)
        assert each == pytest.approx(
            {**dict(zip(names, 100 * found[which], strict=True)), **{f"{n}.support": gold.count(n) for n in names}}
        )


def test_classes_with_fewer_than_20_records_are_flagged():
    gold = ["a"] * 20 + ["b"] * 19 + ["c"] * 30 + ["d"]
    assert score(F1(), gold, gold) == {"f1": 100.0, "small_classes": 50.0}
    assert F1().signature == "column:intent|average:macro|small:fewer than 20 records"


def test_resampled_records_keep_the_names_of_all_classes():
    answers = [{"intent": "a"}, {"intent": "b"}, {"intent": "c"}]
    rows = [{"id": "1", "intent": "a"}, {"id": "2", "intent": "b"}, {"id": "3", "intent": "b"}]
    made = scored({"f1": F1(average=Average.none)}, answers, rows, resamples=20)
    assert {name: one["value"] for name, one in made.items()} == {
        "f1.a": 100.0, "f1.b": pytest.approx(200 / 3), "f1.a.support": 1.0, "f1.b.support": 2.0,
    }  # fmt: skip


def test_what_an_answer_lacks_is_no_class():
    assert score(Accuracy(), ["a", "a"], ["a", None]) == {"accuracy": 50.0}
    with pytest.raises(LamcoreError, match="accuracy: the answers have no column 'intent', only: target"):
        Accuracy().count({"target": "a"}, {"intent": "a"})
    with pytest.raises(LamcoreError, match=r"f1: 'tags' of record '7' holds \['O'\], no single class: use slot_f1"):
        F1(column="tags").count({"tags": ["O"]}, {"id": "7", "tags": ["O"]})


def test_inputs_out_of_scope_are_scored_apart():
    gold, said = ["oos", "oos", "oos", "oos", "a", "a", "b"], ["oos", "a", "b", "b", "a", "oos", "b"]
    right = {"out_of_scope_recall": 25.0, "in_scope_accuracy": pytest.approx(200 / 3)}
    assert score(OutOfScopeRecall(), gold, said) == right
    assert score(OutOfScopeRecall(label="a"), ["a", "b"], ["a", "a"])["out_of_scope_recall"] == 100.0


def test_calibration_error_is_the_mean_gap_of_its_bins():
    # two bins of half: (0.6 + 0.8) / 2 sure and 1 of 2 right; 0.3 sure and right
    gold, said, sure = ["a", "a", "a"], ["a", "b", "a"], [0.6, 0.8, 0.3]
    found = score(CalibrationError(bins=2), gold, said, probability=sure)
    assert found == {"calibration_error": pytest.approx(100 * (2 / 3 * abs(0.5 - 0.7) + 1 / 3 * abs(1 - 0.3)))}
    assert score(CalibrationError(bins=1), gold, said, probability=sure) == {
        "calibration_error": pytest.approx(100 * abs(2 / 3 - 1.7 / 3))
    }


def test_calibration_error_follows_guo_et_al():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sure, right = rng.random(200), rng.random(200) < 0.5
        places = np.digitize(sure, np.linspace(0, 1, 16), right=True)
        gaps = [abs(right[places == m].mean() - sure[places == m].mean()) * (places == m).mean() for m in set(places)]
        said = ["a" if one else "b" for one in right]
        found = score(CalibrationError(), ["a"] * 200, said, probability=sure.tolist())
        assert found["calibration_error"] == pytest.approx(100 * sum(gaps))


def test_a_score_is_a_log_probability_where_there_is_no_probability():
    assert score(CalibrationError(), ["a"], ["a"], score=[0.0]) == {"calibration_error": 0.0}
    assert score(CalibrationError(), ["a"], ["a"], score=[-0.5])["calibration_error"] == pytest.approx(39.346934)
    assert score(CalibrationError(), ["a"], ["b"], score=[-0.5], probability=[0.25])["calibration_error"] == 25.0


def test_what_is_no_probability_is_refused(caplog):
    message = "calibration_error: the answer to record '0' has the probability 7.38906, which is not between 0 and 1"
    with pytest.raises(LamcoreError, match=message):
        score(CalibrationError(), ["a"], ["a"], score=[2.0])
    with pytest.raises(LamcoreError, match="has the probability nan"):
        score(CalibrationError(), ["a"], ["a"], probability=[float("nan")])
    with pytest.raises(ValueError, match="bins must be 1 or more, not 0"):
        CalibrationError(bins=0)
    assert score(CalibrationError(), ["a", "a"], ["a", "b"]) == {"calibration_error": 50.0}
    assert caplog.messages == ["calibration_error: 2 answers have neither probability nor score: taken as sure."]


def test_risk_coverage_is_the_mean_share_of_wrong_answers_among_the_surest():
    found = score(RiskCoverage(), ["a"] * 4, ["a", "b", "a", "b"], probability=[0.9, 0.8, 0.7, 0.2])
    assert found == {"risk_coverage": pytest.approx(100 * (0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)}


def test_of_equally_sure_answers_the_wrong_ones_are_evenly_mixed_in():
    found = score(RiskCoverage(), ["a"] * 4, ["a", "b", "b", "b"], probability=[0.5] * 4)
    assert found == {"risk_coverage": pytest.approx(75.0)}


def test_risk_coverage_of_steps_is_near_that_of_exact_probabilities():
    rng = np.random.default_rng(1)
    sure = rng.beta(4, 1, 500)
    right = rng.random(500) < sure
    found = score(RiskCoverage(), ["a"] * 500, np.where(right, "a", "b").tolist(), probability=sure.tolist())
    wrong = ~right[np.argsort(-sure)]
    assert found["risk_coverage"] == pytest.approx(100 * (wrong.cumsum() / np.arange(1, 501)).mean(), abs=0.2)
