"""Counts as plots: SVG, which needs no network and no script."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lamcore.errors import safe

MOST_BARS, MOST_LINES, LONGEST = 20, 8, 40
"""Groups in a plot of counts, lines in one of a trend, characters of a name."""


def plots(found: Mapping[str, Any]) -> dict[str, str]:
    """Return {name: SVG} of counts, and where they were asked for of groups and of the trend."""
    made = {"counts": _counts(found)}
    if "cross" in found:
        made["groups"] = _cross(found)
    if "over" in found:
        made["trend"] = _trend(found)
    return {name: _svg(chart) for name, chart in made.items()}


def _svg(chart: Any) -> str:
    text = io.StringIO()
    chart.save(text, format="svg")
    return text.getvalue()


def _short(names: Sequence[str]) -> list[str]:
    """Return names that fit beside an axis, still different from one another."""
    cut = [name if len(name) <= LONGEST else f"{name[:LONGEST]}... ({place})" for place, name in enumerate(names, 1)]
    return [safe(name) for name in cut]


def _data(rows: Iterator[dict[str, Any]]) -> Any:
    import altair

    return altair.Data(values=list(rows))


def _counts(found: Mapping[str, Any]) -> Any:
    import altair

    groups = found["of"]["groups"][:MOST_BARS]
    names = _short([group["name"] for group in groups])
    rows = ({"name": name, "n": group["records"]} for name, group in zip(names, groups, strict=True))
    y = altair.Y("name:N", title=safe(found["of"]["column"]), sort=names, axis=altair.Axis(labelLimit=400))
    return altair.Chart(_data(rows)).mark_bar().encode(x=altair.X("n:Q", title="records"), y=y)


def _cross(found: Mapping[str, Any]) -> Any:
    import altair

    rows, groups = found["cross"][:MOST_BARS], found["by"]["groups"][:MOST_BARS]
    names, beside = _short([row["name"] for row in rows]), _short([group["name"] for group in groups])
    cells = (
        {"name": name, "group": label, "share": row["records"][group["name"]] / group["records"]}
        for name, row in zip(names, rows, strict=True)
        for label, group in zip(beside, groups, strict=True)
    )
    x = altair.X("group:N", title=safe(found["by"]["column"]), sort=beside, axis=altair.Axis(labelLimit=200))
    y = altair.Y("name:N", title=safe(found["of"]["column"]), sort=names, axis=altair.Axis(labelLimit=400))
    colour = altair.Color("share:Q", title="share of the group")
    return altair.Chart(_data(cells)).mark_rect().encode(x=x, y=y, color=colour)


def _trend(found: Mapping[str, Any]) -> Any:
    import altair

    over = found["over"]
    lines = sorted(over["lines"], key=lambda line: -sum(line["records"]))[:MOST_LINES]
    names = _short([line["name"] for line in lines])
    rows = (
        {"name": name, "at": at, "n": n}
        for name, line in zip(names, lines, strict=True)
        for at, n in zip(over["steps"], line["records"], strict=True)
    )
    kind = "Q" if over["unit"] == "number" else "O"
    x = altair.X(f"at:{kind}", title=f"{safe(over['column'])} ({over['unit']})", axis=altair.Axis(labelOverlap=True))
    colour = altair.Color("name:N", title=safe(found["of"]["column"]), sort=names)
    y = altair.Y("n:Q", title="records")
    return altair.Chart(_data(rows)).mark_line(point=True).encode(x=x, y=y, color=colour).properties(width=600)
