"""gettext catalogues: find them, tell their languages, pair their messages."""

from __future__ import annotations

import gettext
import hashlib
import importlib.metadata
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from struct import error as StructError
from typing import Any

import polib

from lamcore import LamcoreError, Record
from lamcore.errors import unknown

SUFFIXES = (".po", ".mo")
"""Of a catalogue that is there in both forms the first is read: it says what is fuzzy."""
CONTAINERS = {"lc_messages", "locale", "locales", "po", "i18n", "lang", "translations"}
"""Folders whose names say nothing of the domain."""
HEADER = 8192
"""Bytes of a .po in which its language is looked for."""

_LINE = re.compile(r'#.*|(?:(?:msgctxt|msgid|msgid_plural|msgstr(?:\[\d+\])?)\s*)?"(?:[^"\\]|\\.)*"')

Slot = tuple[str, str, str]
"""Context, id, and the plural's id where it is the plural that is meant."""


@dataclass(frozen=True)
class Catalogue:
    """One file of messages in one language."""

    path: Path
    language: str
    domain: str


def find(folder: str | None, distribution: str | None) -> list[Catalogue]:
    """Return the catalogues of a folder or an installed distribution, one a language and domain."""
    files, root = _of_distribution(distribution) if distribution else _of_folder(folder or "")
    found: dict[tuple[str, str], Catalogue] = {}
    for name in sorted(files, key=lambda name: (SUFFIXES.index(name.suffix), name)):
        language = _language(name, files[name])
        domain = _domain(name, language) or root
        found.setdefault((language, domain), Catalogue(files[name], language, domain))
    if not found:
        raise LamcoreError(f"{distribution or folder}: holds no .po or .mo file - name another source.folder")
    return sorted(found.values(), key=lambda one: (one.domain, one.language))


def _of_folder(folder: str) -> tuple[dict[PurePath, Path], str]:
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise LamcoreError(f"source.folder={folder} is no folder - paths count from {Path.cwd()}")
    found = (path for suffix in SUFFIXES for path in root.rglob(f"*{suffix}") if path.is_file())
    return {path.relative_to(root): path for path in found}, root.resolve().name


def _of_distribution(name: str) -> tuple[dict[PurePath, Path], str]:
    try:
        there = importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        raise LamcoreError(f"source.distribution={name} is not installed - pip install it, or name a folder") from None
    files = [file for file in there.files or [] if file.suffix in SUFFIXES]
    return {PurePath(file): Path(str(there.locate_file(file))) for file in files}, name


def _language(name: PurePath, path: Path) -> str:
    """Return the folder above LC_MESSAGES, else what the header says, else the file's name."""
    if name.parent.name == "LC_MESSAGES":
        return plain(name.parent.parent.name)
    with path.open("rb") as file:  # a .mo has its header behind the table of all ids
        head = file.read(HEADER if path.suffix == ".po" else -1)
    said = re.search(rb'(?:^"?|\x00)Language: *([A-Za-z][\w@-]*)', head, re.MULTILINE)
    return plain(said[1].decode() if said else name.stem.rpartition(".")[2])


def plain(language: str) -> str:
    """Return a language's code in one spelling: pt-BR, pt_BR and pt_BR.UTF-8 are pt_br."""
    return language.partition(".")[0].replace("-", "_").lower()


def _domain(name: PurePath, language: str) -> str:
    """Return the parts of a file's place that say neither language nor that there are messages."""
    stem, dot, end = name.stem.rpartition(".")
    last = stem if dot and plain(end) == language else name.stem
    parts = (*name.parent.parts, last)
    return "/".join(part for part in parts if part.lower() not in CONTAINERS and plain(part) != language)


def pairs(catalogues: list[Catalogue], languages: list[str], msgid_lang: str | None, fuzzy: bool) -> Iterator[Record]:
    """Yield a record for each message that is there in both languages, catalogue by catalogue."""
    known = {one.language for one in catalogues}
    for language in languages:
        if language != msgid_lang and plain(language) not in known:
            raise unknown("language", language, known, has="There are")
    for domain in dict.fromkeys(one.domain for one in catalogues):
        paths = {one.language: one.path for one in catalogues if one.domain == domain}
        wanted = [language for language in languages if language != msgid_lang]
        if all(plain(language) in paths for language in wanted):
            texts = {language: _messages(paths[plain(language)], fuzzy) for language in wanted}
            yield from _records(texts, domain, languages)


def _records(texts: dict[str, dict[Slot, str]], domain: str, languages: list[str]) -> Iterator[Record]:
    for slot in next(iter(texts.values())):
        context, one, many = slot
        said = [texts[language].get(slot, "") if language in texts else many or one for language in languages]
        if all(text.strip() for text in said):
            name = hashlib.blake2b("\0".join(slot).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
            record = {"id": f"{domain}:{name}", "input": said[0], "target": said[1], "context": context}
            yield record | {"domain": domain, "input_lang": languages[0], "target_lang": languages[1]}


def _check(path: Path) -> None:
    """Raise LamcoreError for a line of a .po that polib would misread: quotes that don't close, say."""
    try:
        text = path.read_text(encoding=polib.detect_encoding(str(path)), errors="replace")
    except (OSError, LookupError):
        return  # polib's own reading says why
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.strip() and not _LINE.fullmatch(line.strip()):
            raise LamcoreError(
                f"{path}:{number}: {line.strip():.60} is no line of a .po - close its quotes, or remove it"
            )


def _messages(path: Path, fuzzy: bool) -> dict[Slot, str]:
    """Return the translations of a file."""
    if path.suffix == ".po":
        _check(path)
    try:
        read = (polib.pofile if path.suffix == ".po" else polib.mofile)(str(path))
    except (OSError, ValueError, LookupError, StructError) as error:
        reason = " ".join(str(error).split())
        raise LamcoreError(f"{path}: can't be read as a gettext catalogue ({reason}) - mend or remove it") from None
    singular, plural = _forms(read.metadata.get("Plural-Forms", ""))
    found: dict[Slot, str] = {}
    for entry in read:
        if entry.msgid and not entry.obsolete and (fuzzy or "fuzzy" not in (entry.flags or ())):
            _add(found, entry, singular, plural)
    return found


def _add(found: dict[Slot, str], entry: Any, singular: int, plural: int) -> None:
    context, one = entry.msgctxt or "", entry.msgid
    if not entry.msgid_plural:
        found.setdefault((context, one, ""), entry.msgstr)
        return
    for many, form in (("", singular), (entry.msgid_plural, plural)):
        found.setdefault((context, one, many), entry.msgstr_plural.get(form, ""))


def _forms(header: str) -> tuple[int, int]:
    """Return the numbers of the form for 1 and of the one that most other numbers up to 200 take."""
    expression = re.search(r"plural=([^;]+)", header)
    try:
        form = gettext.c2py(expression[1]) if expression else _germanic
        others = Counter(form(number) for number in range(200) if number != 1)
        return form(1), others.most_common(1)[0][0]
    except (ValueError, ZeroDivisionError, RecursionError):  # a template that nobody has filled in
        return 0, 1


def _germanic(number: int) -> int:
    return number != 1
