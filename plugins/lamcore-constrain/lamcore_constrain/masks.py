"""The rule of a batch's answers: which pieces may come next, row by row, as `lamcore.decode.search` asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from llguidance import LLMatcher
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask
from torch import Tensor

from lamcore_constrain.grammar import Demand, Grammar, grammar_of, set_bit
from lamcore_constrain.vocabulary import Vocabulary


@dataclass
class Row:
    """One answer half-way."""

    matcher: LLMatcher
    opened: int = 0
    """Lists and objects begun so far."""
    check: int = 0
    """Length at which the way to the end is looked for next."""
    end: list[int] | None = None
    """The pieces that lead to the end, once the limit is near."""
    free: bool = False
    """Whether plain text may come before them."""


class Masks:
    """`lamcore.decode.Allowed` for a batch: each record's answer is held to its demand and to its limit.

    Well before the limit (R,) an answer goes the shortest way to its end: no further call, list or key that need not be
    is begun; text within quotes goes on for as long as there is room for the end."""

    def __init__(self, demands: Sequence[Demand], vocabulary: Vocabulary, limits: Tensor):
        self.grammars = [grammar_of(vocabulary, *demand) for demand in demands]
        self.vocabulary, self.limits = vocabulary, limits.tolist()
        self._rows: dict[tuple[int, bytes], Row] = {}

    def __call__(self, records: Tensor, ids: Tensor) -> Tensor:
        """Return which pieces may come next, bool (N, V), after the tokens so far (N, t)."""
        table, size = np.ascontiguousarray(ids.cpu().numpy()), self.vocabulary.size
        bits = allocate_token_bitmask(len(table), size)
        rows: dict[tuple[int, bytes], Row] = {}
        for number, (record, written) in enumerate(zip(records.tolist(), table, strict=True)):
            key = (record, written.tobytes())
            if key not in rows:
                rows[key] = self._row(record, written)
            self._fill(bits, number, rows[key], self.grammars[record], written, self.limits[record])
        self._rows = rows
        mask = np.unpackbits(bits.view(np.uint8), axis=1, count=size, bitorder="little")
        return torch.from_numpy(mask.view(bool)).to(ids.device)

    def _row(self, record: int, written: np.ndarray) -> Row:
        """Return the answer that continues one of the last step by a piece."""
        if not len(written):
            return Row(self.grammars[record].start.deep_copy())
        before, token = self._rows[record, written[:-1].tobytes()], int(written[-1])
        row = Row(before.matcher.deep_copy(), before.opened, before.check)
        if len(written) == 1 and token in self.vocabulary.begins:
            row.matcher.consume_tokens(self.vocabulary.fewest(self.vocabulary.begins[token]) or [])
        else:
            row.matcher.consume_token(token)
        row.opened += self.vocabulary.opening[token]
        if before.end:
            took = token == before.end[0]
            row.end, row.free = (before.end[1:], False) if took else (before.end, before.free)
        return row

    def _fill(self, bits: np.ndarray, number: int, row: Row, grammar: Grammar, written: np.ndarray, limit: int) -> None:
        """Write the mask of one row, a bit a piece."""
        left = limit - len(written)
        if row.end is None and len(written) >= row.check and left <= (row.opened + 1) * grammar.step + grammar.margin:
            self._look(row, grammar, written, left)
        if row.end is None and not len(written):
            bits[number] = grammar.first
        elif row.end is None:
            fill_next_token_bitmask(row.matcher, bits, number)
        else:
            bits[number] = 0
            if row.free and len(row.end) < left:
                fill_next_token_bitmask(row.matcher, bits, number)
                bits[number] &= self.vocabulary.plain
            set_bit(bits[number], row.end[0] if row.end else self.vocabulary.eos)

    def _look(self, row: Row, grammar: Grammar, written: np.ndarray, left: int) -> None:
        """Find the way to the end; where it must be gone from now on, keep it, else say when to look again."""
        text = self._text(written)
        ways = grammar.ways(text.decode("utf-8", "ignore"))
        room = left - grammar.margin - (len(ways[0].encode()) if ways else left)
        if room > 0:
            row.check = len(written) + 1 + room // (grammar.margin + 1)
        elif (found := grammar.way_out(row.matcher, text)) and left <= len(found[0]) + grammar.margin:
            row.end, row.free = found

    def _text(self, written: np.ndarray) -> bytes:
        pieces, begins = self.vocabulary.pieces, self.vocabulary.begins
        return b"".join(begins.get(n, pieces[n]) if not at else pieces[n] for at, n in enumerate(written.tolist()))
