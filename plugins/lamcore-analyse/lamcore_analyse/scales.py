"""Values to groups: labels as they are, numbers and dates in steps, long texts by length."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

EMPTY, NONE, OTHERS = "(empty)", "(none)", "(others)"
MOST, MOST_TEXTS = 1000, 50
"""Most different labels of a column, and most of one where few come twice; text with more is grouped by its length."""
MOST_NUMBERS = 20
"""Most different numbers that are labels, and most steps of those that are not."""
MOST_STEPS = 62
"""Most days and most weeks on an axis."""


def items(value: Any) -> list[str]:
    """Return what a value says, each once: a label, items of a list, names of calls, `field: value` of an object."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    if isinstance(value, Mapping):
        pairs = [(name, one) for name, some in value.items() for one in (some if isinstance(some, list) else [some])]
        return list(dict.fromkeys(f"{name}: {_text(one)}" for name, one in pairs)) or [NONE]
    if isinstance(value, list):
        named = [one["name"] if isinstance(one, Mapping) and "name" in one else one for one in value]
        return list(dict.fromkeys(map(_text, named))) or [NONE]
    return [_text(value)]


def _text(value: Any) -> str:
    return EMPTY if value is None or value == "" else str(value)


def number_of(value: Any) -> float | None:
    """Return a finite number, also of a text, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def date_of(value: Any) -> date | None:
    """Return the day of a date or time, also of a text in ISO 8601, or None."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(value).date() if isinstance(value, str) else None
    except ValueError:
        return None


@dataclass
class Scale:
    """Steps of equal width from the first to the last: of days, weeks, months or a number."""

    unit: str
    first: int
    """The place of the first step, in steps from zero (of days: from the year 1)."""
    count: int
    width: float = 1.0
    """Of a number."""

    def step(self, value: Any) -> int | None:
        """Return the number of the step that a value lies in, from 0; None where it has no place."""
        if self.unit == "number":
            number = number_of(value)
            return None if number is None else _floor(number, self.width) - self.first
        day = date_of(value)
        return None if day is None else _place(day, self.unit) - self.first

    def name(self, step: int) -> str:
        """Return where a step begins: a number, a day (of a week its Monday), or a month."""
        place = self.first + step
        if self.unit == "number":
            return f"{place * self.width:.10g}"
        if self.unit == "month":
            return f"{place // 12:04}-{place % 12 + 1:02}"
        return date.fromordinal(place * 7 + 1 if self.unit == "week" else place).isoformat()


def _place(day: date, unit: str) -> int:
    if unit == "month":
        return day.year * 12 + day.month - 1
    return (day.toordinal() - 1) // 7 if unit == "week" else day.toordinal()  # the first day of year 1 is a Monday


def _floor(number: float, width: float) -> int:
    return math.floor(number / width + 1e-9)  # 0.3 / 0.1 is a little less than 3


def days(first: date, last: date) -> Scale:
    """Return the finest scale of days, weeks or months that has few enough steps."""
    for unit in ("day", "week", "month"):
        count = _place(last, unit) - _place(first, unit) + 1
        if count <= MOST_STEPS:
            break
    return Scale(unit, _place(first, unit), count)


def numbers(low: float, high: float, whole: bool) -> Scale:
    """Return the finest scale with steps of 1, 2 or 5 times a power of ten that has few enough."""
    power = math.floor(math.log10((high - low or 1) / MOST_NUMBERS))
    for factor in (1, 2, 5, 10, 20):
        width = factor * 10.0 ** (max(power, 0) if whole else power)
        count = _floor(high, width) - _floor(low, width) + 1
        if count <= MOST_NUMBERS:
            break
    return Scale("number", _floor(low, width), count, width)


@dataclass
class Survey:
    """What the values of a column are like, seen one after the other."""

    seen: int = 0
    labels: set[str] = field(default_factory=set)
    numeric: bool = True
    """Whether every value so far that is not empty is a number."""
    whole: bool = True
    plain: bool = True
    """Whether every value so far is one label."""
    span: tuple[float, float] | None = None
    dates: tuple[date, date] | None = None

    def see(self, value: Any) -> None:
        """See a value."""
        if value is None or value == "":
            return
        self.seen += 1
        number = number_of(value)
        if number is not None:
            self.span = (min(self.span[0], number), max(self.span[1], number)) if self.span else (number, number)
            self.whole = self.whole and number.is_integer()
        elif (day := date_of(value)) is not None:
            self.dates = (min(self.dates[0], day), max(self.dates[1], day)) if self.dates else (day, day)
        self.numeric = self.numeric and number is not None
        if len(self.labels) <= MOST:
            found = items(value)
            self.plain = self.plain and found == [str(value)]
            self.labels.update(found)

    def scale(self) -> Scale | None:
        """Return the axis of dates, or else of numbers, that the values lie on."""
        if self.dates:
            return days(*self.dates)
        return numbers(*self.span, self.whole) if self.span else None


@dataclass
class Grouping:
    """How the values of a column become groups: `labels`, `items` of lists and objects, `numbers`, `lengths`."""

    kind: str
    scale: Scale | None = None

    def groups(self, value: Any) -> list[str]:
        """Return the groups of a value, each once."""
        if self.kind == "lengths":
            return [length(value)]
        if self.scale is None:
            return items(value)
        step = self.scale.step(value)
        return [EMPTY] if step is None else [self.between(step)]

    def between(self, step: int) -> str:
        """Return the name of a step of numbers."""
        assert self.scale
        return f"{self.scale.name(step)} to {self.scale.name(step + 1)}"

    def order(self, names: Iterable[str]) -> list[str] | None:
        """Return names in the order of their values, or None where only their counts order them."""
        if self.kind == "lengths":
            return sorted(names, key=lambda name: int(name.split()[0]))
        if self.scale is None:
            return None
        known = {self.between(step): step for step in range(self.scale.count)}
        return sorted(names, key=lambda name: known.get(name, -1))


def length(value: Any) -> str:
    """Return how many words a text has, in steps that double."""
    words = len(str(value or "").split())
    if words < 3:
        return f"{words} word{'s' * (words != 1)}"
    low = 1 << ((words - 1).bit_length() - 1)
    return f"{low + 1} to {2 * low} words"


def grouping(survey: Survey) -> Grouping:
    """Return how values like these are grouped."""
    different = len(survey.labels)
    if survey.numeric and different > MOST_NUMBERS:
        return Grouping("numbers", survey.scale())
    if survey.plain and (different > MOST or different > max(MOST_TEXTS, survey.seen / 2)):
        return Grouping("lengths")
    return Grouping("labels" if survey.plain else "items")
