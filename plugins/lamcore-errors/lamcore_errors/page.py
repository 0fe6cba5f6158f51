"""The facts as a page of Markdown, to be read in a terminal too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lamcore.errors import safe
from lamcore_errors import parts
from lamcore_errors.parts import code

Facts = Mapping[str, Any]
MOST = 10
"""Classes, pairs and fields that are shown; the JSON has all."""


def shown(folder: Path) -> str:
    """Return a run's folder as a command names it."""
    here = folder.resolve()
    return str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here)


def page(facts: Facts, run: str) -> str:
    """Return all of it; `run` is the folder that commands name."""
    wrong = f"# What {code(run)} gets wrong in {code(facts['split'])}"
    blocks = [wrong, f"{facts['score']} {_score(facts)}, {facts['records']:,} records."]
    blocks += ["## Worst", *_examples(facts["worst"])] if facts["worst"] else ["Nothing: each answer scores best."]
    for column, cells in facts["confused"].items():
        blocks += [f"## Confused: {code(column)}", *_confused(cells)]
    for column, rows in facts["fields"].items():
        blocks += [f"## Fields of {code(column)}", table(("field", *parts.OUTCOMES), _fields(rows))]
    if facts["signs"]:
        rows = [(parts.SIGNS[sign], f"{number:,}") for sign, number in facts["signs"].items()]
        blocks += ["## Answers that", table(("", "answers"), rows)]
    if facts["slices"]:
        head = ("slice", "records", facts["score"], "95 % interval")
        blocks += ["## Slices", table(head, [_slice(row) for row in facts["slices"]])]
    blocks += ["## What to look at next", *_findings(facts, run)]
    return "\n\n".join(blocks) + "\n"


def finding_page(facts: Facts, run: str) -> str:
    """Return one finding and its records, the worst first."""
    one = facts["finding"]
    return "\n\n".join([f"# {one['what']}", one["advice"], *_examples(facts["answers"])]) + "\n"


def _findings(facts: Facts, run: str) -> Iterable[str]:
    if not facts["next"]:
        yield "Nothing stands out: no slice is clearly worse than the others, and no mistake is frequent."
    for number, one in enumerate(facts["next"], 1):
        split = "" if facts["split"] == "validation" or not one["rows"] else f" --split {facts['split']}"
        sign = "+" if facts["direction"] == "higher" else "-"
        gain = f" If they were as good as the others: {sign}{one['gain']:.1f}." if one["rows"] else ""
        yield f"{number}. {one['what']}{gain} {one['advice']}\n   {one['more'].replace('RUN', run)}{split}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in even columns: the first is text, the others are numbers."""
    cells = [[*head], *([*row] for row in rows)]
    wide = [max(3, *(len(row[at]) for row in cells)) for at in range(len(head))]
    lines = [[text.ljust(wide[at]) if not at else text.rjust(wide[at]) for at, text in enumerate(row)] for row in cells]
    lines.insert(1, ["-" * width if not at else "-" * (width - 1) + ":" for at, width in enumerate(wide)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _score(score: Facts) -> str:
    return f"{score['value']:.2f}" + (f" ({score['low']:.2f} to {score['high']:.2f})" if "low" in score else "")


def _examples(found: Sequence[Facts]) -> Iterable[str]:
    for number, one in enumerate(found, 1):
        sure = "" if one["probability"] is None else f", probability {one['probability']:.2f}"
        score = "" if one["score"] is None else f" (score {one['score']:.1f}{sure})"
        indent = " " * (len(str(number)) + 2)
        yield "\n".join(
            (
                f"{number}. {code(one['input'])} {safe(one['id'])}{score}",
                f"{indent}- wanted {_said(one, 'wanted')}",
                f"{indent}- said {_said(one, 'said')}",
            )
        )


def _said(one: Facts, which: str) -> str:
    """Return an answer's columns; tags as their slots."""
    found = one[which]
    if "tags" in found:
        slots = parts.fields_of("tags", found["tags"] or [], one["words"])
        found = {**found, "tags": ", ".join(f"{name}: {words}" for name, words in slots) or "no slot"}
    if len(found) == 1:
        return code(*found.values())
    return ", ".join(code(value) for value in found.values())


def _confused(cells: Sequence[Facts]) -> Iterable[str]:
    """Yield the matrix of the classes with most mistakes, and the most frequent mistakes."""
    count = Counter({(one["wanted"], one["said"]): one["records"] for one in cells})
    wrong = {pair: number for pair, number in count.items() if pair[0] != pair[1]}
    if not wrong:
        yield f"Nothing: all {count.total():,} are right."
        return
    mistakes: Counter[str] = Counter()
    for pair, number in wrong.items():
        mistakes.update(dict.fromkeys(pair, number))
    names = sorted({name for pair in count for name in pair})
    if len(names) <= MOST:
        head = ("wanted \\ said", *map(code, names))
        yield table(head, [(code(a), *(f"{count[a, b] or '.'}" for b in names)) for a in names])
        return
    rows = [(f"{code(a)} -> {code(b)}", f"{number:,}", f"{count[a, a]:,}") for (a, b), number in _sorted(wrong)[:MOST]]
    yield f"{len(names)} classes; {sum(wrong.values()):,} of {count.total():,} are wrong."
    yield table(("wanted -> said", "records", "right of the wanted"), rows)


def _sorted(counted: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counted.items(), key=lambda one: -one[1])


def _fields(rows: Sequence[Facts]) -> Iterable[Sequence[str]]:
    for row in rows[:MOST]:
        yield (code(row["field"]), *(f"{row[one]:,}" for one in parts.OUTCOMES))


def _slice(row: Facts) -> Sequence[str]:
    score = row["score"]
    name = f"{row['column']} = {code(row['slice'])}"
    return name, f"{row['records']:,}", f"{score['value']:.2f}", f"{score['low']:.2f} to {score['high']:.2f}"
