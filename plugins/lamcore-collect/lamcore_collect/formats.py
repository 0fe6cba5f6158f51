"""Whole documents: plain text, HTML and PDF -> records with their text, title and, where they lie beside, fields."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lamcore import LamcoreError, Record
from lamcore.store import loads
from lamcore_collect.documents import Files, below, content_of, lines_of
from lamcore_collect.splits import Mine

log = logging.getLogger("lamcore")
MOST_PAGES = 10_000
"""Pages of a PDF that are read."""
Read = Callable[[Path], tuple[str, str]]
"""Path -> text and title, "" where there is none."""


def find(files: Iterable[str]) -> Files:
    """Return the documents that are named, and those of the folders that are."""
    found: Files = {}
    for name in files:
        path = Path(name).expanduser()
        if path.is_file() and path.suffix.lower() not in READ:
            raise LamcoreError(f"{path}: no document that can be read - its name must end in {', '.join(READ)}")
        more = {path.name: path} if path.is_file() else below(name, tuple(READ))
        if twice := sorted(found.keys() & more.keys()):
            raise LamcoreError(f"{more[twice[0]]}: a document of the same name is {found[twice[0]]} - rename one")
        found |= more
    return found


def read(files: Files, mine: Mine, most_bytes: int, most_text: int) -> Iterator[Record]:
    """Yield the records of the documents that are `mine`; say how many of them hold no text, or too much of it."""
    sides = {name: path.with_suffix(".json") for name, path in files.items()}
    there = [name for name, side in sides.items() if side.is_file()]
    if there and (lacking := sorted(sides.keys() - set(there))):
        what = f"{files[lacking[0]]}: there is no {sides[lacking[0]].name} with its fields beside it"
        raise LamcoreError(f"{what}, though {files[there[0]]} has one - write it, {{}} where there is no field")
    empty, cut = [], []
    for name, path in files.items():
        if not mine(name):
            continue
        text, title = _read(path, most_bytes)
        empty += [name] * (not text.strip())
        cut += [name] * (len(text) > most_text)
        if text.strip():
            record = {"id": name, "text": text[:most_text].strip(), "title": title, "document": name, "group": name}
            yield record | ({"fields": _fields(sides[name])} if there else {})
    _tell(empty, "no text that can be read (a scan?), and are passed over")
    _tell(cut, f"more than {most_text:,} characters, and are cut there")


def _tell(names: list[str], what: str) -> None:
    if names:
        log.info("documents: %d hold %s, such as %s", len(names), what, names[0])


def _read(path: Path, most_bytes: int) -> tuple[str, str]:
    if (size := path.stat().st_size) > most_bytes:
        raise LamcoreError(
            f"{path}: {size:,} bytes are more than most_bytes={most_bytes:,} - leave it out, or raise that"
        )
    return READ[path.suffix.lower()](path)


def _plain(path: Path) -> tuple[str, str]:
    return "\n".join(lines_of(path)), ""


def _html(path: Path) -> tuple[str, str]:
    from trafilatura import bare_extraction

    found: Any = bare_extraction(content_of(path), include_comments=False, with_metadata=True)
    return (found.text or "", found.title or "") if found else ("", "")


def _pdf(path: Path) -> tuple[str, str]:
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError

    logging.getLogger("pypdf").addHandler(logging.NullHandler())  # what it mends is no news
    try:
        reader = PdfReader(io.BytesIO(content_of(path)))
        title = (reader.metadata and reader.metadata.title) or ""
        return "\n".join(page.extract_text() for page in islice(reader.pages, MOST_PAGES)), title
    except FileNotDecryptedError:
        raise LamcoreError(f"{path}: this PDF has a password - save it without one, or leave it out") from None
    except Exception as error:  # a damaged file raises whatever it meets
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise LamcoreError(f"{path}: this is no PDF, or a damaged one ({reason}) - leave it out") from error


READ: dict[str, Read] = {
    ".txt": _plain, ".md": _plain, ".html": _html, ".htm": _html, ".xhtml": _html, ".pdf": _pdf,
}  # fmt: skip
"""How a document is read, by the end of its name."""


def _fields(path: Path) -> str:
    """Return the fields that a file says, as canonical JSON."""
    try:
        fields = loads(content_of(path))
        text = json.dumps(fields, ensure_ascii=False, sort_keys=True, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise LamcoreError(f"{path}: this is no JSON ({error})") from error
    if not isinstance(fields, dict):
        raise LamcoreError(f'{path}: this is no JSON object of fields - write {{"FIELD": "VALUE"}}')
    return text
