"""The sources and their package keep the promises of their kind."""

from __future__ import annotations

import pytest

from lamcore.testing import check_package, check_source
from lamcore_files import Csv, Jsonl, ParallelText, Parquet, Tsv


@pytest.mark.parametrize("source", [ParallelText, Jsonl, Csv, Tsv, Parquet])
def test_given_splits_keep_every_promise_too(source, tmp_path):
    cut = source.example(tmp_path)
    given = source(train=cut.train, validation=cut.train, languages=["en", "de"])
    skipped = [one.promise for one in check_source(given) if one.skipped]
    assert skipped == ["the splits that it makes are disjoint", "a group stays together"]


def test_a_group_stays_together(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("text,topic\n" + "".join(f"row {n},topic {n // 5}\n" for n in range(200)), encoding="utf-8")
    made = Csv(train=str(file), columns={"input": "text"}, group="topic")
    assert not [one for one in check_source(made) if one.skipped]


def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-files")} == {
        "package", "source parallel_text", "source jsonl", "source csv", "source tsv", "source parquet",
    }  # fmt: skip
