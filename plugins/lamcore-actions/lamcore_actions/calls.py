"""Calls as text: one canonical JSON text for equal calls, a strict reader of whatever text, a check against tools.

A published module: other distributions may import it. Light: jsonschema is imported by the first check.

>>> canonical([{"arguments": {"brightness": 40, "area": "Küche"}, "name": "HassLightSet"}])
'[{"name": "HassLightSet", "arguments": {"area": "Küche", "brightness": 40}}]'
>>> parse('{"name": "HassTurnOn", "arguments": {}}')
[{'name': 'HassTurnOn', 'arguments': {}}]
>>> parse("turn on the light") is None
True
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NoReturn

from lamcore import LamcoreError
from lamcore.errors import safe

Call = dict[str, Any]
"""{"name": text, "arguments": object}."""
DEPTH = 100
"""Deepest nesting of lists and objects in a text or a value."""
REFERENCES = 10_000
"""Most `$ref`s that one check follows: without a bound, a page of schema can ask for 2^100 steps."""
LONGEST = 200
"""Most characters of a problem."""

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode


def canonical(value: Any) -> str:
    """Return JSON that is the same text for equal objects; of calls, tools, or any other JSON value.

    Keys are sorted at every depth, but in the outermost object, or those of the outermost list, `name` and then
    `description` come first. Separators are ", " and ": ", letters stay letters, numbers as JSON has them (1 is not
    1.0). Raise ValueError for what is no JSON: NaN, infinity, keys that are no text, half characters, a value nested
    deeper than DEPTH; TypeError for other types."""
    _check_nested(value)
    text = f"[{', '.join(map(_outermost, value))}]" if isinstance(value, list) else _outermost(value)
    text.encode("utf-8")  # a lone surrogate raises UnicodeEncodeError, a ValueError
    return text


def _outermost(value: Any) -> str:
    if not isinstance(value, dict):
        return _encode(value)
    keys = sorted(value, key=lambda key: (key != "name", key != "description", key))
    return "{" + ", ".join(f"{_encode(key)}: {_encode(value[key])}" for key in keys) + "}"


def loads(text: str) -> Any:
    """Return the value that a JSON text stands for; raise ValueError where it is no strict JSON, says a thing twice,
    or is nested deeper than DEPTH.

    Strict: no NaN, Infinity or number beyond a float's range, no key twice in an object, no half characters."""
    text = text.strip(_BLANK)
    value, end = loads_from(text, 0)
    if end < len(text):
        raise ValueError(f"more follows at character {end + 1}")
    return value


def loads_from(text: str, at: int) -> tuple[Any, int]:
    """Return the value that begins at a place in a text, and the place after it; raise ValueError as `loads` does."""
    try:
        value, end = _decoder.raw_decode(text, at)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if text.count("[", at, end) + text.count("{", at, end) > DEPTH:
        _check_nested(value)
    if text.find("\\u", at, end) >= 0:
        _encode(value).encode("utf-8")
    return value, end


def parse(text: str) -> list[Call] | None:
    """Return the calls that a text stands for, or None where it is malformed; "[]" is no call, and [].

    Well formed is a list of {"name": text, "arguments": object} with these two keys only, or one such object, in JSON
    as `loads` reads it. No text raises anything."""
    try:
        value = loads(text)
    except ValueError:
        return None
    calls = [value] if isinstance(value, dict) else value
    return calls if isinstance(calls, list) and all(map(is_call, calls)) else None


def json_text(record: Mapping[str, Any], column: str) -> str:
    """Return a record's column of JSON text, "" where it has none; LamcoreError where it holds anything but text."""
    value = record.get(column)
    if value is None or isinstance(value, str):
        return value or ""
    what = f"Record {record.get('id')!r}: {column} must be JSON text, not a {type(value).__name__}"
    raise LamcoreError(f"{what}: write it as json.dumps does, or read the file with a source of its format.")


def is_call(value: Any) -> bool:
    """Say whether a value is a {"name": text, "arguments": object} and nothing else."""
    right = isinstance(value, dict) and value.keys() == {"name", "arguments"}
    return right and isinstance(value["name"], str) and isinstance(value["arguments"], dict)


def check(calls: Sequence[Call], tools: str) -> str | None:
    """Return the first problem of calls as one line that begins with its JSON path, or None where all are valid.

    `tools` is the column `tools`: JSON of [{"name", "description", "parameters": JSON schema}]. A call is valid if a
    tool has its name and its arguments satisfy that tool's `parameters` (JSON Schema 2020-12). As there, arguments
    that a schema doesn't name are allowed unless it says `"additionalProperties": false`.

    >>> tools = canonical([{"name": "HassTurnOn", "description": "", "parameters":
    ...     {"type": "object", "properties": {"area": {"enum": ["kitchen", "hall"]}}, "required": ["area"]}}])
    >>> check([{"name": "HassTurnOn", "arguments": {"area": "moon"}}], tools)
    "$[0].arguments.area: 'moon' is not one of ['kitchen', 'hall']"
    >>> check([{"name": "HassTurnOff", "arguments": {}}], tools)
    "$[0].name: no tool is called 'HassTurnOff', but 'HassTurnOn'"

    Schemas are data too: nothing is fetched, `$ref`s are bounded, and `pattern`s are matched in linear time (RE2)."""
    schemas = _schemas(tools)
    if isinstance(schemas, str):
        return schemas
    for number, call in enumerate(calls):
        if call["name"] not in schemas:
            known = ", ".join(map(repr, schemas)) or "there is none"
            return _line(f"$[{number}].name", f"no tool is called {call['name']!r}, but {known}")
        if problem := _problem(schemas[call["name"]], call["arguments"], f"$[{number}].arguments"):
            return problem
    return None


