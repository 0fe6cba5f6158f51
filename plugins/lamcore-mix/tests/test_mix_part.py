"""The source `part`."""

from __future__ import annotations

import pytest

from lamcore import LamcoreError
from lamcore.testing.toy import Given
from lamcore_mix import Part

RECORDS = [{"input": f"sentence {number}"} for number in range(1000)]
SOURCE = Given({"train": RECORDS, "validation": [{"input": "v"}], "test": [{"input": "t"}]})


def inputs(share: float, **settings: object) -> list[str]:
    return [record["input"] for record in Part(SOURCE, share, **settings).load()["train"]]


def test_a_share_and_its_rest_are_all_of_train_in_order():
    share, rest = inputs(0.25), inputs(0.25, rest=True)
    assert 200 < len(share) < 300
    assert sorted(share + rest) == sorted(record["input"] for record in RECORDS)
    assert share == sorted(share, key=lambda text: int(text.split()[1]))


def test_a_smaller_share_lies_within_a_larger_one_and_another_seed_draws_others():
    assert set(inputs(0.05)) < set(inputs(0.25))
    assert inputs(0.25) != inputs(0.25, seed=2)


def test_the_whole_is_the_whole():
    assert inputs(1.0) == [record["input"] for record in RECORDS]


def test_held_out_splits_are_as_they_are():
    splits = Part(SOURCE, 0.05).load()
    assert [*splits["validation"]] == [{"input": "v"}]
    assert [*splits["test"]] == [{"input": "t"}]


def test_records_of_one_input_stay_together():
    source = Given({"train": [{"input": f"{at % 10}", "target": f"{at}"} for at in range(100)]})
    kept = [record["input"] for record in Part(source, 0.5).load()["train"]]
    assert {kept.count(text) for text in set(kept)} == {10}


def test_records_of_one_group_stay_together_whatever_their_inputs():
    """So that two halves of parallel texts, one of each language, have no pair between them."""
    captions = [{"group": f"{at % 10}", "input": f"{at}"} for at in range(100)]
    others = [{"group": f"{at % 10}", "input": f"anders {at}"} for at in range(100)]
    half = {record["group"] for record in Part(Given({"train": captions}), 0.5).load()["train"]}
    rest = {record["group"] for record in Part(Given({"train": others}), 0.5, rest=True).load()["train"]}
    assert half and rest and half | rest == {f"{at}" for at in range(10)} and not half & rest


def test_a_record_keeps_the_number_that_it_has_in_the_whole():
    """So that two parts of a source can be mixed, and a run on a part names its records as one on all does."""
    ids = [record["id"] for record in Part(SOURCE, 0.25).load()["train"]]
    assert ids == [f"train-{text.split()[1]}" for text in inputs(0.25)]


def test_a_share_of_which_nothing_is_left_is_refused():
    with pytest.raises(LamcoreError, match=r"source.share=1e-09 leaves no record of train: raise it\."):
        list(Part(SOURCE, 1e-9).load()["train"])


@pytest.mark.parametrize(("share", "rest"), [(0, False), (1.1, False), (1, True)])
def test_a_share_that_is_none_is_refused(share, rest):
    with pytest.raises(ValueError, match="share must be above 0 and at most 1"):
        Part(SOURCE, share, rest)
