"""Draw which words of a text are taken together, and put something in their place.

A span is (start, length), in words; spans never touch, and one of length 0 stands between two words."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

Span = tuple[int, int]


def placed(count: int, lengths: Sequence[int], rng: random.Random) -> list[Span]:
    """Return spans of these lengths at random places of a text of `count` words, in order.

    Every way to leave at least one word between two spans is as likely as any other; where there are too few words for
    that, the last spans become one."""
    free = count - sum(lengths)
    fitting = [*lengths[:free], sum(lengths[free:])] if len(lengths) > free else lengths
    gaps = sorted(rng.sample(range(free + 1), len(fitting)))
    spans, taken = [], 0
    for gap, length in zip(gaps, fitting, strict=True):
        spans.append((gap + taken, length))
        taken += length
    return spans


def poisson_lengths(words: int, mean: float, rng: random.Random) -> list[int]:
    """Return lengths drawn from a Poisson distribution, 0 among them, until they sum to `words`; the last is cut."""
    lengths = []
    while words > 0:
        lengths.append(min(_poisson(mean, rng), words))
        words -= lengths[-1]
    return lengths


def _poisson(mean: float, rng: random.Random) -> int:
    """Draw a number: how many uniform ones can be multiplied before their product is below e^-mean (Knuth 1969)."""
    number, product, least = 0, rng.random(), math.exp(-mean)
    while product > least:
        number += 1
        product *= rng.random()
    return number


def even_lengths(words: int, mean: float, rng: random.Random) -> list[int]:
    """Return lengths of 1 or more that sum to `words`, as many as make `mean` words each; the cuts are random."""
    count = max(1, round(words / mean))
    cuts = [0, *sorted(rng.sample(range(1, words), count - 1)), words]
    return [end - start for start, end in pairwise(cuts)]


def parts(words: Sequence[str], spans: Sequence[Span]) -> Iterator[tuple[list[str], list[str] | None]]:
    """Yield (the words before a span, the words of it) for each, and last (the words after all of them, None)."""
    at = 0
    for start, length in spans:
        yield list(words[at:start]), list(words[start : start + length])
        at = start + length
    yield list(words[at:]), None
