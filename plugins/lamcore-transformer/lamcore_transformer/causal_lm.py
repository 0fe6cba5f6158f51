"""The decoder-only Transformer as a model of lamcore: shaped as Llama, read from segments, learnt in packed rows.

- A record is `<s>` and its segments, each cut into pieces by itself: what is learnt is told by segments, not by text
- After a run of trained segments the end mark is learnt, and not read: what follows a run is as if it was not there
- A batch is one row without padding; attention stays inside each record, and places begin anew in each
- Scores, and the last layer's feed-forward, are computed at trained places alone

Sizes: B records, N tokens of all of them, T tokens of the longest, K trained places, D width, H query heads, G heads
of keys and values, d = D / H, V vocabulary; in a search R records, W rows a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lamcore import Answer, Decoding, Example, LamcoreError, Record
from lamcore.decode import Allowed, both, constraint, limits, search
from lamcore.model import evaluating
from lamcore_transformer import layers
from lamcore_transformer.model import ROOM, _piece

if TYPE_CHECKING:
    from lamcore.tokenizer import Tokenizer
    from lamcore_transformer import CausalLm

NOTHING = -1
"""The label of a place at which nothing is learnt, and what prompts are filled up with."""


class Piece(NamedTuple):
    """A part of a record: its tokens, and whether it is learnt (True), only read (False) or a mark (None)."""

    ids: list[int]
    train: bool | None


class Pack:
    """Where the tokens of a batch, one row of N, stand among the places of its records, (B, T) with padding.

    `grid` (B, T) is the number of the token at each place, `spots` (N,) the place of each token among the B*T."""

    def __init__(self, grid: Tensor, spots: Tensor, s: CausalLm):
        (B, T), heads, groups = grid.shape, s.heads, s.key_value_heads
        every = torch.arange(heads + 2 * groups, device=grid.device)
        kinds = every.split([heads, groups, groups])  # queries, keys, values
        self.shape, self.queries, self.turned = (-1, T, s.width // heads), B * heads, B * (heads + groups)
        self.into = torch.cat([(grid[:, None] * len(every) + kind[:, None]).flatten() for kind in kinds])
        """Which of the N*(H+2G) heads stands at each place, first B*H*T queries, then B*G*T keys, then values."""
        row, place, start = spots[:, None] // T, spots[:, None] % T, [0, self.queries, self.turned]
        where = [first + row * len(kind) + (kind - kind[0]) for first, kind in zip(start, kinds, strict=True)]
        self.back = torch.cat(where, 1) * T + place
        """The place of each of those heads, (N, H+2G)."""
        cosine, sine = layers.rotary(s.max_length, s.width // heads, grid.device)
        self.turn = cosine[:T], sine[:T]
        self.ahead = torch.full((T, T), -torch.inf, device=grid.device).triu_(1).repeat(heads // groups, 1)
        """What hides tokens ahead from the queries of one key/value head, (H/G*T, T)."""


class _Spread(torch.autograd.Function):
    """Put heads (N*(H+2G), d) to their places and turn queries and keys: (B*H, T, d), and (2*B*G, T, d) beside.

    What stands in padding has no gradient, so the gradient of each head is read from its place alone."""

    @staticmethod
    def forward(ctx: Any, heads: Tensor, pack: Pack) -> tuple[Tensor, Tensor]:
        ctx.pack, rows = pack, heads.index_select(0, pack.into).view(pack.shape)
        _turn(rows[: pack.turned], *pack.turn)
        return rows[: pack.queries], rows[pack.queries :]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, query: Tensor, memory: Tensor) -> tuple[Tensor, None]:
        pack, rows = ctx.pack, torch.cat([query, memory])
        _turn(rows[: pack.turned], pack.turn[0], -pack.turn[1])
        return rows.flatten(0, 1).index_select(0, pack.back.flatten()), None


def _turn(x: Tensor, cosine: Tensor, sine: Tensor) -> None:
    """Do to x (..., T, d) in place what `layers.rotate` does."""
    first, second = x.chunk(2, -1)
    cosine, sine = (part[:, : part.shape[1] // 2].to(x.dtype) for part in (cosine, sine))
    moved = second * sine
    second.mul_(cosine).addcmul_(first, sine)
    first.mul_(cosine).sub_(moved)


class GroupedAttention(nn.Module):
    """Each token looks at itself and those before it; several queries share a key and value (Ainslie et al. 2023)."""

    def __init__(self, width: int, heads: int, groups: int, rate: float):
        super().__init__()
        self.heads, self.groups, self.width, self.rate = heads, groups, width // heads, rate
        self.inward = nn.Linear(width, (heads + 2 * groups) * self.width, bias=False)
        self.outward = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, pack: Pack, kept: list[Tensor] | None = None) -> Tensor:
        """Map (N, D) to (N, D); keys and values, (2, B*G, T, d), are added to `kept`."""
        query, memory = _Spread.apply(self.inward(x).view(-1, self.width), pack)
        memory = memory.unflatten(0, (2, -1))  # (2, B*G, T, d)
        if kept is not None:
            kept.append(memory)
        query = query.view(1, memory.shape[1], -1, self.width)  # (1, B*G, H/G*T, d)
        rate = self.rate if self.training else 0.0
        mixed = layers.mix(query, memory, self.groups, pack.ahead, rate).reshape(-1, self.width)
        return self.outward(mixed.index_select(0, pack.back[:, : self.heads].flatten()).view(len(x), -1))

    def step(self, x: Tensor, cache: Tensor, written: int, seen: Tensor | None, turn: tuple[Tensor, Tensor]) -> Tensor:
        """Map the newest token of each row, (R, W, D), to (R, W, D).

        `cache` (2, R*G, room, d) holds keys and values, of which the first `written` are in use; the last W of them are
        set to those of x. `seen` (R, 1, H/G*W, written), 0 or -inf, says which each row continues; None: all. `turn`
        is that of each record's place, (R, 1, 1, d)."""
        R, W, _ = x.shape
        packed = self.inward(x).unflatten(2, (-1, self.width)).transpose(1, 2)  # (R, H+2G, W, d)
        query, keys, values = packed.split([self.heads, self.groups, self.groups], 1)
        query, keys = layers.rotate(query, turn), layers.rotate(keys, turn)
        cache[:, :, written - W : written] = torch.stack([keys, values]).flatten(1, 2)
        query = query.reshape(1, R * self.groups, -1, self.width)
        mixed = layers.mix(query, cache[:, :, :written], self.groups, seen)  # (R*G, H/G*W, d)
        return self.outward(mixed.reshape(R, self.heads, W, -1).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention and a gated feed-forward (swiglu, Shazeer 2020), each after an rms norm; no biases."""

    def __init__(self, s: CausalLm):
        super().__init__()
        self.attention = GroupedAttention(s.width, s.heads, s.key_value_heads, s.dropout)
        self.feed_forward = layers.FeedForward(s.width, s.feed_forward, "swiglu", s.dropout, bias=False)
        self.around_attention = layers.Residual(s.width, "rms", "pre", s.dropout)
        self.around_feed_forward = layers.Residual(s.width, "rms", "pre", s.dropout)

    def forward(self, x: Tensor, pack: Pack, places: Tensor | None = None, kept: list[Tensor] | None = None) -> Tensor:
        """Map (N, D) to (N, D), or to (K, D), the vectors at `places` (K,)."""
        x = self.around_attention(x, lambda y: self.attention(y, pack, kept))
        x = x if places is None else x.index_select(0, places)
        return self.around_feed_forward(x, self.feed_forward)

    def step(self, x: Tensor, *context: Any) -> Tensor:
        """Map (R, W, D) to (R, W, D); see `GroupedAttention.step`."""
        x = self.around_attention(x, lambda y: self.attention.step(y, *context))
        return self.around_feed_forward(x, self.feed_forward)


class CausalLmModel(nn.Module):
    """Segments in, the last trained one out; `settings` are those of the architecture."""

    def __init__(self, settings: CausalLm, tokenizer: Mapping[str, Tokenizer]):
        super().__init__()
        self.settings, self.tokenizer = settings, tokenizer["target"]
        if tokenizer["input"] is not self.tokenizer:
            raise LamcoreError("causal_lm reads and writes one row of tokens: set tokenizer.joint=true.")
        self.embedding = nn.Embedding(self.tokenizer.size, settings.width)
        self.output = None if settings.tie else nn.Linear(settings.width, self.tokenizer.size, bias=False)
        self.layers: Any = nn.ModuleList(Layer(settings) for _ in range(settings.layers))
        self.last = layers.make_norm("rms", settings.width)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights: normal, of deviation inputs**-0.5; what is added to the residual (2 layers)**-0.5 of it."""
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                share = (2 * self.settings.layers) ** -0.5 if "outward" in name else 1.0
                nn.init.normal_(weight, std=share * weight.shape[1] ** -0.5)

    # ------------------------------------------------------------------------------------- records to tensors

    def encode(self, records: list[Record]) -> list[Example]:
        """Return `tokens` (n,) that are read, the `labels` (n,) learnt from them, and the `prompt` of the answer.

        A label is the token that comes next where that is learnt, the end mark after the last of a run of trained
        segments, else -1. Where records have a column `prefix`, also its ids: what the answer has to begin with."""
        texts = [_segments(record) for record in records]
        ids = iter(self.tokenizer.encode([text for parts in texts for text, train in parts if train is not None]))
        bos = [self.tokenizer.bos]
        cut = [[Piece(bos if train is None else next(ids), train) for _, train in parts] for parts in texts]
        pieces = [[piece for piece in parts if piece.ids or piece.train] for parts in cut]
        examples = [self._example(record, parts) for record, parts in zip(records, pieces, strict=True)]
        if any("prefix" in record for record in records):
            for record, example in zip(records, examples, strict=True):
                example["prefix"] = self._prefix(record)
        return examples

    def _example(self, record: Record, pieces: list[Piece]) -> Example:
        last = max(number for number, piece in enumerate(pieces) if piece.train)
        first = next(number for number in range(last, 0, -1) if not pieces[number - 1].train)
        longest = self.settings.max_length
        learnt = _cut(pieces[: last + 1], longest, keep_trained=True)
        if (most := sum(len(piece.ids) for piece in learnt)) > longest:
            what = f"Record {record.get('id')!r}: what it trains takes {most} tokens"
            raise LamcoreError(f"{what}, and architecture.max_length is {longest}: raise that, or shorten the text.")
        tokens, labels = self._row(learnt)
        prompt = _cut(pieces[:first], longest - longest // 8, keep_trained=False)
        asked = np.array([token for piece in prompt for token in piece.ids], dtype=np.int32)
        return {"tokens": tokens, "labels": labels, "prompt": asked, "size": len(tokens)}

    def _row(self, pieces: list[Piece]) -> tuple[np.ndarray, np.ndarray]:
        """Return tokens and labels (n,); a run of trained pieces is followed by the label of the end mark."""
        labels: list[int] = []
        ended = True
        for ids, train in pieces:
            if train or ended or not ids:
                labels += ids if train else [NOTHING] * len(ids)
            else:
                labels += [self.tokenizer.eos, *[NOTHING] * (len(ids) - 1)]
            ended = not train and (ended or bool(ids))
        tokens = [token for ids, _ in pieces for token in ids]
        return np.array(tokens, dtype=np.int32), np.array([*labels[1:], self.tokenizer.eos], dtype=np.int32)

    def _prefix(self, record: Record) -> np.ndarray:
        (ids,) = self.tokenizer.encode([record.get("prefix") or ""])
        if self.tokenizer.unk in ids:
            what = f"Record {record.get('id')!r}: the prefix {record['prefix']!r} holds characters"
            raise LamcoreError(f"{what} that stand in no text of the train split; leave them out.")
        return np.array(ids, dtype=np.int32)

    def collate(self, examples: list[Example]) -> dict[str, Tensor]:
        """Put records one after another, without padding, and say what is where.

        `tokens` (N,); `grid` (B, T), `spots` (N,): see `Pack`; `learnt` (K,): the trained places among the N, their
        `labels` (K,); `prompt` (B, S) and, where there is one, `prefix` (B, P), both filled up with -1."""
        grid, spots = _grid(np.array([len(example["tokens"]) for example in examples]))
        labels = np.concatenate([example["labels"] for example in examples])
        learnt = np.flatnonzero(labels != NOTHING)
        tokens = np.concatenate([example["tokens"] for example in examples])
        flat = {"tokens": tokens, "grid": grid, "spots": spots, "learnt": learnt, "labels": labels[learnt]}
        rows = {name: [example[name] for example in examples] for name in ("prompt", "prefix") if name in examples[0]}
        arrays = flat | {name: _pad(values) for name, values in rows.items()}
        return {name: torch.from_numpy(array.astype(np.int64)) for name, array in arrays.items()}

    # ------------------------------------------------------------------------------------------------ learning

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return each record's summed loss and its number of trained tokens, end marks included."""
        losses = layers.chunked_loss(self._hidden(batch), self._writer(), batch["labels"], 0.0, NOTHING)
        B, T = batch["grid"].shape
        record = batch["spots"][batch["learnt"]] // T
        return losses.new_zeros(B).index_add(0, record, losses), torch.bincount(record, minlength=B)

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the scores of each trained token's place, before softmax: (B, most trained tokens, V)."""
        scores = F.linear(self._hidden(batch), self._writer())
        B, T = batch["grid"].shape
        record = batch["spots"][batch["learnt"]] // T
        counts = torch.bincount(record, minlength=B)
        place = torch.arange(len(record), device=record.device) - (counts.cumsum(0) - counts)[record]
        return scores.new_zeros(B, int(counts.max()), scores.shape[1]).index_put((record, place), scores)

    def _hidden(self, batch: dict[str, Tensor]) -> Tensor:
        """Return what the layers make of each trained place, given the places before: (K, D)."""
        pack = Pack(batch["grid"], batch["spots"], self.settings)
        x = layers.dropout(self.embedding(batch["tokens"]), self.settings.dropout, self.training)
        for layer in self.layers:
            x = layer(x, pack, batch["learnt"] if layer is self.layers[-1] else None)
        return self.last(x)

    def _writer(self) -> Tensor:
        """Return the matrix that turns a hidden vector into scores, (V, D)."""
        return (self.output or self.embedding).weight

    # ----------------------------------------------------------------------------------------------- answering

    @torch.inference_mode()
    def predict(self, batch: dict[str, Tensor], decoding: Decoding) -> list[Answer]:
        """Return one {"target", "score"} a record, with `alternatives` (more such, itself the first) if n_best > 1.

        A score is the log probability over its length penalty. Prompt and answer have at most max_length tokens."""
        if self.training:
            with evaluating(self):
                return self.predict(batch, decoding)
        prompt, tokenizer = batch["prompt"], self.tokenizer
        lengths = (prompt >= 0).sum(1)
        prefix = batch.get("prefix", prompt.new_zeros(len(prompt), 0))
        most = limits(lengths - 1, decoding) + (prefix >= 0).sum(1)
        most = torch.minimum(most, self.settings.max_length - lengths)
        marks: dict[str, Any] = {"bos": tokenizer.bos, "eos": tokenizer.eos}
        marks["never"] = (tokenizer.pad, tokenizer.unk, tokenizer.bos)
        allowed = self._allowed(prompt, prefix, most, decoding.copy) if decoding.copy or prefix.shape[1] else None
        allowed = both(decoding.rules(tokenizer, most) if decoding.rules else None, allowed)
        keys = [row[:length] for row, length in zip(prompt.tolist(), lengths.tolist(), strict=True)]
        found = search(_Steps(self, prompt, lengths), most, decoding, allowed=allowed, keys=keys, **marks)
        texts = iter(tokenizer.decode([answer.ids for answers in found for answer in answers]))
        ranked = [[{"target": next(texts), "score": answer.score} for answer in answers] for answers in found]
        return [{**best[0], "alternatives": best} if decoding.n_best > 1 else best[0] for best in ranked]

    def _allowed(self, prompt: Tensor, prefix: Tensor, most: Tensor, copied: list[str]) -> Allowed:
        """Return what has answers begin with their prefix, and hold each symbol to copy as often as the prompt does."""
        symbols = prompt.new_tensor([_piece(self.tokenizer, symbol) for symbol in copied])
        counts = (prompt[:, :, None] == symbols).sum(1)
        return constraint(most, self.tokenizer.size, self.tokenizer.eos, prefix, symbols, counts)


class _Steps:
    """Answers half-way: keys and values of the prompts, and after them of what all rows of a record have written.

    Those stay where they are: a row of a beam finds its own among those of its record by `seen`. The last token of a
    prompt is read in the first step, in the place of the mark that `search` gives."""

    def __init__(self, model: CausalLmModel, prompt: Tensor, lengths: Tensor):
        self.model, s = model, model.settings
        self.groups, self.shared = s.key_value_heads, s.heads // s.key_value_heads
        self.turns = layers.rotary(s.max_length, s.width // s.heads, prompt.device)
        self.places = lengths - 1
        """Place of the next token of each record, (R,)."""
        self.newest: Tensor | None = prompt.gather(1, self.places[:, None])[:, 0]
        self.cache = self._read(prompt)  # (L, 2, R*G, room, d)
        self.written = self.cache.shape[3]
        hidden = torch.arange(self.written, device=prompt.device) >= self.places[:, None]
        self.seen: Tensor | None = None
        """Which of the cache each row continues, (R, W, written), 0 or -inf; None: all."""
        if hidden.any():
            self.seen = self.cache.new_zeros(hidden.shape).masked_fill_(hidden, -torch.inf)[:, None]

    def _read(self, prompt: Tensor) -> Tensor:
        """Return keys and values of each prompt but for its last token, (L, 2, R*G, longest - 1, d)."""
        model, s = self.model, self.model.settings
        longest = int(self.places.max())
        if not longest:
            return model.embedding.weight.new_zeros(s.layers, 2, len(prompt) * self.groups, 0, s.width // s.heads)
        grid, spots = (torch.from_numpy(one).to(prompt.device) for one in _grid(self.places.cpu().numpy()))
        pack, kept = Pack(grid, spots, s), list[Tensor]()
        x = model.embedding(prompt[:, :longest].flatten().index_select(0, spots))
        nowhere = spots[:0]
        for layer in model.layers:
            x = layer(x, pack, nowhere if layer is model.layers[-1] else None, kept)
        return torch.stack(kept)

    def step(self, tokens: Tensor) -> Tensor:
        if self.newest is not None:
            tokens, self.newest = self.newest, None
        model, records = self.model, len(self.places)
        x = model.embedding(tokens.view(records, -1))  # (R, W, D)
        turn = tuple(part[self.places, None, None].to(x.dtype) for part in self.turns)
        self.places = self.places + 1
        seen = self._write(x)
        for layer, cache in zip(model.layers, self.cache, strict=True):
            x = layer.step(x, cache, self.written, seen, turn)
        return F.linear(model.last(x), model._writer()).flatten(0, 1)

    def _write(self, x: Tensor) -> Tensor | None:
        """Make room for a token a row; return `seen` for the queries of a key, (R, 1, H/G*W, written), or None."""
        width = x.shape[1]
        self.written += width
        if self.written > self.cache.shape[3]:
            self.cache = F.pad(self.cache, (0, 0, 0, ROOM * width))
        if self.seen is None:
            return None
        own = torch.full((width, width), -torch.inf, device=x.device, dtype=x.dtype).fill_diagonal_(0)
        self.seen = torch.cat([self.seen, own.expand(len(x), -1, -1)], 2)
        return self.seen.repeat(1, self.shared, 1)[:, None]

    def select(self, rows: Tensor, records: Tensor | None) -> None:
        old = len(self.places)
        new = old if records is None else len(records)
        if self.seen is None and len(rows) > new:
            self.seen = self.cache.new_zeros(old, 1, self.written)
        if self.seen is not None:
            self.seen = self.seen.flatten(0, 1).index_select(0, rows).unflatten(0, (new, -1))
        if records is not None:
            heads = (records[:, None] * self.groups + torch.arange(self.groups, device=records.device)).flatten()
            self.cache, self.places = self.cache.index_select(2, heads), self.places[records]
            self.newest = None if self.newest is None else self.newest[records]


def _segments(record: Record) -> list[tuple[str, bool | None]]:
    """Return the parts of a record: `<s>`, and its segments or, where it has none, input, another `<s>` and target."""
    mark: tuple[str, None] = ("", None)
    if not (segments := record.get("segments")):
        return [mark, (record["input"], False), mark, (record["target"], True)]
    for number, one in enumerate(segments):
        if not (isinstance(one, Mapping) and isinstance(one.get("text"), str) and isinstance(one.get("train"), bool)):
            what = f"Record {record.get('id')!r}: segments[{number}] must be {{text, train}}, a text and true or false"
            raise LamcoreError(f"{what}, not {one!r}.")
    if not any(one["train"] for one in segments):
        what = f"Record {record.get('id')!r}: none of its segments is trained"
        raise LamcoreError(f"{what}; where an answer is to come, end with {{text: '', train: true}}.")
    return [mark, *((one["text"], one["train"]) for one in segments)]


def _cut(pieces: list[Piece], room: int, keep_trained: bool) -> list[Piece]:
    """Cut off the oldest text until at most `room` tokens are left; marks and, if asked, trained pieces stay.

    Of a piece after a trained one a token stays, at whose place the end of that is learnt."""
    over = max(0, sum(len(piece.ids) for piece in pieces) - room)
    made: list[Piece] = []
    for ids, train in pieces:
        stays = train is None or (train and keep_trained)
        spared = 1 if keep_trained and made and made[-1].train else 0
        cut = 0 if stays else min(over, len(ids) - spared)
        over -= cut
        made.append(Piece(ids[cut:], train))
    return made


def _grid(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `grid` (B, T) and `spots` (N,) of records of these lengths; padding is the record's last token again."""
    places = np.arange(lengths.max())
    grid = (lengths.cumsum() - lengths)[:, None] + np.minimum(places, np.maximum(lengths - 1, 0)[:, None])
    return np.minimum(grid, lengths.sum() - 1), np.flatnonzero(places < lengths[:, None])


def _pad(rows: list[np.ndarray]) -> np.ndarray:
    padded = np.full((len(rows), max(len(row) for row in rows)), NOTHING)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    return padded
