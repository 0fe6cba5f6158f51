"""Documents of a folder -> paragraphs -> records."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from lamcore import LamcoreError, Record
from lamcore_collect.splits import Mine
from lamcore_files.splits import folded

PAGES, BOOKS = (".html", ".htm", ".xhtml"), (".txt",)
log = logging.getLogger("lamcore")

Files = dict[str, Path]
"""Path below the folder -> file."""


def pages(folder: str) -> Files:
    """Return the pages of a folder."""
    return below(folder, PAGES)


def books(folder: str) -> Files:
    """Return the books of a folder, or the one file that is named."""
    path = Path(folder).expanduser()
    return {path.name: path} if path.is_file() else below(folder, BOOKS)


def below(folder: str, suffixes: tuple[str, ...]) -> Files:
    """Return the files of a folder, and of all below it, whose names end so."""
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise LamcoreError(f"{folder} is no folder - paths count from {Path.cwd()}")
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    if not paths:
        raise LamcoreError(f"{folder} holds no {' or '.join(suffixes)} file")
    return {path.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode(): path for path in paths}


def read_pages(files: Files, mine: Mine, source: Any) -> Iterator[Record]:
    """Yield the records of the pages that are `mine`; say how many of them hold no text."""
    from trafilatura import extract

    empty = 0
    for name, path in files.items():
        if mine(name):
            text = extract(content_of(path), include_comments=False) or ""
            empty += not text
            whole = source.unit.value == "document"
            for number, paragraph in enumerate([text] if whole else text.split("\n")):
                yield from _records(name, path, number, paragraph, source, name)
    if empty:
        log.info("web_pages: %d of %d pages hold no text that can be told from the page's frame", empty, len(files))


def read_books(files: Files, mine: Mine, source: Any) -> Iterator[Record]:
    """Yield the records of the paragraphs that are `mine`."""
    for name, path in files.items():
        whole = source.unit.value == "document"
        paragraphs = ["\n".join(lines_of(path))] if whole else _paragraphs(lines_of(path), source.wrapped)
        for number, paragraph in enumerate(paragraphs):
            if mine(folded(paragraph)):
                yield from _records(name, path, number, paragraph, source, f"{name}#{number}")


def _records(name: str, path: Path, number: int, paragraph: str, source: Any, group: str) -> Iterator[Record]:
    """Yield the records of a paragraph: itself, or its sentences."""
    folders = name.split("/")[:-1]
    known = {"document": name, "domain": folders[0] if folders else path.resolve().parent.name, "group": group}
    known |= dict(zip(("input_lang", "target_lang"), source.languages, strict=False))
    unit = source.unit.value
    for at, text in enumerate(_sentences(paragraph, source.languages) if unit == "sentence" else [paragraph]):
        if text.strip():
            place = {"document": "", "paragraph": f"#{number}", "sentence": f"#{number}.{at}"}[unit]
            yield {"id": f"{name}{place}", "input": text.strip()} | known


def _sentences(paragraph: str, languages: list[str]) -> list[str]:
    from sentencex import segment

    return list(segment(languages[0].replace("_", "-").partition("-")[0] if languages else "en", paragraph))


def _paragraphs(lines: Iterator[str], wrapped: bool) -> Iterator[str]:
    """Join lines up to an empty one."""
    if not wrapped:
        yield from (line for line in lines if line.strip())
        return
    for filled, group in groupby(lines, lambda line: bool(line.strip())):
        if filled:
            yield " ".join(line.strip() for line in group)


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file without their ends."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                what = f"byte 0x{line[error.start]:02X} is not UTF-8 - save the file as UTF-8 (iconv -f OLD -t UTF-8)"
                raise LamcoreError(
                    f"{path}:{number}: {what} - save the file as UTF-8 (iconv -f OLD -t UTF-8)"
                ) from None


def content_of(path: Path) -> bytes:
    """Return the bytes of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise LamcoreError(f"{path}: can't be read ({error.strerror}) - check its permissions") from None
