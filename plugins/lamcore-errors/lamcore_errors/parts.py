"""What an answer consists of, as far as that can be told for any task: a class, fields with values, or text."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from lamcore.errors import safe

Field = tuple[str, str]
"""(name, value)."""
JSON_COLUMNS = ("calls", "fields")
"""Columns of canonical JSON: a list of calls, an object of fields."""
OUTCOMES = ("right", "other value", "missed", "not wanted")
"""What can become of a field."""
LONGEST = 300
"""Characters of a text that are shown."""
LOOP = re.compile(r"(\S.{0,30}?)\1{3,}")
"""Something said four times running."""
NUMBER = re.compile(r"\d+")


def class_of(column: str, value: Any) -> str:
    """Return the class that a column's value is: itself, or of calls the names of their tools."""
    if column != "calls":
        return str(value)
    calls = _read(value)
    if not isinstance(calls, list):
        return "(malformed)"
    return " + ".join(sorted(str(call["name"]) for call in calls)) or "(no call)"


def fields_of(column: str, value: Any, words: Sequence[str] = ()) -> list[Field]:
    """Return the fields of tags (slots, with their words), of calls (arguments) or of a JSON object; [] of others."""
    if isinstance(value, list):
        return list(_slots(value, words))
    found = _read(value) if column in JSON_COLUMNS else None
    if isinstance(found, list):
        return [(name, _text(one)) for call in found for name, one in call["arguments"].items()]
    if not isinstance(found, dict):
        return []
    return [(name, _text(one)) for name, many in found.items() for one in (many if isinstance(many, list) else [many])]


def _read(text: Any) -> Any:
    """Return what an answer's JSON says; None where it is none, or no list of calls."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return None
    good = all(
        isinstance(one, dict) and isinstance(one.get("arguments"), dict) and "name" in one for one in found or ()
    )
    return found if isinstance(found, dict) or (isinstance(found, list) and good) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _slots(tags: Sequence[str], words: Sequence[str]) -> Iterator[Field]:
    """Yield (type, words) of BIO tags; an I- that continues nothing opens a slot."""
    open_: list[str] = []
    before = ""
    for at, tag in enumerate([*tags, "O"]):
        letter, _, kind = str(tag).partition("-")
        if open_ and (letter != "I" or kind != before):
            yield before, " ".join(open_)
            open_ = []
        if letter in ("B", "I"):
            open_.append(words[at] if at < len(words) else str(at))
            before = kind


def outcomes(wanted: Sequence[Field], said: Sequence[Field]) -> Counter[tuple[str, str]]:
    """Count what became of fields: {(name, one of OUTCOMES): number}."""
    right = Counter(wanted) & Counter(said)
    lacking, more = (Counter(name for name, _ in (Counter(one) - right).elements()) for one in (wanted, said))
    other = lacking & more
    each = (Counter(name for name, _ in right.elements()), other, lacking - other, more - other)
    found = Counter[tuple[str, str]]()
    for outcome, names in zip(OUTCOMES, each, strict=True):
        found.update({(name, outcome): number for name, number in names.items()})
    return found


SIGNS = {
    "empty": "are empty",
    "copy": "are their input",
    "loop": "say something four times running",
    "same": "are one answer to many inputs",
    "short": "have less than half of the characters wanted",
    "long": "have more than twice the characters wanted",
    "other_numbers": "have other numbers than wanted",
}
"""What can be seen of a text without knowing the task; an answer counts under the first that fits."""


def sign_of(asked: Any, wanted: str, said: str, often: Collection[str]) -> str | None:
    """Return the first of SIGNS that fits an answer; `often` holds what is answered wrongly to many inputs."""
    if _plain(wanted) == _plain(said):
        return None
    fits = {
        "empty": lambda: not said.strip(),
        "copy": lambda: _plain(said) == _plain(str(asked)),
        "loop": lambda: LOOP.search(f"{said} ") and not LOOP.search(f"{wanted} "),
        "same": lambda: said in often,
        "short": lambda: len(wanted) >= 10 and 2 * len(said) < len(wanted),
        "long": lambda: len(said) >= 10 and len(said) > 2 * len(wanted),
        "other_numbers": lambda: Counter(NUMBER.findall(said)) != Counter(NUMBER.findall(wanted)),
    }
    return next((sign for sign in SIGNS if fits[sign]()), None)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def code(value: Any) -> str:
    """Return a text as Markdown's code, within which nothing is markup."""
    text = safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr))
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return f"`{text.replace('`', chr(39)).replace('|', chr(0xA6))}`" if text.strip() else "(blank)"
