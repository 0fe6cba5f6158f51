"""What was found as tables, and as a report: HTML, Markdown, JSON and plots."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lamcore.errors import LamcoreError, safe
from lamcore.store import dumps, write
from lamcore_analyse.plot import plots

MOST_ROWS, MOST_COLUMNS = 50, 12
"""Rows and columns of a table that are shown; the JSON has all."""
Table = tuple[str, list[str], list[list[str]]]
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}th,td{text-align:left;vertical-align:top;padding:.2em 1em .2em 0;
border-bottom:1px solid #ddd;overflow-wrap:anywhere}img{max-width:100%}"""
PLOTS = {"counts": "How often each comes", "groups": "Share in each group", "trend": "How it changes"}


def tables(found: Mapping[str, Any]) -> Iterator[Table]:
    """Yield (title, columns, rows) of what was found, as a person reads it."""
    yield _counts(found["of"], found["records"])
    if "by" in found:
        yield _counts(found["by"], found["records"])
        yield _cross(found)
    if "over" in found:
        yield _changes(found)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _shown(title: str, all_of: Sequence[Any]) -> str:
    return title if len(all_of) <= MOST_ROWS else f"{title}: the first {MOST_ROWS} of {len(all_of)}"


def _counts(column: Mapping[str, Any], records: int) -> Table:
    rows = [[one["name"], f"{one['records']:,}", _percent(one["share"])] for one in column["groups"][:MOST_ROWS]]
    title = _shown(f"{column['column']} in {records:,} records", column["groups"])
    return title, [column["column"], "records", "share"], rows


def _cross(found: Mapping[str, Any]) -> Table:
    sizes = {group["name"]: group["records"] for group in found["by"]["groups"][:MOST_COLUMNS]}
    rows = [
        [row["name"], *(_percent(row["records"][name] / size) for name, size in sizes.items())]
        for row in found["cross"][:MOST_ROWS]
    ]
    title = _shown(f"{found['of']['column']} as a share of each {found['by']['column']}", found["cross"])
    return title, [found["of"]["column"], *sizes], rows


def _changes(found: Mapping[str, Any]) -> Table:
    over = found["over"]
    rows = [
        [
            one["name"],
            _percent(one["before"]),
            _percent(one["after"]),
            f"{100 * one['low']:+.1f} to {100 * one['high']:+.1f}",
        ]
        for one in over["changes"][:MOST_ROWS]
        if one["before"] is not None
    ]
    steps = f"{over['unit']}s from {over['steps'][0]} to {over['steps'][-1]}"
    without = f", {over['without']:,} without one" if over["without"] else ""
    title = f"{found['of']['column']} over {over['column']}: {steps}{without}"
    columns = [found["of"]["column"], "first half", "second half", "change in points, 95 % interval"]
    return _shown(title, over["changes"]), columns, rows


def write_report(found: Mapping[str, Any], file: Path) -> None:
    """Write NAME.html, NAME.md, NAME.json and NAME-PLOT.svg; LamcoreError where they can't be."""
    if file.suffix != ".html":
        raise LamcoreError(f"--out {file}: the name must end in .html; .md, .json and .svg are written beside it.")
    if not file.parent.is_dir():
        raise LamcoreError(f"--out {file} can't be written: there is no folder {file.parent}.")
    drawn = plots(found)
    for name, svg in drawn.items():
        write(file.with_name(f"{file.stem}-{name}.svg"), svg)
    write(file.with_suffix(".json"), dumps(found))
    write(file.with_suffix(".md"), markdown(found, {name: f"{file.stem}-{name}.svg" for name in drawn}))
    write(file, page(found, drawn))


def page(found: Mapping[str, Any], drawn: Mapping[str, str]) -> str:
    """Return the HTML page: it runs no script, and what it shows is in it."""
    title = f"What {found['file']} says"
    parts = [f"<h1>{_html(title)}</h1>"]
    for name, svg in drawn.items():
        image = base64.b64encode(svg.encode()).decode()
        parts.append(f'<h2>{PLOTS[name]}</h2>\n<img alt="{PLOTS[name]}" src="data:image/svg+xml;base64,{image}">')
    for heading, columns, cells in [*tables(found), *examples(found)]:
        head, *body = ("".join(f"<{tag}>{_html(cell)}</{tag}>" for cell in row) for tag, row in _tagged(columns, cells))
        lines = "\n".join(f"<tr>{line}</tr>" for line in body)
        parts.append(f"<h2>{_html(heading)}</h2>\n<table>\n<tr>{head}</tr>\n{lines}\n</table>")
    head = f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    return "\n".join(["<!doctype html>", head, f"<title>{_html(title)}</title>", f"<style>{STYLE}</style>", *parts, ""])


def _tagged(columns: list[str], rows: list[list[str]]) -> Iterator[tuple[str, list[str]]]:
    yield "th", columns
    yield from (("td", row) for row in rows)


def _html(text: str) -> str:
    return html.escape(safe(text))


def markdown(found: Mapping[str, Any], drawn: Mapping[str, str]) -> str:
    """Return the report as Markdown, with plots by their files' names."""
    parts = [f"# What {_plain(found['file'])} says"]
    parts += [f"![{PLOTS[name]}](<{file}>)" for name, file in drawn.items()]
    for heading, columns, rows in [*tables(found), *examples(found)]:
        lines = [columns, ["---"] * len(columns), *rows]
        parts.append(f"## {_plain(heading)}")
        parts.append("\n".join(f"| {' | '.join(map(_plain, row))} |" for row in lines))
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Return text that is no markup to Markdown, nor to HTML within it."""
    if text == "---":
        return text
    return re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", html.escape(safe(text), quote=False)).replace("://", "&#58;//")


def examples(found: Mapping[str, Any]) -> Iterator[Table]:
    """Yield tables of examples of each group."""
    for column in (found[key] for key in ("of", "by") if key in found):
        shown = column["groups"][:MOST_ROWS]
        rows = [[one["name"], each["id"], each["text"]] for one in shown for each in one["examples"]]
        if rows:
            yield f"Examples of {column['column']}", [column["column"], "id", "text"], rows
