"""Fields as text: one canonical JSON text for equal objects, and a strict reader of whatever text.

>>> canonical({"name": "Café Brazil", "food": ["thai", "sea food"]})
'{"food": ["thai", "sea food"], "name": "Café Brazil"}'
>>> parse('{"name": "Bibimbap House"') is None
True
"""

from __future__ import annotations

import json
from typing import Any

from lamcore.store import loads

Fields = dict[str, Any]
"""Field -> value: text, a number, true, false, null, an object, or a list where there are several."""

canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode
"""canonical(value): JSON with keys sorted at every depth, ", " and ": " between, letters as letters; no NaN."""


def parse(text: str) -> Fields | None:
    """Return the object that a text stands for, or None where it is malformed: no strict JSON, or no object.

    Strict: no NaN, no key twice in an object, no half characters. No text raises anything."""
    try:
        value = loads(text.encode("utf-8"))
        canonical(value).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
