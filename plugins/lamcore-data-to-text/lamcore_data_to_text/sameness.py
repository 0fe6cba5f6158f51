"""The verb `lam sameness`: how alike texts are to one another."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

Grams = Counter[tuple[str, ...]]


@click.command("sameness")
@click.argument("files", nargs=-1, required=True)
@click.option("--column", default="target", show_default=True, help="What holds the text; of a list the first one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(files: tuple[str, ...], column: str, as_json: bool) -> None:
    """Count how alike the texts of each of FILES are to one another: distinct-n and self-BLEU.

    \b
    lam sameness runs/e2e/*/predictions-test.jsonl
    lam sameness data/e2e-nlg/test.jsonl.gz --column refs

    distinct-n is the percent of different n-grams among all n-grams of the texts (Li et al. 2016: more is more
    varied); self-BLEU scores each text with the others as references (Zhu et al. 2018: less is more varied). Words
    are lower-case, cut by sacrebleu's 13a. FILES are JSON lines; of a run's predictions the answers count."""
    from lamcore import console
    from lamcore_files import readers

    found = []
    for path in files:
        rows = readers.read_jsonl(path)
        texts = [_text(path, line, row.get("answer") or row, column) for line, row in rows]
        found.append({"file": path, **{name: round(value, 2) for name, value in sameness(texts).items()}})
    console.facts(found, as_json)


def _text(path: str, line: int, row: dict[str, Any], column: str) -> str:
    from lamcore_files import readers

    value = row.get(column)
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, str):
        raise readers.problem(path, line, 1, f"{column} is no text", f"name another --column of {readers.listed(row)}")
    return value


def sameness(texts: Sequence[str]) -> dict[str, float]:
    """Return how many texts there are, how many differ, mean words, distinct_1 and distinct_2, self_bleu (percent)."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    cut = Tokenizer13a()
    words = [cut(text.lower()).split() for text in texts]
    return {
        "texts": len(texts),
        "different": len(set(texts)),
        "words": sum(map(len, words)) / max(len(words), 1),
        "distinct_1": distinct(words, 1),
        "distinct_2": distinct(words, 2),
        "self_bleu": self_bleu(words),
    }


def distinct(texts: Sequence[Sequence[str]], n: int) -> float:
    """Return the percent of different n-grams among all of them (Li et al. 2016); 0 where there are none."""
    grams: Grams = Counter()
    for words in texts:
        grams.update(_grams(words, n))
    return 100 * len(grams) / grams.total() if grams else 0.0


def self_bleu(texts: Sequence[Sequence[str]]) -> float:
    """Return the BLEU-4 of all texts, each with all others as its references (Zhu et al. 2018), 0 to 100.

    Numerators, denominators and lengths are summed over the texts; time and memory grow with their number."""
    if len(texts) < 2:
        return 0.0
    lengths = sorted(map(len, texts))
    own, nearest = sum(lengths), sum(_nearest(lengths, len(words)) for words in texts)
    precisions = [_precision(texts, n) for n in (1, 2, 3, 4)]
    if not own or min(precisions) == 0:
        return 0.0
    brevity = min(1.0, math.exp(1 - nearest / own))
    return 100 * brevity * math.exp(sum(map(math.log, precisions)) / 4)


def _grams(words: Sequence[str], n: int) -> Grams:
    return Counter(zip(*(words[at:] for at in range(n)), strict=False))


def _precision(texts: Sequence[Sequence[str]], n: int) -> float:
    """Return the share of n-grams that other texts hold as often: for each, its two greatest counts are enough."""
    every = [_grams(words, n) for words in texts]
    first: Grams = Counter()
    second: Grams = Counter()
    for grams in every:
        for gram, times in grams.items():
            if times > first[gram]:
                first[gram], second[gram] = times, first[gram]
            elif times > second[gram]:
                second[gram] = times
    found = 0
    for grams in every:
        for gram, times in grams.items():
            others = second[gram] if times == first[gram] else first[gram]
            found += min(times, others)
    total = sum(grams.total() for grams in every)
    return found / total if total else 0.0


def _nearest(lengths: Sequence[int], length: int) -> int:
    """Return the length nearest to a text's among the others', the shorter of two; `lengths` rise and hold its own."""
    at = bisect_left(lengths, length)
    around = [*lengths[max(at - 1, 0) : at], *lengths[at + 1 : at + 2]]
    return min(around, key=lambda one: (abs(one - length), one))
