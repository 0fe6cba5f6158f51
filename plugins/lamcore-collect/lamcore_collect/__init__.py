"""Sources that collect text from where it lies: `gettext`, `web_pages`, `books`, `documents`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Self

import click

from lamcore import MISSING, Record, Source, hookimpl
from lamcore_collect import examples, splits
from lamcore_files.splits import check_shares


class Unit(Enum):
    """What one record holds."""

    document = "document"
    paragraph = "paragraph"
    sentence = "sentence"


@dataclass
class Gettext(Source):
    """Translated messages of programs, from gettext catalogues (.po and .mo).

    Records hold `context` (msgctxt), `domain` (the catalogue) and the languages; texts are as they stand in the file,
    placeholders and line ends included. What is obsolete or not translated is left out. Of plural messages, the
    singular goes with the form for 1 and the plural with the form that most other numbers take."""

    languages: list[str] = MISSING
    """Language of input and of target, such as [en, de]."""
    folder: str | None = None
    """Folder that is searched for .po and .mo files, with all below it; where both are there, .po is read."""
    distribution: str | None = None
    """Installed distribution whose catalogues are read instead, such as humanize."""
    msgid_lang: str | None = "en"
    """Language of the messages' ids; null: ids are keys in no language, and both sides are translations."""
    fuzzy: bool = False
    """Read translations that are marked as fuzzy too: a program guessed them, nobody has checked them yet."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test; records of one input stay together."""
    seed: int = 1
    """Key of the cut; messages that are added never move others."""

    makes_splits = True

    def __post_init__(self) -> None:
        check_shares(self.split)
        if self.languages != MISSING and (len(self.languages) != 2 or len(set(self.languages)) != 2):
            raise ValueError(f"languages must be two different codes, such as [en, de], not {self.languages}")
        if bool(self.folder) == bool(self.distribution):
            raise ValueError("exactly one of folder and distribution must be set: where the catalogues are")

    def load(self) -> Mapping[str, Iterable[Record]]:
        from lamcore_collect.catalogues import find, pairs

        catalogues = find(self.folder, self.distribution)
        return splits.by_input(lambda: pairs(catalogues, self.languages, self.msgid_lang, self.fuzzy), self)

    def fingerprint(self) -> str:
        from lamcore_collect.catalogues import find

        return splits.fingerprint([one.path for one in find(self.folder, self.distribution)], "polib")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a catalogue written into a folder, for checks."""
        return cls(languages=["en", "de"], folder=examples.catalogue(folder), split=[6, 2, 2])


@dataclass
class WebPages(Source):
    """Text of web pages that lie in a folder (.html, .htm, .xhtml), without menus, footers and markup (trafilatura).

    Records hold `input`, `document` (the page's path) and `domain` (the folder below `folder` that the page lies in).
    A page stays in one split; a text of validation or test that stands in train too is left out there."""

    folder: str = MISSING
    """Folder of pages, searched with all below it."""
    unit: Unit = Unit.paragraph
    """What a record holds: document (a page), paragraph or sentence."""
    languages: list[str] = field(default_factory=list)
    """Code of the pages' language for input_lang, and a second for target_lang where a model is to answer in it."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test; [1, 0, 0] is train alone, for a part of a mix."""
    seed: int = 1
    """Key of the cut; pages that are added never move others."""

    makes_splits = True

    def __post_init__(self) -> None:
        check_shares(self.split)
        splits.check_languages(self.languages)

    def load(self) -> Mapping[str, Iterable[Record]]:
        from lamcore_collect import documents

        files = documents.pages(self.folder)
        return splits.by_group(lambda mine: documents.read_pages(files, mine, self), self)

    def fingerprint(self) -> str:
        from lamcore_collect import documents

        return splits.fingerprint(documents.pages(self.folder).values(), "trafilatura", "sentencex")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads pages written into a folder, for checks."""
        return cls(folder=examples.pages(folder), split=[6, 2, 2])


@dataclass
class Books(Source):
    """Plain text (.txt, UTF-8): one file, or a folder of them.

    Records hold `input`, `document` (the file's path) and `domain` (the folder below `folder` that the file lies in).
    A paragraph stays in one split; a text of validation or test that stands in train too is left out there."""

    folder: str = MISSING
    """Folder of .txt files, searched with all below it, or one file."""
    unit: Unit = Unit.sentence
    """What a record holds: document (a file), paragraph or sentence."""
    wrapped: bool = True
    """Lines are wrapped and an empty line ends a paragraph; false: each line is a paragraph."""
    languages: list[str] = field(default_factory=list)
    """Code of the books' language for input_lang, and a second for target_lang where a model is to answer in it."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test; [1, 0, 0] is train alone, for a part of a mix."""
    seed: int = 1
    """Key of the cut; paragraphs that are added never move others."""

    makes_splits = True

    def __post_init__(self) -> None:
        check_shares(self.split)
        splits.check_languages(self.languages)

    def load(self) -> Mapping[str, Iterable[Record]]:
        from lamcore_collect import documents

        files = documents.books(self.folder)
        return splits.by_group(lambda mine: documents.read_books(files, mine, self), self)

    def fingerprint(self) -> str:
        from lamcore_collect import documents

        return splits.fingerprint(documents.books(self.folder).values(), "sentencex")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a book written into a folder, for checks."""
        return cls(folder=examples.book(folder), split=[6, 2, 2])


@dataclass
class Documents(Source):
    """Whole documents: plain text (.txt, .md; UTF-8), web pages (.html, trafilatura) and the text of .pdf (pypdf).

    Records hold `text`, `title` ("" where there is none) and `document` (the file's path), and where a file of the same
    name that ends in .json lies beside every document, its object as `fields`: what a model is to read out of the text.
    A document stays in one split. One that can't be read is refused by its name; one without text (a scan) is passed
    over."""

    files: str | list[str] = MISSING
    """A folder, searched with all below it, or a document; or a list of them."""
    most_bytes: int = 50_000_000
    """Largest file, in bytes; larger ones are refused."""
    most_text: int = 100_000
    """Most characters of a text; what follows is left out."""
    split: list[int] = field(default_factory=lambda: [90, 5, 5])
    """Shares of train, validation and test; [1, 0, 0] is train alone."""
    seed: int = 1
    """Key of the cut; documents that are added never move others."""

    makes_splits = True

    def __post_init__(self) -> None:
        check_shares(self.split)
        if min(self.most_bytes, self.most_text) < 1:
            raise ValueError("most_bytes and most_text must be 1 or more")

    def load(self) -> Mapping[str, Iterable[Record]]:
        from lamcore_collect import formats

        files = self._files()
        return splits.by_group(lambda mine: formats.read(files, mine, self.most_bytes, self.most_text), self)

    def fingerprint(self) -> str:
        paths = [path for one in self._files().values() for path in (one, one.with_suffix(".json")) if path.is_file()]
        return splits.fingerprint(paths, "trafilatura", "pypdf")

    def _files(self) -> dict[str, Path]:
        from lamcore_collect import formats

        return formats.find([self.files] if isinstance(self.files, str) else self.files)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads documents written into a folder, for checks."""
        return cls(files=examples.documents(folder), split=[6, 2, 2])


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    register("gettext", Gettext)
    register("web_pages", WebPages)
    register("books", Books)
    register("documents", Documents)


@hookimpl
def register_commands(register: Callable[[str, Any], None]) -> None:
    """Offer `documents`."""
    register("documents", command)


@click.command("documents")
@click.argument("files", nargs=-1, required=True)
@click.option("--out", required=True, help="File to write: JSON lines with id, text, title, document, and fields.")
def command(files: tuple[str, ...], out: str) -> None:
    """Write the text of FILES (plain text, HTML, PDF, or folders of them) as records, for `lam predict RUN --in`.

    \b
    lam documents letters/ offer.pdf --out documents.jsonl

    A document that can't be read is an error that names it; nothing is half-written."""
    from lamcore.console import say
    from lamcore.errors import LamcoreError
    from lamcore.store import line, replacing

    target, number = Path(out).expanduser(), 0
    if target.exists():
        raise LamcoreError(f"--out {out} exists: name another file, or remove it.")
    with replacing(target) as file:
        for record in Documents(files=list(files), split=[1, 0, 0]).load()["train"]:
            file.write(line(record))
            number += 1
    say(f"{number:,} documents in {out}")
