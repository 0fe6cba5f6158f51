"""What a run got wrong in a split, told from the answers that it has kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamcore import LamcoreError, Record
from lamcore.errors import unknown
from lamcore.kinds import Recipe, records_of
from lamcore.scores import direction_of
from lamcore_errors import parts
from lamcore_errors.answered import Answered, answered, words_of
from lamcore_errors.findings import curve_groups, field_groups, pair_groups, ranked, sign_groups, slice_groups
from lamcore_evenness.slices import Slices, derived, sliced

if TYPE_CHECKING:
    from datasets import Dataset

Facts = dict[str, Any]
WORST = 10
"""Records that are shown as the worst."""
COLUMNS = ("input_lang", "target_lang", "domain", "length", "numbers", "unknown_words")
"""What slices are made by, where the records have it."""


def analyse(recipe: Recipe, raw: Mapping[str, Dataset], folder: Path, split: str, finding: int | None = None) -> Facts:
    """Return what errors.json holds of a split; with `finding`, the records that the finding of that number is about.

    `raw` are the splits as the source gives them, `folder` is the run's. LamcoreError where they don't fit."""
    if split not in raw or split == "train":
        raise unknown("held-out split", split, [name for name in raw if name != "train"])
    done = answered(recipe, list(records_of(raw[split])), folder / f"predictions-{split}.jsonl")
    slices = slices_of(recipe, raw["train"], split, done.records)
    rows, every = done.scores(slices), done.overall()
    groups = [*slice_groups(done, slices, rows, every), *sign_groups(done), *pair_groups(done), *field_groups(done)]
    direction = direction_of(recipe.metrics, recipe.monitor)
    more = curve_groups(folder, recipe.monitor, direction, getattr(recipe.trainer, "target", None))
    next_ = ranked(groups, done.loss, more)
    facts = {"split": split, "records": len(done.records), "score": done.score, **every}
    if finding is not None:
        return {**facts, **_finding(done, next_, finding, folder)}
    return {
        **facts,
        "worst": [example(done, row) for row in worst(done)],
        "confused": confused(done),
        "fields": fields(done),
        "signs": dict(Counter(sign for sign in done.signs if sign).most_common()),
        "slices": rows,
        "next": [{**one, "rows": len(one["rows"])} for one in next_],
    }


def _finding(done: Answered, found: Sequence[Facts], number: int, folder: Path) -> Facts:
    if number > len(found):
        raise LamcoreError(f"--finding {number}: there are {len(found)}. See them by: lam errors {folder}")
    one = found[number - 1]
    rows = sorted(one["rows"], key=lambda row: -done.loss[row])
    return {"finding": {**one, "rows": len(rows)}, "answers": [example(done, row) for row in rows]}


def slices_of(recipe: Recipe, train: Dataset, split: str, records: Sequence[Record]) -> dict[str, Slices]:
    """Return the slices by COLUMNS that tell records apart."""
    derive = derived(recipe.architecture, train, {})
    held = [column for column in COLUMNS if column in derive or column in records[0]]
    return {column: found for column, found in sliced({split: records}, held, derive)[split].items() if len(found) > 1}


def worst(done: Answered) -> list[int]:
    """Return the rows that score least, the surest answers first among equals; what is wanted and said stands once."""
    order = sorted(range(len(done.answers)), key=lambda row: (-done.loss[row], -_sure(done.answers[row]), row))
    seen: dict[str, int] = {}
    for row in order:
        if done.loss[row] > 0:
            seen.setdefault(json.dumps([done.wanted[row], done.said(row)], sort_keys=True, default=repr), row)
    return list(seen.values())[:WORST]


def _sure(answer: Mapping[str, Any]) -> float:
    """Return a number that is higher for an answer that the model is surer of."""
    return float(answer.get("probability", answer.get("score", 0.0)))


def example(done: Answered, row: int) -> Facts:
    """Return a record with what was wanted, what was said, and its own score."""
    record, wanted = done.records[row], done.wanted[row]
    facts = {"id": record["id"], "input": record.get("input"), "wanted": wanted, "said": done.said(row)}
    words = {"words": list(words_of(record))} if "tags" in wanted else {}
    return {**facts, **words, "score": done.own[row], "probability": done.answers[row].get("probability")}


def confused(done: Answered) -> dict[str, list[Facts]]:
    """Return {column: [{wanted, said, records}]}: the cells of the confusion matrix that are not 0, largest first."""
    return {
        column: [{"wanted": one, "said": other, "records": n} for (one, other), n in Counter(pairs).most_common()]
        for column, pairs in done.classes.items()
    }


def fields(done: Answered) -> dict[str, list[Facts]]:
    """Return {column: [{field, right, other value, missed, not wanted}]}, the field that is wrong most often first."""
    made = {}
    for column, each in done.outcomes.items():
        total = sum(each, Counter[tuple[str, str]]())
        names = dict.fromkeys(name for name, _ in total)
        rows: list[Facts] = [{"field": name, **{one: total[name, one] for one in parts.OUTCOMES}} for name in names]
        made[column] = sorted(rows, key=lambda row: -sum(row[one] for one in parts.OUTCOMES[1:]))
    return made
