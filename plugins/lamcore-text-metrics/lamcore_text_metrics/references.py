"""What an answer is compared with."""

from __future__ import annotations

from typing import Any

from lamcore import LamcoreError, Record


def references(record: Record, column: str) -> list[Any]:
    """Return what the source gave as right: for `target` its list `references` where there is one, else the column."""
    if column == "target" and record.get("references"):
        return list(record["references"])
    if column not in record:
        raise LamcoreError(f"No column {column!r} to score answers against. The records have: {', '.join(record)}.")
    return [record[column]]
