"""The Berkeley Function Calling Leaderboard's rows, questions and possible answers joined: {"id", "category",
"messages" [{"role", "content"}], "functions", "answers" [{function: {argument: [allowed values]}}]}.

`allowed` is the text of `answers`; `calls` are the first allowed of each, and the last message. "" among the allowed
values means that an argument may be left out. Where any call is right (categories of relevance) `calls` is "", and
there is no such message. `domain` is the category.

Types become those of JSON schema; one that can't be told from it, such as Java's `long`, stays beside it as `x-type`,
which scoring by the leaderboard's rules needs, and writing.

Of Java and JavaScript the leaderboard wants every argument as text that holds a literal: `5L`, `new ArrayList<>(...)`.
There, as it does itself, every parameter is given the type string, and `calls` hold literals. What is allowed as text
stays as it is: it is one, or the name of a variable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from lamcore import Record
from lamcore_actions import files
from lamcore_actions.calls import Call, canonical, loads
from lamcore_actions.conversations import Message, calls_in, message, record_of, tool_of, tools_in, unweighted
from lamcore_actions.files import Fault, Row, of_kind

TYPES = {
    "dict": "object", "float": "number", "tuple": "array", "String": "string", "char": "string", "Boolean": "boolean",
    "long": "integer", "short": "integer", "byte": "integer", "Bigint": "integer", "double": "number",
    "Array": "array", "ArrayList": "array", "Set": "array", "Queue": "array", "Stack": "array", "HashMap": "object",
    "Hashtable": "object",
}  # fmt: skip
"""The leaderboard's types that JSON schema calls otherwise; `any` is no type."""
WRITTEN = {"object": "dict", "number": "float"}


def read(path: str) -> Iterator[Record]:
    """Yield a record a row of a file."""
    return files.read(path, to_record)


def write(records: Iterable[Record], path: str) -> int:
    """Write records as JSON lines and return how many."""
    return files.write(path, records, to_row)


def to_record(row: Row) -> Record:
    """Return a row as a record."""
    category = of_kind(str, row.get("category"), "category")
    messages = [_message(one, f"messages[{n}]") for n, one in enumerate(of_kind(list, row.get("messages"), "messages"))]
    functions = enumerate(of_kind(list, row.get("functions"), "functions"))
    tools = [tool_of(function, f"functions[{number}]") for number, function in functions]
    for tool in tools:
        tool["parameters"] = _typed(tool["parameters"], _to_json)
    answers = of_kind(list, row.get("answers"), "answers")
    first = [call for number, answer in enumerate(answers) for call in _first(answer, f"answers[{number}]")]
    if "java" in category:
        _write_literals(first, tools, script="javascript" in category)
    if not _any_call(category):
        messages.append(message("assistant", calls=first))
    known = {"id": of_kind(str, row.get("id"), "id"), "domain": category, "allowed": canonical(answers)}
    return record_of(messages, tools) | known


def to_row(record: Record, number: int) -> Row:
    """Return a record as a row; what is allowed is what it calls, where it has no column `allowed`."""
    messages = unweighted(record, "bfcl")
    asked = messages[:-1] if messages[-1]["role"] == "assistant" else messages
    if any(one["calls"] or one["role"] == "tool" for one in asked) or (asked != messages and messages[-1]["content"]):
        raise Fault("messages", "this is more than questions and the calls that answer them", "bfcl can't hold it")
    functions = [{**tool, "parameters": _typed(tool["parameters"], _to_bfcl)} for tool in tools_in(record)]
    return {
        "id": record.get("id") or str(number),
        "category": record.get("domain") or "",
        "messages": [{"role": one["role"], "content": one["content"]} for one in asked],
        "functions": functions,
        "answers": loads(record["allowed"]) if "allowed" in record else [_allowed(one) for one in calls_in(record)],
    }


def _any_call(category: str) -> bool:
    return category.endswith("relevance") and not category.endswith("irrelevance")


def _message(value: Any, where: str) -> Message:
    role = of_kind(str, of_kind(dict, value, where).get("role"), f"{where}.role")
    if role not in ("system", "user", "assistant"):
        raise Fault(f"{where}.role", f"{role!r} stands here", "it must be system, user or assistant")
    return message(role, of_kind(str, value.get("content"), f"{where}.content"))


