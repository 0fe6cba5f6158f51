"""The schema of answers whose texts begin with a blank, as `fields_text` with `blank: true` has a model write them."""

from __future__ import annotations

from typing import Any

NAMED = ("properties", "$defs", "definitions")
"""Keywords that hold schemas by name."""


def blanked(schema: Any) -> Any:
    """Return a schema whose texts begin with a blank where they are given: choices, lengths; keys stay.

    Raise ValueError for `pattern` and `format`, which say how a text begins."""
    return {key: _blanked(key, value) for key, value in schema.items()} if isinstance(schema, dict) else schema


def _blanked(key: str, value: Any) -> Any:
    if key in ("pattern", "format"):
        raise ValueError(f"{key!r} can't be held to where texts begin with a blank: use 'enum', or blank: false")
    if key in NAMED and isinstance(value, dict):
        return {name: blanked(one) for name, one in value.items()}
    if key in ("enum", "const"):
        return _texts(value)
    if key in ("minLength", "maxLength"):
        return value + 1
    return [blanked(one) for one in value] if isinstance(value, list) else blanked(value)


def _texts(value: Any) -> Any:
    """Return a value with a blank before every text in it."""
    if isinstance(value, dict):
        return {key: _texts(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_texts(one) for one in value]
    return f" {value}" if isinstance(value, str) else value
