"""Values written in Java and JavaScript, read as the AST checker of bfcl-eval 2026.3.23 reads them.

BFCL hands every argument of a Java or JavaScript call over as text. A text that is no literal of the type that the
function asks for stays text, which is how the name of a variable is told from a value. Where that program reads oddly
(a comma within a text splits a list, an object ends at its first brace) it is followed: scores are to be the same."""

from __future__ import annotations

import re
from typing import Any

_FRACTION = r"-?\d+(\.\d+)?"
_POWER = r"([eE][+-]?\d+)?"
_JAVA_NUMBERS = {
    **dict.fromkeys(("byte", "short", "integer"), (re.compile(r"-?\d+$"), int)),
    "long": (re.compile(r"-?\d+[lL]$"), int),
    "float": (re.compile(f"{_FRACTION}{_POWER}[fF]$"), float),
    "double": (re.compile(f"{_FRACTION}{_POWER}$"), float),
}
_JAVASCRIPT_NUMBERS = {
    "integer": (re.compile(r"-?\d+$"), int),
    "Bigint": (re.compile(r"-?\d+n$"), int),
    "float": (re.compile(f"{_FRACTION}$"), float),
}
_SUFFIX = re.compile(r"[lLfFn]$")
_LISTED = re.compile(r"new\s+ArrayList<\w*>\(Arrays\.asList\((.+?)\)\)")
_ADDED = re.compile(r"new\s+ArrayList<\w*>\(\)\s*\{\{\s*(.+?)\s*\}\}", re.DOTALL)
_EMPTY_LIST = re.compile(r"new\s+ArrayList<\w*>\(\)")
_ARRAY = re.compile(r"new\s+\w+\[\]\s*\{(.*?)\}")
_MAP = re.compile(r"new\s+HashMap<.*?>\s*\(\)\s*\{\s*\{?\s*(.*?)\s*\}?\s*\}", re.DOTALL)
_EMPTY_MAP = re.compile(r"new\s+HashMap<.*?>\s*\(\)")
_ROWS = re.compile(
    r"\[\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\]|\bnew\s+Array\(\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\)",
)
_ITEMS = re.compile(r"\[(.*?)\]|\bnew\s+Array\((.*?)\)")
_PAIR = re.compile(r"([^:]+):\s*(.*?)(?:,\s*(?=[^,]+:)|$)")


def java(text: str, kind: str, inner: str = "") -> Any:
    """Return the value of a Java literal of a type (`inner`: of its items), or the text where it is none."""
    if kind in _JAVA_NUMBERS:
        return _number(text, *_JAVA_NUMBERS[kind])
    if kind == "boolean":
        return _truth(text)
    if kind == "ArrayList":
        return _array_list(text, inner)
    if kind == "Array":
        found = _ARRAY.search(text)
        return [java(item.strip(), inner) for item in found[1].split(",") if item.strip()] if found else text
    return _hash_map(text) if kind == "HashMap" else text


def javascript(text: str, kind: str, inner: str = "") -> Any:
    """Return the value of a JavaScript literal of a type (`inner`: of its items), or the text where it is none."""
    if kind in _JAVASCRIPT_NUMBERS:
        return _number(text, *_JAVASCRIPT_NUMBERS[kind])
    if kind == "Boolean":
        return _truth(text)
    if kind == "String":
        return text[1:-1] if _quoted(text, "\"'") else text
    if kind == "array":
        return _javascript_array(text.strip(), inner)
    return _javascript_object(text.strip()) if kind == "dict" else text


def _number(text: str, pattern: re.Pattern[str], read: type[int] | type[float]) -> Any:
    return read(_SUFFIX.sub("", text)) if pattern.match(text) else text


def _truth(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _quoted(text: str, quotes: str) -> bool:
    return any(text.startswith(quote) and text.endswith(quote) for quote in quotes)


def _plain(text: str, quotes: str) -> Any:
    """Return what a literal of no stated type means."""
    if text in ("true", "false"):
        return text == "true"
    if _quoted(text, quotes):
        return text[1:-1]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _java_plain(text: str) -> Any:
    """Return what a Java literal of no stated type means: long and float have suffixes, too."""
    for kind in ("long", "float"):
        if not isinstance(value := java(text, kind), str):
            return value
    return _plain(text, '"')


def _array_list(text: str, inner: str) -> Any:
    if found := _LISTED.search(text):
        items = found[1].split(",")
    elif found := _ADDED.search(text):
        items = re.findall(r"add\((.+?)\)", found[1])
    else:
        return [] if _EMPTY_LIST.search(text) else text
    if inner in ("char", "String"):
        return [item.strip()[1:-1] for item in items]
    return [java(item.strip(), inner) for item in items]


def _hash_map(text: str) -> Any:
    if found := _MAP.search(text):
        return {key: _java_plain(value.strip()) for key, value in re.findall(r'put\("(.*?)",\s*(.*?)\)', found[1])}
    return {} if _EMPTY_MAP.search(text) else text


def _javascript_array(text: str, inner: str = "") -> Any:
    if found := _ROWS.match(text):
        rows = [row.strip() for row in re.findall(r"\[(.*?)\]", found[0])]
        rows[0] = rows[0].removeprefix("[")
        return [[_javascript_plain(item) for item in row.split(",")] for row in rows]
    if not (found := _ITEMS.match(text)):
        return text
    content = (found[1] if found[1] is not None else found[2]).strip()
    items = [item.strip() for item in content.split(",")] if content else []
    return [javascript(item, inner) if inner else _javascript_plain(item) for item in items]


def _javascript_object(text: str) -> Any:
    if not (found := re.match(r"\{(.*?)\}", text)):
        return text
    return {key.strip().strip("'\""): _javascript_value(value.strip()) for key, value in _PAIR.findall(found[1])}


def _javascript_value(text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return _javascript_array(text)
    if text.startswith("{") and text.endswith("}"):
        return _javascript_object(text)
    return _javascript_plain(text.strip("'\""))


def _javascript_plain(text: str) -> Any:
    return _plain(text.strip(), "\"'")
