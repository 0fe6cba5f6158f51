"""Search for the answers of a model that writes them token by token: greedy and beam search, and sampling.

They are one loop: beam search goes on with the best continuations of each record, greedy search is a beam of one, and
sampling goes on with one that is drawn. A model offers itself as `Steps`; how it keeps what it has read (a key/value
cache, a recurrent state) is its own affair. R is the number of records, N that of rows (beginnings of answers, as many
a record), V the vocabulary, K the symbols to copy."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from lamcore.kinds import Decoding


class Steps(Protocol):
    """A model half-way through its answers. Rows are grouped by record: the first record's, the second's, ..."""

    def step(self, tokens: Tensor) -> Tensor:
        """Read one more token a row (N,) and return the scores of the next one, (N, V), before softmax."""

    def select(self, rows: Tensor, records: Tensor | None) -> None:
        """Go on with other rows: new row i continues old row rows[i]; `records` says which remain (None: all).

        Before the first step a record may be named more than once: each is one of its own from then on."""


@dataclass
class Hypothesis:
    """An answer that was found: its tokens without begin and end, and its log probability over its length penalty."""

    ids: list[int]
    score: float


Found = list[list[Hypothesis]]
Allowed = Callable[[Tensor, Tensor], Tensor]
"""(records (N,), tokens so far (N, t)) -> which tokens may come next, bool (N, V)."""


def limits(lengths: Tensor, decoding: Decoding) -> Tensor:
    """Return the most tokens that each answer may have, given the lengths of the inputs (R,)."""
    by_input = (
        (lengths * decoding.max_ratio).long() + 10 if decoding.max_ratio > 0 else decoding.max_length + 0 * lengths
    )
    return by_input.clamp(max=decoding.max_length)


def constraint(limits: Tensor, size: int, eos: int, prefix: Tensor, symbols: Tensor, counts: Tensor) -> Allowed:
    """Return what has answers begin with a prefix, and hold each symbol a given number of times.

    `prefix` (R, P) is filled up with -1; `symbols` (K,) are tokens, `counts` (R, K) says how often each is to come, in
    the prefix or after it. An answer does not end before, and its last places are kept for what is due; only where
    there are fewer places within its limit (R,) does some of it fail to come. `size` is that of the vocabulary."""

    def allowed(records: Tensor, ids: Tensor) -> Tensor:
        length = ids.shape[1]
        due = (counts[records] - (ids[:, :, None] == symbols).sum(1)).clamp(min=0)  # (N, K)
        mask = (due.sum(1) < limits[records] - length)[:, None].repeat(1, size)
        mask[:, eos] = due.sum(1) == 0
        mask[:, symbols] = due > 0
        if length < prefix.shape[1]:
            given = prefix[records, length]
            forced = (given >= 0).nonzero()[:, 0]
            mask[forced] = False
            mask[forced, given[forced]] = True
        return mask

    return allowed


def both(one: Allowed | None, other: Allowed | None) -> Allowed | None:
    """Return what two rules together allow; None is no rule."""
    if one is None or other is None:
        return one or other
    return lambda records, ids: one(records, ids) & other(records, ids)


@torch.inference_mode()
def search(
    steps: Steps,
    limits: Tensor,
    decoding: Decoding,
    *,
    bos: int = 2,
    eos: int = 3,
    never: Sequence[int] = (0, 1, 2),
    allowed: Allowed | None = None,
    keys: Sequence[object] = (),
) -> Found:
    """Return the `n_best` answers that were found for each record, or fewer, best first.

    `limits` (R,), on the model's device, is the most tokens an answer may have; an answer that long has to end there.
    Tokens in `never` are not generated. Ties go to the lower beam, then to the lower token. An answer that `allowed`
    leads to where nothing may follow is empty and has the score -inf. To sample takes `keys`, one a record: what is
    drawn for it follows from the decoding's seed and its key."""
    every = hunts = list(_hunts(limits.tolist(), decoding, keys))
    rows = torch.tensor([hunt.record for hunt in hunts], dtype=torch.long, device=limits.device)
    if len(hunts) > len(limits):
        steps.select(rows, rows)
    tokens, ids, totals = torch.full_like(rows, bos), rows.new_empty(len(rows), 0), torch.zeros_like(rows)
    rules = _Rules(eos, rows.new_tensor(never), allowed)
    while hunts:
        scores = rules.log_probs(steps.step(tokens), hunts, ids)
        ranked = _drawn(scores, totals, hunts) if decoding.temperature else _best(scores, totals, hunts)
        lives = [hunt.follow(ends, ids, eos) for hunt, ends in zip(hunts, ranked, strict=True)]
        kept = [number for number, live in enumerate(lives) if live]
        if kept:
            totals, rows, tokens = _going(lives, scores)
            ids = torch.cat([ids.index_select(0, rows), tokens[:, None]], 1)
            steps.select(rows, rows.new_tensor(kept) if len(kept) < len(hunts) else None)
        hunts = [hunts[number] for number in kept]
    found: Found = [[] for _ in range(len(limits))]
    for hunt in every:
        found[hunt.record] += hunt.answers or [Hypothesis([], -math.inf)]
    return [sorted(answers, key=lambda answer: -answer.score)[: decoding.n_best] for answers in found]


