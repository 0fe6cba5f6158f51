"""Counts of a file's records: of each group, across two columns, along an axis, with examples."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamcore.answers import read
from lamcore.errors import LamcoreError, unknown
from lamcore_analyse.scales import MOST, OTHERS, Grouping, Scale, Survey, grouping

COUNTED = ("intent", "calls", "fields", "target")
FORMS = (".parquet", ".jsonl", ".csv")
LONGEST = 300
"""Characters kept of an example or a name."""


@dataclass
class Tally:
    """Records counted by group; groups first seen after `MOST` others are counted together."""

    column: str
    grouping: Grouping
    wanted: int
    """Examples of each."""
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def count(self, record: Mapping[str, Any], shown: str) -> list[str]:
        """Count a record in its groups, and return their names."""
        names = []
        for name in self.grouping.groups(record.get(self.column)):
            name = name[:LONGEST]
            if name not in self.counts and len(self.counts) >= MOST:
                name = OTHERS
            self.counts[name] += 1
            kept = self.examples.setdefault(name, [])
            place = len(kept) if len(kept) < self.wanted else self.rng.randrange(self.counts[name])
            if place < self.wanted:  # reservoir sampling: Vitter 1985, algorithm R
                one = {"id": str(record.get("id", "")), "text": str(record.get(shown, ""))[:LONGEST]}
                kept[place : place + 1] = [one]
            names.append(name)
        return names

    def names(self) -> list[str]:
        """Return the groups in the order of their values, or the largest first."""
        return self.grouping.order(self.counts) or [name for name, _ in self.counts.most_common()]

    def facts(self, records: int) -> dict[str, Any]:
        """Return the counts as plain values."""
        rows = [
            {"name": name, "records": self.counts[name], "share": self.counts[name] / records}
            | {"examples": self.examples[name]}
            for name in self.names()
        ]
        return {"column": self.column, "kind": self.grouping.kind, "groups": rows}


def records_of(file: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the records of a file, one in memory at a time."""
    if file.suffix not in FORMS:
        raise LamcoreError(f"{file}: the name must end in {', '.join(FORMS)}.")
    for number, record in enumerate(read(file), 1):
        if not isinstance(record, Mapping):
            raise LamcoreError(f"{file}, record {number}: an object with columns is wanted, not {record!r:.60}.")
        yield record


def analyse(
    file: Path,
    of: str | None = None,
    by: str | None = None,
    over: str | None = None,
    text: str = "input",
    most: int = 3,
) -> dict[str, Any]:
    """Return what a file's records say, as plain values; LamcoreError for a column that is not there."""
    first = next(records_of(file), None)
    if first is None:
        raise LamcoreError(f"{file} holds no records.")
    of = of or next((name for name in COUNTED if name in first), None)
    if of is None:
        raise LamcoreError(f"{file}: which column is to be counted? Give --of one of: {', '.join(first)}.")
    for name in (of, by, over):
        if name and name not in first:
            raise unknown("column", name, first, has="The first record has")
    columns = {name: Survey() for name in (of, by, over) if name}
    for record in records_of(file):
        for name, survey in columns.items():
            survey.see(record.get(name))
    tally = Tally(of, grouping(columns[of]), most)
    beside = Tally(by, grouping(columns[by]), most) if by else None
    scale = _scale(over, columns[over]) if over else None
    return _count(file, tally, beside, over, scale, text)


def _scale(over: str, survey: Survey) -> Scale:
    scale = survey.scale()
    if scale is None:
        found = f", such as {min(survey.labels)[:60]!r}" if survey.labels else ""
        raise LamcoreError(f"--over {over}: no value is a date, a time (ISO 8601) or a number{found}.")
    return scale


def _count(
    file: Path, tally: Tally, beside: Tally | None, over: str | None, scale: Scale | None, text: str
) -> dict[str, Any]:
    records, without = 0, 0
    cross: Counter[tuple[str, str]] = Counter()
    along: Counter[tuple[str, int]] = Counter()
    totals: Counter[int] = Counter()
    for record in records_of(file):
        records += 1
        names = tally.count(record, text)
        for group in beside.count(record, text) if beside else []:
            cross.update((name, group) for name in names)
        step = scale.step(record.get(over)) if scale and over else None
        if step is not None:
            totals[step] += 1
            along.update((name, step) for name in names)
        without += scale is not None and step is None
    found: dict[str, Any] = {"file": file.name, "records": records, "of": tally.facts(records)}
    if beside:
        rows = [{"name": name, "records": {one: cross[name, one] for one in beside.names()}} for name in tally.names()]
        found |= {"by": beside.facts(records), "cross": rows}
    if scale:
        steps = range(scale.count)
        counts = {name: [along[name, step] for step in steps] for name in tally.names()}
        all_of = [totals[step] for step in steps]
        lines = [{"name": name, "records": each} for name, each in counts.items()]
        changes = [{"name": name, **change(each, all_of)} for name, each in counts.items()]
        places = {"unit": scale.unit, "steps": [scale.name(step) for step in steps], "records": all_of}
        found["over"] = {"column": over, **places, "without": without, "lines": lines, "changes": changes}
    return found


def change(counts: list[int], totals: list[int]) -> dict[str, float | None]:
    """Return a share in the first and in the second half of the steps, and the difference with its 95 % interval.

    Of an odd number the one in the middle counts for neither. The interval is the normal one for two independent
    shares (Wald); None where a half has no records."""
    half = len(counts) // 2
    (a, n), (b, m) = ((sum(c), sum(t)) for c, t in ((counts[:half], totals[:half]), (counts[-half:], totals[-half:])))
    if not half or not n or not m:
        return {"before": None, "after": None, "low": None, "high": None}
    before, after = a / n, b / m
    around = 1.96 * math.sqrt(before * (1 - before) / n + after * (1 - after) / m)
    return {"before": before, "after": after, "low": after - before - around, "high": after - before + around}
