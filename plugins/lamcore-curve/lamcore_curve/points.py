"""What runs reached, read from their folders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lamcore.errors import LamcoreError, unknown


@dataclass
class Point:
    """A score at a place of the axis."""

    run: str
    over: str
    x: float
    score: str
    y: float
    low: float | None = None
    high: float | None = None

    def facts(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        interval = f"{self.low:.2f} to {self.high:.2f}" if self.low is not None and self.high is not None else ""
        return {"run": self.run, self.over: f"{self.x:,g}", self.score: f"{self.y:.4g}", "95 % interval": interval}


def points(runs: Sequence[Path], over: str, name: str | None, split: str) -> list[Point]:
    """Return the points of all runs, those of a run together where it has several, else by their place."""
    if over == "step":
        return [point for run in runs for point in validations(run, name or monitor_of(run))]
    found = [_reached(run, over, name or _metric(run), split) for run in runs]
    return sorted(found, key=lambda point: point.x)


def _read(file: Path, read: Any) -> Any:
    try:
        return read(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LamcoreError(f"{file} is not there: is {file.parent} a run, and finished?") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise LamcoreError(f"{file} can't be read: {error}") from error


def config_of(run: Path) -> dict[str, Any]:
    """Return a run's config as it is kept."""
    return dict(_read(run / "config.yaml", yaml.safe_load))


def monitor_of(run: Path) -> str:
    """Return the score that the run watched."""
    return str(config_of(run).get("monitor", "loss"))


def _metric(run: Path) -> str:
    """Return the score that the run watched, or its first metric where that was the loss, which no test is given."""
    splits = _read(run / "scores.json", json.loads)
    named = [name for scores in splits.values() for name in scores]
    return monitor_of(run) if monitor_of(run) in named or not named else named[0]


def validations(run: Path, name: str) -> Iterator[Point]:
    """Yield a point for each validation of the log."""
    lines = [json.loads(line) for line in _read(run / "log.jsonl", str).split("\n")[:-1]]
    logged = [(line["step"], line["validation"]) for line in lines if "validation" in line]
    if not logged:
        raise LamcoreError(f"{run}/log.jsonl tells of no validation.")
    for step, scores in logged:
        if name not in scores:
            raise unknown(f"score of {run}'s validations", name, scores)
        yield Point(run.name, "step", step, name, scores[name])


def _reached(run: Path, over: str, name: str, split: str) -> Point:
    """Return what a finished run scored, at its place of the axis."""
    score = scored_of(run, split, name)
    return Point(run.name, over, _place(run, over), name, score["value"], score.get("low"), score.get("high"))


def scored_of(run: Path, split: str, name: str) -> dict[str, Any]:
    """Return a score of a finished run: {value, low, high, signature, direction}."""
    splits = _read(run / "scores.json", json.loads)
    if split not in splits:
        raise unknown("split", split, splits)
    if name not in splits[split]:
        raise unknown("score", name, splits[split])
    return dict(splits[split][name])


def _place(run: Path, over: str) -> float:
    if over == "records":
        steps = _read(run / "preparation.json", json.loads)["steps"]
        return float(steps[-1]["rows"]["train"])
    value: Any = config_of(run)
    for key in over.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise LamcoreError(f"{run}/config.yaml has no setting {over}.")
        value = value[key]
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise LamcoreError(f"{run}/config.yaml: {over} is {value!r}, and a curve needs numbers.") from error
