"""Intents and slots, as SNIPS, ATIS and xSID have them once they are JSON lines: {"text", "tokens", "slots", "intent",
"lang"}; slots are BIO tags, one a token. `text`, `intent` and `lang` may be missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lamcore import Record
from lamcore_actions import files
from lamcore_actions.files import Fault, Row, of_kind

TAG = re.compile(r"O|[BI]-\S+")


def read(path: str) -> Iterator[Record]:
    """Yield a record a row of a file."""
    return files.read(path, to_record)


def write(records: Iterable[Record], path: str) -> int:
    """Write records as JSON lines and return how many."""
    return files.write(path, records, to_row)


def to_record(row: Row) -> Record:
    """Return a row as a record."""
    tokens, tags = _texts(row, "tokens"), _texts(row, "slots")
    if len(tokens) != len(tags):
        raise Fault("slots", f"{len(tags)} tags stand here for {len(tokens)} tokens", "give each token one")
    for number, tag in enumerate(tags):
        if not TAG.fullmatch(tag):
            raise Fault(f"slots[{number}]", f"{tag!r} is no BIO tag", "write O, B-name or I-name")
    return {
        "input": of_kind(str, row.get("text", " ".join(tokens)), "text"),
        "tokens": tokens,
        "tags": tags,
        "intent": of_kind(str, row.get("intent", ""), "intent"),
        "input_lang": of_kind(str, row.get("lang", ""), "lang"),
    }


def _texts(row: Row, name: str) -> list[str]:
    values = of_kind(list, row.get(name), name)
    return [of_kind(str, value, f"{name}[{number}]") for number, value in enumerate(values)]


def to_row(record: Record, number: int) -> Row:
    """Return a record as a row."""
    row = {"text": record.get("input"), "tokens": record.get("tokens"), "slots": record.get("tags")}
    to_record(row)  # the same checks as in reading
    return {**row, "intent": record.get("intent", ""), "lang": record.get("input_lang", "")}
