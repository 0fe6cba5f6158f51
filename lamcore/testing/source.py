"""What a source promises."""

from __future__ import annotations

import math
import tempfile
import unicodedata
import unittest
from itertools import islice
from pathlib import Path
from typing import Any

from lamcore.kinds import Record, Source, records_of
from lamcore.testing.component import ComponentContract, difference
from lamcore.testing.contract import ensure

Splits = dict[str, list[Record]]


class SourceContract(ComponentContract):
    """What a source promises; each promise is tried on the first `most` records of each split."""

    kind = "source"
    component: Source
    most: int = 100_000
    """Most records of a split that are looked at."""

    def use(self) -> Splits:
        """Load every split."""
        return {split: self._read(rows) for split, rows in self.component.load().items()}

    def given(self) -> dict[str, Any]:
        """Return how many records to look at."""
        return {"most": self.most}

    def _read(self, rows: Any) -> list[Record]:
        return list(islice(records_of(rows) if hasattr(rows, "iter") else rows, self.most))

    def test_it_gives_train_and_validation(self) -> None:
        """There are records for `train` and `validation`; every split has a snake_case name and a record or more."""
        splits = self.use()
        lost = [name for name in ("train", "validation") if not splits.get(name)]
        ensure(not lost, f"no record for {' and '.join(lost)}; there are {', '.join(splits) or 'no splits'}")
        odd = [name for name in splits if not (name.isascii() and name.isidentifier() and name == name.lower())]
        ensure(not odd, f"split {odd} is no snake_case name")
        empty = [name for name, records in splits.items() if not records]
        ensure(not empty, f"no record for {' and '.join(empty)}")

    def test_its_records_are_plain(self) -> None:
        """A record is a dict of text to plain values: text, finite numbers, booleans, None, bytes, lists and dicts."""
        for split, records in self.use().items():
            for number, record in enumerate(records):
                ensure(isinstance(record, dict), f"record {number} of {split} is a {type(record).__name__}, no dict")
                for name, value in record.items():
                    problem = _strange(value) if isinstance(name, str) else f"the column {name!r} is no text"
                    ensure(not problem, f"record {number} of {split}, column {name!r}: {problem}")

    def test_its_records_survive_the_disk(self) -> None:
        """Records written to disk come back as they were: a column is of one type, and none comes late."""
        from lamcore.tables import write_table

        for split, records in self.use().items():
            named = [record if "id" in record else {"id": f"{split}-{n}", **record} for n, record in enumerate(records)]
            with tempfile.TemporaryDirectory() as folder:
                back = list(records_of(write_table(Path(folder) / split, named)))
            kept = [{name: value for name, value in record.items() if value is not None} for record in back]
            given = [{name: value for name, value in record.items() if value is not None} for record in named]
            ensure(not (problem := difference(given, kept)), f"{split}: {problem}")

    def test_each_id_stands_once(self) -> None:
        """`id` is text, in all records of a split or in none, and each stands once in all splits together."""
        seen: dict[str, str] = {}
        for split, records in self.use().items():
            ids = [record["id"] for record in records if "id" in record]
            ensure(len(ids) in (0, len(records)), f"{len(records) - len(ids)} records of {split} lack an id")
            for one in ids:
                ensure(isinstance(one, str) and one, f"{split} has the id {one!r}, which is no text")
                ensure(one not in seen, f"the id {one!r} stands in {seen.get(one)} and in {split}")
                seen[one] = split

    def test_it_loads_the_same_twice(self) -> None:
        """Loading again gives the same splits in the same order, with the same records in the same order."""
        first, second = self.use(), self.use()
        ensure(list(first) == list(second), f"splits {list(first)} became {list(second)}")
        for split, records in first.items():
            ensure(not (problem := difference(records, second[split])), f"{split}: {problem}")

    def test_splits_can_be_read_in_any_order(self) -> None:
        """Each split reads the same alone, whichever was read before it."""
        first = self.use()
        loaded = self.component.load()
        for split in reversed(list(first)):
            ensure(not (problem := difference(first[split], self._read(loaded[split]))), f"{split}: {problem}")

    def test_the_splits_that_it_makes_are_disjoint(self) -> None:
        """Where it cuts the splits itself (`makes_splits`), no input of train stands in another split.

        Inputs are compared after NFKC and case folding."""
        self._needs_own_splits()
        splits = self.use()
        train = {_folded(record) for record in splits["train"]} - {None}
        for split, records in splits.items():
            both = [record["input"] for record in records if split != "train" and _folded(record) in train]
            ensure(not both, f"{len(both)} inputs of {split} stand in train too, such as {both[:1]}")

    def test_a_group_stays_together(self) -> None:
        """Where it cuts the splits itself, records of one `group` stand in one split."""
        self._needs_own_splits()
        seen: dict[Any, str] = {}
        for split, records in self.use().items():
            for group in [record["group"] for record in records if record.get("group") is not None]:
                ensure(
                    seen.setdefault(group, split) == split, f"group {group!r} stands in {seen[group]} and in {split}"
                )

    def test_a_derived_record_stays_with_its_parent(self) -> None:
        """A record that names its `parent` stands in the split of that parent."""
        splits = self.use()
        home = {record["id"]: split for split, records in splits.items() for record in records if "id" in record}
        for split, records in splits.items():
            for record in [record for record in records if record.get("parent") in home]:
                there = home[record["parent"]]
                ensure(there == split, f"{record['id']!r} of {split} was made from a record of {there}")

    def test_its_fingerprint_is_stable(self) -> None:
        """`fingerprint` is a short text, the same each time and after loading, or None where it is not known."""
        before = self.component.fingerprint()
        if before is None:
            raise unittest.SkipTest("it gives no fingerprint, so that it is read for every run")
        ensure(isinstance(before, str) and before and len(before) <= 1000, f"it is {before!r:.60}, no short text")
        again = self.component.fingerprint()
        self.use()
        after = self.component.fingerprint()
        ensure(before == again == after, f"it was {before!r}, then {again!r}, and {after!r} after loading")

    def _needs_own_splits(self) -> None:
        if not self.component.makes_splits:
            raise unittest.SkipTest("its splits are given (makes_splits is false): overlap is reported by each run")


def _folded(record: Record) -> str | None:
    text = record.get("input")
    if not isinstance(text, str) or not text.strip():
        return None
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _strange(value: Any) -> str:
    """Say why a value is not plain, or ""."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is no finite number"
    if isinstance(value, dict):
        return next((problem for item in value.values() if (problem := _strange(item))), "")
    if isinstance(value, list):
        return next((problem for item in value if (problem := _strange(item))), "")
    plain = type(value) in (str, int, float, bool, bytes, type(None))
    return "" if plain else f"{type(value).__name__} is not plain (a list, text or number is)"
