"""A toy tokenizer: each letter is one id, so that a test can write ids down."""

from __future__ import annotations

from typing import Any


class Letters:
    """A tokenizer of single letters."""

    pad, unk, bos, eos = 0, 1, 2, 3
    size = 30

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [[4 + ord(letter) - ord("a") for letter in text] for text in texts]

    def decode(self, rows: list[list[int]]) -> list[str]:
        return ["".join(chr(ord("a") + i - 4) for i in row if i > 3) for row in rows]


LETTERS: Any = Letters()