Continuation = tuple[float, int, int]
"""What is written and one token more: its log probability, the row that it continues, the token."""


@dataclass
class _Hunt:
    """The search for one record's answers, or for one of its samples."""

    record: int
    limit: int
    decoding: Decoding
    chance: random.Random | None = None
    answers: list[Hypothesis] = field(default_factory=list)

    def follow(self, ranked: list[Continuation], ids: Tensor, eos: int) -> list[Continuation]:
        """Keep what ends; return the best of the rest, to go on with, or none when all is found.

        An end is an answer if it is among the `beam` best continuations. All is found when there are `beam` answers,
        or `n_best` that nothing can still beat."""
        length, beam = ids.shape[1] + 1, self.decoding.beam
        ranked = [one for one in ranked if one[0] > -math.inf]
        for total, row, token in ranked[:beam]:
            if token == eos:
                self.answers.append(Hypothesis(ids[row].tolist(), self.penalised(total, length)))
        live = [one for one in ranked if one[2] != eos][:beam]
        return [] if len(self.answers) >= beam or not live or self.beats(live[0][0], length + 1) else live

    def beats(self, total: float, length: int) -> bool:
        """Say whether no answer of at least this length, and at most this log probability, can be a `n_best` one."""
        best = sorted((answer.score for answer in self.answers), reverse=True)[: self.decoding.n_best]
        hope = max(self.penalised(total, length), self.penalised(total, self.limit + 1))
        return len(best) == self.decoding.n_best and best[-1] >= hope

    def penalised(self, total: float, length: int) -> float:
        """Divide the log probability of `length` tokens, the end among them, as Wu et al. 2016 do (equation 14)."""
        return total / ((5 + length) / 6) ** self.decoding.length_penalty


def _hunts(limits: list[int], decoding: Decoding, keys: Sequence[object]) -> Iterator[_Hunt]:
    if not decoding.temperature:
        yield from (_Hunt(record, limit, decoding) for record, limit in enumerate(limits))
        return
    for record, (limit, key) in enumerate(zip(limits, keys, strict=True)):
        for number in range(decoding.n_best):
            yield _Hunt(record, limit, decoding, random.Random(f"{decoding.seed}/{key}/{number}"))


