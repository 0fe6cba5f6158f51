"""Gather the facts of a data card, as plain values."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from datasets import Dataset

from lamcore.tables import open_table

MOST = 100_000
"""Rows of a table that are counted; of more, as many evenly spaced."""
BUCKETS = (1, 6, 11, 21, 41, 81)
"""Where the buckets of the length histogram begin, in words."""
LABELS = ["0", "1-5", "6-10", "11-20", "21-40", "41-80", "81 or more"]
TOP = 20
"""Values of a column that are counted one by one."""
TEXTS = ("input", "target")
ASCII_LETTERS = re.compile("[A-Za-z]+")
Facts = dict[str, Any]


def card(name: str, data: Any) -> Facts:
    """Return the data card of a run's data.

    {name, steps: [{step, splits: {split: {rows, ...DONE, dropped_examples, changed_examples, ...counts}}}],
    duplicates: {"source" or "ready": {split: {inputs, pairs}}}, overlap: {split: {other split: inputs that are in it}}}
    """
    splits = list(data.raw)
    steps: list[Facts] = []
    for told, folder in zip(data.report, data.folders, strict=True):
        before = steps[-1]["splits"] if steps else {}
        of_splits = {
            split: _step(told.get(split, {}), before.get(split), open_table(folder / split)) for split in splits
        }
        steps.append({"step": told["step"], "splits": of_splits})
    raw = {split: Keys(rows) for split, rows in data.raw.items()}
    ready = {split: Keys(rows) for split, rows in data.ready.items()} if len(steps) > 1 else raw
    duplicates = {
        when: {split: one.duplicates() for split, one in keys.items()}
        for when, keys in (("source", raw), ("ready", ready))
    }
    overlap = {a: {b: raw[a].shared(raw[b]) for b in splits if b != a} for a in splits}
    return {"name": name, "steps": steps, "duplicates": duplicates, "overlap": overlap}


def _step(told: Facts, before: Facts | None, rows: Dataset) -> Facts:
    """Return what a step did to a split, and the counts after it; where it did nothing they are those before."""
    did = {what: told.get(what, 0) for what in DONE}
    examples = {"dropped_examples": told.get("dropped_examples", []), "changed_examples": told.get("examples", [])}
    counted = {key: before[key] for key in COUNTS} if before and not any(did.values()) else counts(rows)
    return {"rows": len(rows), **did, **examples, **counted}


DONE = ("changed", "dropped", "added")
"""What a step does to records."""
COUNTS = ("counted", "languages", "domains", "scripts", "lengths")


def counts(rows: Dataset) -> Facts:
    """Return {counted, languages, domains, scripts: {column: ...}, lengths: {column: {histogram, mean, ...}}}."""
    part = rows if len(rows) <= MOST else rows.select(range(0, len(rows), -(-len(rows) // MOST)))
    table = part.with_format("arrow")[:]
    columns = {
        name: table[name].to_pylist()
        for name in (*TEXTS, "input_lang", "target_lang", "domain")
        if name in table.column_names
    }
    languages = [columns[name] for name in ("input_lang", "target_lang") if name in columns]
    texts = {name: [value for value in columns[name] if isinstance(value, str)] for name in TEXTS if name in columns}
    return {
        "counted": len(part),
        "languages": top("-".join(map(str, pair)) for pair in zip(*languages, strict=True)),
        "domains": top(str(value) for value in columns.get("domain", [])),
        "scripts": {name: top(map(script, values)) for name, values in texts.items()},
        "lengths": {name: lengths([len(text.split()) for text in values]) for name, values in texts.items()},
    }


def top(values: Iterable[str]) -> dict[str, int]:
    """Return how often each value stands there, most often first; beyond the first twenty they are "other"."""
    ordered = Counter(values).most_common()
    rest = sum(count for _, count in ordered[TOP:])
    return {**dict(ordered[:TOP]), **({"other": rest} if rest else {})}


def lengths(words: Sequence[int]) -> Facts:
    """Return the histogram of lengths in words, and mean, median, 95th percentile and most."""
    numbers = np.array(words, dtype=np.int64)
    found = np.bincount(np.digitize(numbers, BUCKETS), minlength=len(LABELS)).tolist()
    facts: Facts = {"histogram": dict(zip(LABELS, found, strict=True))}
    if len(numbers):
        median, high = np.percentile(numbers, (50, 95)).tolist()
        facts |= {"mean": round(float(numbers.mean()), 2), "median": median, "p95": high, "most": int(numbers.max())}
    return facts


def script(text: str) -> str:
    """Return the script that most letters of a text are in; "none" where it has no letter."""
    latin = sum(map(len, ASCII_LETTERS.findall(text)))
    if latin > len(text) - len(text.encode("ascii", "ignore")):  # most texts: no need to look at each letter
        return "Latin"
    found = Counter(map(_script_of, filter(str.isalpha, text)))
    return found.most_common(1)[0][0] if found else "none"


@cache
def _script_of(letter: str) -> str:
    """Return a letter's script: the first word of its name in Unicode, which for letters is nearly always that."""
    word = unicodedata.name(letter, "UNNAMED").partition(" ")[0].capitalize()
    return {"Cjk": "Han", "Fullwidth": "Latin", "Feminine": "Latin", "Masculine": "Latin", "Micro": "Greek"}.get(
        word, word
    )


class Keys:
    """Eight bytes for each input, and each pair, of a split; equal for texts equal after NFKC and case folding."""

    def __init__(self, rows: Dataset):
        columns = [name for name in TEXTS if name in rows.column_names]
        found: dict[str, list[int]] = {"inputs": [], "pairs": []}
        for batch in rows.select_columns(columns).iter(batch_size=1000) if columns else ():
            folded = [list(map(_folded, batch[name])) for name in columns]
            if "input" in columns:
                found["inputs"] += map(hash, folded[0])
            found["pairs"] += map(hash, zip(*folded, strict=True))
        self._distinct = {what: np.unique(np.array(keys, dtype=np.int64)) for what, keys in found.items()}
        self._rows = {what: len(keys) for what, keys in found.items()}

    def duplicates(self) -> dict[str, int]:
        """Return how many rows repeat an earlier one, in their input and in input and target."""
        return {what: rows - len(self._distinct[what]) for what, rows in self._rows.items()}

    def shared(self, other: Keys) -> int:
        """Return how many distinct inputs stand in another split too."""
        return len(np.intersect1d(self._distinct["inputs"], other._distinct["inputs"], assume_unique=True))


def _folded(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
