"""Find the threshold of each filter that parts a corpus best from noise that is made of it."""

from __future__ import annotations

import dataclasses
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from datasets import Dataset

from lamcore import LamcoreError, Preprocessor, Record
from lamcore.kinds import Recipe, records_of
from lamcore.make import make
from lamcore.plugins import Registry
from lamcore.prepare import cache_folder, prepare
from lamcore.tables import table_of
from lamcore_filters.texts import texts_of

CANDIDATES = 2000
"""Most thresholds tried for a filter."""
LEAST_GAIN = 0.005
"""By how much a threshold must be better than the filter's own for it to be changed."""
SYMBOLS, LETTERS = "#*|~^=+_@", ["αβγδεζηθικλμνξοπρστυφχψω", "абвгдежзийклмнопрстуфхцчшщыьэюя"]
"""What garbled text, and text with letters of another script, have in place of letters."""
Found = dict[str, Any]


def search(registry: Registry, values: Mapping[str, Any], most_records: int, most: float, seed: int) -> Found:
    """Return {records, most, seed, steps: [{step, before, threshold, against, drops, finds: {noise: share}}]}.

    A filter is set against the kind of noise that it is for: its threshold is the one with the greatest share of that
    noise found less the share of data dropped. This is Youden's J, whose best threshold stays the same where the
    data itself holds some of the noise (Menon et al. 2015, "Learning from corrupted binary labels"). None drops more
    than `most` of the data."""
    recipe = make(Recipe, values, find=registry.find)
    preprocessors: dict[str, Any] = dict(recipe.preprocessors)
    if not any(map(is_filter, preprocessors.values())):
        known = ", ".join(n for n, offer in registry.components["preprocessor"].items() if is_filter(offer.cls))
        raise LamcoreError(f"None of the preprocessors has a threshold to find: name some of {known}.")
    with tempfile.TemporaryDirectory() as here:
        raw = dataclasses.replace(recipe, preprocessors={})
        train = prepare(raw, cache_folder(recipe.cache, Path(here))).raw["train"]
        every = records_of(train.select(range(0, len(train), -(-len(train) // most_records))))
        sample = [record for record in every if texts_of(record, ("input", "target"))]
    if not sample:
        raise LamcoreError("Thresholds are found from train records with text in input and target: there are none.")
    groups = {"data": sample, **noise(sample, random.Random(seed))}
    steps = []
    for label, step in preprocessors.items():
        if is_filter(step):
            scores = {name: step.scores(records) for name, records in groups.items()}
            steps.append({"step": label, "before": step.threshold, **best(step, scores, most)})
        else:
            groups = {name: list(_through(step, records)) for name, records in groups.items()}
    return {"records": len(sample), "most": most, "seed": seed, "steps": steps}


def is_filter(step: Any) -> bool:
    """Say whether a preprocessor, or its class, has what a threshold is found with."""
    return all(hasattr(step, name) for name in ("threshold", "direction", "against", "scores", "keeps"))


def noise(sample: Sequence[Record], rng: random.Random) -> dict[str, list[Record]]:
    """Return {kind: records whose pair is spoilt}; records that a kind leaves as they are don't count."""
    others = [record["target"] for record in sample]
    rng.shuffle(others)
    numbered = list(enumerate(sample))
    spoil: dict[str, Callable[[int, Record], Record]] = {
        "shuffled": lambda number, record: {"target": others[number]},
        "copied": lambda number, record: {"target": record["input"]},
        "swapped": lambda number, record: {"input": record["target"], "target": record["input"]},
        "cut": lambda number, record: {"target": " ".join((w := record["target"].split())[: max(1, len(w) // 3)])},
        "garbled": lambda number, record: {"target": _with(SYMBOLS, 0.5, record["target"], rng)},
        "script": lambda number, record: {"target": _with(rng.choice(LETTERS), rng.random(), record["target"], rng)},
        "digits": lambda number, record: {"target": _one_digit_changed(record["target"], rng)},
    }
    made = {kind: [(old, {**old, **change(number, old)}) for number, old in numbered] for kind, change in spoil.items()}
    return {kind: [new for old, new in pairs if new != old] for kind, pairs in made.items()}


def _with(characters: str, rate: float, text: str, rng: random.Random) -> str:
    return "".join(rng.choice(characters) if one.isalpha() and rng.random() < rate else one for one in text)


def _one_digit_changed(text: str, rng: random.Random) -> str:
    places = [at for at, one in enumerate(text) if one in "123456789"]
    at = rng.choice(places) if places else 0
    return f"{text[:at]}{int(text[at]) % 9 + 1}{text[at + 1 :]}" if places else text


def best(step: Any, scores: Mapping[str, list[float | None]], most: float) -> Found:
    """Return {threshold, against, drops, finds} of the best threshold, or of the filter's own where none is better."""
    sign = 1.0 if step.direction == "higher" else -1.0
    good = {name: np.array([np.inf if v is None else sign * v for v in values]) for name, values in scores.items()}
    data, noisy = np.sort(good["data"]), np.sort(good[step.against])
    tried = candidates(np.concatenate([data, noisy]))
    drops, found = (np.searchsorted(values, tried) / max(1, len(values)) for values in (data, noisy))
    gain = np.where(drops <= most, found - drops, 0.0)
    own, other = dropped(step, scores), step
    if gain.max(initial=0.0) > (own[step.against] - own["data"] if own["data"] <= most else 0.0) + LEAST_GAIN:
        other = dataclasses.replace(step, threshold=float(f"{sign * tried[gain.argmax()]:.4g}"))
    finds = dropped(other, scores)
    return {"threshold": other.threshold, "against": step.against, "drops": finds.pop("data"), "finds": finds}


def dropped(step: Any, scores: Mapping[str, list[float | None]]) -> dict[str, float]:
    """Return the share of each group that the filter drops."""
    counts = {name: sum(v is not None and not step.keeps(v) for v in values) for name, values in scores.items()}
    return {name: count / max(1, len(scores[name])) for name, count in counts.items()}


def candidates(values: np.ndarray) -> np.ndarray:
    """Return the middles between scores that are next to each other, ascending."""
    distinct = np.unique(values[np.isfinite(values)])
    middles = (distinct[1:] + distinct[:-1]) / 2
    chosen: np.ndarray = middles[:: max(1, -(-len(middles) // CANDIDATES))]
    return chosen


def _through(step: Preprocessor, records: list[Record]) -> Iterator[Record]:
    made = step.apply(table_of(records), "train") if records else []
    return records_of(made) if isinstance(made, Dataset) else iter(made)


def preset(steps: Mapping[str, Any], found: Found) -> str:
    """Return the preset: the steps in their order with the thresholds found, and in comments what they do."""
    values = {label: dict(settings) for label, settings in steps.items()}
    lines = [
        f"# Thresholds that `lam thresholds` found on {found['records']:,} train records (seed {found['seed']}).",
        "# They part the data best from noise that was made of it.",
    ]
    for row in found["steps"]:
        values[row["step"]]["threshold"] = row["threshold"]
        finds = ", ".join(f"{share:.0%} of {kind}" for kind, share in sorted(row["finds"].items()))
        lines.append(f"# {row['step']} drops {row['drops']:.1%} of the data and finds {finds}.")
    return "\n".join(lines) + "\n" + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
