"""`datasets` -> our records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import ClassLabel, Dataset, DatasetDict, load_dataset, load_from_disk

from lamcore import LamcoreError, Record
from lamcore.errors import unknown

if TYPE_CHECKING:
    from lamcore_huggingface import HuggingFace

SAVED = ("dataset_dict.json", "state.json")
"""What `save_to_disk` leaves in a folder."""
Tables = dict[str, Dataset]


def tables(source: HuggingFace) -> Tables:
    """Return {our split: table}; LamcoreError where there is no such data set, configuration or split."""
    try:
        return _read(source)
    except LamcoreError:
        raise
    except Exception as error:  # hub, network, file formats: whatever `datasets` and what it rests on may raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise LamcoreError(f"source.path={source.path} can't be read - {reason:.400}") from error


def _read(source: HuggingFace) -> Tables:
    folder = Path(source.path).expanduser()
    if any((folder / name).is_file() for name in SAVED):
        found: Any = load_from_disk(str(folder))
        return _mapped(found if isinstance(found, DatasetDict) else {"train": found}, source.splits)
    name = str(folder) if folder.is_dir() else source.path
    where: dict[str, Any] = {"path": name, "name": source.config, "revision": source.revision}
    if not source.splits:
        return _mapped(dict(load_dataset(**where)), {})
    return {ours: load_dataset(**where, split=theirs) for ours, theirs in source.splits.items()}


def _mapped(found: Tables, splits: dict[str, str]) -> Tables:
    """Return the splits under our names."""
    mapped = {}
    for ours, theirs in (splits or {name: name for name in found}).items():
        if theirs not in found:
            raise unknown("split", theirs, found, has="There are")
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", ours):
            raise LamcoreError(f"The split {ours!r} is no name for us: give it one, source.splits={{test: {ours!r}}}.")
        mapped[ours] = found[theirs]
    return mapped


def records_in(split: str, table: Dataset, columns: dict[str, str], languages: list[str]) -> Iterator[Record]:
    """Yield the records of a table; ids are made text and bear the split's name, as many count anew in each."""
    chosen = columns or _columns(table, languages)
    for theirs in chosen.values():
        if theirs not in table.column_names and theirs.partition(".")[0] not in table.column_names:
            raise unknown("column", theirs, table.column_names, has=f"The split {split!r} has")
    labels = {name: feature.names for name, feature in table.features.items() if isinstance(feature, ClassLabel)}
    known = dict(zip(("input_lang", "target_lang"), languages, strict=False))
    for batch in table.with_format("arrow").iter(batch_size=1000):  # arrow decodes neither pictures nor sounds
        for row in batch.to_pylist():
            record = {ours: _value(row, theirs, labels) for ours, theirs in chosen.items()} | known
            yield record | ({"id": f"{split}/{record['id']}"} if "id" in record else {})


def _columns(table: Dataset, languages: list[str]) -> dict[str, str]:
    """Return all columns, with those of a translation in place of it."""
    columns = {name: name for name in table.column_names}
    if not isinstance(spoken := getattr(table.features.get("translation"), "languages", None), list):
        spoken = list(table.features["translation"]) if isinstance(table.features.get("translation"), dict) else None
    if not spoken:
        return columns
    if not languages:
        raise LamcoreError(f"source.languages must say which of {', '.join(spoken)} are input and target.")
    for language in languages:
        if language not in spoken:
            raise unknown("language", language, spoken, has="The column 'translation' has")
    del columns["translation"]
    return {"input": f"translation.{languages[0]}", "target": f"translation.{languages[1]}", **columns}


def _value(row: dict[str, Any], column: str, labels: dict[str, list[str]]) -> Any:
    """Return a value by its column, or by the names that lead to it; a class as its name, None where it has none."""
    if column in labels:
        return labels[column][row[column]] if row[column] in range(len(labels[column])) else None
    value: Any = row
    for name in [column] if column in row else column.split("."):
        if not isinstance(value, dict) or name not in value:
            raise LamcoreError(f"source.columns: there is no {column!r} in {row!r:.200}")
        value = value[name]
    return value
