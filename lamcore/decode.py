"""Search for the best answers of a model that writes them token by token: greedy and beam search.

A model offers itself as `Steps`; how it keeps what it has read (a key/value cache, a recurrent state) is its own
affair. R is the number of records, N that of rows (beginnings of answers, as many a record), V the vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lamcore.kinds import Decoding


class Steps(Protocol):
    """A model half-way through its answers. Rows are grouped by record: the first record's, the second's, ..."""

    def step(self, tokens: Tensor) -> Tensor:
        """Read one more token a row (N,) and return the scores of the next one, (N, V), before softmax."""

    def select(self, rows: Tensor, records: Tensor | None) -> None:
        """Go on with other rows: new row i continues old row rows[i]; `records` says which remain (None: all)."""


@dataclass
class Hypothesis:
    """An answer that was found: its tokens without begin and end, and its log probability over its length penalty."""

    ids: list[int]
    score: float


Found = list[list[Hypothesis]]
Allowed = Callable[[Tensor, Tensor], Tensor | None]
"""(records (N,), tokens so far (N, t)) -> which tokens may come next, bool (N, V); None is all of them."""


def limits(lengths: Tensor, decoding: Decoding) -> Tensor:
    """Return the most tokens that each answer may have, given the lengths of the inputs (R,)."""
    by_input = (
        (lengths * decoding.max_ratio).long() + 10 if decoding.max_ratio > 0 else decoding.max_length + 0 * lengths
    )
    return by_input.clamp(max=decoding.max_length)


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
) -> Found:
    """Return what was found for each record, best first: one answer from greedy search, up to `beam` from a beam.

    `limits` (R,), on the model's device, is the most tokens an answer may have; an answer that long has to end there.
    Tokens in `never` are not generated. Ties go to the lower beam, then to the lower token. An answer that `allowed`
    leads to where nothing may follow has the score -inf."""
    rules = _Rules(limits, bos, eos, list(never), allowed, decoding.length_penalty)
    return _greedy(steps, rules) if decoding.beam == 1 else _beam(steps, rules, decoding.beam)


@dataclass
class _Rules:
    limits: Tensor
    bos: int
    eos: int
    never: list[int]
    allowed: Allowed | None
    exponent: float

    def begin(self) -> tuple[Found, Tensor, Tensor, Tensor]:
        """Return no answers, the numbers of the records, their first tokens (R,) and what is written so far (R, 0)."""
        records = torch.arange(len(self.limits), device=self.limits.device)
        return [[] for _ in records], records, torch.full_like(records, self.bos), records.new_empty(len(records), 0)

    def log_probs(self, logits: Tensor, records: Tensor, ids: Tensor) -> Tensor:
        """Return the log probabilities of the next token, (N, V); -inf where it may not come."""
        scores = torch.log_softmax(logits, -1, dtype=torch.promote_types(logits.dtype, torch.float32))
        ending = scores[:, self.eos].clone()
        for token in self.never:
            scores[:, token] = -math.inf
        if self.allowed and (mask := self.allowed(records, ids)) is not None:
            scores.masked_fill_(~mask, -math.inf)
        full = self.limits[records] <= ids.shape[1]
        if full.any():
            scores[full] = -math.inf
            scores[full, self.eos] = ending[full]
        return scores

    def penalised(self, total: Tensor, length: Tensor | int) -> Tensor:
        """Divide log probabilities of `length` tokens, the end among them, as Wu et al. 2016 do (equation 14)."""
        return total / ((5 + length) / 6) ** self.exponent


def _greedy(steps: Steps, rules: _Rules) -> Found:
    found, records, tokens, ids = rules.begin()
    total = torch.zeros(len(records), device=records.device)
    while len(records):
        scores = rules.log_probs(steps.step(tokens), records, ids)
        tokens = _argmax(scores)
        total = total + scores.gather(1, tokens[:, None])[:, 0]
        ended = (tokens == rules.eos) | (total == -math.inf)
        if ended.any():
            _collect(found, records[ended], ids[ended], rules.penalised(total[ended], ids.shape[1] + 1))
            rows = (~ended).nonzero()[:, 0]
            records, ids, tokens, total = records[rows], ids[rows], tokens[rows], total[rows]
            if len(rows):
                steps.select(rows, rows)
        ids = torch.cat([ids, tokens[:, None]], 1)
    return found


def _argmax(scores: Tensor) -> Tensor:
    """Return the first greatest index of each row; numpy's is ten times as fast as torch's on a CPU."""
    return torch.from_numpy(scores.numpy().argmax(1)) if scores.device.type == "cpu" else scores.argmax(1)


def _beam(steps: Steps, rules: _Rules, beam: int) -> Found:
    """Keep the `beam` best beginnings a record.

    A beginning whose end is among the `beam` best continuations is an answer. A record is done when it has `beam`
    answers, or one that no beginning can still beat."""
    found, records, tokens, ids = rules.begin()
    total = torch.zeros(len(records), 1, device=records.device)  # (R, beams): log probability of each beginning
    best, count = total[:, 0] - math.inf, torch.zeros_like(records)
    while len(records):
        width, length = total.shape[1], ids.shape[1] + 1
        scores = rules.log_probs(steps.step(tokens), records.repeat_interleave(width), ids)
        values, token = _top(scores, 2 * beam)  # at most `beam` of a record's 2 * beam best are ends
        values = (values + total.view(-1, 1)).view(len(records), -1)
        values, order = (ranked[:, : 2 * beam] for ranked in values.sort(dim=1, descending=True, stable=True))
        first = torch.arange(0, len(ids), width, device=ids.device)[:, None]
        rows, token = first + order // token.shape[1], token.reshape(len(records), -1).gather(1, order)

        ended = token == rules.eos
        answers = ended & (values > -math.inf)
        answers[:, beam:] = False
        penalised = rules.penalised(values, length)
        _collect(found, records[answers.nonzero()[:, 0]], ids[rows[answers]], penalised[answers])
        count = count + answers.sum(1)
        best = torch.maximum(best, penalised.masked_fill(~answers, -math.inf).amax(1))

        order = ended.byte().argsort(dim=1, stable=True)[:, :beam]
        total = values.masked_fill(ended, -math.inf).gather(1, order)
        rows, token = rows.gather(1, order), token.gather(1, order)
        reachable = [rules.penalised(total[:, 0], end) for end in (length + 1, rules.limits[records] + 1)]
        done = (count >= beam) | (best >= torch.maximum(*reachable))
        kept = (~done).nonzero()[:, 0] if done.any() else None
        if kept is not None:
            records, rows, token, total = records[kept], rows[kept], token[kept], total[kept]
            best, count = best[kept], count[kept]
        tokens = token.flatten()
        ids = torch.cat([ids[rows.flatten()], tokens[:, None]], 1)
        if len(records):
            steps.select(rows.flatten(), kept)
    ranked = [sorted(answers, key=lambda answer: -answer.score)[:beam] for answers in found]
    return [answers or [Hypothesis([], -math.inf)] for answers in ranked]


def _top(scores: Tensor, n: int, block: int = 64) -> tuple[Tensor, Tensor]:
    """Return the n greatest values of each row and where they are, ties by place (topk alone leaves those open).

    They are looked for in the n + 1 blocks with the greatest maxima: several times as fast as topk over all."""
    blocks = scores.shape[1] // block
    index = torch.arange(scores.shape[1], device=scores.device).expand(scores.shape)
    if blocks > n + 1:
        best = scores[:, : blocks * block].unflatten(1, (blocks, block)).amax(2).topk(n + 1)[1]
        inside = (best[:, :, None] * block + torch.arange(block, device=scores.device)).flatten(1)
        index = torch.cat([inside, index[:, blocks * block :]], 1)
    values, order = scores.gather(1, index).topk(min(n + 1, index.shape[1]))
    index = index.gather(1, order)
    if ((values[:, 1:] == values[:, :-1]) & (values[:, 1:] > -math.inf)).any():
        values, index = scores.sort(dim=1, descending=True, stable=True)
    return values[:, :n], index[:, :n]


def _collect(found: Found, records: Tensor, ids: Tensor, scores: Tensor) -> None:
    for record, answer, score in zip(records.tolist(), ids.tolist(), scores.tolist(), strict=True):
        found[record].append(Hypothesis(answer, score))
