"""Your own data: sources `parallel_text`, `jsonl`, `csv`, `tsv` and `parquet`.

The classes repeat their settings so that each can be read alone; the work is in the functions below them, in
`lamcore_files.splits` and in `lamcore_files.readers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lamcore import MISSING, Record, Source, hookimpl
from lamcore_files import examples, readers, splits


@dataclass
class ParallelText(Source):
    """Text files whose lines belong together: line n of each file makes record n."""

    train: list[str] = MISSING
    """Files, one a column; names that end in .gz are unpacked. Alone, it is cut into the three splits."""
    validation: list[str] = field(default_factory=list)
    """Files, one a column; empty: none."""
    test: list[str] = field(default_factory=list)
    """Files, one a column; empty: none."""
    tests: dict[str, list[str]] = field(default_factory=dict)
    """More held-out tests: name -> files, one a column."""
    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """Column that each file fills, in order; one called `group` keeps its rows together when the splits are cut."""
    languages: list[str] = field(default_factory=list)
    """Codes for input_lang and target_lang, such as [en, de]; empty: no such columns."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given."""
    seed: int = 1
    """Key of that cut; adding rows never moves others."""

    def __post_init__(self) -> None:
        _prepare(self)
        if not self.columns or len(set(self.columns)) < len(self.columns):
            raise ValueError(f"columns must be different names, not {self.columns}")
        for name, files in splits.given(self).items():
            if len(files) != len(self.columns) and files != [MISSING]:
                raise ValueError(f"{name} needs one file a column ({', '.join(self.columns)}), not {len(files)}")

    def load(self) -> Mapping[str, Iterable[Record]]:
        return _load(self, self._read)

    def _read(self, paths: list[str]) -> Iterator[Record]:
        return (dict(zip(self.columns, texts, strict=True)) for texts in readers.read_parallel(paths))

    def fingerprint(self) -> str:
        return splits.fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads files written into a folder, for checks."""
        return cls(train=examples.parallel(folder))


@dataclass
class Jsonl(Source):
    """JSON Lines: one object a line."""

    train: str | list[str] = MISSING
    """A file, or several read one after another; names that end in .gz are unpacked. Alone: cut into three splits."""
    validation: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    test: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    tests: dict[str, str | list[str]] = field(default_factory=dict)
    """More held-out tests: name -> file or files."""
    columns: dict[str, str] = field(default_factory=dict)
    """Our column -> the file's, such as {input: en}; columns not named are left out. Empty: all, as they are.

    A list of texts for `target` is several right answers: it becomes `references`, and its first the target."""
    group: str | None = None
    """Column of the file whose rows stay together when the splits are cut; null: `group`, where there is one."""
    languages: list[str] = field(default_factory=list)
    """Codes for input_lang and target_lang, such as [en, de]; empty: no such columns."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given."""
    seed: int = 1
    """Key of that cut; adding rows never moves others."""

    def __post_init__(self) -> None:
        _prepare(self)

    def load(self) -> Mapping[str, Iterable[Record]]:
        return _load(self, lambda paths: _table(self, paths, readers.read_jsonl))

    def fingerprint(self) -> str:
        return splits.fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads files written into a folder, for checks."""
        return cls(train=examples.jsonl(folder))


@dataclass
class Csv(Source):
    """Comma-separated values under a line of column names; every value is text."""

    train: str | list[str] = MISSING
    """A file, or several read one after another; names that end in .gz are unpacked. Alone: cut into three splits."""
    validation: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    test: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    tests: dict[str, str | list[str]] = field(default_factory=dict)
    """More held-out tests: name -> file or files."""
    columns: dict[str, str] = field(default_factory=dict)
    """Our column -> the file's, such as {input: en}; columns not named are left out. Empty: all, as they are."""
    group: str | None = None
    """Column of the file whose rows stay together when the splits are cut; null: `group`, where there is one."""
    languages: list[str] = field(default_factory=list)
    """Codes for input_lang and target_lang, such as [en, de]; empty: no such columns."""
    delimiter: str = ","
    """The one character between fields, such as ; in many spreadsheets."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given."""
    seed: int = 1
    """Key of that cut; adding rows never moves others."""

    def __post_init__(self) -> None:
        _prepare(self)
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n ':
            raise ValueError(f"delimiter must be one character, no quote, blank or line end, not {self.delimiter!r}")

    def load(self) -> Mapping[str, Iterable[Record]]:
        return _load(self, lambda paths: _table(self, paths, self._read))

    def _read(self, path: str) -> Iterator[readers.Row]:
        return readers.read_csv(path, self.delimiter)

    def fingerprint(self) -> str:
        return splits.fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads files written into a folder, for checks."""
        return cls(train=examples.table(folder, ",", '"'))


@dataclass
class Tsv(Source):
    """Tab-separated values under a line of column names: a row is a line, quotes mean nothing, every value is text."""

    train: str | list[str] = MISSING
    """A file, or several read one after another; names that end in .gz are unpacked. Alone: cut into three splits."""
    validation: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    test: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    tests: dict[str, str | list[str]] = field(default_factory=dict)
    """More held-out tests: name -> file or files."""
    columns: dict[str, str] = field(default_factory=dict)
    """Our column -> the file's, such as {input: en}; columns not named are left out. Empty: all, as they are."""
    group: str | None = None
    """Column of the file whose rows stay together when the splits are cut; null: `group`, where there is one."""
    languages: list[str] = field(default_factory=list)
    """Codes for input_lang and target_lang, such as [en, de]; empty: no such columns."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given."""
    seed: int = 1
    """Key of that cut; adding rows never moves others."""

    def __post_init__(self) -> None:
        _prepare(self)

    def load(self) -> Mapping[str, Iterable[Record]]:
        return _load(self, lambda paths: _table(self, paths, readers.read_tsv))

    def fingerprint(self) -> str:
        return splits.fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads files written into a folder, for checks."""
        return cls(train=examples.table(folder, "\t", ""))


@dataclass
class Parquet(Source):
    """Parquet files, with the types that they give their columns."""

    train: str | list[str] = MISSING
    """A file, or several read one after another. Alone: cut into three splits."""
    validation: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    test: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    tests: dict[str, str | list[str]] = field(default_factory=dict)
    """More held-out tests: name -> file or files."""
    columns: dict[str, str] = field(default_factory=dict)
    """Our column -> the file's, such as {input: en}; columns not named are left out. Empty: all, as they are."""
    group: str | None = None
    """Column of the file whose rows stay together when the splits are cut; null: `group`, where there is one."""
    languages: list[str] = field(default_factory=list)
    """Codes for input_lang and target_lang, such as [en, de]; empty: no such columns."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given."""
    seed: int = 1
    """Key of that cut; adding rows never moves others."""

    def __post_init__(self) -> None:
        _prepare(self)

    def load(self) -> Mapping[str, Iterable[Record]]:
        return _load(self, lambda paths: _table(self, paths, readers.read_parquet))

    def fingerprint(self) -> str:
        return splits.fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads files written into a folder, for checks."""
        return cls(train=examples.parquet(folder))


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    register("parallel_text", ParallelText)
    register("jsonl", Jsonl)
    register("csv", Csv)
    register("tsv", Tsv)
    register("parquet", Parquet)


def _prepare(source: Any) -> None:
    """Check the settings that all sources share; a single path may stand for a list of one."""
    splits.prepare(source)
    if len(source.languages) not in (0, 2):
        raise ValueError(f"languages must be two codes, such as [en, de], or empty, not {source.languages}")


def _load(source: Any, read: Callable[[list[str]], Iterator[Record]]) -> Mapping[str, Iterable[Record]]:
    return splits.load(source, lambda paths: _with_languages(source, read(paths)))


def _table(source: Any, paths: list[str], read: Callable[[str], Iterator[readers.Row]]) -> Iterator[Record]:
    kinds: dict[str, str] = {}
    columns = dict(source.columns)
    if columns and source.group:
        columns["group"] = source.group
    for path in paths:
        rows = read(path) if columns or not source.group else _with_group(read(path), path, source.group)
        yield from readers.choose(rows, path, columns, kinds)


def _with_group(rows: Iterator[readers.Row], path: str, group: str) -> Iterator[readers.Row]:
    for number, row in rows:
        found = next(readers.choose([(number, row)], path, {"group": group}, {}))
        yield number, row | found


def _with_languages(source: Any, records: Iterator[Record]) -> Iterator[Record]:
    if not source.languages:
        return records
    known = dict(zip(("input_lang", "target_lang"), source.languages, strict=True))
    return (record | known for record in records)
