"""Fields, their JSON, and the marks that stand for their values in text.

A slot is a field with one of its values; a field that has a list of values has as many slots. The values `yes`, `no`,
`true`, `false`, `none`, `dontcare`, `dont_care` and the empty one (what a question asks for) say something about a
field and never stand for themselves in text: they are closed. Every other value may be copied."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import permutations
from typing import Any

from lamcore import LamcoreError

CLOSED = {"yes", "no", "true", "false", "none", "dontcare", "dont_care", ""}
LENGTHS = ("short", "medium", "long")
"""What the control `length` may be."""

Slot = tuple[str, str]
"""Field and value."""


def write_fields(slots: Iterable[Slot]) -> str:
    """Return the canonical JSON of slots; values of one field that stands several times become a list, in order."""
    fields: dict[str, Any] = {}
    for name, value in slots:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return json.dumps(fields, ensure_ascii=False, sort_keys=True)


def read_fields(text: str) -> list[Slot]:
    """Return the slots of a record's `fields`, those of a list one after another.

    Raise LamcoreError where it is no JSON object of texts, numbers, true, false or lists of them."""
    try:
        fields = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise LamcoreError(
            f'fields: this is no JSON: {str(text)[:60]!r} - write an object, {{"food": "Thai"}}'
        ) from None
    if not isinstance(fields, dict):
        raise LamcoreError(f'fields: this is no object: {text[:60]!r} - write one, {{"food": "Thai"}}')
    return [(name, _text(name, one)) for name, value in fields.items() for one in _values(value)]


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise LamcoreError(
        f"fields: {name!r} is {str(value)[:30]!r} - write text, a number, true or false, or a list of them"
    )


def marks(slots: Sequence[Slot]) -> list[str]:
    """Return a mark a slot, which no text holds: the field's name and how often it stood before."""
    seen: dict[str, int] = {}
    found = []
    for name, _ in slots:
        found.append(f"\ue000{name}\ue001{seen.get(name, 0)}\ue002")
        seen[name] = seen.get(name, 0) + 1
    return found


def masked(text: str, slots: Sequence[Slot], ignore_case: bool = False) -> str:
    """Return the text with a mark for the first appearance of each open value, longest values first.

    `A and B` and `A or B` also stand for each other and for another order of A and B."""
    signs = marks(slots)
    for at in sorted(range(len(slots)), key=lambda at: -len(slots[at][1])):
        value = slots[at][1]
        if value not in CLOSED:
            for form in _forms(value):
                text, times = _whole(form, ignore_case).subn(signs[at], text, count=1)
                if times:
                    break
    return text


def filled(text: str, slots: Sequence[Slot]) -> str:
    """Return a masked text with these slots' values for the marks; marks of none of them stay."""
    for sign, (_, value) in zip(marks(slots), slots, strict=True):
        text = text.replace(sign, value)
    return text


def _forms(value: str) -> list[str]:
    parts = re.split(" and | or ", value)
    if not 1 < len(parts) < 5:
        return [value]
    orders = list(permutations(parts))
    return [value, *(word.join(order) for word in (" and ", " or ") for order in orders)]


@lru_cache(maxsize=4096)
def _whole(value: str, ignore_case: bool) -> re.Pattern[str]:
    """Return a pattern of a value that is no part of a longer word, or of a number."""
    return re.compile(rf"(?<!\w)(?<!\d\.){re.escape(value)}(?!\w|\.\d|\+)", re.IGNORECASE if ignore_case else 0)
