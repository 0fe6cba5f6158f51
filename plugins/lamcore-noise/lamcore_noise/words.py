"""What the augmenters share: cutting text into words, and choosing a few of many with few random numbers."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Sequence

from lamcore import Record

_BRACES = r"\{[^{}]*+\}"
for _ in range(5):  # messages nest: {count, plural, one {# day} other {# days}}
    _BRACES = rf"\{{(?:[^{{}}]++|{_BRACES})*+\}}"
_FIXED = rf"{_BRACES}|<[^<>\s][^<>]*>|\[%[^%\]]*%\]"  # placeholders, tags and marks, references
_FIXED_OR_SPACE = re.compile(f"{_FIXED}| ")
_KEPT = re.compile(rf"{_FIXED}|\d|\w://|\bwww\.|\S@\S|[%$][\w(]")  # also numbers, URLs, addresses, %s and $name
_LETTER = re.compile(r"[^\W\d_]")


def cut(text: str) -> list[str]:
    """Cut text at its spaces, joined by which the words are the text again.

    A placeholder or tag belongs to one word, also where it holds spaces; words between two spaces are empty.
    """
    if not ("{" in text or "<" in text or "[%" in text):
        return text.split(" ")
    words, start = [], 0
    for match in _FIXED_OR_SPACE.finditer(text):
        if match[0] == " ":
            words.append(text[start : match.start()])
            start = match.end()
    return [*words, text[start:]]


def is_free(word: str, everything: bool) -> bool:
    """Say whether a word may be varied: it has letters and is no placeholder, tag, number or URL, or all may be."""
    return word.isalpha() or bool(word.strip() if everything else _LETTER.search(word) and not _KEPT.search(word))


def chosen(count: int, rate: float, rng: random.Random) -> Iterator[int]:
    """Yield each of the numbers below `count` with probability `rate`, ascending.

    Jumps from one to the next, so that it draws as many random numbers as it yields, and one more.
    """
    if rate >= 1:
        yield from range(count)
    if not 0 < rate < 1:
        return
    at, scale = -1, math.log1p(-rate)
    while (jump := math.log(1.0 - rng.random()) / scale) < count - at - 1:  # the jump is geometric
        at += 1 + int(jump)
        yield at


def vary(
    records: Sequence[Record],
    rng: random.Random,
    share: float,
    columns: Sequence[str],
    change: Callable[[str, random.Random], str],
) -> list[Record]:
    """Return the records, a `share` of them with `change` applied to their text columns: new dicts where it does."""
    new = list(records)
    for number in chosen(len(new), share, rng):
        for column in columns:
            if isinstance(text := new[number].get(column), str) and (varied := change(text, rng)) != text:
                new[number] = new[number] | {column: varied}
    return new


def vary_words(
    text: str, rng: random.Random, rate: float, everything: bool, change: Callable[[str, random.Random], str]
) -> str:
    """Return the text with `change` applied to a share of its words."""
    words = cut(text)
    for number in chosen(len(words), rate, rng):
        if is_free(words[number], everything):
            words[number] = change(words[number], rng)
    return " ".join(words)


def check_shares(**shares: float) -> None:
    """Raise ValueError for a share that is not between 0 and 1."""
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be between 0 and 1, not {value}")
