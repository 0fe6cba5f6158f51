"""Texts that are equal, or nearly, once case, Unicode form and blanks are left aside."""

from __future__ import annotations

import unicodedata
import zlib
from typing import Any

_SHINGLE = 4  # characters
_HASHES = 128


def folded(value: Any) -> str:
    """Return the text of a value after NFKC, case folding and folding of white space."""
    text = value if isinstance(value, str) else repr(value)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def shingles(text: str) -> set[str]:
    """Return the runs of four characters of a text."""
    return {text[at : at + _SHINGLE] for at in range(max(1, len(text) - _SHINGLE + 1))}


def similarity(one: set[str], other: set[str]) -> float:
    """Return the share of runs that two texts have in common (Jaccard), 0 to 1."""
    return len(one & other) / len(one | other)


class Index:
    """Keys of texts, to be found by texts that share `least` or more of their runs.

    Candidates come from MinHash (Broder 1997), rather too many than too few: compare each by `similarity`.
    """

    def __init__(self, least: float):
        from datasketch import MinHash, MinHashLSH

        self._index = MinHashLSH(least, _HASHES, weights=(0.1, 0.9))
        self._blank = MinHash(_HASHES, hashfunc=zlib.crc32)  # Python's own hash differs from process to process

    def signature(self, runs: set[str]) -> Any:
        """Return what `candidates` and `add` know a text by."""
        signature = self._blank.copy()
        signature.update_batch([run.encode("utf-8", "surrogatepass") for run in runs])
        return signature

    def candidates(self, signature: Any) -> list[Any]:
        """Return the keys of texts that may be alike."""
        found: list[Any] = self._index.query(signature)
        return found

    def add(self, key: Any, signature: Any) -> None:
        """Keep a text under a key of its own."""
        self._index.insert(key, signature, check_duplication=False)
