"""The best of many runs, as an experiment that others begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lamcore.errors import LamcoreError
from lamcore.kinds import KINDS
from lamcore.store import write
from lamcore_curve.points import config_of, monitor_of, scored_of, validations

GROUPS = {kind: kind if kind in ("source", "architecture", "trainer") else f"{kind}s" for kind in KINDS}


def best_of(runs: Sequence[Path], name: str | None) -> tuple[Path, str, float]:
    """Return the run with the best validation score, the score's name and its value."""
    score = name or monitor_of(runs[0])
    if score == "loss":
        found = [(min(point.y for point in validations(run, "loss")), run) for run in runs]
        value, run = min(found, key=lambda one: one[0])
        return run, score, value
    scored = [(scored_of(run, "validation", score), run) for run in runs]
    up = scored[0][0].get("direction", "higher") == "higher"
    first, run = (max if up else min)(scored, key=lambda one: one[0]["value"])
    return run, score, first["value"]


def write_preset(run: Path, file: Path) -> None:
    """Write a run's config as an experiment, which chooses its components and sets all that it set."""
    config = config_of(run)
    chosen = [{f"override /{group}": _names(config[group])} for group in GROUPS.values() if config.get(group)]
    body = {key: _settings(value) if key in GROUPS.values() else value for key, value in config.items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump({"defaults": chosen, **body}, sort_keys=False, allow_unicode=True, width=118)
        write(file, f"# @package _global_\n# From {run.name}.\n{text}")
    except OSError as error:
        raise LamcoreError(f"--into {file} can't be written: {error.strerror}") from error


def _names(chosen: Mapping[str, Any]) -> Any:
    """Return the name of a component, or those of several in order."""
    return chosen["name"] if "name" in chosen else [one["name"] for one in chosen.values()]


def _settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in chosen.items() if key != "name"}
