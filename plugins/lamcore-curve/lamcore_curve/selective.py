"""How often answers are right if the least sure ones are not given: selective prediction (Geifman, El-Yaniv 2017)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamcore.errors import LamcoreError, unknown

if TYPE_CHECKING:
    from lamcore.plugins import Registry

SHOWN = (100, 95, 90, 80, 70, 60, 50, 40, 30, 20, 10)
"""Coverages of the table, in percent."""
PLOTTED = 500
"""Most places of a split in a plot."""
CHOSEN_ON = "validation"


@dataclass
class Place:
    """A place of the curve: what comes of giving the answers that are at least as sure as `threshold`."""

    split: str
    coverage: float
    """Percent of the records that are answered."""
    accuracy: float
    """Percent of those answers that are right."""
    threshold: float
    answered: int

    def facts(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}


def curves(run: Path, column: str | None) -> dict[str, list[Place]]:
    """Return for each held-out split of a finished run the places of its curve, the surest answers first."""
    files = {file.stem.removeprefix("predictions-"): file for file in sorted(run.glob("predictions-*.jsonl"))}
    if not files:
        raise LamcoreError(f"{run} has no predictions-SPLIT.jsonl: is it a run, and finished?")
    order = sorted(files, key=lambda split: (split != CHOSEN_ON, split))
    return {split: _curve(split, files[split], column) for split in order}


def _curve(split: str, file: Path, column: str | None) -> list[Place]:
    with file.open(encoding="utf-8") as lines:
        found = sorted((_judged(json.loads(line), column, file) for line in lines), reverse=True)
    places, right = [], 0
    for number, (sure, good) in enumerate(found, start=1):
        right += good
        if number == len(found) or found[number][0] < sure:  # equally sure answers are given together
            places.append(Place(split, 100 * number / len(found), 100 * right / number, sure, number))
    return places


def _judged(row: dict[str, Any], column: str | None, file: Path) -> tuple[float, bool]:
    """Return how sure an answer is, and whether it is right."""
    answer, gold = row["answer"], row["reference"]
    name = column or next(iter(answer))
    sure = answer.get("probability", answer.get("score"))
    if sure is None:
        raise LamcoreError(f"{file}: the answer to {row['id']!r} says neither probability nor score.")
    if name not in answer or (isinstance(gold, dict) and name not in gold):
        raise unknown(f"column of {file}'s answers", name, gold if isinstance(gold, dict) else answer)
    return float(sure), answer[name] == (gold[name] if isinstance(gold, dict) else gold)


def shown(places: Sequence[Place]) -> list[Place]:
    """Return the places nearest to round coverages, once each."""
    near = [min(places, key=lambda place: abs(place.coverage - wanted)) for wanted in SHOWN]
    return [place for number, place in enumerate(near) if place not in near[:number]]


def plotted(places: Sequence[Place]) -> list[Place]:
    """Return some of many places, evenly, with the first and the last."""
    step = max(1, (len(places) - 1) / (PLOTTED - 1))
    numbers = sorted({round(at * step) for at in range(min(PLOTTED, len(places)))})
    return [places[number] for number in numbers]


def threshold(found: dict[str, list[Place]], accuracy: float) -> float:
    """Return the threshold that answers most of validation with at least that share of the answers right."""
    if CHOSEN_ON not in found:
        raise unknown("split", CHOSEN_ON, found)
    enough = [place for place in found[CHOSEN_ON] if place.accuracy >= 100 * accuracy]
    if not enough:
        best = max(found[CHOSEN_ON], key=lambda place: place.accuracy)
        reached = f"{best.accuracy / 100:.4f}, at {best.coverage:.1f} % answered"
        raise LamcoreError(f"--accuracy {accuracy:g}: no threshold reaches that on validation; the most is {reached}.")
    return enough[-1].threshold


def at(found: dict[str, list[Place]], least: float) -> list[Place]:
    """Return what a threshold comes to on each split."""
    places = []
    for split, curve in found.items():
        given = [place for place in curve if place.threshold >= least]
        last = given[-1] if given else Place(split, 0.0, 0.0, least, 0)
        places.append(replace(last, threshold=least))
    return places


def write_model(registry: Registry, run: Path, into: Path, least: float) -> None:
    """Write the run's model folder anew, with the threshold under which it abstains."""
    from lamcore.commands import choose_device
    from lamcore.model import load_model
    from lamcore.store import loads

    if into.exists():
        raise LamcoreError(f"--into {into} is there already: name a new folder.")
    trained = load_model(run, registry, choose_device("cpu"))
    kind: Any = trained.parts.architecture
    if not hasattr(kind, "threshold"):
        what = f"--into: the architecture {registry.name_of(kind)} has no setting threshold, under which it abstains"
        raise LamcoreError(f"{what}; classifier has.")
    trained.parts = replace(trained.parts, architecture=replace(kind, threshold=max(least, kind.threshold)))
    told = loads((run / "model" / "config.json").read_bytes())
    card = (run / "model" / "README.md").read_text(encoding="utf-8")
    trained.save(into, registry, card, {name: told[name] for name in ("name", "versions")})
