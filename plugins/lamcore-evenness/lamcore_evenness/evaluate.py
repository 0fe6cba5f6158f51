"""Answer the test sets and their noised copies, and score each slice of them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import Any

from lamcore import Augmenter
from lamcore.kinds import records_of
from lamcore.plugins import Registry
from lamcore.run import Run
from lamcore_evenness.noise import noise, noised
from lamcore_evenness.slices import derived, scores_of, sliced

Row = dict[str, Any]
"""{split, noise, changed, column, slice, records, scores}; noise, column and slice are None where they say nothing."""


def evaluate(registry: Registry, run: Run, columns: Sequence[str], names: Sequence[str]) -> list[Row]:
    """Return the scores of every test split (validation where there is none) and its noised copies, whole and sliced.

    Names and columns are checked before anything is answered. What is noised is the record that the model reads: the
    metrics compare its answer with the record as the source gave it."""
    copies: dict[str | None, dict[str, Augmenter]] = {None: {}, **{name: noise(registry, name) for name in names}}
    tests = [split for split in run.data.raw if split not in ("train", "validation")] or ["validation"]
    splits = {split: list(records_of(run.data.raw[split])) for split in tests}
    slices = sliced(splits, columns, derived(run.recipe.architecture, run.data.raw["train"], run.trained.tokenizer))
    rows: list[Row] = []
    with contextlib.redirect_stdout(sys.stderr):  # what components print is no answer
        for split, records in splits.items():
            for name, augmenters in copies.items():
                varied = noised(records, augmenters, f"{run.seed}/noise/{split}/{name}")
                changed = sum(new != old for new, old in zip(varied, records, strict=True))
                head = {"split": split, "noise": name, "changed": changed}
                answers = run.trained.predict(({**r, **run.trained.empty} for r in varied), run.recipe.decoding)
                rows += [{**head, **row} for row in scores_of(run.recipe.metrics, answers, records, slices[split])]
    return rows
