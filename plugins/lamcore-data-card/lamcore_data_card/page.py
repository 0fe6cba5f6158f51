"""Turn the facts of a data card into Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from lamcore.errors import safe
from lamcore_data_card.card import DONE

Facts = dict[str, Any]
LONGEST = 200
"""Characters of an example that are shown."""


def page(card: Facts) -> str:
    """Return the data card as Markdown; texts of the data stand in it as code."""
    parts = [f"# Data card of {code(card['name'])}", *_steps(card["steps"]), *_examples(card["steps"]), *_counts(card)]
    parts += ["## Duplicates", "Rows that repeat an earlier one of their split.", _duplicates(card["duplicates"])]
    parts += [
        "## Overlap",
        "Distinct inputs of a row's split that stand in a column's split too.",
        _overlap(card["overlap"]),
    ]
    return "\n\n".join(parts) + "\n"


def code(value: Any) -> str:
    """Return a text of the data as Markdown's code, within which nothing is markup, not even in a table."""
    text = safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return f"`{text.replace('`', chr(39)).replace('|', chr(0xA6))}`" if text.strip() else "(blank)"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table: the first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def share(part: int, whole: int) -> str:
    """Return a count with its share."""
    return f"{part:,} ({part / whole:.1%})" if whole else f"{part:,}"


def _steps(steps: list[Facts]) -> Iterable[str]:
    yield "## Records"
    splits = list(steps[0]["splits"])
    yield table(
        ["step", *(f"{code(split)}" for split in splits)],
        [[code(one["step"]), *(f"{one['splits'][split]['rows']:,}" for split in splits)] for one in steps],
    )
    did = [(one["step"], split, facts) for one in steps[1:] for split, facts in one["splits"].items()]
    rows = [
        [
            f"{code(step)} in {code(split)}",
            *(share(f[what], f["rows"] + f["dropped"] - f["added"]) for what in DONE),
        ]
        for step, split, f in did
        if any(f[what] for what in DONE)
    ]
    if rows:
        yield table(["step", *DONE], rows)


def _examples(steps: list[Facts]) -> Iterable[str]:
    for one in steps[1:]:
        facts = one["splits"]["train"]
        if facts["dropped_examples"]:
            yield f"## Dropped by {code(one['step'])}"
            yield "\n".join(f"- {_record(record)}" for record in facts["dropped_examples"])
        if facts["changed_examples"]:
            yield f"## Changed by {code(one['step'])}"
            yield "\n".join(f"- {_change(change)}" for change in facts["changed_examples"])


def _record(record: Facts) -> str:
    texts = [code(record[name]) for name in ("input", "target") if name in record] or [code(record)]
    return f"{code(str(record.get('id')))}: {' → '.join(texts)}"


def _change(change: Facts) -> str:
    parts = [f"{name} {code(value[0])} became {code(value[1])}" for name, value in change.items() if name != "id"]
    return f"{code(str(change.get('id')))}: {'; '.join(parts)}"


def _counts(card: Facts) -> Iterable[str]:
    """Yield a table a column: its values in train as the source gave them, after each step, and in the other splits."""
    steps = card["steps"]
    shown = [("train", steps[0]["splits"]["train"]), *((f"after {s['step']}", s["splits"]["train"]) for s in steps[1:])]
    shown += [(split, facts) for split, facts in steps[-1]["splits"].items() if split != "train"]
    first = shown[0][1]
    kinds = {"Languages": ["languages"], "Domains": ["domains"]}
    kinds |= {f"Script of {code(name)}": ["scripts", name] for name in first["scripts"]}
    kinds |= {f"Words in {code(name)}": ["lengths", name, "histogram"] for name in first["lengths"]}
    if any(facts["counted"] < facts["rows"] for _, facts in shown):
        yield f"Counts below are of up to {max(facts['counted'] for _, facts in shown):,} rows of each split."
    for title, way in kinds.items():
        columns = [(head, _at(facts, way)) for head, facts in shown]
        values = dict.fromkeys(value for _, counted in columns for value in counted)
        if values:
            yield f"## {title}"
            rows = [
                [code(value), *(share(counted.get(value, 0), sum(counted.values())) for _, counted in columns)]
                for value in values
            ]
            yield table(["", *(code(head) for head, _ in columns)], rows + _summary(shown, way))


def _at(facts: Facts, way: Sequence[str]) -> Facts:
    for key in way:
        facts = facts.get(key, {})
    return facts


def _summary(shown: Sequence[tuple[str, Facts]], way: Sequence[str]) -> list[list[Any]]:
    if way[0] != "lengths":
        return []
    names = ("mean", "median", "p95", "most")
    return [[name, *(_at(facts, way[:2]).get(name, "") for _, facts in shown)] for name in names]


def _duplicates(found: Facts) -> str:
    heads = [(when, what) for when in ("source", "ready") for what in ("inputs", "pairs")]
    rows = [[code(split), *(f"{found[when][split][what]:,}" for when, what in heads)] for split in found["source"]]
    return table(["split", *(f"{when}: {what}" for when, what in heads)], rows)


def _overlap(found: Facts) -> str:
    rows = [[code(a), *(f"{found[a][b]:,}" if a != b else "" for b in found)] for a in found]
    return table(["", *(code(split) for split in found)], rows)
