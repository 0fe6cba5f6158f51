"""Sources -> tables on disk -> one table of the shares wanted, in memory that does not grow with the records' texts."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from datasets import Dataset

from lamcore import LamcoreError, Record, Source
from lamcore.kinds import records_of
from lamcore.prepare import key_of
from lamcore.tables import write_table
from lamcore_mix.parts import Choice, columns_of, copies, pick, shares_of, wanted

if TYPE_CHECKING:
    from lamcore_mix import Mix

Tables = dict[str, Dataset]
"""Label -> records of one split."""
Span = tuple[int, int]
"""First and last epoch."""
NO_END = 2**31 - 1
"""The last epoch of what never ends: a number, for a column that is empty at first would be taken for text."""
log = logging.getLogger("lamcore")


class _Room(TemporaryDirectory[str]):
    """A folder for the components' tables, which goes when nobody reads them any more."""

    def table(self, split: str, label: str, rows: Any) -> Dataset:
        return write_table(Path(self.name) / split / label, _named(label, split, rows))


def fingerprint(components: Mapping[str, Source]) -> str | None:
    """Return a text that changes when a component, its code or its data does; None where one gives none."""
    keys = []
    for label, component in components.items():
        if (found := component.fingerprint()) is None:
            return None
        keys.append(f"{label} {key_of(component, found)}")
    return " ".join(keys)


def mixed(mix: Mix) -> dict[str, Iterable[Record]]:
    """Return the splits of a mix."""
    room = _Room(prefix="lamcore-mix-", ignore_cleanup_errors=True)
    given = {label: component.load() for label, component in mix.components.items()}
    if lost := [label for label, splits in given.items() if "train" not in splits]:
        raise LamcoreError(f"source.components.{lost[0]} gives no split 'train', only: {', '.join(given[lost[0]])}.")
    held_out = {label: given[label] for label in mix.held_out or given}
    splits: dict[str, Iterable[Record]] = {"train": _train(mix, room, {k: v["train"] for k, v in given.items()})}
    if validation := {label: found["validation"] for label, found in held_out.items() if "validation" in found}:
        splits["validation"] = _together(room, validation)
    for label, found in held_out.items():
        tests = [split for split in found if split not in ("train", "validation")]
        splits |= {f"{label}_{split}": _named(label, split, found[split]) for split in tests}
    return splits


def _named(label: str, split: str, rows: Any) -> Iterator[Record]:
    """Yield records with the component's label before their names, and for a domain where they have none."""
    for number, record in enumerate(records_of(rows) if isinstance(rows, Dataset) else rows):
        known = {"id": f"{label}/{record.get('id', f'{split}-{number}')}", "domain": record.get("domain") or label}
        parent = {"parent": f"{label}/{record['parent']}"} if record.get("parent") else {}
        yield {"id": "", **record, **known, **parent}


def _together(room: _Room, rows: Mapping[str, Any]) -> Iterator[Record]:
    tables = {label: room.table("validation", label, found) for label, found in rows.items()}
    yield from _joined(tables, {label: [(row, 1) for row in range(len(table))] for label, table in tables.items()})


def _train(mix: Mix, room: _Room, rows: Mapping[str, Any]) -> Iterator[Record]:
    tables = {label: room.table("train", label, found) for label, found in rows.items()}
    if empty := [label for label, table in tables.items() if not len(table)]:
        raise LamcoreError(f"source.components.{empty[0]} gives no record for train.")
    if mix.stages:
        yield from _staged(tables, _stages(mix, tables))
        return
    chosen = _chosen(mix, tables, mix.weights)
    _tell("train", tables, chosen)
    yield from _joined(tables, chosen)


def _tell(what: str, tables: Tables, chosen: Mapping[str, Sequence[Choice]]) -> None:
    for label, choices in chosen.items():
        once = sum(time == 1 for _, time in choices)
        told = f"{once} of {len(tables[label])} records and {len(choices) - once} repeats"
        log.info("mix: %s has of %s %s", what, label, told)


def _stages(mix: Mix, tables: Tables) -> dict[str, dict[Choice, list[Span]]]:
    """Return the epochs in which each component's rows are taken for the first, the second ... time."""
    stages = sorted(mix.stages.items(), key=lambda one: one[1].epoch)
    ends = [*(stage.epoch - 1 for _, stage in stages[1:]), NO_END]
    spans: dict[str, dict[Choice, list[Span]]] = {label: {} for label in tables}
    for (name, stage), end in zip(stages, ends, strict=True):
        chosen = _chosen(mix, {label: tables[label] for label in tables if label in stage.weights}, stage.weights)
        _tell(f"stage {name}, from epoch {stage.epoch} on,", tables, chosen)
        for label, choices in chosen.items():
            for choice in choices:
                known = spans[label].setdefault(choice, [])
                first = known.pop()[0] if known and known[-1][1] == stage.epoch - 1 else stage.epoch
                known.append((first, end))
    return spans


def _staged(tables: Tables, spans: Mapping[str, Mapping[Choice, list[Span]]]) -> Iterator[Record]:
    """Yield a record for each span of epochs in which a row is taken; all but the row's first are repeats."""
    chosen, epochs = {}, {}
    for label, of_choices in spans.items():
        times: Counter[int] = Counter()
        found = []
        for (row, _), of_choice in sorted(of_choices.items()):
            for first, last in of_choice:
                times[row] += 1
                found.append(((row, times[row]), {"first_epoch": first, "last_epoch": last}))
        found.sort(key=lambda one: (one[0][1], one[0][0]))
        chosen[label], epochs[label] = [choice for choice, _ in found], [epoch for _, epoch in found]
    yield from _joined(tables, chosen, epochs)


def _chosen(mix: Mix, tables: Tables, weights: Mapping[str, float]) -> dict[str, list[Choice]]:
    """Return the rows of each component that train is made of, and how often."""
    ids: list[str] = []
    parts: dict[Any, list[int]] = {}
    ends = {}
    for label, table in tables.items():
        own_ids, own_parts = columns_of(table, mix.by, f"source.by, component {label}")
        for part, rows in own_parts.items():
            parts.setdefault(part if mix.by else label, []).extend(len(ids) + row for row in rows)
        ids += own_ids
        ends[label] = len(ids)
    sizes = {part: len(rows) for part, rows in parts.items()}
    total = sum(weights.values())
    shares = {label: weight / total for label, weight in weights.items()} or shares_of(sizes, mix.temperature)
    chosen = pick(ids, parts, wanted(sizes, shares, mix.sampling), mix.seed)
    begins = {label: end - len(tables[label]) for label, end in ends.items()}
    return {k: [(row - begins[k], time) for row, time in chosen if begins[k] <= row < ends[k]] for k in tables}


def _joined(
    tables: Tables, chosen: Mapping[str, Sequence[Choice]], more: Mapping[str, Sequence[Record]] | None = None
) -> Iterator[Record]:
    """Yield the chosen records with the columns of all tables and what `more` says of each.

    The first of each table lead, so that types show."""
    columns = dict.fromkeys(name for table in tables.values() for name in table.column_names)
    if any(time > 1 for times in chosen.values() for _, time in times):
        columns["parent"] = None
    for part in (slice(0, 1), slice(1, None)):
        for label, table in tables.items():
            added = more[label][part] if more else repeat({})
            for record, values in zip(copies(table, chosen[label][part]), added, strict=False):
                yield {**columns, **record, **values}
