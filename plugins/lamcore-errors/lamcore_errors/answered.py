"""A split as a run answered it: records, answers, and how good each answer is by one score."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lamcore import Answer, LamcoreError, Metric, Record
from lamcore.errors import DAMAGED
from lamcore.kinds import Recipe
from lamcore.scores import direction_of, scored
from lamcore_errors import parts
from lamcore_evenness.slices import Counted, Slices, scores_of

DRAWS = 200
"""Draws of records for a slice's interval: there are many slices, and a run is to take no longer for them."""
OFTEN = 5
"""As many inputs with one wrong answer make that answer frequent."""


@dataclass
class Answered:
    """A split as a run answered it; `score` names the score that is looked at, as scores.json does."""

    recipe: Recipe
    score: str
    records: list[Record]
    answers: list[Answer]
    wanted: list[dict[str, Any]]
    """What each answer is held to: {column: value}."""

    @property
    def label(self) -> str:
        """The metric's label in the run."""
        return self.score.partition(".")[0]

    @property
    def metric(self) -> Metric:
        """The metric that gives the score."""
        return self.recipe.metrics[self.label]

    @cached_property
    def direction(self) -> str:
        """Which value of the score is better: higher, lower, or nearer to zero."""
        return direction_of(self.recipe.metrics, self.score)

    @cached_property
    def counts(self) -> list[Mapping[str, float]]:
        """What the metric counts of each answer."""
        return list(self.metric.counts(self.answers, self.records))

    @cached_property
    def own(self) -> list[float | None]:
        """Each record's own score, as if it was all of the split; None where the metric leaves it out."""
        zeros, key = {name: 0.0 for count in self.counts for name in count}, self.score.partition(".")[2] or self.label
        found = [self.metric.score(zeros | dict(count)) if count else {} for count in self.counts]
        return [scores.get(key, next(iter(scores.values()))) if scores else None for scores in found]

    @cached_property
    def loss(self) -> list[float]:
        """How far each record's own score is from the best possible one, or where there is none, the best seen."""
        good = [0.0 if one is None else self.good(one) for one in self.own]
        best = max(map(self.good, self.metric.range)) if self.direction != "zero" else 0.0
        best = best if math.isfinite(best) else max(good, default=0.0)
        return [0.0 if one is None else best - value for one, value in zip(self.own, good, strict=True)]

    def good(self, value: float) -> float:
        """Return a number that is higher for a better score."""
        return {"higher": value, "lower": -value}.get(self.direction, -abs(value))

    def overall(self) -> dict[str, Any]:
        """Return the score of all records, as scores.json has it."""
        return scored(self._counted, self.answers, self.records)[self.score]

    def scores(self, slices: Mapping[str, Slices]) -> list[dict[str, Any]]:
        """Return {column, slice, records, score} of each slice."""
        _, *rows = scores_of(self._counted, self.answers, self.records, slices, DRAWS)
        return [
            {key: row[key] for key in ("column", "slice", "records")} | {"score": row["scores"][self.score]}
            for row in rows
        ]

    @property
    def _counted(self) -> dict[str, Metric]:
        return {self.label: Counted(self.metric, self.counts)}

    def said(self, row: int) -> dict[str, Any]:
        """Return the columns of an answer that are held to something; where one is empty, the text it was read from."""
        answer = self.answers[row]
        return {column: answer.get(column) or answer.get("target", answer.get(column)) for column in self.wanted[row]}

    @cached_property
    def classes(self) -> dict[str, list[tuple[str, str]]]:
        """{column: (wanted, said) of each record} of the columns that hold a class, or calls with their tools."""
        labels = {*self.recipe.architecture.labels, "calls"}
        return {
            column: [
                (parts.class_of(column, one.get(column)), parts.class_of(column, other.get(column)))
                for one, other in zip(self.wanted, self.answers, strict=True)
            ]
            for column in self._columns(lambda column, value: column in labels and isinstance(value, str))
        }

    @cached_property
    def outcomes(self) -> dict[str, list[Counter[tuple[str, str]]]]:
        """{column: what became of each record's fields} of the columns that have fields."""
        return {
            column: [
                parts.outcomes(
                    *(parts.fields_of(column, one.get(column), words_of(record)) for one in (wanted, answer))
                )
                for wanted, answer, record in zip(self.wanted, self.answers, self.records, strict=True)
            ]
            for column in self._columns(lambda column, value: isinstance(value, list) or column in parts.JSON_COLUMNS)
        }

    def _columns(self, fits: Callable[[str, Any], bool]) -> list[str]:
        named = dict.fromkeys(column for wanted in self.wanted for column in wanted)
        return [column for column in named if any(fits(column, wanted.get(column)) for wanted in self.wanted)]

    @cached_property
    def signs(self) -> list[str | None]:
        """What can be seen of each answer that is text: one of parts.SIGNS, or None."""
        texts = [
            (wanted.get("target"), answer.get("target"))
            for wanted, answer in zip(self.wanted, self.answers, strict=True)
        ]
        wrong = Counter(said for wanted, said in texts if isinstance(wanted, str) and said and said != wanted)
        often = {said for said, number in wrong.most_common(1) if number >= OFTEN}
        return [
            parts.sign_of(record.get("input"), wanted, said or "", often) if isinstance(wanted, str) else None
            for record, (wanted, said) in zip(self.records, texts, strict=True)
        ]


def words_of(record: Record) -> Sequence[str]:
    """Return the words that tags belong to."""
    return record.get("tokens") or str(record.get("input")).split()


def answered(recipe: Recipe, records: list[Record], file: Path) -> Answered:
    """Return a split's records with the answers that a run has kept; LamcoreError where those are of other records."""
    if not recipe.metrics:
        raise LamcoreError(f"{file.parent} has no metric by which an answer is wrong; such as: metrics=[exact_match]")
    score = recipe.monitor if recipe.monitor != "loss" else _first(recipe)
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
        ids, answers = [line["id"] for line in lines], [dict(line["answer"]) for line in lines]
        held = [line["reference"] for line in lines]
    except FileNotFoundError as error:
        raise LamcoreError(f"{file.parent} has no {file.name}: finish it by lam resume {file.parent}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LamcoreError(f"{file} can't be read: {error}. Use lam evaluate {file.parent}", DAMAGED) from error
    if ids != [record["id"] for record in records]:
        raise LamcoreError(f"{file} answers other records than the source gives now. Use lam evaluate {file.parent}")
    wanted = [_wanted(*three) for three in zip(held, answers, records, strict=True)]
    return Answered(recipe, score, records, answers, wanted)


def _wanted(held: Any, answer: Answer, record: Record) -> dict[str, Any]:
    """Return what an answer is held to, by column; a record's target is none of an answer that has no text."""
    if isinstance(held, dict):
        return held
    return {"target": held} if "target" in answer else {name: record[name] for name in answer if name in record}


def _first(recipe: Recipe) -> str:
    """Return the first score of the first metric, as scores.json names it."""
    label, metric = next(iter(recipe.metrics.items()))
    names = list(metric.score({}))
    return label if len(names) == 1 or label in names else f"{label}.{names[0]}"