@dataclass
class _Rules:
    eos: int
    never: Tensor
    allowed: Allowed | None

    def log_probs(self, logits: Tensor, hunts: list[_Hunt], ids: Tensor) -> Tensor:
        """Return the log probabilities of the next token, (N, V); -inf where it may not come."""
        scores = torch.log_softmax(logits, -1, dtype=torch.promote_types(logits.dtype, torch.float32))
        length, width = ids.shape[1], len(ids) // len(hunts)
        full = [n * width + i for n, hunt in enumerate(hunts) if hunt.limit <= length for i in range(width)]
        ending = scores[full, self.eos] if full else None
        scores.index_fill_(1, self.never, -math.inf)
        if self.allowed:
            records = ids.new_tensor([hunt.record for hunt in hunts]).repeat_interleave(width)
            scores.masked_fill_(~self.allowed(records, ids), -math.inf)
        if ending is not None:
            scores[full] = -math.inf
            scores[full, self.eos] = ending
        return scores


def _best(scores: Tensor, totals: Tensor, hunts: list[_Hunt]) -> list[list[Continuation]]:
    """Return each record's best continuations: so many that `beam` of them go on unless `beam` of them end."""
    beam, size = hunts[0].decoding.beam, scores.shape[1]
    scores += totals[:, None]
    values, places = _top(scores.view(len(hunts), -1), 2 * beam - 1)
    width = len(scores) // len(hunts)
    return [
        [(value, number * width + place // size, place % size) for value, place in zip(*pair, strict=True)]
        for number, pair in enumerate(zip(values.tolist(), places.tolist(), strict=True))
    ]


def _drawn(scores: Tensor, totals: Tensor, hunts: list[_Hunt]) -> list[list[Continuation]]:
    """Return one continuation a record, drawn at the decoding's temperature from its likeliest tokens.

    Those are the `top_k` likeliest (Fan et al. 2018), and of them the fewest with a share of `top_p` of the probability
    (Holtzman et al. 2020)."""
    decoding = hunts[0].decoding
    ranked, order = (scores / decoding.temperature).sort(dim=1, descending=True, stable=True)
    if decoding.top_k:
        ranked[:, decoding.top_k :] = -math.inf
    chances = ranked.softmax(1)
    chances[chances.cumsum(1) - chances >= decoding.top_p] = 0
    share = chances.cumsum(1)
    spots = scores.new_tensor([hunt.chance.random() for hunt in hunts if hunt.chance])[:, None] * share[:, -1:]
    place = torch.minimum((share <= spots).sum(1), (chances > 0).sum(1) - 1)
    tokens = order.gather(1, place[:, None])[:, 0]
    values = totals + scores.gather(1, tokens[:, None])[:, 0]
    return [[one] for one in zip(values.tolist(), range(len(hunts)), tokens.tolist(), strict=True)]


def _going(lives: list[list[Continuation]], scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return log probabilities, rows and tokens of what goes on, (N,) each, filled up to as many a record."""
    width = max(map(len, lives))
    filled = [one for live in lives if live for one in live + [(-math.inf, *live[0][1:])] * (width - len(live))]
    totals, rows, tokens = zip(*filled, strict=True)
    return scores.new_tensor(totals), *torch.tensor([rows, tokens], device=scores.device)


def _top(scores: Tensor, n: int, block: int = 64, few: int = 100_000) -> tuple[Tensor, Tensor]:
    """Return the n greatest values of each row and where they are, ties by place (topk alone leaves those open).

    Where there are more than a few values they are looked for in the n + 1 blocks with the greatest maxima: several
    times as fast as topk over all."""
    blocks = scores.shape[1] // block
    if scores.numel() > few and blocks > n + 1:
        best = scores[:, : blocks * block].unflatten(1, (blocks, block)).amax(2).topk(n + 1)[1]
        inside = (best[:, :, None] * block + torch.arange(block, device=scores.device)).flatten(1)
        rest = torch.arange(blocks * block, scores.shape[1], device=scores.device).expand(len(scores), -1)
        index = torch.cat([inside, rest], 1)
        values, order = scores.gather(1, index).topk(n + 1)
        index = index.gather(1, order)
    else:
        values, index = scores.topk(min(n + 1, scores.shape[1]))
    if ((values[:, 1:] == values[:, :-1]) & (values[:, 1:] > -math.inf)).any():
        values, index = scores.sort(dim=1, descending=True, stable=True)
    return values[:, :n], index[:, :n]
