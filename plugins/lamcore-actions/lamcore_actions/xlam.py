"""xLAM's format (APIGen): {"query": text, "answers": JSON text of calls, "tools": JSON text of tools}.

There a tool's `parameters` are {name: {"description", "type": Python's ("str", "List[int]", "int, optional"),
"default"}}; JSON schemas are read too. They become JSON schemas, in which a parameter is required unless it has a
default or is optional; they are written as xLAM has them wherever that says the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lamcore import Record
from lamcore_actions import files
from lamcore_actions.calls import canonical
from lamcore_actions.conversations import (
    call_of,
    calls_in,
    message,
    record_of,
    single_turn,
    tool_of,
    tools_in,
)
from lamcore_actions.files import Fault, Row, of_kind, unpacked

TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}
PYTHON = {name: python for python, name in TYPES.items()}
JSON_NAMES = {
    **TYPES, **{name: name for name in PYTHON}, "tuple": "array", "set": "array", "sequence": "array",
    "iterable": "array", "mapping": "object", "complex": "string", "date": "string", "datetime": "string",
}  # fmt: skip

LONGEST_TYPE = 500
"""Most characters of a type's name."""


def read(path: str) -> Iterator[Record]:
    """Yield a record a row of a file."""
    return files.read(path, to_record)


def write(records: Iterable[Record], path: str) -> int:
    """Write records as JSON lines and return how many."""
    return files.write(path, records, to_row)


def to_record(row: Row) -> Record:
    """Return a row as a record: a question and its calls."""
    calls = unpacked(list, row.get("answers"), "answers")
    tools = unpacked(list, row.get("tools"), "tools")
    answers = [call_of(call, f"answers[{number}]") for number, call in enumerate(calls)]
    asked = message("user", of_kind(str, row.get("query"), "query"))
    listed = [_tool(tool, f"tools[{number}]") for number, tool in enumerate(tools)]
    return record_of([asked, message("assistant", calls=answers)], listed)


def to_row(record: Record, number: int) -> Row:
    """Return a record that is one question and its calls as a row."""
    tools = [{**tool, "parameters": _flat(tool["parameters"])} for tool in tools_in(record)]
    query, answers = single_turn(record, "xlam"), calls_in(record)
    return {"id": number, "query": query, "answers": canonical(answers), "tools": canonical(tools)}


def _tool(value: Any, where: str) -> dict[str, Any]:
    tool = tool_of(value, where)
    if not isinstance(tool["parameters"].get("type"), str):  # a parameter called "type" is an object
        tool["parameters"] = _schema(tool["parameters"], f"{where}.parameters")
    return tool


def _schema(parameters: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the JSON schema of xLAM's parameters."""
    properties, required = {}, []
    for name, given in parameters.items():
        facts = dict(of_kind(dict, given, f"{where}.{name}"))
        stated = of_kind(str, facts.pop("type", "Any"), f"{where}.{name}.type")
        if len(stated) > LONGEST_TYPE:
            raise Fault(f"{where}.{name}.type", f"{len(stated)} characters stand here", "write a shorter type")
        kind, *more = stated.rsplit(", optional", 1)
        if kind.startswith("Optional[") and kind.endswith("]"):
            kind, more = kind[len("Optional[") : -1], ["optional"]
        properties[name] = {**facts, **_type(kind)}
        if not more and "default" not in facts:
            required.append(name)
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return {**schema, "required": sorted(required)} if required else schema


def _type(kind: str) -> dict[str, Any]:
    """Return the JSON schema of one of Python's types; what is no JSON type may be anything."""
    name, _, inner = kind.strip().removesuffix("]").partition("[")
    name = name.strip().removeprefix("typing.").lower()
    parts = _parts(inner) if inner else []
    if name == "union" and parts:
        types = [_type(part) for part in parts]
        simple = all(list(one) == ["type"] and isinstance(one["type"], str) for one in types)
        return {"type": [one["type"] for one in types]} if simple else {}
    if name not in JSON_NAMES:
        return {}
    schema: dict[str, Any] = {"type": JSON_NAMES[name]}
    if name in ("list", "set", "sequence", "iterable") and len(parts) == 1 and (items := _type(parts[0])):
        schema["items"] = items
    return schema


def _parts(text: str) -> list[str]:
    """Cut a text at the commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if letter == "," and not depth:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as xLAM has them, or the schema where they can't say all of it."""
    properties, required = schema.get("properties"), schema.get("required", [])
    if not isinstance(properties, dict) or not all(isinstance(one, dict) for one in properties.values()):
        return schema
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        return schema
    whole = {**schema, "required": sorted(required)} if required else schema
    flat = {}
    for name, given in properties.items():
        facts = {key: value for key, value in given.items() if key not in ("type", "items")}
        optional = "" if name in required or "default" in facts else ", optional"
        flat[name] = {**facts, "type": _python({key: given[key] for key in given if key not in facts}) + optional}
    try:
        return flat if canonical(_schema(flat, "")) == canonical(whole) else schema
    except Fault:
        return schema


def _python(schema: dict[str, Any]) -> str:
    """Return Python's name of a schema of `type` and `items`."""
    kind = schema.get("type")
    if isinstance(kind, list):
        return f"Union[{', '.join(PYTHON.get(str(one), 'Any') for one in kind)}]"
    if kind == "array" and isinstance(schema.get("items"), dict):
        return f"List[{_python(schema['items'])}]"
    return PYTHON.get(str(kind), "Any")
