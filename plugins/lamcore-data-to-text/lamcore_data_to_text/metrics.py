"""Metrics of texts about fields: what they leave out or add, whether they do as asked, whether they tell tales."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from lamcore import Answer, Metric, Record
from lamcore_data_to_text.describe import length_of, slots_of
from lamcore_data_to_text.rules import Rules, find

_COUNTED = ("asked", "done")


@dataclass
class SlotErrorRate(Metric):
    """Missing and redundant slots, as a percent of the slots to be stated: ERR of Wen et al. (2015).

    Slots are counted in the texts that people read, values in place of marks. With rules=rnnlg a value counts once it
    is found, so that a repeated one is no error; the published count looks at the same words."""

    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    direction: ClassVar[str] = "lower"

    rules: Rules = Rules.exact
    """How slots are found in a text: exact (word for word), e2e or rnnlg."""
    column: str = "target"
    """Text column to look into."""

    @property
    def signature(self) -> str:
        """Say which rules count."""
        return f"(missing+redundant)/slots|rules:{self.rules.value}|version:1"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return how many slots there are, and how many are missing and redundant."""
        found = find(answer.get(self.column) or "", slots_of(record), self.rules, record.get("act") or "")
        return {"slots": found.slots, "missing": len(found.missing), "redundant": found.redundant}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"slot_error_rate": percent, "missing": percent, "redundant": percent}; 0 where there are no slots."""
        share = 100 / (sums.get("slots") or float("inf"))
        missing, redundant = share * sums.get("missing", 0), share * sums.get("redundant", 0)
        return {"slot_error_rate": missing + redundant, "missing": missing, "redundant": redundant}

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records to try it on, for checks."""
        from lamcore_data_to_text.examples import records

        return records(48)


@dataclass
class ControlAccuracy(Metric):
    """Percent of what records ask for, in `length`, `first` and further columns, that answers do.

    `length` holds where an answer has the words a field of the length asked for, `first` where that field is mentioned
    before the others (a name apart). `length`, `first` and each further column are scored alone too."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    rules: Rules = Rules.exact
    """How fields are found in a text: exact (word for word), e2e or rnnlg."""
    lengths: list[float] = field(default_factory=lambda: [3.3, 4.0])
    """Words a field up to which a text is short, and above which it is long: as in `describe`."""
    per_field: bool = True
    """Whether lengths are words a field, not words."""
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    """Further columns: column -> value -> regex that an answer shows where, and only where, that value is asked for."""
    column: str = "target"
    """Text column to look into."""

    @property
    def signature(self) -> str:
        """Say how it is seen that an answer does as asked."""
        (low, high), what = self.lengths, "words/fields" if self.per_field else "words"
        return f"length:{what}<={low:g}<={high:g}|first:{self.rules.value}|words:{self.words or 'none'}|version:1"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return for each control that is asked for one, and whether the answer follows it."""
        text, slots = answer.get(self.column) or "", slots_of(record)
        done = {}
        if asked := record.get("length"):
            done["length"] = bool(text) and length_of(text, len(slots) if self.per_field else 1, self.lengths) == asked
        if asked := record.get("first"):
            done["first"] = find(text, slots, self.rules, record.get("act") or "").first == asked
        for name, patterns in self.words.items():
            if asked := record.get(name):
                done[name] = all(bool(re.search(one, text)) == (value == asked) for value, one in patterns.items())
        return {f"{what} {name}": int(right or what == "asked") for name, right in done.items() for what in _COUNTED}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"control_accuracy": percent, control: percent, ...}; nothing where no record asks for anything."""
        names = [name for name in ("length", "first", *self.words) if f"asked {name}" in sums]
        pairs = {name: (sums[f"done {name}"], sums[f"asked {name}"]) for name in names}
        whole = {"control_accuracy": [sum(column) for column in zip(*pairs.values(), strict=True)]} if pairs else {}
        return {name: 100 * done / asked if asked else 100.0 for name, (done, asked) in (whole | pairs).items()}

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records to try it on, for checks."""
        from lamcore_data_to_text.examples import records

        return records(48)


@dataclass
class Leaks(Metric):
    """Percent of the answers that hold a value of somebody else: one of `values` that is none of the record's fields.

    A value counts where it stands as a whole word, whatever its case. An empty answer counts as a leak, so that to say
    nothing is not the best that a model can do."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)
    direction: ClassVar[str] = "lower"

    values: list[str] = field(default_factory=list)
    """Everybody's values; empty: all names, cities and products that the source `replies` draws from."""
    column: str = "target"
    """Text column to look into."""

    @property
    def signature(self) -> str:
        """Say how many values are looked for."""
        return f"whole words, any case|values:{len(self._values)}|empty answers count|version:1"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return whether the answer leaks, and one for itself."""
        own = {word for _, value in slots_of(record) for word in (value.casefold(), *value.casefold().split())}
        text = answer.get(self.column) or ""
        found = {match[0].casefold() for match in self._pattern.finditer(text)}
        return {"leaks": int(bool(found - own) or not text.strip()), "all": 1}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {"leaks": percent}; 0 where there are no answers."""
        return {"leaks": 100 * sums["leaks"] / sums["all"] if sums.get("all") else 0.0}

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records to try it on, for checks."""
        from lamcore_data_to_text.examples import records

        return records(48)

    @cached_property
    def _values(self) -> list[str]:
        from lamcore_data_to_text.replies import everybodys_values

        return self.values or everybodys_values()

    @cached_property
    def _pattern(self) -> Any:
        longest = sorted(map(re.escape, self._values), key=len, reverse=True)
        return re.compile(rf"(?<!\w)(?:{'|'.join(longest)})(?!\w)", re.IGNORECASE)
