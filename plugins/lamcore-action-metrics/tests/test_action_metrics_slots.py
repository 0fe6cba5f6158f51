"""Slots: F1 as nervaluate, conlleval and seqeval have it."""

from __future__ import annotations

import random
import warnings
from collections import Counter

import pytest
from nervaluate import Evaluator
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

from lamcore import LamcoreError
from lamcore_action_metrics import Scheme, SlotF1
from lamcore_action_metrics.slots import slots


def score(metric, gold, said):
    total: Counter[str] = Counter()
    for count in metric.counts([{"tags": one} for one in said], [{"tags": one} for one in gold]):
        total.update(count)
    return dict(metric.score(total))


def drawn(seed, letters="BI"):
    """Return random (gold, said), tags in any order: an I- opens slots, types change within them."""
    rng = random.Random(seed)
    tags = ["O", *(f"{letter}-{kind}" for letter in letters for kind in ("room", "time-of-day", "x"))]
    gold = [rng.choices(tags, k=rng.randint(1, 9)) for _ in range(rng.choice([1, 3, 40]))]
    return gold, [[tag if rng.random() < 0.7 else rng.choice(tags) for tag in one] for one in gold]


@pytest.mark.parametrize("letters", ["B", "I", "BI", "BIES"])
def test_conlleval_is_seqevals_default(letters):
    for seed in range(30):
        gold, said = drawn(seed, letters)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no slots at all
            right = precision_recall_fscore_support(gold, said, average="micro", zero_division=0)
        found = score(SlotF1(), gold, said)
        assert [found["precision"], found["recall"], found["slot_f1"]] == pytest.approx(
            [100 * one for one in right[:3]]
        )


@pytest.mark.parametrize("letters", ["B", "I", "BI"])
def test_strict_is_nervaluates(letters):
    for seed in range(30):
        gold, said = drawn(seed, letters)
        right = Evaluator(gold, said, tags=["room", "time-of-day", "x"], loader="list").evaluate()["overall"]["strict"]
        found = score(SlotF1(scheme=Scheme.strict), gold, said)
        assert [found["precision"], found["recall"], found["slot_f1"]] == pytest.approx(
            [100 * right.precision, 100 * right.recall, 100 * right.f1]
        )


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("", set()),
        ("O O", set()),
        ("B-a I-a O B-a", {("a", 0, 2), ("a", 3, 4)}),
        ("B-a B-a", {("a", 0, 1), ("a", 1, 2)}),
        ("I-a I-a", {("a", 0, 2)}),  # opens without B-
        ("B-a I-b", {("a", 0, 1), ("b", 1, 2)}),  # another type
        ("O I-a B-a", {("a", 1, 2), ("a", 2, 3)}),
        ("B-a-b I-a-b", {("a-b", 0, 2)}),
        ("B I I", {("", 0, 3)}),  # no types
        ("S-a S-a", {("a", 0, 1), ("a", 1, 2)}),
        ("B-a E-a I-a", {("a", 0, 2), ("a", 2, 3)}),
        ("X-a X-a O foo", {("a", 0, 2), ("", 3, 4)}),
    ],
)
def test_slots_are_read_from_any_tags(tags, found):
    assert slots(tags.split()) == found


def test_an_empty_tag_is_o():
    assert slots(["B-a", "", "I-a"]) == {("a", 0, 1), ("a", 2, 3)}


def test_schemes_differ_where_tags_are_no_bio():
    gold, said = [["B-a", "I-a", "O"]], [["S-a", "X-b", "O"]]
    assert SlotF1().count({"tags": said[0]}, {"tags": gold[0]}) == {"tp": 0, "fp": 2, "fn": 1}
    assert SlotF1(scheme=Scheme.strict).count({"tags": said[0]}, {"tags": gold[0]}) == {"tp": 0, "fp": 0, "fn": 1}


def test_a_text_is_no_list_of_tags():
    with pytest.raises(LamcoreError, match="slot_f1: 'intent' of record 'r' holds 'Alarm', no list of tags"):
        SlotF1(column="intent").count({"intent": "Alarm"}, {"id": "r", "intent": "Alarm"})


def test_lists_of_unlike_length_are_compared_by_place():
    assert SlotF1().count({"tags": ["B-a"]}, {"tags": ["B-a", "O", "B-a"]}) == {"tp": 1, "fp": 0, "fn": 1}
    assert SlotF1().count({"tags": ["B-a"] * 3}, {"tags": ["B-a"]}) == {"tp": 1, "fp": 2, "fn": 0}
    assert SlotF1().count({"tags": None}, {"tags": ["B-a"]}) == {"tp": 0, "fp": 0, "fn": 1}


def test_the_signature_names_the_scheme():
    assert SlotF1().signature == "column:tags|scheme:conlleval|average:micro"
    assert SlotF1(scheme=Scheme.strict).signature == "column:tags|scheme:strict|average:micro"


def test_counts_are_summed_before_they_are_divided():
    found = score(SlotF1(), [["B-a"], ["B-a", "B-a", "B-a"]], [["B-a"], ["O", "O", "B-a"]])
    assert found == {"slot_f1": pytest.approx(200 / 3), "precision": 100.0, "recall": 50.0}
