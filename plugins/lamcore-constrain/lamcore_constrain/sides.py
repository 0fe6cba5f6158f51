"""Free and constrained answers side by side: the same model, the same records, the same metrics."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click
import numpy as np

from lamcore import Answer, Metric, Record, console
from lamcore.errors import unknown
from lamcore.kinds import records_of
from lamcore.plugins import Registry
from lamcore.run import Run
from lamcore.scores import resampled
from lamcore_constrain import DEMANDS
from lamcore_constrain.grammar import grammar_of
from lamcore_constrain.vocabulary import vocabulary_of

Row = dict[str, Any]
"""{split, records, metric, free, constrained, difference, low, high, signature}."""


class Valid(Metric):
    """Percent of the answers that the constraint allows: whole, written canonically, valid against the schema."""

    range = (0.0, 100.0)

    def __init__(self, run: Run, name: str, given: str):
        self.name, self.given = name, given
        written = run.recipe.architecture.answers[0]
        self.vocabulary = vocabulary_of(run.trained.tokenizer[written])

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        grammar = grammar_of(self.vocabulary, *DEMANDS[self.name](self.given, record))
        calls, target = answer.get("calls", ""), answer.get("target", "")
        text = target if calls in ("", "[]") else calls  # what was written: "[]" may be read out of words
        return {"valid": grammar.accepts(text), "all": 1}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        return {"valid": 100 * sums["valid"] / max(1, sums["all"])}


def compared(registry: Registry, run: Run, constrain: str) -> list[Row]:
    """Return the scores of every test split (validation where there is none), free and constrained."""
    name, _, given = constrain.partition(":")
    if name not in DEMANDS:
        raise unknown("constraint", name, DEMANDS)
    free = replace(run.recipe.decoding, constrain="")
    metrics = {"valid": Valid(run, name, given), **run.recipe.metrics}
    rows: list[Row] = []
    with contextlib.redirect_stdout(sys.stderr):  # what components print is no answer
        for split in [s for s in run.data.raw if s not in ("train", "validation")] or ["validation"]:
            records = list(records_of(run.data.raw[split]))
            asked = [{**record, **run.trained.empty} for record in records]
            sides = [run.trained.predict(asked, how) for how in (free, replace(free, constrain=constrain))]
            head = {"split": split, "records": len(records)}
            rows += [
                {**head, **row} for label, metric in metrics.items() for row in paired(label, metric, sides, records)
            ]
    return rows


def paired(label: str, metric: Metric, sides: Sequence[Sequence[Answer]], records: Sequence[Record]) -> list[Row]:
    """Score both sides on the same draws of records: a paired bootstrap (Koehn 2004), 1,000 of them.

    `difference` is constrained less free, `low` to `high` its 95 % interval."""
    free, held = (resampled(label, metric, side, records) for side in sides)
    rows = []
    for name in free:
        difference, *draws = (np.array(held[name]) - np.array(free[name])).tolist()
        low, high = np.percentile(draws, (2.5, 97.5)).tolist()
        scores = {"free": free[name][0], "constrained": held[name][0], "difference": difference}
        rows.append({"metric": name, **scores, "low": low, "high": high, "signature": metric.signature})
    return rows


def report(rows: Sequence[Row], as_json: bool) -> None:
    """Print a line a split and metric."""
    if as_json:
        click.echo(console.as_json(rows))
        return
    shown = [
        {
            "split": row["split"],
            "records": row["records"],
            "metric": row["metric"],
            "free": f"{row['free']:.2f}",
            "constrained": f"{row['constrained']:.2f}",
            "difference": f"{row['difference']:+.2f}",
            "95 % interval": f"{row['low']:+.2f} to {row['high']:+.2f}",
        }
        for row in rows
    ]
    console.facts(shown, json_wanted=False)
