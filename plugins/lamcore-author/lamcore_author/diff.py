"""`lam diff`: two runs side by side: config, data, environment, and scores with a paired test."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lamcore.kinds import Answer, Metric, Recipe, Record
    from lamcore.plugins import Registry

Leaves = dict[str, Any]
SHOWN_APART = ("examples", "dropped_examples")
"""What of preparation.json tells of single records."""


@click.command("diff")
@click.argument("run_a", type=click.Path(path_type=Path))
@click.argument("run_b", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(registry: Registry, run_a: Path, run_b: Path, as_json: bool) -> None:
    """Compare two runs: what differs in config, data and environment, and their scores with a paired test.

    Scores of unlike signatures or of other records are refused: exit code 1."""
    from lamcore.errors import CHECK_FAILED, LamcoreError

    runs = (run_a, run_b)
    found: dict[str, Any] = {
        "config": differing(*(config_of(run) for run in runs)),
        "data": differing(*(leaves(read(run / "preparation.json")) for run in runs)),
        "environment": differing(*(leaves(read(run / "environment.json")) for run in runs)),
        "scores": [],
        "refused": None,
    }
    try:
        found["scores"] = compare(registry, runs)
    except LamcoreError as error:
        found["refused"] = str(error)
    click.echo(json.dumps(found, ensure_ascii=False, default=str)) if as_json else show(found, runs)
    if found["refused"]:
        raise LamcoreError(found["refused"], CHECK_FAILED)


def read(file: Path) -> Any:
    """Return what a JSON file of a run holds, or raise the error that says what is missing."""
    from lamcore.errors import DAMAGED, LamcoreError

    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LamcoreError(f"{file.parent} has no {file.name}: finish the run by lam resume {file.parent}") from error
    except (OSError, ValueError) as error:
        raise LamcoreError(f"{file} can't be read: {error}", DAMAGED) from error


def config_of(run: Path) -> Leaves:
    """Return {key: value} of a run's config, what comes from the environment as it is written."""
    import yaml

    from lamcore.errors import DAMAGED, LamcoreError

    try:
        return leaves(yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8")))
    except OSError as error:
        raise LamcoreError(f"{run} is no run that can be compared: it has no config.yaml.") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise LamcoreError(f"{run}/config.yaml is damaged: {error}", DAMAGED) from error


def leaves(node: Any, where: str = "") -> Leaves:
    """Return {dotted key: value}; a list of plain values is one value."""
    pairs: Iterator[tuple[Any, Any]] | None = None
    if isinstance(node, Mapping) and node:
        pairs = iter(node.items())
    elif isinstance(node, list) and any(isinstance(item, Mapping) for item in node):
        pairs = ((item.get("step", n) if isinstance(item, Mapping) else n, item) for n, item in enumerate(node))
    if pairs is None:
        return {where: node}
    below = [leaves(item, f"{where}.{key}" if where else str(key)) for key, item in pairs if key not in SHOWN_APART]
    return {key: value for part in below for key, value in part.items()}


def differing(a: Leaves, b: Leaves) -> list[dict[str, Any]]:
    """Return the keys whose values differ, with both; one that is not there is None."""
    keys = sorted(key for key in {**a, **b} if (key in a, a.get(key)) != (key in b, b.get(key)))
    return [{"key": key, "a": a.get(key), "b": b.get(key)} for key in keys]


# Scores ----------------------------------------------------------------------------------------------------------


def compare(registry: Registry, runs: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the scores of each split and metric that both runs have, side by side.

    Raises LamcoreError where the same name does not mean the same: another signature, or other records."""
    from lamcore.commands import read_config
    from lamcore.kinds import Recipe
    from lamcore.make import make

    recipes = [make(Recipe, read_config(run), find=registry.find) for run in runs]
    scores = [read(run / "scores.json") for run in runs]
    splits = [split for split in scores[0] if all((run / f"predictions-{split}.jsonl").exists() for run in runs)]
    for label in (both := [label for label in recipes[0].metrics if label in recipes[1].metrics]):
        for split in splits:
            refuse_unlike(label, [recipe.metrics[label] for recipe in recipes], [score[split] for score in scores])
    asked = [questions(run, recipe) for run, recipe in zip(runs, recipes, strict=True)]
    rows = []
    for split in splits:
        records = same_records(split, asked)
        answers = [answers_of(run / f"predictions-{split}.jsonl", records) for run in runs]
        for label in both:
            found = paired(label, recipes[0].metrics[label], answers, records)
            rows += [{"split": split, "metric": metric, **row} for metric, row in found.items()]
    return rows


def refuse_unlike(label: str, metrics: Sequence[Metric], scores: Sequence[Mapping[str, Any]]) -> None:
    """Refuse two scores of one name that were not made alike, or that would not be made so now."""
    from lamcore.errors import LamcoreError
    from lamcore.make import plain

    kept = [{s["signature"] for name, s in named.items() if name.partition(".")[0] == label} for named in scores]
    one, other = (" ".join(signatures) for signatures in kept)
    cannot = f"The scores of {label} can't be compared"
    if one != other:
        raise LamcoreError(f"{cannot}: one is {one!r} and the other {other!r}.")
    if one != metrics[0].signature:
        raise LamcoreError(f"{cannot}: they are {one!r}, now it is {metrics[0].signature!r}. Use lam evaluate on both.")
    if type(metrics[0]) is not type(metrics[1]) or plain(metrics[0]) != plain(metrics[1]):
        raise LamcoreError(f"{cannot}: its settings are {plain(metrics[0])} and {plain(metrics[1])}.")


def questions(run: Path, recipe: Recipe) -> Mapping[str, list[Record]]:
    """Return the held-out records of a run as its source gives them, from the cache where they are there."""
    import dataclasses

    from lamcore.kinds import records_of
    from lamcore.prepare import cache_folder, prepare

    raw = prepare(dataclasses.replace(recipe, preprocessors={}), cache_folder(recipe.cache, run)).raw
    return {split: list(records_of(rows)) for split, rows in raw.items() if split != "train"}


def same_records(split: str, asked: Sequence[Mapping[str, list[Record]]]) -> list[Record]:
    """Return a split's records, or refuse where two runs were asked others."""
    from lamcore.errors import LamcoreError

    one, other = (records.get(split, []) for records in asked)
    if one == other:
        return one
    differs = next((a["id"] for a, b in zip(one, other, strict=False) if a != b), None)
    what = f"{len(one)} and {len(other)}" if differs is None else f"first {differs!r}"
    raise LamcoreError(f"The runs were tested on other records of {split} ({what}): their scores can't be compared.")


def answers_of(file: Path, records: Sequence[Record]) -> list[Answer]:
    """Return the answers that a run kept, one a record; refuse where they answer other records."""
    from lamcore.errors import DAMAGED, LamcoreError
    from lamcore.scores import reference

    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
        answered = [[line["id"], line["input"], line["reference"]] for line in lines]
        answers: list[Answer] = [line["answer"] for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LamcoreError(f"{file} can't be read: {error}. Use lam evaluate {file.parent}", DAMAGED) from error
    held = [reference(answer, record) for answer, record in zip(answers, records, strict=False)]
    given = [[record["id"], record.get("input"), one] for record, one in zip(records, held, strict=False)]
    if len(answers) != len(records) or json.loads(json.dumps(given, default=repr)) != answered:
        what = f"{file} answers other records than the source gives now."
        raise LamcoreError(f"{what} Use lam evaluate {file.parent}")
    return answers


def paired(
    label: str, metric: Metric, answers: Sequence[Sequence[Answer]], records: Sequence[Record]
) -> dict[str, dict[str, float]]:
    """Score two systems, with a paired bootstrap over records (Koehn 2004, "Statistical significance tests for machine
    translation evaluation"): both are scored on the same draws.

    `difference` is the second less the first, `low` to `high` its 95 % interval; `p`, two-sided, is twice the share of
    draws in which the better one is not better, so that it is below 0.05 where the interval leaves out 0."""
    import numpy as np

    from lamcore.scores import resampled

    a, b = (resampled(label, metric, one, records) for one in answers)
    found = {}
    for name in a:
        difference, *draws = (np.array(b[name]) - np.array(a[name])).tolist()
        low, high = np.percentile(draws, (2.5, 97.5)).tolist()
        not_better = int(np.sum(np.array(draws) * (1 if difference > 0 else -1) <= 0))
        p = min(1.0, 2 * (not_better + 1) / (len(draws) + 1))
        bounds = {"difference": difference, "low": low, "high": high, "p": p}
        found[name] = {"a": a[name][0], "b": b[name][0], **bounds}
    return found


def show(found: Mapping[str, Any], runs: Sequence[Path]) -> None:
    """Print what differs, and the scores."""
    from lamcore import console

    names = tuple(str(run) for run in runs)
    for what in ("config", "data", "environment"):
        console.say(f"{what}: {'' if found[what] else 'the same'}".rstrip(), "bold")
        if found[what]:
            console.table(("key", *names), [(row["key"], cell(row["a"]), cell(row["b"])) for row in found[what]])
    if found["scores"]:
        console.say("scores:", "bold")
        columns = ("split", "metric", *names, "difference", "95 % interval", "p")
        console.table(columns, [line(row) for row in found["scores"]])


def cell(value: Any) -> str:
    """Return a value as text; a key that is not there is empty."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)


def line(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a score."""
    numbers = (f"{row['a']:.4g}", f"{row['b']:.4g}", f"{row['difference']:+.4g}")
    return (row["split"], row["metric"], *numbers, f"{row['low']:+.4g} to {row['high']:+.4g}", f"{row['p']:.3f}")
