"""What a metric promises."""

from __future__ import annotations

import copy
import math
import random
import unittest
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamcore.kinds import Answer, Metric, Record
from lamcore.testing.component import ComponentContract, difference
from lamcore.testing.contract import ensure
from lamcore.testing.toy import records

CLOSE = 1e-6
"""How far apart two equal scores may lie: sums are added up in another order."""
Reference = Callable[[list[Answer], list[Record]], Mapping[str, float]]


class MetricContract(ComponentContract):
    """What a metric promises; the answers tried are perfect, nearly right, half right, other records' and empty."""

    kind = "metric"
    component: Metric
    records: Sequence[Record] = records(60)
    """Records to score answers to; give your own where the metric needs other columns."""
    columns: Sequence[str] | None = None
    """Columns of an answer; None: the one that its setting `column` names, or `target`."""
    reference: Reference | None = None
    """The program or definition that it agrees with: reference(answers, records) -> {name: value} (a staticmethod)."""

    def use(self) -> dict[str, Any]:
        """Count and score every set of answers."""
        return {name: [self._counts(made), self._score(made)] for name, made in self._tried().items()}

    def given(self) -> dict[str, Any]:
        """Return the records and columns."""
        return {"records": self.records, "columns": self.columns}

    def _records(self) -> list[Record]:
        return copy.deepcopy(list(self.records))

    def _perfect(self) -> list[Answer]:
        columns = self.columns or [getattr(self.component, "column", "target")]
        return [{name: record[name] for name in columns} for record in self._records()]

    def _tried(self) -> dict[str, list[Answer]]:
        """Return sets of answers by name, the perfect one first."""
        perfect = self._perfect()
        others = perfect[1:] + perfect[:1]
        empty = [{name: type(value)() for name, value in answer.items()} for answer in perfect]
        half = [answer if at % 2 else others[at] for at, answer in enumerate(perfect)]
        near = [{name: _near(value, at) for name, value in answer.items()} for at, answer in enumerate(perfect)]
        return {"perfect": perfect, "nearly right": near, "half right": half, "other records'": others, "empty": empty}

    def _counts(self, answers: list[Answer], given: list[Record] | None = None) -> list[dict[str, float]]:
        made = self.component.counts(answers, self._records() if given is None else given)
        return [dict(count) for count in made]

    def _score(self, answers: list[Answer], given: list[Record] | None = None) -> dict[str, float]:
        """Score as the core does: sum the counts, then score the sums."""
        return dict(self.component.score(_sum(self._counts(answers, given))))

    def test_it_states_its_range_and_direction(self) -> None:
        """`range` is (least, greatest) and `direction` is "higher" or "lower"."""
        range_, direction = self.component.range, self.component.direction
        right = isinstance(range_, tuple) and len(range_) == 2 and range_[0] < range_[1]
        ensure(right, f"range is {range_!r}, not (least, greatest)")
        ensure(direction in ("higher", "lower"), f'direction is {direction!r}, neither "higher" nor "lower"')

    def test_its_scores_lie_in_its_range(self) -> None:
        """Every score is a finite number in `range`, of all records and of each one alone."""
        low, high = self.component.range
        for name, answers in self._tried().items():
            alone = [self._score([answer], [record]) for answer, record in zip(answers, self._records(), strict=True)]
            for scores in (self._score(answers), *alone):
                ensure(scores, "it gives no score")
                for key, value in scores.items():
                    inside = math.isfinite(value) and low - CLOSE <= value <= high + CLOSE
                    ensure(inside, f"{key} of {name} answers is {value}, outside {low} to {high}")

    def test_nothing_to_score_is_no_error(self) -> None:
        """Sums of zero, as of a slice in which nothing was counted, give a finite score in `range`."""
        low, high = self.component.range
        names = self._counts(self._perfect())[0]
        for key, value in self.component.score(dict.fromkeys(names, 0.0)).items():
            inside = math.isfinite(value) and low - CLOSE <= value <= high + CLOSE
            ensure(inside, f"{key} of nothing is {value}, outside {low} to {high}")

    def test_it_counts_every_answer(self) -> None:
        """`counts` gives finite numbers by name, one set for each answer, in order, and none for no answers."""
        for name, answers in self._tried().items():
            counts = self._counts(answers)
            ensure(len(counts) == len(answers), f"{len(answers)} answers gave {len(counts)} counts")
            for count in counts:
                odd = [f"{key}={value!r}" for key, value in count.items() if not _finite(value)]
                ensure(not odd, f"{name} answers: {', '.join(odd)} is no finite number")
        ensure(self._counts([], []) == [], "no answers gave counts")

    def test_count_and_counts_agree(self) -> None:
        """`count` of one answer is what `counts` gives for it."""
        if type(self.component).count is Metric.count:
            raise unittest.SkipTest("it defines counts alone")
        for answers in self._tried().values():
            alone = [dict(self.component.count(*pair)) for pair in zip(answers, self._records(), strict=True)]
            ensure(not (problem := difference(alone, self._counts(answers))), f"count and counts: {problem}")

    def test_counts_add_up(self) -> None:
        """An answer's counts do not depend on the others, so that counts of parts are the counts of the whole."""
        for answers in self._tried().values():
            given, whole = self._records(), self._counts(answers)
            for size in (1, 7):
                cuts = range(0, len(answers), size)
                parts = [self._counts(answers[at : at + size], given[at : at + size]) for at in cuts]
                problem = difference(whole, [count for part in parts for count in part])
                ensure(not problem, f"counted {size} at a time: {problem}")

    def test_the_order_of_records_is_irrelevant(self) -> None:
        """The same answers and records in another order score the same."""
        for name, answers in self._tried().items():
            first, pairs = self._score(answers), list(zip(answers, self._records(), strict=True))
            for order in (pairs[::-1], random.Random(1).sample(pairs, len(pairs))):
                second = self._score([answer for answer, _ in order], [record for _, record in order])
                ensure(_agree(first, second), f"{name} answers score {first}, and in another order {second}")

    def test_perfect_answers_score_best(self) -> None:
        """Answers equal to what the source gave score the best end of `range`, where that is finite; differences 0."""
        best = self.component.range[self.component.direction == "higher"]
        if not math.isfinite(best):
            raise unittest.SkipTest(f"the best end of its range is {best}")
        for key, value in self._score(self._perfect()).items():
            wanted = 0.0 if key in self.component.differences else best
            ensure(abs(value - wanted) <= CLOSE, f"{key} of perfect answers is {value}, not {wanted}")

    def test_wrong_answers_score_worse(self) -> None:
        """Half right, wrong and empty answers never beat perfect ones, and the wrong and empty ones score worse."""
        sign = 1 if self.component.direction == "higher" else -1
        perfect = self._score(self._perfect())
        for name, answers in self._tried().items():
            scores = self._score(answers)
            scores = {key: value for key, value in scores.items() if key not in self.component.differences}
            for key, value in scores.items():
                ensure(
                    sign * value <= sign * perfect[key] + CLOSE,
                    f"{key} of {name} answers is {value}, of perfect ones {perfect[key]}",
                )
            if name in ("other records'", "empty"):
                worse = any(sign * value < sign * perfect[key] - CLOSE for key, value in scores.items())
                ensure(worse, f"{name} answers score as well as perfect ones: {scores}")

    def test_it_leaves_answers_and_records_alone(self) -> None:
        """The answers and records that it is given stay as they were."""
        for answers in self._tried().values():
            given, before = self._records(), copy.deepcopy(answers)
            self._score(answers, given)
            ensure(not (problem := difference(before, answers)), f"answers: {problem}")
            ensure(not (problem := difference(self._records(), given)), f"records: {problem}")

    def test_its_signature_is_stable(self) -> None:
        """`signature` is one line of text, the same after scoring the same again."""
        self._score(self._perfect())
        first = self.component.signature
        self._score(self._perfect())
        second = self.component.signature
        ensure(isinstance(first, str) and "\n" not in first, f"it is {first!r:.60}, no line of text")
        ensure(first == second, f"{first!r} became {second!r}")

    def test_it_agrees_with_its_reference(self) -> None:
        """Its scores are those of the program or definition that it names, for every set of answers tried."""
        if self.reference is None:
            raise unittest.SkipTest("no reference is given: set `reference` to the program that it agrees with")
        for name, answers in self._tried().items():
            for size in (1, 2, len(answers)):
                given = self._records()[:size]
                own, theirs = self._score(answers[:size], given), dict(self.reference(answers[:size], given))
                ensure(_agree(own, theirs), f"{size} {name} answers: it says {own}, the reference {theirs}")


def _sum(counts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)  # type: ignore[arg-type]
    return dict(total)


def _near(value: Any, at: int) -> Any:
    """Return a text in capitals, or with a blank at its end; other values as they are."""
    return value if not isinstance(value, str) else value.upper() if at % 2 else f"{value} "


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _agree(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return one.keys() == other.keys() and all(abs(value - other[key]) <= CLOSE for key, value in one.items())
