"""What the components share: which text is raw, and which words at the head of an input are tags."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from lamcore import LamcoreError, Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamcore.tokenizer import Tokenizer

_TAGS = re.compile(r"(?:<[^<>\s]+>\s+)*")
RAW = "raw"
"""Column that `autoencode` fills: whether a record is raw text, true, or a pair, false."""


class Side(Enum):
    """Column of the clean text."""

    input = "input"
    target = "target"


OTHER = {Side.input: Side.target, Side.target: Side.input}


def tags_and_text(text: str) -> tuple[str, str]:
    """Cut a text behind the tags that it begins with, such as <2de>."""
    tags = _TAGS.match(text)
    end = tags.end() if tags else 0
    return text[:end], text[end:]


def shares(**shares: float) -> None:
    """Raise ValueError for a share that is not between 0 and 1."""
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be between 0 and 1, not {value}")


def as_clean(record: Record, clean: Side, read: str, learnt: str) -> Record:
    """Return the record with what is read and learnt of its clean text: the input keeps its tags, and both texts are in
    the clean text's language."""
    tags = tags_and_text(record.get("input") or "")[0]
    language = record.get(f"{clean.value}_lang")
    known = {} if language is None else {"input_lang": language, "target_lang": language}
    return {**record, "input": tags + read, "target": learnt, **{k: v for k, v in known.items() if k in record}}


def check_symbols(label: str, symbols: Iterable[str], tokenizers: Iterable[Tokenizer]) -> None:
    """Raise LamcoreError unless each symbol is one piece of each vocabulary."""
    symbols = list(symbols)
    for tokenizer in tokenizers:
        for symbol, ids in zip(symbols, tokenizer.encode(symbols), strict=True):
            if len(ids) != 1 or ids[0] == tokenizer.unk:
                quoted = ",".join(f"'{one}'" for one in symbols)
                what = f"{label}: {symbol} is not one piece of the vocabulary"
                raise LamcoreError(f'{what}. Add "tokenizer.symbols=[{quoted}]" to the run.')
