"""What the formats of conversations share: messages, tools, and the record that they make."""

from __future__ import annotations

from typing import Any

from lamcore import Record
from lamcore_actions.calls import canonical, is_call, parse
from lamcore_actions.files import Fault, of_kind, unpacked

Message = dict[str, Any]
"""{"role", "content", "calls", "name"}, all text, "" where absent; and "train": true or false where the data says
whether the message is learnt, else None."""
NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def message(
    role: str, content: str = "", calls: list[Any] | None = None, name: str = "", train: bool | None = None
) -> Message:
    """Return a message; no calls are ""."""
    said = {"role": role, "content": content, "calls": canonical(calls) if calls else "", "name": name}
    return {**said, "train": train}


def record_of(messages: list[Message], tools: list[Any]) -> Record:
    """Return a conversation as a record: `calls` is what its last message calls, `input` what the user said before.

    `calls` is "[]" where the last message is an answer without calls, and "" where it is none: not known."""
    if not messages:
        raise Fault("messages", "there is none", "a conversation has one or more")
    answered = messages[-1]["role"] == "assistant"
    said = [one["content"] for one in messages if one["role"] == "user"]
    return {
        "input": said[-1] if said else "",
        "messages": messages,
        "tools": canonical(tools),
        "calls": messages[-1]["calls"] or "[]" if answered else "",
    }


def tool_of(value: Any, where: str) -> dict[str, Any]:
    """Return a tool as {"name", "description", "parameters"}; it may stand in OpenAI's {"type", "function"}."""
    of_kind(dict, value, where)
    if "function" in value:
        value, where = of_kind(dict, value["function"], f"{where}.function"), f"{where}.function"
    return {
        "name": of_kind(str, value.get("name"), f"{where}.name"),
        "description": of_kind(str, value.get("description") or "", f"{where}.description"),
        "parameters": of_kind(dict, value.get("parameters") or NO_PARAMETERS, f"{where}.parameters"),
    }


def calls_of(text: str, where: str) -> list[Any]:
    """Return the calls that a text says, or raise Fault."""
    calls = parse(text)
    if calls is None:
        raise Fault(where, f"this is no call ({text[:40]!r})", 'write {"name": ..., "arguments": {...}} or a list')
    return calls


def call_of(value: Any, where: str) -> Any:
    """Return a value that is a call, or raise Fault."""
    if not is_call(value):
        raise Fault(where, "this is no call", 'write {"name": text, "arguments": object}, and no other key')
    return value


# A record's own columns, for those who write


def tools_in(record: Record) -> list[Any]:
    """Return the tools of a record; none where it has no such column."""
    return unpacked(list, record.get("tools") or [], "tools")


def calls_in(record: Record) -> list[Any]:
    """Return the calls of a record, or raise Fault where they are not known."""
    if not record.get("calls"):
        raise Fault("calls", "this record has none, not even []", "only data of calls can be written so")
    return calls_of(record["calls"], "calls")


def messages_in(record: Record) -> list[Message]:
    """Return a record's messages; without such a column, its input and the answer that calls what it calls."""
    if record.get("messages"):
        return record["messages"]
    asked = message("user", of_kind(str, record.get("input"), "input"))
    return [asked, message("assistant", calls=calls_in(record))]


def unweighted(record: Record, format: str) -> list[Message]:
    """Return a record's messages, or raise Fault where one says whether it is learnt."""
    messages = messages_in(record)
    for number, one in enumerate(messages):
        if one.get("train") is not None:
            raise Fault(f"messages[{number}].train", "this says whether it is learnt", f"{format} can't hold it")
    return messages


def single_turn(record: Record, format: str) -> str:
    """Return what the user says in a record that is one question and its calls, or raise Fault."""
    messages = unweighted(record, format)
    said = [(one["role"], bool(one["content"])) for one in messages[1:]]
    if [one["role"] for one in messages[:1]] != ["user"] or said not in ([], [("assistant", False)]):
        raise Fault("messages", "this is more than one question and its calls", f"{format} can't hold it")
    return messages[0]["content"]
