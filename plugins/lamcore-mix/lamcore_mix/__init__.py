"""Several sources as one: source `mix`; less of one: source `part`; even parts: preprocessors `balance` and `cap`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lamcore import MISSING, Preprocessor, Record, Source, hookimpl
from lamcore_mix.parts import Sampling, columns_of, copies, pick, shares_of, wanted

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass
class Stage:
    """What train is made of from an epoch on."""

    epoch: int = 0
    """The first epoch, from 0, of which it is so."""
    weights: dict[str, float] = field(default_factory=dict)
    """Label -> weight of each component that takes part; the others don't."""


@dataclass
class Mix(Source):
    """Several sources as one, in shares by weights or by temperature (Arivazhagan et al. 2019, section 4).

    A part of n records gets the share n^(1/temperature), over the sum of all parts' such numbers. Counts are exact and
    drawn once, so that every epoch of a stage has the same records. Ids begin with the component's label; a record that
    is repeated names its first as `parent`; where a record has no `domain`, that is its component's label. Validation
    is that of all components together, any other held-out split is called LABEL_SPLIT. With stages (a curriculum:
    Bengio et al. 2009), each train record says its `first_epoch` and `last_epoch`."""

    components: dict[str, Source] = field(default_factory=dict)
    """Label -> source, such as {news: {name: jsonl, train: news.jsonl}}."""
    weights: dict[str, float] = field(default_factory=dict)
    """Label -> weight, for shares that don't depend on sizes; empty: shares by temperature."""
    temperature: float | None = 1.0
    """1 takes each part as large as it is, 5 lifts small ones (the paper's), null makes all alike."""
    by: list[str] = field(default_factory=list)
    """Columns whose values make the parts, such as [input_lang, target_lang]; empty: each component is a part."""
    sampling: Sampling = Sampling.up
    """up repeats records of parts that are too small, and loses none; down drops some of those too large."""
    held_out: list[str] = field(default_factory=list)
    """Labels of the components whose validation and tests are used; empty: all."""
    stages: dict[str, Stage] = field(default_factory=dict)
    """Label -> stage, such as {begin: {weights: {news: 1}}, end: {epoch: 5, weights: {news: 1, help: 3}}}."""
    seed: int = 1
    """Key of which records are repeated or dropped."""

    def __post_init__(self) -> None:
        _check_temperature(self.temperature)
        if not self.components:
            raise ValueError("components must name a source, such as {news: {name: jsonl, train: news.jsonl}}")
        for label in self.components:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", label):
                raise ValueError(f"components: a label is a-z, 0-9 and _, not {label!r}")
        of_stages = {f"stages.{label}.weights": stage.weights for label, stage in self.stages.items()}
        for name, labels in {"weights": self.weights, "held_out": self.held_out, **of_stages}.items():
            if strange := set(labels) - set(self.components):
                raise ValueError(f"{name}: no component is called {min(strange)!r}, only {', '.join(self.components)}")
        if self.weights and (self.by or self.temperature != 1):
            raise ValueError("weights set the shares: leave by and temperature as they are")
        if self.weights and (len(self.weights) < len(self.components) or min(self.weights.values()) <= 0):
            raise ValueError(f"weights must give each component a number above 0, not {self.weights}")
        if self.stages and (self.weights or self.by or self.temperature != 1):
            raise ValueError("stages set the shares: leave weights, by and temperature as they are")
        for name, weights in of_stages.items():
            if min(weights.values(), default=0) <= 0:
                raise ValueError(f"{name} must give each component that takes part a number above 0, not {weights}")
        epochs = [stage.epoch for stage in self.stages.values()]
        if epochs and (min(epochs) != 0 or len(set(epochs)) < len(epochs)):
            raise ValueError(f"stages: one must begin at epoch 0, and no two at the same, not at {epochs}")

    def load(self) -> Mapping[str, Iterable[Record]]:
        from lamcore_mix.mixing import mixed

        return mixed(self)

    def fingerprint(self) -> str | None:
        from lamcore_mix.mixing import fingerprint

        return fingerprint(self.components)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one of two toy components, for checks."""
        from lamcore.testing.toy import Commands

        return cls(components={"one": Commands(), "two": Commands()}, weights={"one": 1, "two": 1.5})


@dataclass
class Part(Source):
    """A share of another source's train split, or all but that; its held-out splits are as they are.

    Records of one `group`, or else of one input, stay together, and a smaller share of the same seed lies within a
    larger one."""

    source: Source = MISSING
    """The source that is taken a part of, such as {name: jsonl, train: news.jsonl}."""
    share: float = 0.1
    """How much of train is taken, above 0 and at most 1; drawn by a keyed hash, so it is met roughly."""
    rest: bool = False
    """Take what the share leaves out instead."""
    seed: int = 1
    """Key of which records are taken."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or (self.rest and self.share == 1):
            raise ValueError(f"share must be above 0 and at most 1 (below 1 for the rest), not {self.share}")

    def load(self) -> Mapping[str, Dataset | Iterable[Record]]:
        from lamcore_mix.part import taken

        return taken(self)

    def fingerprint(self) -> str | None:
        from lamcore_mix.mixing import fingerprint

        return fingerprint({"part": self.source})

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return half of a toy source, for checks."""
        from lamcore.testing.toy import Commands

        return cls(source=Commands(), share=0.5)


@dataclass
class Balance(Preprocessor):
    """Make the parts of train more even, by repeating or dropping records; validation and test keep every row.

    A part of n records gets the share n^(1/temperature) (Arivazhagan et al. 2019). Repeats come last and name their
    first as `parent`. Put it after `deduplicate`, which would take the repeats out."""

    columns: list[str] = field(default_factory=lambda: ["domain"])
    """Columns whose values make the parts, such as [input_lang, target_lang]."""
    temperature: float | None = None
    """1 leaves parts as large as they are, 5 lifts small ones, null makes all alike."""
    sampling: Sampling = Sampling.up
    """up repeats records of parts that are too small, and loses none; down drops some of those too large."""
    seed: int = 1
    """Key of which records are repeated or dropped."""

    def __post_init__(self) -> None:
        _check_temperature(self.temperature)
        _check_columns(self.columns)

    def apply(self, rows: Dataset, split: str) -> Dataset | Iterable[Record]:
        """Return the rows that are kept, then the repeats; other splits than train unchanged."""
        if split != "train" or not len(rows):
            return rows
        ids, parts = columns_of(rows, self.columns, "balance.columns")
        sizes = {part: len(members) for part, members in parts.items()}
        chosen = pick(ids, parts, wanted(sizes, shares_of(sizes, self.temperature), self.sampling), self.seed)
        if len(chosen) <= len(rows):
            return rows.select([row for row, _ in chosen])
        return ({"parent": None, **record} for record in copies(rows, chosen))


@dataclass
class Cap(Preprocessor):
    """Keep at most so many train records of each value of a column; validation and test keep every row."""

    columns: list[str] = field(default_factory=lambda: ["domain"])
    """Columns whose values make the parts; [input] bounds how many targets an input may have."""
    most: int = 10_000
    """Records of each part that are kept, drawn by a keyed hash of their ids."""
    seed: int = 1
    """Key of which records are kept."""

    def __post_init__(self) -> None:
        _check_columns(self.columns)
        if self.most < 1:
            raise ValueError(f"most must be 1 or more, not {self.most}")

    def apply(self, rows: Dataset, split: str) -> Dataset | Iterable[Record]:
        """Return the rows that are kept, in order; other splits than train unchanged."""
        if split != "train" or not len(rows):
            return rows
        ids, parts = columns_of(rows, self.columns, "cap.columns")
        counts = {part: min(len(members), self.most) for part, members in parts.items()}
        return rows.select([row for row, _ in pick(ids, parts, counts, self.seed)])


def _check_temperature(temperature: float | None) -> None:
    if temperature is not None and temperature < 0.1:  # a share to the power of 10 is as good as none
        raise ValueError(f"temperature must be 0.1 or more, or null, not {temperature}")


def _check_columns(columns: list[str]) -> None:
    if not columns:
        raise ValueError("columns must name a column, such as [domain]")


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    register("mix", Mix)
    register("part", Part)


@hookimpl
def register_preprocessors(register: Callable[[str, Any], None]) -> None:
    register("balance", Balance)
    register("cap", Cap)
