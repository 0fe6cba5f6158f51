"""OpenAI's format for fine-tuning on tool calls: {"messages": [{"role", "content", "tool_calls"}], "tools": [...]}.

Arguments may be JSON text, as there, or an object, as chat templates of Hugging Face take them; ids may be missing:
a tool's message then belongs to the first call that has no answer yet, of its `name` where it has one.

The `weight` of an assistant's message, 1 or 0, becomes its `train`, true or false: whether it is learnt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lamcore import Record
from lamcore_actions import files
from lamcore_actions.calls import Call, canonical, loads
from lamcore_actions.conversations import Message, message, messages_in, record_of, tool_of, tools_in
from lamcore_actions.files import Fault, Row, of_kind, unpacked

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}

Waiting = list[tuple[int, str, str]]
"""(place among all calls, id, tool) of each call that has no answer yet."""


def read(path: str) -> Iterator[Record]:
    """Yield a record a row of a file."""
    return files.read(path, to_record)


def write(records: Iterable[Record], path: str) -> int:
    """Write records as JSON lines and return how many."""
    return files.write(path, records, to_row)


def to_record(row: Row) -> Record:
    """Return a row's conversation as a record."""
    tools = of_kind(list, row.get("tools") or [], "tools")
    messages = _messages(of_kind(list, row.get("messages"), "messages"))
    return record_of(messages, [tool_of(tool, f"tools[{number}]") for number, tool in enumerate(tools)])


def _messages(values: list[Any]) -> list[Message]:
    """Return messages; answers of tools that stand together come in the order of their calls."""
    messages: list[Message] = []
    waiting: Waiting = []
    answers: list[tuple[int, str, Message]] = []
    count = 0
    for number, value in enumerate(values):
        where = f"messages[{number}]"
        role, content = _role(value, where), _content(value.get("content"), f"{where}.content")
        if role == "tool":
            place, _, name = waiting.pop(_asked(waiting, value, where))
            answers.append((place, where, message("tool", content, name=name)))
            continue
        messages += _in_order(answers, waiting)
        answers = []
        calls, ids = _calls(value, where)
        train = _learnt(value, where, last=number == len(values) - 1)
        waiting += zip(range(count, count + len(calls)), ids, [call["name"] for call in calls], strict=True)
        count += len(calls)
        messages.append(message(role, content, calls, train=train))
    return messages + _in_order(answers, waiting)


def _role(value: Any, where: str) -> str:
    role = of_kind(str, of_kind(dict, value, where).get("role"), f"{where}.role")
    if role not in ROLES:
        raise Fault(f"{where}.role", f"{role!r} stands here", f"it must be one of {', '.join(ROLES)}")
    if "function_call" in value:
        raise Fault(f"{where}.function_call", "this is the format before tools", "write it as tool_calls")
    return ROLES[role]


def _learnt(value: Row, where: str, last: bool) -> bool | None:
    """Return whether a message is learnt, None where it doesn't say so."""
    weight = value.get("weight")
    if weight not in (None, 0, 1):
        raise Fault(f"{where}.weight", f"{str(weight)[:30]!r} stands here", "it must be 0 or 1")
    if weight is not None and value["role"] != "assistant":
        raise Fault(f"{where}.weight", f"the {value['role']} has a weight", "only the assistant's messages are learnt")
    if weight == 0 and last:
        raise Fault(f"{where}.weight", "0 leaves the last answer out of training", "cut the conversation before it")
    return None if weight is None else bool(weight)


def _content(value: Any, where: str) -> str:
    """Return text; parts of text are joined."""
    if isinstance(value, list):
        return "".join(of_kind(str, of_kind(dict, part, where).get("text"), f"{where}.text") for part in value)
    return of_kind(str, "" if value is None else value, where)


def _calls(value: Row, where: str) -> tuple[list[Call], list[str]]:
    """Return the calls of a message and their ids, "" for none."""
    calls, ids = [], []
    for number, one in enumerate(of_kind(list, value.get("tool_calls") or [], f"{where}.tool_calls")):
        here = f"{where}.tool_calls[{number}]"
        function = of_kind(dict, of_kind(dict, one, here).get("function"), f"{here}.function")
        name = of_kind(str, function.get("name"), f"{here}.function.name")
        calls.append({"name": name, "arguments": unpacked(dict, function.get("arguments"), f"{here}.arguments")})
        ids.append(of_kind(str, one.get("id") or "", f"{here}.id"))
    if calls and value["role"] != "assistant":
        raise Fault(f"{where}.tool_calls", f"the {value['role']} calls a tool", "only the assistant does")
    return calls, ids


def _asked(waiting: Waiting, value: Row, where: str) -> int:
    """Return which of the calls that wait for an answer this is the answer to, by id, by name, or the first."""
    for number, (_, id, name) in enumerate(waiting):
        if value["tool_call_id"] == id if value.get("tool_call_id") else value.get("name") in (None, name):
            return number
    raise Fault(where, "this answers no call that stands before it", "give it the call's id as tool_call_id")


def _in_order(answers: list[tuple[int, str, Message]], waiting: Waiting) -> list[Message]:
    """Return answers in the order of their calls; a record knows by name and order alone which call has which."""
    for place, where, one in answers:
        if any(name == one["name"] and before < place for before, _, name in waiting):
            raise Fault(where, "a call of the same tool before that which this answers has no answer", "give it one")
    return [one for _, _, one in sorted(answers, key=lambda answer: answer[0])]


def to_row(record: Record, number: int) -> Row:
    """Return a record's conversation as a row."""
    rows: list[Row] = []
    waiting: Waiting = []
    count = 0
    for at, one in enumerate(messages_in(record)):
        row: Row = {"role": one["role"], "content": one["content"]}
        if one.get("train") is not None:
            row["weight"] = int(one["train"])
        if one["role"] == "tool":
            _, row["tool_call_id"], _ = waiting.pop(_asked(waiting, {"name": one["name"] or None}, f"messages[{at}]"))
        if calls := loads(one["calls"] or "[]"):
            named = [(place, f"call_{place}", call["name"]) for place, call in enumerate(calls, start=count)]
            waiting, count = waiting + named, count + len(calls)
            row["content"] = one["content"] or None
            row["tool_calls"] = [
                {"id": id, "type": "function", "function": {"name": name, "arguments": canonical(call["arguments"])}}
                for (_, id, name), call in zip(named, calls, strict=True)
            ]
        rows.append(row)
    tools = [{"type": "function", "function": tool} for tool in tools_in(record)]
    return {"messages": rows, **({"tools": tools} if tools else {})}
