"""Calls held to what they should be: preprocessors `check_calls` and `execute_calls`, metric `end_state`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lamcore import Answer, LamcoreError, Metric, Preprocessor, Record
from lamcore_actions.calls import check, json_text, parse


@dataclass
class CheckCalls(Preprocessor):
    """Drop train records whose calls are malformed, name no tool of theirs, or don't satisfy its JSON schema.

    Looks at `calls`, and at the calls of every message where there are `messages`. A record is judged only where it has
    `calls` and `tools`; calls that are not known ("") are malformed."""

    def change(self, record: Record) -> Record | None:
        """Return the record, or None where a call of it is wrong."""
        return record if problem_of(record) is None else None

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records with calls, for checks; one of them has a wrong one."""
        from lamcore_actions.examples import commands

        return [*commands(40), {**commands(1)[0], "id": "toy-wrong", "calls": '[{"name": "f", "arguments": {}}]'}]


def problem_of(record: Record) -> str | None:
    """Return the first problem of a record's calls as one line, or None where there is none, or nothing to judge."""
    if "calls" not in record or "tools" not in record:
        return None
    texts, tools = {"calls": json_text(record, "calls")}, json_text(record, "tools")
    messages = enumerate(record.get("messages") or [])
    texts |= {f"messages[{number}].calls": one["calls"] for number, one in messages if one.get("calls")}
    for where, text in texts.items():
        calls = parse(text)
        problem = "no list of calls" if calls is None else check(calls, tools)
        if problem:
            return f"{where}: {problem}"
    return None


@dataclass
class ExecuteCalls(Preprocessor):
    """Drop train records whose calls, carried out in a toy home, don't lead from `state` to `end_state`.

    A call that can't be carried out (a light that isn't there) is wrong. States are JSON text as
    `lamcore_actions.home.Home` describes it. A record is judged only where it has `calls`, `state` and `end_state`;
    calls that are not known ("") are wrong."""

    def change(self, record: Record) -> Record | None:
        """Return the record, or None where its calls end in another state."""
        if not {"calls", "state", "end_state"} <= record.keys():
            return record
        return record if _right(json_text(record, "calls"), record, "execute_calls") else None

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records with states, for checks; one of them ends in another."""
        from lamcore_actions.examples import chores

        return [*chores(12), {**chores(1)[0], "id": "toy-wrong", "end_state": "{}"}]


@dataclass
class EndState(Metric):
    """Percent of the answers whose calls, carried out in a toy home, lead from `state` to `end_state`.

    Malformed calls and those that can't be carried out are wrong; another way to the same state is right. Records
    whose `end_state` is "" are not counted."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    column: str = "calls"
    """Column of the answer that holds the calls."""

    @property
    def signature(self) -> str:
        """Say in what calls are carried out."""
        return "home:toy|lists:unordered|errors:wrong"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return whether the answer ends as it should, and one for itself."""
        if self.column not in answer:
            raise LamcoreError(f"end_state: answers have no column {self.column} - add preprocessors=[calls_text]")
        if not {"state", "end_state"} <= record.keys():
            raise LamcoreError(f"end_state: record {record.get('id')!r} has no columns state and end_state")
        if record["end_state"] == "":
            return {"right": 0, "all": 0}
        return {"right": int(_right(answer[self.column], record, "end_state")), "all": 1}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"end_state": percent}; 0 where there are no answers."""
        return {"end_state": 100 * sums["right"] / sums["all"] if sums.get("all") else 0.0}

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records with states, for checks."""
        from lamcore_actions.examples import chores

        return chores(12)


def _right(text: str, record: Record, who: str) -> bool:
    """Say whether the calls of a text lead to a record's end; raise LamcoreError where its states are none."""
    from lamcore_actions.home import ActionError, ends_in

    calls = parse(text)
    try:
        return ends_in(calls or [], json_text(record, "state"), json_text(record, "end_state")) and calls is not None
    except ActionError as error:
        raise LamcoreError(f"{who}: record {record.get('id')!r}: {error}") from None
