"""Tool calls: data in the formats that there are, checks against schemas, toy tools to run calls on.

The sources repeat their settings so that each can be read alone; a format is a module of the source's name, which
reads and writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from lamcore import MISSING, Record, Source, hookimpl
from lamcore_actions import bfcl, bio_jsonl, convert, examples, openai_tools, sharegpt, xlam
from lamcore_actions.swap import SwapSlots
from lamcore_actions.text import CallsText
from lamcore_actions.verify import CheckCalls, EndState, ExecuteCalls
from lamcore_files import splits

__all__ = [
    "Bfcl", "BioJsonl", "CallsText", "CheckCalls", "EndState", "ExecuteCalls", "OpenaiTools", "Sharegpt",
    "SwapSlots", "Xlam",
    "register_augmenters", "register_commands", "register_metrics", "register_preprocessors", "register_sources",
]  # fmt: skip


@dataclass
class OpenaiTools(Source):
    """Conversations with tool calls as OpenAI fine-tunes on them, one a line: `messages` and `tools`.

    Gives `input`, `messages`, `tools` and `calls`: what the last message calls, "[]" for an answer without calls, ""
    where the last message is no answer. Arguments may be objects, and ids missing, as chat templates have it. A
    message's `weight`, 0 or 1, becomes its `train`, which `chat_template` goes by; a last answer must not have 0."""

    train: str | list[str] = MISSING
    """A file, or several read one after another; names that end in .gz are unpacked. Alone: cut into three splits."""
    validation: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    test: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    tests: dict[str, str | list[str]] = field(default_factory=dict)
    """More held-out tests: name -> file or files."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given."""
    seed: int = 1
    """Key of that cut; adding rows never moves others."""

    def __post_init__(self) -> None:
        splits.prepare(self)

    def load(self) -> Mapping[str, Iterable[Record]]:
        return _load(self, openai_tools)

    def fingerprint(self) -> str:
        return splits.fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a file written into a folder, for checks."""
        return cls(train=examples.written("openai_tools", folder))


@dataclass
class Sharegpt(Source):
    """Conversations in turns of `from` and `value`, with `tools`: ShareGPT as LLaMA-Factory and Hermes write it.

    Gives `input`, `messages`, `tools` and `calls`: what the last message calls, "[]" for an answer without calls, ""
    where the last message is no answer."""

    train: str | list[str] = MISSING
    """A file, or several read one after another; names that end in .gz are unpacked. Alone: cut into three splits."""
    validation: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    test: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    tests: dict[str, str | list[str]] = field(default_factory=dict)
    """More held-out tests: name -> file or files."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given."""
    seed: int = 1
    """Key of that cut; adding rows never moves others."""

    def __post_init__(self) -> None:
        splits.prepare(self)

    def load(self) -> Mapping[str, Iterable[Record]]:
        return _load(self, sharegpt)

    def fingerprint(self) -> str:
        return splits.fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a file written into a folder, for checks."""
        return cls(train=examples.written("sharegpt", folder))


@dataclass
class Xlam(Source):
    """Questions with `query`, `tools` and `answers`, as xLAM and APIGen have them (Liu et al. 2024).

    Gives `input`, `messages`, `tools` (with JSON schemas for Python's types) and `calls`."""

    train: str | list[str] = MISSING
    """A file, or several read one after another; names that end in .gz are unpacked. Alone: cut into three splits."""
    validation: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    test: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    tests: dict[str, str | list[str]] = field(default_factory=dict)
    """More held-out tests: name -> file or files."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given."""
    seed: int = 1
    """Key of that cut; adding rows never moves others."""

    def __post_init__(self) -> None:
        splits.prepare(self)

    def load(self) -> Mapping[str, Iterable[Record]]:
        return _load(self, xlam)

    def fingerprint(self) -> str:
        return splits.fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a file written into a folder, for checks."""
        return cls(train=examples.written("xlam", folder))


@dataclass
class Bfcl(Source):
    """Rows of the Berkeley Function Calling Leaderboard, each question joined with its possible answers.

    Gives `id`, `input`, `messages`, `tools` (with JSON schemas for its types), `domain` (the category), `allowed` (the
    possible answers) and `calls`: the first allowed values, "[]" where nothing is to be called, "" where any call is
    right. In Java and JavaScript every parameter is a string, and calls hold the text of literals: `5L`."""

    train: str | list[str] = MISSING
    """A file, or several read one after another; names that end in .gz are unpacked. Alone: cut into three splits."""
    validation: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    test: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    tests: dict[str, str | list[str]] = field(default_factory=dict)
    """More held-out tests: name -> file or files."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given."""
    seed: int = 1
    """Key of that cut; adding rows never moves others."""

    def __post_init__(self) -> None:
        splits.prepare(self)

    def load(self) -> Mapping[str, Iterable[Record]]:
        return _load(self, bfcl)

    def fingerprint(self) -> str:
        return splits.fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a file written into a folder, for checks."""
        return cls(train=examples.written("bfcl", folder))


@dataclass
class BioJsonl(Source):
    """Sentences with an intent and slots: `text`, `tokens`, `slots` (BIO tags), `intent` and `lang`, as in SNIPS.

    Gives `input`, `tokens`, `tags`, `intent` and `input_lang`, which is "" where the file has none."""

    train: str | list[str] = MISSING
    """A file, or several read one after another; names that end in .gz are unpacked. Alone: cut into three splits."""
    validation: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    test: str | list[str] = field(default_factory=list)
    """A file or several; empty: none."""
    tests: dict[str, str | list[str]] = field(default_factory=dict)
    """More held-out tests: name -> file or files."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test where only `train` is given."""
    seed: int = 1
    """Key of that cut; adding rows never moves others."""

    def __post_init__(self) -> None:
        splits.prepare(self)

    def load(self) -> Mapping[str, Iterable[Record]]:
        return _load(self, bio_jsonl)

    def fingerprint(self) -> str:
        return splits.fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a file written into a folder, for checks."""
        return cls(train=examples.written("bio_jsonl", folder))


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    """Offer a source a format."""
    register("openai_tools", OpenaiTools)
    register("sharegpt", Sharegpt)
    register("xlam", Xlam)
    register("bfcl", Bfcl)
    register("bio_jsonl", BioJsonl)


@hookimpl
def register_preprocessors(register: Callable[[str, Any], None]) -> None:
    """Offer what turns calls into text, and what drops wrong ones."""
    register("calls_text", CallsText)
    register("check_calls", CheckCalls)
    register("execute_calls", ExecuteCalls)


@hookimpl
def register_augmenters(register: Callable[[str, Any], None]) -> None:
    """Offer what fills slots anew."""
    register("swap_slots", SwapSlots)


@hookimpl
def register_metrics(register: Callable[[str, Any], None]) -> None:
    """Offer what carries calls out and looks at the end."""
    register("end_state", EndState)


@hookimpl
def register_commands(register: Callable[[str, Any], None]) -> None:
    """Offer `convert`."""
    register("convert", convert.command)


def _load(source: Any, format: ModuleType) -> Mapping[str, Iterable[Record]]:
    return splits.load(source, lambda paths: chain.from_iterable(map(format.read, paths)))
