"""What an augmenter promises."""

from __future__ import annotations

import copy
import random
import unittest
from collections.abc import Sequence
from typing import Any

from lamcore.kinds import Augmenter, Record
from lamcore.testing.component import ComponentContract, difference
from lamcore.testing.contract import ensure
from lamcore.testing.state import seeded
from lamcore.testing.toy import records

SEEDS = range(20)


class AugmenterContract(ComponentContract):
    """What an augmenter promises."""

    kind = "augmenter"
    component: Augmenter
    records: Sequence[Record] = records(64)
    """Records to vary; give your own where the augmenter needs other columns."""
    varies: Sequence[str] | None = None
    """Columns that it may change; None: those of its setting `columns` or `column`, where it has one."""

    def use(self) -> list[list[Record]]:
        """Vary the records under some seeds."""
        return [self._apply(seed) for seed in SEEDS[:3]]

    def given(self) -> dict[str, Any]:
        """Return the records."""
        return {"records": self.records}

    def _records(self) -> list[Record]:
        return copy.deepcopy(list(self.records))

    def _apply(self, seed: int, given: list[Record] | None = None) -> list[Record]:
        return self.component.apply(self._records() if given is None else given, random.Random(seed))

    def test_it_gives_a_list_of_records(self) -> None:
        """It gives a list of dicts for a batch of any size, none for none, and never nothing for some."""
        for size in (0, 1, 2, len(self.records)):
            made = self._apply(1, self._records()[:size])
            right = isinstance(made, list) and all(isinstance(record, dict) for record in made)
            ensure(right, f"{size} records gave {type(made).__name__}, no list of dicts")
            ensure(bool(made) == bool(size), f"{size} records became {len(made)}")

    def test_it_leaves_its_input_alone(self) -> None:
        """The list and the records that it is given stay as they were."""
        for seed in SEEDS:
            given = self._records()
            self._apply(seed, given)
            ensure(not (problem := difference(self._records(), given)), problem)

    def test_it_depends_on_rng_alone(self) -> None:
        """The same `rng` gives the same, again, after other batches, and whatever the state of other random numbers."""
        for seed in SEEDS[:5]:
            with seeded(seed):
                first = self._apply(seed)
            with seeded(seed + 1):
                self._apply(seed + 1)
                second = self._apply(seed)
            ensure(not (problem := difference(first, second)), f"the same rng gave another result: {problem}")

    def test_chance_decides(self) -> None:
        """Under other seeds some record becomes another: it does something, and not always the same."""
        made = [self._apply(seed) for seed in SEEDS]
        ensure(any(difference(self._records(), one) for one in made), f"nothing changed under {len(SEEDS)} seeds")
        ensure(any(difference(made[0], one) for one in made), f"{len(SEEDS)} seeds gave the same")

    def test_records_keep_their_id(self) -> None:
        """A record keeps its `id`, or has a new one and names as `parent` the record that it was made from."""
        known = {record["id"] for record in self.records}
        for seed in SEEDS:
            made = self._apply(seed)
            for record in made:
                own = record.get("id") in known or record.get("parent") in known
                ensure(own and record.get("id"), f"{record.get('id')!r} is no given id, and names no parent")
            ids = [record["id"] for record in made]
            twice = [one for one in known if ids.count(one) > 1]
            ensure(not twice, f"{twice[:1]} stands twice: give copies an id of their own, and `parent`")

    def test_it_keeps_what_it_does_not_vary(self) -> None:
        """Columns other than those that it says it varies (`columns`, or the contract's `varies`) stay as they were."""
        named = getattr(self.component, "columns", None) or getattr(self.component, "column", None)
        varies = self.varies if self.varies is not None else [named] if isinstance(named, str) else named
        if varies is None:
            raise unittest.SkipTest("it has no setting `columns`: set `varies` to the columns that it may change")
        originals = {record["id"]: record for record in self._records()}
        free = {"id", "parent", *varies}
        for seed in SEEDS:
            for record in self._apply(seed):
                before = originals.get(record["id"]) or originals[record["parent"]]
                old, new = ({n: v for n, v in r.items() if n not in free} for r in (before, record))
                ensure(old == new, f"{record['id']!r}: {difference([old], [new])}")

    def test_values_keep_their_type(self) -> None:
        """A varied value is of the type that it was: text stays text, a list a list."""
        types = {name: type(value) for record in self.records for name, value in record.items()}
        for seed in SEEDS:
            for record in self._apply(seed):
                for name, value in record.items():
                    right = name not in types or type(value) is types[name]
                    ensure(right, f"{name} of {record['id']!r} became {type(value).__name__}")
