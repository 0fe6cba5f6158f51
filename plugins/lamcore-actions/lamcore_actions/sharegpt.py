"""ShareGPT with tools: {"conversations": [{"from", "value"}], "tools": JSON text, "system": text where there is one}.

Turns are from system, human, gpt, function_call (JSON of a call, or of a list) and observation, as LLaMA-Factory has
them; the names user, assistant, tool_call, tool and function_response are read too, and so is a gpt turn that writes
its calls between <tool_call> and </tool_call>, as Hermes does. A tool's answer has no name here: as many answers as
calls belong to them in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, zip_longest
from typing import Any

from lamcore import Record
from lamcore_actions import files
from lamcore_actions.calls import Call, canonical, loads
from lamcore_actions.conversations import (
    Message,
    calls_of,
    message,
    record_of,
    tool_of,
    tools_in,
    unweighted,
)
from lamcore_actions.files import Fault, Row, of_kind, unpacked

TURNS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
ROLES = {turn: role for role, turn in TURNS.items()} | {
    "user": "user", "assistant": "assistant", "function_call": "assistant", "tool_call": "assistant", "tool": "tool",
    "function_response": "tool",
}  # fmt: skip
OPEN, CLOSE = "<tool_call>", "</tool_call>"


def read(path: str) -> Iterator[Record]:
    """Yield a record a row of a file."""
    return files.read(path, to_record)


def write(records: Iterable[Record], path: str) -> int:
    """Write records as JSON lines and return how many."""
    return files.write(path, records, to_row)


def to_record(row: Row) -> Record:
    """Return a row's conversation as a record."""
    system = of_kind(str, row.get("system") or "", "system")
    messages = [message("system", system)] if system else []
    for number, turn in enumerate(of_kind(list, row.get("conversations"), "conversations")):
        _add(messages, turn, f"conversations[{number}]")
    tools = unpacked(list, row.get("tools") or [], "tools")
    return record_of(_named(messages), [tool_of(tool, f"tools[{number}]") for number, tool in enumerate(tools)])


def _add(messages: list[Message], turn: Any, where: str) -> None:
    """Add a turn to messages; calls right after what the assistant says are of the same message."""
    speaker = of_kind(str, of_kind(dict, turn, where).get("from"), f"{where}.from")
    value = of_kind(str, turn.get("value"), f"{where}.value")
    if speaker not in ROLES:
        raise Fault(f"{where}.from", f"{speaker!r} stands here", f"it must be one of {', '.join(ROLES)}")
    if speaker not in ("function_call", "tool_call"):
        said, calls = _said(value, where) if ROLES[speaker] == "assistant" else (value, [])
        messages.append(message(ROLES[speaker], said, calls))
        return
    calls = calls_of(value, f"{where}.value")
    said = ""
    if messages and messages[-1]["role"] == "assistant" and not messages[-1]["calls"]:
        said = messages.pop()["content"]
    messages.append(message("assistant", said, calls))


def _said(value: str, where: str) -> tuple[str, list[Call]]:
    """Return what a turn says and what it calls between tags."""
    if CLOSE not in value.partition(OPEN)[2]:
        return value, []
    said, *parts = value.split(OPEN)
    calls: list[Call] = []
    for part in parts:
        inside, closed, rest = part.partition(CLOSE)
        calls += calls_of(inside, f"{where}.value") if closed else []
        said += rest if closed else OPEN + part
    return said.strip(), calls


def _named(messages: list[Message]) -> list[Message]:
    """Return messages whose answers of tools have the names of the calls before them, where there are as many."""
    made: list[Message] = []
    for role, group in groupby(messages, key=lambda one: one["role"]):
        run = list(group)
        calls = loads(made[-1]["calls"] or "[]") if made else []
        if role == "tool" and len(calls) == len(run):
            run = [{**one, "name": call["name"]} for one, call in zip(run, calls, strict=True)]
        made += run
    return made


def to_row(record: Record, number: int) -> Row:
    """Return a record's conversation as a row."""
    turns, messages = [], unweighted(record, "sharegpt")
    for at, one in enumerate(messages):
        if one["role"] == "assistant" and CLOSE in one["content"].partition(OPEN)[2]:
            raise Fault(f"messages[{at}].content", f"{OPEN} stands in what is said", "sharegpt can't hold it")
        if one["content"] or not one["calls"]:
            turns.append({"from": TURNS[one["role"]], "value": one["content"]})
        if calls := loads(one["calls"] or "[]"):
            turns.append({"from": "function_call", "value": canonical(calls[0] if len(calls) == 1 else calls)})
    row = {"conversations": turns, "tools": canonical(tools_in(record))}
    nothing: Message = {}
    for at, (one, back) in enumerate(zip_longest(messages, to_record(row)["messages"], fillvalue=nothing)):
        if any(one.get(key) != back.get(key) for key in ("role", "content", "calls", "name")):
            raise Fault(
                f"messages[{at}]", "this would be another message when it is read again", "sharegpt can't hold it"
            )
    return row