# Types


def _typed(schema: Any, turn: Any) -> Any:
    """Return a schema whose types, and those of its properties and items, are turned."""
    if not isinstance(schema, dict):
        return schema
    made = turn(schema)
    if isinstance(schema.get("properties"), dict):
        made["properties"] = {name: _typed(one, turn) for name, one in schema["properties"].items()}
    if "items" in schema:
        made["items"] = _typed(schema["items"], turn)
    return made


def _to_json(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if not isinstance(kind, str) or kind == "any":
        return {key: value for key, value in schema.items() if key != "type"}
    made = {**schema, "type": TYPES.get(kind, kind)}
    return made if _to_bfcl(made)["type"] == kind else {**made, "x-type": kind}


def _to_bfcl(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("x-type", schema.get("type", "any"))
    rest = {key: value for key, value in schema.items() if key != "x-type"}
    return {**rest, "type": WRITTEN.get(kind, kind) if isinstance(kind, str) else "any"}


# Java and JavaScript

_json = json.JSONEncoder(ensure_ascii=False).encode


def _write_literals(calls: list[Call], tools: list[Any], script: bool) -> None:
    """Turn the values of calls into literals, in place, and the parameters of tools into texts."""
    for tool in tools:
        where = f"functions.{tool['name']}"
        for name, schema in of_kind(dict, tool["parameters"].get("properties", {}), where).items():
            of_kind(dict, schema, f"{where}.{name}")
            for call in calls:
                if call["name"] == tool["name"] and name in call["arguments"]:
                    call["arguments"][name] = _literal(call["arguments"][name], schema, script)
            schema |= {"type": "string", "x-type": _to_bfcl(schema)["type"]}


def _literal(value: Any, schema: dict[str, Any], script: bool) -> str:
    """Return the text of a literal that the leaderboard reads as the value; text stays as it is."""
    if isinstance(value, str):
        return value
    kind = _to_bfcl(schema)["type"]
    if isinstance(value, list):
        item = _to_bfcl(of_kind(dict, schema.get("items", {}), "items"))["type"]
        quoted = item == "String" and kind != "Array"
        items = ", ".join(_json(one) if quoted else _literal(one, {"type": item}, script) for one in value)
        if script:
            return f"[{items}]"
        listed = f"Arrays.asList({items})" if items else ""
        return f"new {item}[]{{{items}}}" if kind == "Array" else f"new ArrayList<>({listed})"
    if isinstance(value, dict) and not script:
        puts = " ".join(f"put({_json(name)}, {_json(one)});" for name, one in value.items())
        return f"new HashMap<>() {{{{ {puts} }}}}"
    return _json(value) + ({"Bigint": "n"} if script else {"long": "L", "float": "f"}).get(kind, "")


# Allowed values


def _first(answer: Any, where: str) -> list[Call]:
    """Return the call of the first allowed values; an answer has one function."""
    return [
        {"name": name, "arguments": _first_of_each(arguments, f"{where}.{name}")}
        for name, arguments in of_kind(dict, answer, where).items()
    ]


def _first_of_each(arguments: Any, where: str) -> dict[str, Any]:
    """Return {argument: first allowed value}, without those that are left out first, or that nothing is allowed for."""
    firsts = {}
    for name, allowed in of_kind(dict, arguments, where).items():
        if of_kind(list, allowed, f"{where}.{name}") and allowed[0] != "":
            firsts[name] = _value(allowed[0], f"{where}.{name}")
    return firsts


def _value(value: Any, where: str) -> Any:
    """Return an allowed value; in an object, and in a list's objects, each value is itself a list of those allowed."""
    if isinstance(value, dict):
        return _first_of_each(value, where)
    if isinstance(value, list):
        return [_first_of_each(one, where) if isinstance(one, dict) else one for one in value]
    return value


def _allowed(call: Call) -> dict[str, Any]:
    return {call["name"]: {name: [_choices(value)] for name, value in call["arguments"].items()}}


def _choices(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: [one] for name, one in value.items()}
    if isinstance(value, list):
        return [{name: [inner] for name, inner in one.items()} if isinstance(one, dict) else one for one in value]
    return value
