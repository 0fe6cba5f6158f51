"""The preprocessors `balance` and `cap`."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from datasets import Dataset

from lamcore import LamcoreError
from lamcore_mix import Balance, Cap, Sampling


def table(**sizes: int) -> Dataset:
    """Return a table with so many records of each domain."""
    domains = [domain for domain, size in sizes.items() for _ in range(size)]
    return Dataset.from_list([{"id": f"r{at}", "domain": domain} for at, domain in enumerate(domains)])


def counts(rows: Any) -> dict[str, int]:
    return dict(Counter(row["domain"] for row in rows))


def test_up_repeats_small_parts_until_all_are_alike():
    rows = list(Balance().apply(table(law=1, news=3), "train"))
    assert [(row["id"], row["parent"]) for row in rows] == [
        ("r0", None), ("r1", None), ("r2", None), ("r3", None), ("r0@2", "r0"), ("r0@3", "r0"),
    ]  # fmt: skip


def test_what_is_repeated_is_repeated_evenly():
    rows = list(Balance().apply(table(law=4, news=11), "train"))
    times = Counter(row["parent"] or row["id"] for row in rows if row["domain"] == "law")
    assert sorted(times.values()) == [2, 3, 3, 3]


def test_down_drops_from_large_parts_and_keeps_the_order():
    rows = Balance(sampling=Sampling.down).apply(table(law=2, news=30), "train")
    assert counts(rows) == {"law": 2, "news": 2}
    ids = [int(row["id"][1:]) for row in rows]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("temperature", "up", "down"),
    [
        (1, {"law": 4, "news": 64}, {"law": 4, "news": 64}),
        (2, {"law": 16, "news": 64}, {"law": 4, "news": 16}),
        (None, {"law": 64, "news": 64}, {"law": 4, "news": 4}),
    ],
)
def test_shares_follow_the_temperature(temperature, up, down):
    """4 : 64 becomes 4^(1/T) : 64^(1/T), so 2 : 8 for T = 2."""
    assert counts(Balance(temperature=temperature).apply(table(law=4, news=64), "train")) == up
    made = Balance(temperature=temperature, sampling=Sampling.down).apply(table(law=4, news=64), "train")
    assert counts(made) == down


def test_a_record_that_was_derived_keeps_its_parent():
    rows = [{"id": "a", "parent": "p", "domain": "law"}, *({"id": i, "parent": None, "domain": "news"} for i in "bc")]
    repeat = list(Balance().apply(Dataset.from_list(rows), "train"))[-1]
    assert (repeat["id"], repeat["parent"]) == ("a@2", "p")


def test_cap_keeps_so_many_of_each_part_in_order():
    rows = list(Cap(most=3).apply(table(law=2, news=50), "train"))
    assert counts(rows) == {"law": 2, "news": 3}
    ids = [int(row["id"][1:]) for row in rows]
    assert ids == sorted(ids)


def test_other_records_don_t_change_which_ones_cap_keeps():
    few, many = table(news=50), table(news=50, law=50)
    kept = [row["id"] for row in Cap(most=5).apply(few, "train")]
    assert kept == [row["id"] for row in Cap(most=5).apply(many, "train") if row["domain"] == "news"]
    assert kept != [row["id"] for row in Cap(most=5, seed=2).apply(few, "train")]


def test_several_columns_make_a_part_of_each_pair():
    rows = Dataset.from_list([{"id": str(at), "a": at % 2, "b": [at % 3]} for at in range(60)])
    assert len(Cap(columns=["a", "b"], most=2).apply(rows, "train")) == 12


@pytest.mark.parametrize("step", [Balance(), Balance(sampling=Sampling.down), Cap(most=1)])
@pytest.mark.parametrize("split", ["validation", "test", "predict"])
def test_other_splits_keep_every_row(step, split):
    rows = table(law=1, news=3)
    assert step.apply(rows, split) is rows


@pytest.mark.parametrize(("step", "key"), [(Balance(["topic"]), "balance"), (Cap(["topic"]), "cap")])
def test_a_column_that_is_not_there_is_named(step, key):
    with pytest.raises(LamcoreError, match=rf"{key}\.columns: train has no column 'topic', only: id, domain\."):
        step.apply(table(law=1), "train")


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="temperature must be 0.1 or more, or null, not -1"):
        Balance(temperature=-1)
    with pytest.raises(ValueError, match="most must be 1 or more, not 0"):
        Cap(most=0)
    with pytest.raises(ValueError, match="columns must name a column"):
        Cap(columns=[])
