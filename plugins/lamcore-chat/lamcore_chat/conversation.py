"""A record as a conversation, and the text of an assistant's turn as content and calls again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamcore import LamcoreError, Record
from lamcore_actions.calls import canonical, json_text, parse
from lamcore_chat.template import Generated, Message, Refused, Template

ROLES = ("system", "user", "assistant", "tool")
Turn = tuple[Message, bool | None]
"""A message, and whether it is to be learnt; None leaves that to the setting."""


def conversation(record: Record) -> list[Turn]:
    """Return a record's messages and, where they don't end with the assistant's, its answer as the last one.

    A record without messages begins with its `input` as the user's. Raises LamcoreError that names the record."""
    given = record.get("messages") or [{"role": "user", "content": record.get("input") or ""}]
    turns = [_turn(record, number, message) for number, message in enumerate(given)]
    if turns[-1][0]["role"] != "assistant" and (answer := _answer(record)):
        turns.append((answer, None))
    return turns


def _turn(record: Record, number: int, message: Any) -> Turn:
    where = f"Record {record.get('id')!r}, message {number}"
    if not isinstance(message, Mapping):
        raise LamcoreError(f"{where} must be a table of role and content, not {message!r:.80}.")
    texts = {name: message.get(name) or "" for name in ("role", "content", "calls", "name")}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise LamcoreError(f"{where}: {name} must be text, not {value!r:.80}.")
    if texts["role"] not in ROLES:
        raise LamcoreError(f"{where}: its role is {texts['role']!r:.80}, not one of {', '.join(ROLES)}.")
    if texts["calls"] and texts["role"] != "assistant":
        raise LamcoreError(f"{where}: only the assistant has calls, not the {texts['role']}.")
    train = message.get("train")
    if train not in (None, "", True, False):
        raise LamcoreError(f"{where}: train must be true, false or absent, not {train!r:.80}.")
    if train and texts["role"] != "assistant":
        raise LamcoreError(f"{where}: only what the assistant says is learnt, not the {texts['role']}'s turn.")
    return {**texts, "calls": _canonical(texts["calls"], where)}, None if train in (None, "") else bool(train)


def _answer(record: Record) -> Message | None:
    """Return what a record's columns `calls` and `target` say that the assistant answers."""
    target, calls = record.get("target") or "", json_text(record, "calls")
    calls = _canonical(calls, f"Record {record.get('id')!r}")
    if not target and not calls:
        return None
    content = "" if calls and target == calls else target
    return {"role": "assistant", "content": content, "calls": calls, "name": ""}


def _canonical(calls: str, where: str) -> str:
    if not calls:
        return ""
    if (found := parse(calls)) is None:
        raise LamcoreError(f'{where}: calls must be a JSON list of {{"name", "arguments"}}, not {calls!r:.80}.')
    return canonical(found)


def answers(turns: list[Turn]) -> bool:
    """Say whether a conversation ends with a turn of the assistant."""
    return bool(turns) and turns[-1][0]["role"] == "assistant"


def escaped(template: Template, record: Record, turns: list[Turn]) -> tuple[list[Message], str]:
    """Return messages, and the record's tools, in which no text holds a mark of the template."""
    messages = [
        {
            "role": message["role"],
            "content": template.escaped(message["content"]),
            "calls": template.escaped_json(message["calls"]),
            "name": template.escaped(message["name"]),
        }
        for message, _ in turns
    ]
    return messages, template.escaped_json(json_text(record, "tools"))


def rendered(
    template: Template, record: Record, messages: list[Message], tools: str, prompt: bool
) -> list[str | Generated]:
    """Return a conversation's text in pieces, one Generated piece for each turn of the assistant.

    Raises LamcoreError that names the record where the template can't render it."""
    try:
        pieces = template.render(messages, tools, prompt)
        generated = [piece for piece in pieces if isinstance(piece, Generated)]
        if len(generated) != (wanted := sum(message["role"] == "assistant" for message in messages)):
            raise Refused(f"the template generates {len(generated)} turns, and it has {wanted} of the assistant")
        if odd := [piece for piece in generated if not piece.endswith(template.stop)]:
            raise Refused(f"the template ends what it generates with {odd[0][-20:]!r}, not {template.stop!r}")
    except Refused as reason:
        raise LamcoreError(f"Record {record.get('id')!r} can't be rendered: {reason}.") from reason
    return pieces


def read(template: Template, text: str) -> tuple[str, str]:
    """Return (content, calls) that the text of an assistant's turn says, whatever it is; it ends at its stop mark.

    `calls` is canonical JSON; "" where there are none or they are malformed, and then `content` is the whole text."""
    body = text.partition(template.stop)[0]
    content, mark, calls = body.partition(template.call) if template.call else ("", "", body)
    found = parse(calls) if mark or not template.call else None
    if found is None:
        return template.unescaped(body), ""
    return template.unescaped(content), canonical(found)


def abstains(template: Template, text: str) -> bool:
    """Say whether a turn's text is words alone: nothing in it begins a call, well or badly."""
    body = text.partition(template.stop)[0]
    return template.call not in body if template.call else not body.lstrip().startswith(("[", "{"))
