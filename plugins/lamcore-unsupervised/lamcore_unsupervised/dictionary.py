"""Find which words of two languages mean the same, in texts of each alone.

Words that stand among alike words get alike vectors (positive pointwise mutual information, decomposed: Levy et al.
2015). A rotation takes one language's vectors to the other's; it is learnt from words that are spelt alike, and then in
turns: the rotation tells more pairs, the pairs tell a better rotation (self-learning: Artetxe et al. 2017, 2018). That
translations are often spelt alike, and are as frequent, counts throughout (Riley and Gildea 2018).

Sizes: V and W words of the two languages, D numbers of a vector, P pairs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import torch
from numpy import ndarray

from lamcore import LamcoreError

WORD, MARK = re.compile(r"\w+"), r"[^\w\s]"
TEXTS, WORDS, LEAST = 100_000, 4000, 5
"""Most texts of a language that are looked at, most words, the most frequent, and how often each must stand there."""
WINDOW, WIDTH = 5, 120
"""Words on each side that tell what a word is like, and numbers of a vector."""
TURNS, NEIGHBOURS = 12, 10
ALIKE = 0.5
"""Least score, by spelling and frequency, of the pairs to begin with."""
SPELLING, FREQUENCY = 0.3, 0.1
"""What alike spelling adds to a pair's score, and what each unit of the log of their frequencies' ratio takes away."""


def dictionary(texts: Sequence[str], others: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return word -> its likeliest translation, from the first language to the second, and back.

    The same texts give the same words. Raises LamcoreError where no two words are spelt alike."""
    (words, known, vectors), (other_words, other_known, other_vectors) = _read(texts), _read(others)
    alike = _spelt_alike(words, other_words)
    apart = FREQUENCY * np.abs(np.log(known)[:, None] - np.log(other_known))
    apart += _marks(words)[:, None] != _marks(other_words)
    pairs = _mutual(alike - apart)
    pairs = pairs[:, (alike - apart)[tuple(pairs)] >= ALIKE]
    if not pairs.size:
        what = "The texts of the two languages have no words that are spelt alike, to begin a dictionary with"
        raise LamcoreError(f"{what}: set trainer.word_by_word=0.")
    for _ in range(TURNS):
        left, _, right = np.linalg.svd(vectors[pairs[0]].T @ other_vectors[pairs[1]])
        scores = _near(vectors @ (left @ right) @ other_vectors.T) + SPELLING * alike - apart  # (V, W)
        pairs = _mutual(scores)
    there = {word: other_words[at] for word, at in zip(words, scores.argmax(1), strict=True)}
    return there, {word: words[at] for word, at in zip(other_words, scores.argmax(0), strict=True)}


def look_up(text: str, found: Mapping[str, str]) -> str:
    """Return a text in which the words that the dictionary has are replaced; order, marks and the others stay."""
    return WORD.sub(lambda word: found.get(word[0], word[0]), text)


def _read(texts: Sequence[str]) -> tuple[list[str], ndarray, ndarray]:
    """Return a language's words, how often each stands in the texts (V,), and their vectors (V, D)."""
    every = -(-len(texts) // TEXTS)
    sentences = [re.findall(f"{WORD.pattern}|{MARK}", text) for text in texts[::every]]
    counts = [(word, n) for word, n in Counter(chain(*sentences)).most_common(WORDS) if n >= LEAST]
    number = {word: at for at, (word, _) in enumerate(counts)}
    ids = [number.get(word, -1) for sentence in sentences for word in [*sentence, *[""] * WINDOW]]
    return [*number], np.array([n for _, n in counts]), _vectors(np.array(ids), len(number))


def _vectors(ids: ndarray, size: int) -> ndarray:
    """Return a vector of length 1 for each of `size` words, by which words stand near it; `ids` has -1 for none."""
    near: ndarray = np.zeros((size, size), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        before, after = ids[:-distance], ids[distance:]
        both = (before >= 0) & (after >= 0)
        beside = np.bincount(before[both] * size + after[both], minlength=size * size).reshape(size, size) / distance
        near += beside + beside.T
    expected = near.sum(1, keepdims=True) * near.sum(0) ** 0.75 / (near.sum(0) ** 0.75).sum()
    information = np.log(np.maximum(near / np.maximum(expected, 1e-9), 1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        left, values, _ = torch.svd_lowrank(torch.from_numpy(information), min(WIDTH + 20, size), niter=3)
    vectors = _length_one((left * values)[:, :WIDTH].numpy())
    return _length_one(vectors - vectors.mean(0))


def _length_one(vectors: ndarray) -> ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _near(cosines: ndarray) -> ndarray:
    """Return cosines (V, W), less for words that are near to many (CSLS: Conneau et al. 2018, equation 3)."""
    return 2 * cosines - _of_nearest(cosines)[:, None] - _of_nearest(cosines.T)


def _of_nearest(cosines: ndarray) -> ndarray:
    """Return the mean of each row's greatest values, (V,)."""
    nearest: ndarray = np.sort(cosines, 1)[:, -NEIGHBOURS:].mean(1)
    return nearest


def _marks(words: Sequence[str]) -> ndarray:
    """Return which are marks and no words, (V,): a word and a mark never mean the same."""
    return np.array([not WORD.fullmatch(word) for word in words])


def _spelt_alike(words: Sequence[str], others: Sequence[str]) -> ndarray:
    """Return which share of their pairs and triples of letters two words have in common (Dice's), (V, W)."""
    kinds: dict[str, int] = {}
    tables = []
    for some in (words, others):
        parts = [{f"^{word.lower()}$"[at : at + n] for n in (2, 3) for at in range(len(word) + 3 - n)} for word in some]
        tables.append([[kinds.setdefault(part, len(kinds)) for part in own] for own in parts])
    first, second = (_ones(table, len(kinds)) for table in tables)
    return 2 * (first @ second.T) / (first.sum(1)[:, None] + second.sum(1))


def _ones(table: Sequence[Sequence[int]], size: int) -> ndarray:
    """Return a 1 in each of a row's places, elsewhere 0."""
    made = np.zeros((len(table), size), dtype=np.float32)
    for row, places in zip(made, table, strict=True):
        row[places] = 1
    return made


def _mutual(scores: ndarray) -> ndarray:
    """Return the pairs of which each is the other's best, (2, P)."""
    best, back = scores.argmax(1), scores.argmax(0)
    first = np.flatnonzero(back[best] == np.arange(len(best)))
    return np.stack([first, best[first]])
