"""The metric `call_match`: whether the right functions are called with the right arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from lamcore import Answer, LamcoreError, Metric, Record
from lamcore_action_metrics import bfcl
from lamcore_action_metrics.values import pair, percent
from lamcore_actions.calls import Call, canonical, loads, parse

Parts = set[tuple[str, ...]]
OUTCOMES = ("right", "abstained", "malformed", "wrong_tool", "wrong_argument")
"""What an answer is; each is exactly one."""


class Mode(Enum):
    """Which calls are right."""

    strict = "strict"
    bfcl = "bfcl"


@dataclass
class CallMatch(Metric):
    """Percent of the answers that make the right calls, and of those that go wrong in each way.

    strict: the calls are those of the record, in any order, with equal arguments. Its `parts_f1` gives credit for
    parts: of tools and of arguments with their values, in the pairs of calls that share most of them.
    bfcl: the calls are right by BFCL's rules (Patil et al. 2025), with the values of the column `allowed`.
    `abstained`, `malformed`, `wrong_tool` and `wrong_argument` say how the others go wrong: no call, though one was
    wanted; no calls at all but other text; not the tools that were wanted, each as often; arguments. What is malformed
    is never right, not even where no call is. strict leaves out records whose own calls are "", not known."""

    column: str = "calls"
    """Text column that holds calls as JSON; "" in an answer is malformed, "[]" is no call."""
    mode: Mode = Mode.strict
    """strict or bfcl (needs the columns allowed, tools and that of the category)."""
    category: str = "domain"
    """Text column that holds BFCL's category, such as live_parallel; read in mode bfcl alone."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)
    differences = OUTCOMES[1:]

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records with calls, none or two of them, for checks."""
        text, number = {"type": "string"}, {"type": "integer"}
        schema = {"type": "object", "properties": {"room": text, "level": number}, "required": ["room"]}
        tools = canonical([{"name": name, "description": "", "parameters": schema} for name in ("dim", "open")])
        calls = [
            [{"name": "dim", "arguments": {"room": "hall", "level": 3}}],
            [{"name": "open", "arguments": {"room": "Hall 1"}}, {"name": "dim", "arguments": {"room": "hall"}}],
            [],
        ]
        made = [_example(at, calls[at % 3], tools) for at in range(12)]
        return [*made, {**made[0], "id": "any", "domain": "live_relevance", "allowed": "[]"}]

    @property
    def signature(self) -> str:
        """Say by which rules calls are right."""
        rules = "equal, in any order" if self.mode is Mode.strict else "bfcl-eval 2026.3.23, dots in names kept"
        return f"column:{self.column}|mode:{self.mode.value} ({rules})|malformed:never right"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return one for what the answer is and one for itself; in strict mode also its parts."""
        gold, said = pair("call_match", answer, record, self.column)
        calls = parse(said or "")
        if self.mode is Mode.bfcl:
            return {"all": 1.0, self._by_bfcl(calls, record): 1.0}
        if gold == "":
            return {}
        wanted = parse(gold or "")
        if wanted is None:
            raise LamcoreError(f"call_match: {self.column!r} of record {record.get('id')!r} is no JSON list of calls.")
        same = calls is not None and _texts(calls) == _texts(wanted)
        return {"all": 1.0, _outcome(calls, same, [call["name"] for call in wanted]): 1.0, **_parts(calls, wanted)}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"call_match", "abstained", "malformed", "wrong_tool", "wrong_argument"} in percent of the answers,
        and in strict mode "parts_f1"; 0 where there are no answers."""
        right, *wrong = (percent(sums.get(name, 0.0), sums.get("all", 0.0)) for name in OUTCOMES)
        scores = {"call_match": right, **dict(zip(OUTCOMES[1:], wrong, strict=True))}
        if self.mode is Mode.bfcl:
            return scores
        shared, said, wanted = (sums.get(f"parts_{name}", 0.0) for name in ("shared", "said", "wanted"))
        return scores | {"parts_f1": percent(2 * shared, said + wanted)}

    def _by_bfcl(self, calls: list[Call] | None, record: Record) -> str:
        """Return what an answer is by BFCL's rules; raise the error that names a record which they can't be used on."""
        where = f"call_match.mode=bfcl: record {record.get('id')!r}"
        if lacking := [name for name in ("allowed", "tools", self.category) if name not in record]:
            raise LamcoreError(f"{where} has no column {lacking[0]!r}, only: {', '.join(record)}.")
        try:
            allowed, tools = loads(record["allowed"]), loads(record["tools"])
            right = calls is not None and bfcl.right(calls, allowed, tools, record[self.category])
            names = [name for one in allowed for name in one]
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            what = "has columns `allowed` and `tools` that do not fit: a tool, a type or a list is not there"
            raise LamcoreError(f"{where} {what} ({type(error).__name__}: {error}).") from error
        return _outcome(calls, right, names)


def _example(at: int, calls: list[dict[str, Any]], tools: str) -> Record:
    allowed = [{call["name"]: {name: [value] for name, value in call["arguments"].items()}} for call in calls]
    category = "parallel" if calls else "irrelevance"
    written = {"calls": canonical(calls), "allowed": canonical(allowed), "tools": tools}
    return {"id": f"{at}", **written, "domain": category}


def _outcome(calls: list[Call] | None, right: bool, wanted: Sequence[str]) -> str:
    """Return which of OUTCOMES an answer is; `wanted` are names of tools."""
    if calls is None:
        return "malformed"
    if right:
        return "right"
    if not calls:
        return "abstained"
    return "wrong_argument" if Counter(call["name"] for call in calls) == Counter(wanted) else "wrong_tool"


def _texts(calls: Sequence[Call]) -> Counter[str]:
    return Counter(canonical([call]) for call in calls)


def _parts(calls: list[Call] | None, wanted: Sequence[Call]) -> dict[str, float]:
    """Return how many parts calls have, the wanted ones have, and both share.

    A call is paired with at most one of the wanted, so that most parts are shared (an optimal assignment)."""
    malformed: list[Parts] = [{("malformed",)}]
    said, there = malformed if calls is None else _parts_of(calls), _parts_of(wanted)
    return {
        "parts_shared": float(_shared(said, there)),
        "parts_said": float(sum(map(len, said))),
        "parts_wanted": float(sum(map(len, there))),
    }


def _parts_of(calls: Sequence[Call]) -> list[Parts]:
    """Return the parts of each call: its tool, and each argument of that tool with its value; no call is one part."""
    return [_parts_of_one(call["name"], call["arguments"]) for call in calls] or [{("no call",)}]


def _parts_of_one(tool: str, arguments: Mapping[str, Any]) -> Parts:
    return {("tool", tool), *(("argument", tool, name, canonical(value)) for name, value in arguments.items())}


def _shared(said: Sequence[Parts], there: Sequence[Parts]) -> int:
    from scipy.optimize import linear_sum_assignment

    table = [[len(one & other) for other in there] for one in said]
    return sum(table[row][column] for row, column in zip(*linear_sum_assignment(table, maximize=True), strict=True))
