"""The rules by which BFCL's AST checker takes calls for right (Patil et al. 2025), as of bfcl-eval 2026.3.23.

Its scores can be compared with published ones only where every rule is followed, the odd ones too:

- An argument is right if its value is one of those allowed; "" among these lets it be left out.
- Texts are compared without spaces, `,./-_*^`, case and kind of quote: also in lists and in one level of objects.
- A whole number will do for a float, but not within a list; 1.0 is no integer; true is no number.
- A value of another type than the function asks for counts where the first value allowed is of that type: a variable.
- An object is right if each key's value is allowed; so are lists of objects, in order. Deeper ones must be equal.
- An empty list is right where the argument may be left out.
- Calls have no order: each that is wanted takes the first call left that fits it, so that the match is not always the
  best one."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lamcore_action_metrics.literals import java, javascript

Call = Mapping[str, Any]
"""{"name": text, "arguments": object}."""
PYTHON: Mapping[str, type] = {
    "string": str, "any": str, "integer": int, "float": float, "boolean": bool, "array": list, "tuple": list,
    "dict": dict,
}  # fmt: skip
"""Type of an argument -> what its value is."""
JAVA: Mapping[str, type] = {
    "byte": int, "short": int, "integer": int, "long": int, "float": float, "double": float, "boolean": bool,
    "char": str, "String": str, "any": str, "Array": list, "ArrayList": list, "HashMap": dict,
}  # fmt: skip
JAVASCRIPT: Mapping[str, type] = {
    "String": str, "integer": int, "float": float, "Bigint": int, "Boolean": bool, "dict": dict, "array": list,
    "any": str,
}  # fmt: skip
JSON_SCHEMA = {"number": "float", "object": "dict"}
"""What JSON schema calls otherwise; `any` is no type, and one that it lacks stands under `x-type`."""
LISTS = ("array", "tuple", "Array", "ArrayList")
_IGNORED = re.compile(r"[ ,./\-_*^]")


def right(calls: Sequence[Call], allowed: Sequence[Mapping[str, Any]], tools: Sequence[Any], category: str) -> bool:
    """Say whether calls are right: `allowed` is [{tool: {argument: [values]}}], `category` is BFCL's.

    In categories of irrelevance no call is right, in those of relevance any call. Raise KeyError for a tool or a type
    that is not there."""
    if "relevance" in category:
        return bool(calls) != ("irrelevance" in category)
    if len(calls) != len(allowed):
        return False
    parameters, left = {tool["name"]: tool["parameters"] for tool in tools}, list(calls)
    for wanted in allowed:
        ((name, values),) = wanted.items()
        fits = (at for at, call in enumerate(left) if fit(call, name, values, parameters[name], category))
        if (at := next(fits, None)) is None:
            return False
        del left[at]
    return True


def fit(call: Call, name: str, allowed: Mapping[str, Any], parameters: Mapping[str, Any], category: str) -> bool:
    """Say whether one call is right: tool, arguments that must be there, no others, each value."""
    given, properties = call["arguments"], parameters["properties"]
    if call["name"] != name or any(needed not in given for needed in parameters.get("required", ())):
        return False
    if any(one not in properties or one not in allowed for one in given):
        return False
    if not all(value_fits(value, allowed[one], properties[one], category) for one, value in given.items()):
        return False
    return all(one in given or "" in values for one, values in allowed.items())


def value_fits(value: Any, allowed: Sequence[Any], schema: Mapping[str, Any], category: str) -> bool:
    """Say whether the value of an argument is right, by its type in the schema and the values allowed."""
    types = JAVASCRIPT if "javascript" in category else JAVA if "java" in category else PYTHON
    stated = _type(schema)
    item = _type(schema["items"]) if stated in LISTS and "items" in schema else ""
    kind, inner = types[stated], types[item] if item else None
    if types is not PYTHON:
        if not isinstance(value, str):
            return False
        value = (java if types is JAVA else javascript)(value, stated, item)
    elif kind is float and type(value) is int and abs(value) <= sys.float_info.max:
        value = float(value)
    given, first = type(value), _first(allowed)
    if given not in (kind, first):
        return False
    if given is kind and inner and not any(_items_fit(value, option, inner) for option in allowed):
        return False
    variable = first not in (None, kind)
    return value in allowed if variable or kind in (int, float, bool) else _equal(value, allowed, inner)


def _type(schema: Mapping[str, Any]) -> str:
    name = schema.get("x-type", schema.get("type", "any"))
    return JSON_SCHEMA.get(name, name)


def _first(allowed: Sequence[Any]) -> type | None:
    """Return the type of the first value allowed, None where an argument may only be left out."""
    return next((type(option) for option in allowed if option != ""), None)


def _items_fit(value: Sequence[Any], option: Any, inner: type) -> bool:
    """Say whether the items of a list are of the type asked for, or of that of the first item allowed."""
    return not isinstance(option, list) or all(type(item) in (inner, _first(option) or inner) for item in value)


def _equal(value: Any, allowed: Sequence[Any], inner: type | None) -> bool:
    """Say whether a text, list or object is among those allowed."""
    if isinstance(value, dict):
        return any(_object_fits(value, option) for option in allowed)
    if isinstance(value, str):
        return plain(value) in [plain(option) for option in allowed if isinstance(option, str)]
    if inner is dict:
        return any(_objects_fit(value, option) for option in allowed)
    return _plain_items(value) in [_plain_items(option) for option in allowed]


def _objects_fit(value: Sequence[Any], option: Any) -> bool:
    """Say whether a list of objects is right, "" standing for an empty one."""
    return len(value) == len(option) and all(map(_object_fits, value, option))


def _object_fits(value: Any, option: Any) -> bool:
    """Say whether an object is right: `option` is {key: [values allowed]}, "" lets a key be left out."""
    if not isinstance(value, dict) or not isinstance(option, dict):
        return False
    held = all(key in option and plain(one) in _plain_items(option[key]) for key, one in value.items())
    return held and all(key in value or "" in values for key, values in option.items())


def _plain_items(values: Sequence[Any]) -> list[Any]:
    return [plain(value) for value in values]


def plain(value: Any) -> Any:
    """Return a text without what is ignored in comparing; other values as they are."""
    return _IGNORED.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value
