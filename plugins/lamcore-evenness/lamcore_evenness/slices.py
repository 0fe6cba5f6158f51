"""Put records into slices by what a column holds or what follows from their input, and score each slice.

For all: `from lamcore_evenness.slices import derived, sliced, scores_of`, with lamcore-evenness as a dependency."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lamcore import Answer, Architecture, LamcoreError, Metric, Record
from lamcore.errors import unknown
from lamcore.scores import RESAMPLES, scored

if TYPE_CHECKING:
    from datasets import Dataset

    from lamcore.tokenizer import Tokenizer

QUANTILES = 4
"""Slices of a column of many numbers, each with about as many records."""
FEW = 8
"""Different numbers that still make a slice each."""
MOST = 20
"""Slices of a column of texts: the most frequent ones; the others are one slice together."""
Slices = dict[str, list[int]]
"""{name: row numbers}."""


def derived(
    architecture: Architecture, train: Dataset, tokenizer: Mapping[str, Tokenizer]
) -> dict[str, Callable[[Record], Any]]:
    """Return what slices can be made by besides columns: {name: value of a record}, all of the first column read.

    `length` counts words (or items of a list), `pieces` those that the run's tokenizer cuts the text into, `script` is
    what most letters are written in, `numbers` whether there is a digit, `unknown_words` whether there is a word that
    stands nowhere in that column of train (the source's records), but for case."""
    filled = {*architecture.answers, *architecture.labels}
    column = next((name for name in architecture.reads if name not in filled), "input")
    if column not in train.column_names:
        return {}
    found: dict[str, Callable[[Record], Any]] = {
        "length": lambda record: len(record[column].split() if isinstance(record[column], str) else record[column]),
        "script": lambda record: script(str(record[column])),
    }
    if getattr(train.features[column], "dtype", "") == "string":
        texts = train.select_columns([column])
        known = cache(lambda: {word for rows in texts.iter(1000) for word in _words(rows[column])})
        found["numbers"] = lambda record: any(letter.isdigit() for letter in record[column] or "")
        found["unknown_words"] = lambda record: not known().issuperset(_words([record[column]]))
    if tokens := tokenizer.get(column):
        found["pieces"] = lambda record: len(tokens.encode([record[column]])[0])
    return found


def _words(texts: Sequence[str | None]) -> list[str]:
    return re.findall(r"\w+", " ".join(text or "" for text in texts).casefold())


def sliced(
    splits: Mapping[str, Sequence[Record]], columns: Sequence[str], derive: Mapping[str, Callable[[Record], Any]]
) -> dict[str, dict[str, Slices]]:
    """Return {split: {column: slices}}; a column that no split has is refused, a split without it has no slices."""
    held = {split: {name for record in records for name in record} for split, records in splits.items()}
    for column in columns:
        if column not in (known := {*derive, *set().union(*held.values())}):
            raise unknown("column", column, known, has="The test records have")
    found: dict[str, dict[str, Slices]] = {split: {} for split in splits}
    for split, records in splits.items():
        for column in columns:
            if column in held[split]:
                found[split][column] = slices(column, [record[column] for record in records])
            elif column in derive:
                found[split][column] = slices(column, [derive[column](record) for record in records])
    return found


def slices(column: str, values: Sequence[Any]) -> Slices:
    """Return the slices of a column: one a value, most frequent first, or quantiles where it holds many numbers."""
    if strange := next((value for value in values if not isinstance(value, str | int | float | bool | None)), None):
        what = f"The column {column!r} holds {type(strange).__name__}s"
        raise LamcoreError(f"{what}: slices are made by text, numbers, truth values.")
    numbers = {value for value in values if isinstance(value, int | float) and not isinstance(value, bool)}
    if len(numbers) > FEW and all(value in numbers for value in values):
        return quantiles(values)
    frequent = [value for value, _ in Counter(values).most_common()]
    shown = {value: name_of(value) for value in (sorted(frequent) if numbers == {*frequent} else frequent)[:MOST]}
    found: Slices = {name: [] for name in shown.values()}
    for row, value in enumerate(values):
        found.setdefault(shown.get(value, f"({len(frequent) - MOST} others)"), []).append(row)
    return found


def name_of(value: Any) -> str:
    """Return a slice's name: the value as JSON writes it, texts as they are."""
    if isinstance(value, bool):  # 1 is a number, and equals True
        return str(value).lower()
    return {None: "(none)", "": "(empty)"}.get(value, str(value))


def quantiles(values: Sequence[float]) -> Slices:
    """Cut numbers at their quartiles; equal numbers are always in one slice, so that there may be fewer than four."""
    edges = np.unique(np.quantile(values, np.arange(1, QUANTILES) / QUANTILES, method="inverted_cdf"))
    buckets = np.searchsorted(edges, values, side="left")
    found: Slices = {}
    for bucket in np.unique(buckets):
        rows = np.flatnonzero(buckets == bucket).tolist()
        low, high = (_number(extreme(values[row] for row in rows)) for extreme in (min, max))
        found[low if low == high else f"{low} to {high}"] = rows
    return found


def _number(value: float) -> str:
    """Return a number in few digits where those say all of it: unlike numbers have unlike names."""
    short = f"{value:g}"
    return short if float(short) == value else str(int(value) if value == int(value) else value)


def script(text: str) -> str:
    """Return the script that most letters of a text are of, by the first word of their Unicode names: `latin`."""
    counts = Counter(_script(letter) for letter in text if letter.isalpha())
    return counts.most_common(1)[0][0] if counts else "(none)"


@cache
def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split()[0].lower()


# ---------------------------------------------------------------------------------------------------------- scores


class Counted(Metric):
    """A metric whose counts are known, so that a slice is scored from sums and nothing is counted twice."""

    def __init__(self, metric: Metric, counts: Sequence[Mapping[str, float]]):
        self.metric, self.known = metric, counts
        self.direction, self.differences = metric.direction, metric.differences  # type: ignore[misc]

    @property
    def signature(self) -> str:
        return self.metric.signature

    def counts(self, answers: Sequence[Answer], records: Sequence[Record]) -> list[Mapping[str, float]]:
        return list(self.known)

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        return self.metric.score(sums)


def scores_of(
    metrics: Mapping[str, Metric],
    answers: Sequence[Answer],
    records: Sequence[Record],
    slices: Mapping[str, Slices],
    resamples: int = RESAMPLES,
) -> list[dict[str, Any]]:
    """Return the scores of all records and of each slice, with 95 % intervals by bootstrap over its own records.

    Each row is {column, slice, records, scores}; column and slice of all records are None."""
    counts = {label: metric.counts(answers, records) for label, metric in metrics.items()}
    parts: list[tuple[str | None, str | None, list[int]]] = [(None, None, list(range(len(records))))]
    parts += [(column, name, rows) for column, found in slices.items() for name, rows in found.items()]
    made = []
    for column, name, rows in parts:
        known = {label: Counted(metric, [counts[label][row] for row in rows]) for label, metric in metrics.items()}
        scores = scored(known, [answers[row] for row in rows], [records[row] for row in rows], resamples)
        made.append({"column": column, "slice": name, "records": len(rows), "scores": scores})
    return made
