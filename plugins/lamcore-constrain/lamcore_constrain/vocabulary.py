"""What the pieces of a vocabulary write: their bytes, and the fewest pieces that write a text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from llguidance import LLTokenizer, TokenizerWrapper

from lamcore import LamcoreError
from lamcore.tokenizer import Tokenizer

LONGEST = 64
"""Bytes of the longest piece that is counted on to write a text in few pieces."""
SPECIAL = 4
"""The first pieces, padding to end, write nothing."""


class Vocabulary:
    """The pieces of one tokenizer; `pieces` (V) are their bytes."""

    def __init__(self, tokenizer: Tokenizer):
        self.size, self.eos = tokenizer.size, tokenizer.eos
        self.pieces = _bytes_of(tokenizer)
        self.id_of: dict[bytes, int] = {}
        for number, piece in enumerate(self.pieces[SPECIAL:], SPECIAL):
            if 0 < len(piece) <= LONGEST:
                self.id_of.setdefault(piece, number)
        self._most = max(map(len, self.id_of), default=0)
        self.singles = {
            number: piece for piece, number in self.id_of.items() if len(piece.decode("utf-8", "ignore")) <= 1
        }
        """Pieces of one character, or of one byte of it."""
        self.opening = [piece.count(b"[") + piece.count(b"{") for piece in self.pieces]
        """Lists and objects that each piece may begin."""
        self.choices = 1 + min(4, max(self.opening))
        """Most choices of what to write next that one piece makes."""
        self.begins = self._begins(tokenizer)
        """What pieces that begin with a space write at the very beginning, where that space is left out."""
        self.samples: dict[str, str | None] = {}
        """Short texts of plain schemas, found once."""

    def _begins(self, tokenizer: Tokenizer) -> dict[int, bytes]:
        """Return what pieces that begin with a space write at the very beginning, where the tokenizer leaves that out.

        Raises LamcoreError for a tokenizer whose pieces are not simply put end to end."""
        every = list(range(SPECIAL, self.size))
        written = b"".join(self.pieces[SPECIAL:]).decode("utf-8", "replace")
        spaced = {number: piece[1:] for number, piece in enumerate(self.pieces) if piece.startswith(b" ")}
        drops = any(not text.startswith(" ") for text in tokenizer.decode([[number] for number in spaced]))
        (first,) = tokenizer.decode([every])
        if first not in (written, written.removeprefix(" ") if drops else written):
            raise LamcoreError(
                "decoding.constrain needs a tokenizer that joins pieces as they are: bpe, byte_bpe or character."
            )
        return spaced if drops else {}

    @cached_property
    def plain(self) -> np.ndarray:
        """Which pieces are text that stands in a JSON string as it is: a bit a piece, int32."""
        kept = np.zeros(-(-self.size // 32) * 32, np.uint8)
        kept[[n for n in range(SPECIAL, self.size) if _is_plain(self.pieces[n])]] = 1
        return np.packbits(kept, bitorder="little").view(np.int32)

    @cached_property
    def for_grammars(self) -> LLTokenizer:
        """The same pieces as llguidance takes them."""
        return LLTokenizer(TokenizerWrapper(_Pieces(self)), n_vocab=self.size)

    def fewest(self, text: bytes) -> list[int] | None:
        """Return the fewest pieces that write a text, or None where none do."""
        counts = self._counts(text)
        if counts[0][0] is None:
            return None
        ids, at = [], 0
        while at < len(text):
            ids.append(counts[at][1])
            at += len(self.pieces[ids[-1]])
        return ids

    def worst(self, text: bytes) -> int:
        """Return the most pieces that any rest of a text takes."""
        return max(count or 0 for count, _ in self._counts(text))

    def _counts(self, text: bytes) -> list[tuple[int | None, int]]:
        """Return for each rest of a text in how few pieces it is written (None: not at all), and the first of them."""
        found: list[tuple[int | None, int]] = [(None, 0)] * len(text) + [(0, 0)]
        for at in range(len(text) - 1, -1, -1):
            for end in range(at + 1, min(at + self._most, len(text)) + 1):
                after, number = found[end][0], self.id_of.get(text[at:end])
                if number is not None and after is not None:
                    best = found[at][0]
                    if best is None or after + 1 < best:
                        found[at] = (after + 1, number)
        return found


class _Pieces:
    """A tokenizer in the form that llguidance wraps."""

    def __init__(self, vocabulary: Vocabulary):
        self._vocabulary = vocabulary
        self.tokens = [f"<{n}>".encode() if n < SPECIAL else piece for n, piece in enumerate(vocabulary.pieces)]
        self.special_token_ids = list(range(SPECIAL))
        self.eos_token_id, self.bos_token_id = vocabulary.eos, None

    def __call__(self, text: bytes) -> list[int]:
        return self._vocabulary.fewest(text) or []


def _is_plain(piece: bytes) -> bool:
    try:
        return bool(piece) and b'"' not in piece and b"\\" not in piece and piece.decode().isprintable()
    except UnicodeDecodeError:
        return False


_made: WeakKeyDictionary[Tokenizer, Vocabulary] = WeakKeyDictionary()


def vocabulary_of(tokenizer: Tokenizer) -> Vocabulary:
    """Return a tokenizer's vocabulary, made once."""
    if tokenizer not in _made:
        _made[tokenizer] = Vocabulary(tokenizer)
    return _made[tokenizer]


def _bytes_of(tokenizer: Tokenizer) -> list[bytes]:
    """Return the bytes that each piece writes after another piece."""
    described = json.loads(tokenizer.to_json())
    kinds = re.findall(r'"type": "(\w+)"', json.dumps(described["decoder"]))
    names = _names(described, tokenizer.size)
    added = {one["id"] for one in described["added_tokens"]}
    if "ByteLevel" in kinds:
        table = _byte_level()
        return [name.encode() if n in added else bytes(table[one] for one in name) for n, name in enumerate(names)]
    anchor = next((n for n in range(SPECIAL, tokenizer.size) if tokenizer.decode([[n]])[0].isalnum()), SPECIAL)
    before = len(tokenizer.decode([[anchor]])[0])
    texts = tokenizer.decode([[anchor, n] for n in range(tokenizer.size)])
    found = [text[before:].encode() for text in texts]
    if "ByteFallback" in kinds:
        found = [
            bytes([int(n[3:5], 16)]) if re.fullmatch("<0x..>", n) else b for n, b in zip(names, found, strict=True)
        ]
    return found


def _names(described: Any, size: int) -> Sequence[str]:
    pieces = described["model"]["vocab"]
    ids = pieces if isinstance(pieces, dict) else {piece: n for n, (piece, _) in enumerate(pieces)}
    names = {n: piece for piece, n in ids.items()} | {one["id"]: one["content"] for one in described["added_tokens"]}
    return [names[n] for n in range(size)]


def _byte_level() -> dict[str, int]:
    """Return the byte that each character of a byte-level piece stands for (Radford et al. 2019).

    Printable ones stand for themselves, the others in order for the characters from 256 on."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in kept]
    return {chr(byte): byte for byte in kept} | {chr(256 + n): byte for n, byte in enumerate(others)}