def check_value(value: Any, schema: str, where: str) -> str | None:
    """Return the first problem of any value as one line that begins with `where`, or None where it is valid.

    `schema` is the text of a JSON schema; raise jsonschema's SchemaError where it is none."""
    return _problem(_validator(schema), value, where)


def check_tools(tools: str) -> str | None:
    """Return what is wrong with the column `tools` as one line, or None where calls can be checked against it."""
    schemas = _schemas(tools)
    return schemas if isinstance(schemas, str) else None


# JSON, strictly

_BLANK = " \t\r\n"
_TOO_DEEP = f"nested more than {DEPTH} deep"


def _check_nested(value: Any) -> None:
    """Raise ValueError for a value nested too deep, or an object whose keys are not all text."""
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, (list, tuple, dict))]:
        depth += 1
        if depth > DEPTH:
            raise ValueError(_TOO_DEEP)
        if any(not isinstance(key, str) for one in level if isinstance(one, dict) for key in one):
            raise ValueError("an object's keys must be text")
        level = [child for one in level for child in (one.values() if isinstance(one, dict) else one)]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return found


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _fraction(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:30]} is too large")
    return value


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant, parse_float=_fraction)


# Schemas


@lru_cache(maxsize=1024)
def _schemas(tools: str) -> dict[str, Any] | str:
    """Return {name: validator} of a text of tools, or the problem that keeps it from being used."""
    from jsonschema import SchemaError

    try:
        listed = loads(tools)
    except ValueError as error:
        return _line("tools", f"no JSON ({error})")
    if not isinstance(listed, list):
        return _line("tools", "no list of tools")
    schemas: dict[str, Any] = {}
    for number, tool in enumerate(listed):
        where = f"tools[{number}]"
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            return _line(where, "no object with a name")
        if tool["name"] in schemas:
            return _line(where, f"the name {tool['name']!r} stands twice")
        try:
            schemas[tool["name"]] = _validator(_encode(tool.get("parameters", {})))
        except (SchemaError, RecursionError) as error:
            return _line(f"{where}.parameters", getattr(error, "message", "") or str(error))
    return schemas


@lru_cache(maxsize=8192)  # tools come again in other company, and to check a schema takes milliseconds
def _validator(text: str) -> Any:
    """Return what checks values against the schema of a text; raise SchemaError where it is none."""
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry

    schema = json.loads(text)
    if not isinstance(schema, dict):
        raise SchemaError("no JSON schema of an object")
    Draft202012Validator.check_schema(schema)
    if "patternProperties" in _keys(schema):
        raise SchemaError("patternProperties is not supported: name the properties")
    return _bounded()(schema, registry=Registry())  # a registry of its own: jsonschema's fetches addresses


def _keys(value: Any) -> set[str]:
    """Return every key of nested lists and objects."""
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


@lru_cache(maxsize=1)
def _bounded() -> Any:
    """Return JSON Schema 2020-12 with a bound on followed references, patterns in linear time, and exact multiples."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    def counted(original: Any) -> Any:
        def follow(validator: Any, reference: Any, instance: Any, schema: Any) -> Iterator[Any]:
            _followed.number += 1
            if _followed.number > REFERENCES:
                raise RecursionError
            yield from original(validator, reference, instance, schema)

        return follow

    originals = Draft202012Validator.VALIDATORS
    changed = {name: counted(originals[name]) for name in ("$ref", "$dynamicRef")}
    return extend(Draft202012Validator, {**changed, "pattern": _match, "multipleOf": _multiple})


_followed = threading.local()


def _match(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    """Check a text against a pattern with RE2; raise ValueError where RE2 has no such pattern (lookahead and such)."""
    from jsonschema import ValidationError
    from pyarrow import array, compute

    if isinstance(instance, str) and not compute.match_substring_regex(array([instance]), pattern)[0].as_py():
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _multiple(validator: Any, unit: float, instance: Any, schema: Any) -> Iterator[Any]:
    """Check a number as it is written: 0.3 is a multiple of 0.1, though the floats that stand for them are not."""
    from jsonschema import ValidationError

    if validator.is_type(instance, "number") and Fraction(repr(instance)) % Fraction(repr(unit)):
        yield ValidationError(f"{instance!r} is not a multiple of {unit!r}")


def _problem(validator: Any, value: Any, where: str) -> str | None:
    """Return the first problem of a value as one line, or None."""
    from referencing.exceptions import Unresolvable

    _followed.number = 0
    try:
        error = next(validator.iter_errors(value), None)
    except RecursionError:
        return _line(where, "the tool's schema goes round in circles, or too deep")
    except (ArithmeticError, ValueError, Unresolvable) as problem:
        return _line(where, f"the tool's schema can't be checked ({problem})")
    return error and _line(where + error.json_path.removeprefix("$"), error.message)


def _line(where: str, what: str) -> str:
    """Return a problem as one line of at most LONGEST characters or so, without control characters."""
    text = safe(f"{where}: {what}")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
