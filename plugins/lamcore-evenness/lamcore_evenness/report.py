"""Keep and print the scores of slices."""

from __future__ import annotations

import click

from lamcore import console
from lamcore.run import Run
from lamcore.store import dumps, locked, write
from lamcore_evenness.evaluate import Row

FILE = "slices.json"


def report(rows: list[Row], run: Run, as_json: bool) -> None:
    """Write slices.json beside the run's scores, unless --decoding asked for other answers than its own; print them."""
    if run.recipe.decoding == run.trained.parts.decoding:
        with locked(run.folder):
            write(run.folder / FILE, dumps(rows))
    click.echo(console.as_json(rows)) if as_json else table(rows)


def table(rows: list[Row]) -> None:
    """Print one line a split, metric, noised copy and slice, and how the scores were made."""
    metrics = list(dict.fromkeys(metric for row in rows for metric in row["scores"]))
    lines = [
        {
            "split": row["split"],
            "metric": metric,
            "noise": row["noise"] or "",
            "slice": "all" if row["column"] is None else f"{row['column']}={row['slice']}",
            "records": row["records"],
            **_score(row["scores"][metric]),
        }
        for split in dict.fromkeys(row["split"] for row in rows)
        for metric in metrics
        for row in rows
        if row["split"] == split and metric in row["scores"]
    ]
    console.facts(lines, json_wanted=False)
    for row in rows:
        if row["noise"] and row["column"] is None:
            console.say(
                f"{row['noise']}: {row['changed']:,} of {row['records']:,} records of {row['split']} are noised"
            )
    found = [(metric, score) for row in rows for metric, score in row["scores"].items()]
    for label, signature in {metric.partition(".")[0]: score["signature"] for metric, score in found}.items():
        if signature:
            console.say(f"{label}: {signature}", "dim")


def _score(score: dict[str, float]) -> dict[str, str]:
    return {"score": f"{score['value']:.2f}", "95 % interval": f"{score['low']:.2f} to {score['high']:.2f}"}
