"""What several steps share: changing text columns, and finding balanced braces."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lamcore import Record

_BRACE = re.compile(r"[{}]")


def with_text(record: Record, columns: Sequence[str], change: Callable[[str], str]) -> Record:
    """Return the record with `change` applied to its text columns: a new dict, or the same one if nothing changed."""
    new = record
    for column in columns:
        old = record.get(column)
        if isinstance(old, str) and (text := change(old)) != old:
            if new is record:
                new = dict(record)
            new[column] = text
    return new


def braces(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of each outermost balanced `{...}`, from left to right; braces without a partner are text."""
    if "{" not in text:
        return []
    found: list[tuple[int, int]] = []
    open_at: list[int] = []
    for match in _BRACE.finditer(text):
        if match[0] == "{":
            open_at.append(match.start())
        elif open_at:
            start = open_at.pop()
            while found and found[-1][0] > start:  # what this pair encloses
                found.pop()
            found.append((start, match.end()))
    return found
