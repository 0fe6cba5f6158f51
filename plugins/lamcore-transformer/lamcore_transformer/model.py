"""The encoder-decoder Transformer as a model of lamcore: it encodes, learns from and answers records."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lamcore import Answer, Decoding, Example, LamcoreError, Record
from lamcore.decode import Allowed, both, constraint, limits, search
from lamcore.model import evaluating
from lamcore_transformer import layers
from lamcore_transformer.copy import Copier

if TYPE_CHECKING:
    from lamcore.tokenizer import Tokenizer
    from lamcore_transformer import Transformer

log = logging.getLogger("lamcore")

ROUND = 2
"""Lengths are padded to multiples of this: few shapes (a library may prepare code for each), little padding."""
ROOM = 32
"""Places by which the cache of a search grows."""


class TransformerModel(nn.Module):
    """Text in, text out; `settings` are those of the architecture, `attention` makes each layer's self-attention."""

    def __init__(
        self,
        settings: Transformer,
        tokenizer: Mapping[str, Tokenizer],
        attention: layers.MakeAttention = layers.SelfAttention,
    ):
        super().__init__()
        self.settings = settings
        self.source_tokenizer, self.target_tokenizer = tokenizer["input"], tokenizer["target"]
        self.told: set[str] = set()  # columns whose cut texts were warned of
        joint = settings.tie and self.source_tokenizer is self.target_tokenizer
        self.target_embedding = nn.Embedding(self.target_tokenizer.size, settings.width)
        self.source_embedding = None if joint else nn.Embedding(self.source_tokenizer.size, settings.width)
        self.output = None if settings.tie else nn.Linear(settings.width, self.target_tokenizer.size, bias=False)
        self.source_places, self.target_places = self._places(), self._places()
        last = settings.place.value == "pre"
        self.encoder = layers.Stack(
            self._layers(layers.EncoderLayer, settings.layers, attention), self._norm() if last else None
        )
        depth = settings.decoder_layers or settings.layers
        self.decoder = layers.Stack(self._layers(layers.DecoderLayer, depth, attention), self._norm() if last else None)
        self.copier = self._copier() if settings.copy else None
        for module in list(self.modules()) if settings.adapter else ():
            if isinstance(module, layers.FeedForward):
                module.adapter = layers.Adapter(settings.width, settings.adapter)
        self.reset_parameters()

    def _layers(self, kind: type[nn.Module], depth: int, attention: layers.MakeAttention) -> list[nn.Module]:
        s = self.settings
        shape = (s.width, s.heads, s.feed_forward, s.activation.value, s.norm.value, s.place.value, s.dropout)
        return [kind(*shape, attention) for _ in range(depth)]

    def _norm(self) -> nn.Module:
        return layers.make_norm(self.settings.norm.value, self.settings.width)

    def _places(self) -> nn.Embedding | None:
        s = self.settings
        return nn.Embedding(s.max_length, s.width) if s.positions.value == "learned" else None

    def _copier(self) -> Copier:
        if self.source_tokenizer is not self.target_tokenizer:
            raise LamcoreError(
                "architecture.copy=true needs one vocabulary for input and target: tokenizer.joint=true."
            )
        return Copier(self.settings.width, self.target_tokenizer.pad)

    def reset_parameters(self) -> None:
        """Draw new weights: Xavier for products (each part of a fused one by itself), width**-0.5 for embeddings.

        Embeddings are multiplied by sqrt(width) when read, so tokens enter with variance 1 and leave as scores of it.
        """
        for name, weight in self.named_parameters():
            if name.endswith(("bias", "adapter.up.weight")):
                nn.init.zeros_(weight)
            elif "embedding" in name or "places" in name or name.startswith("output"):
                nn.init.normal_(weight, std=self.settings.width**-0.5)
            elif weight.ndim == 2:
                width = self.settings.width
                parts = max(1, len(weight) // width) if "attention" in name or "cross" in name else 1
                for part in weight.chunk(parts):
                    nn.init.xavier_uniform_(part)

    # ------------------------------------------------------------------------------------- records to tensors

    def encode(self, records: list[Record]) -> list[Example]:
        """Return `source` and `target`, token ids that close with the end mark, cut to max_length.

        Where records have a column `prefix`, also its ids: what the answer has to begin with."""
        sources = self._ids(self.source_tokenizer, "input", records)
        targets = self._ids(self.target_tokenizer, "target", records)
        examples: list[Example] = [
            {"source": source, "target": target, "size": (len(source), len(target))}
            for source, target in zip(sources, targets, strict=True)
        ]
        if any("prefix" in record for record in records):
            for record, example in zip(records, examples, strict=True):
                example["prefix"] = self._prefix(record)
        return examples

    def _prefix(self, record: Record) -> np.ndarray:
        (ids,) = self.target_tokenizer.encode([record.get("prefix") or ""])
        if self.target_tokenizer.unk in ids:
            what = f"Record {record.get('id')!r}: the prefix {record['prefix']!r} holds characters"
            raise LamcoreError(f"{what} that stand in no target of the train split; leave them out.")
        return np.array(ids, dtype=np.int32)

    def _ids(self, tokenizer: Tokenizer, column: str, records: list[Record]) -> list[np.ndarray]:
        most, pieces = self.settings.max_length - 1, tokenizer.encode([record[column] for record in records])
        long = [record.get("id") for record, ids in zip(records, pieces, strict=True) if len(ids) > most]
        if long and column not in self.told:
            self.told.add(column)
            what = "the %s of record %r is cut to %d pieces, maybe others too - raise architecture.max_length"
            log.warning(what, column, long[0], most)
        return [np.array([*ids[:most], tokenizer.eos], dtype=np.int32) for ids in pieces]

    def collate(self, examples: list[Example]) -> dict[str, Tensor]:
        """Pad to `source` (B, S), `target` (B, T) and, where there is one, `prefix` (B, P), with -1."""
        pads = {"source": self.source_tokenizer.pad, "target": self.target_tokenizer.pad, "prefix": -1}
        return {name: _pad([example[name] for example in examples], pads[name]) for name in pads if name in examples[0]}

    # ------------------------------------------------------------------------------------------------ learning

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return each record's summed loss and its number of target tokens, the end mark included.

        Labels are smoothed in training only, so that validation losses (and their exponent, perplexity) compare.
        """
        target, pad = batch["target"], self.target_tokenizer.pad
        memory, memory_mask = self._read(batch["source"])
        hidden = self._decode(target, memory, memory_mask)
        smoothing = self.settings.label_smoothing if self.training else 0.0
        if self.copier is not None:
            losses = self.copier.losses(hidden, memory, batch["source"], self._writer(), target, smoothing)
            return losses.sum(1), (target != pad).sum(1)
        losses = layers.chunked_loss(hidden.flatten(0, 1), self._writer(), target.flatten(), smoothing, pad)
        return losses.view(target.shape).sum(1), (target != pad).sum(1)

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the scores of each target token's place, before softmax: (B, T, V)."""
        memory, memory_mask = self._read(batch["source"])
        hidden = self._decode(batch["target"], memory, memory_mask)
        scores = F.linear(hidden, self._writer())
        if self.copier is None:
            return scores
        return self.copier.log_probs(hidden, self.copier.key(memory), batch["source"], scores)

    def _decode(self, target: Tensor, memory: Tensor, memory_mask: Tensor | None) -> Tensor:
        """Return what the decoder makes of each place of the target, given the places before: (B, T, D)."""
        before = F.pad(target[:, :-1], (1, 0), value=self.target_tokenizer.bos)
        x, turn = self._embed(before, self.target_embedding, self.target_places)
        ahead = torch.full((target.shape[1], target.shape[1]), -torch.inf, device=target.device).triu_(1)
        return self.decoder(x, memory, ahead, memory_mask, turn)

    def _read(self, source: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the encoded source (B, S, D) and the mask of its padding, (B, 1, 1, S) or None where there is none."""
        padding = source == self.source_tokenizer.pad
        mask = None
        if padding.any():
            mask = torch.zeros(padding.shape, device=source.device).masked_fill_(padding, -torch.inf)[:, None, None]
        x, turn = self._embed(source, self.source_embedding or self.target_embedding, self.source_places)
        return self.encoder(x, mask, turn), mask

    def _embed(
        self, ids: Tensor, embedding: nn.Embedding, places: nn.Embedding | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Return the embedded tokens (B, T, D), and the turn of rotary positions."""
        vectors = embedding(ids)
        place, turn = self._positions(0, ids.shape[1], places, ids.device)
        root = self.settings.width**0.5
        x = vectors * root if place is None else torch.add(place.to(vectors.dtype), vectors, alpha=root)
        return layers.dropout(x, self.settings.dropout, self.training), turn

    def _positions(
        self, start: int, stop: int, places: nn.Embedding | None, device: torch.device
    ) -> tuple[Tensor | None, tuple[Tensor, Tensor] | None]:
        """Return vectors to add to the tokens at start..stop, or the turn of their heads; padding may lie beyond."""
        s = self.settings
        beyond = max(0, stop - s.max_length)
        if places is not None:
            return F.pad(places.weight, (0, 0, 0, beyond))[start:stop] * s.width**0.5, None
        if s.positions.value == "sinusoidal":
            return layers.sinusoids(s.max_length + beyond, s.width, device)[start:stop], None
        cosine, sine = layers.rotary(s.max_length + beyond, s.width // s.heads, device)
        return None, (cosine[start:stop], sine[start:stop])

    def _writer(self) -> Tensor:
        """Return the matrix that turns a hidden vector into scores, (V, D)."""
        return (self.output or self.target_embedding).weight

    # ----------------------------------------------------------------------------------------------- answering

    @torch.inference_mode()
    def predict(self, batch: dict[str, Tensor], decoding: Decoding) -> list[Answer]:
        """Return one {"target", "score"} a record, with `alternatives` (more such, itself the first) if n_best > 1.

        A score is the log probability over its length penalty."""
        if self.training:
            with evaluating(self):
                return self.predict(batch, decoding)
        source, tokenizer = batch["source"], self.target_tokenizer
        memory, mask = self._read(source)
        prefix = batch.get("prefix", source.new_zeros(len(source), 0))
        most = limits((source != self.source_tokenizer.pad).sum(1) - 1, decoding) + (prefix >= 0).sum(1)
        most = most.clamp(max=self.settings.max_length - 1)
        marks: dict[str, Any] = {"bos": tokenizer.bos, "eos": tokenizer.eos}
        marks["never"] = (tokenizer.pad, tokenizer.unk, tokenizer.bos)
        allowed = self._allowed(source, prefix, most, decoding.copy) if decoding.copy or prefix.shape[1] else None
        allowed = both(decoding.rules(tokenizer, most) if decoding.rules else None, allowed)
        keys = [[i for i in row if i != self.source_tokenizer.pad] for row in source.tolist()]
        found = search(_Steps(self, source, memory, mask), most, decoding, allowed=allowed, keys=keys, **marks)
        texts = iter(tokenizer.decode([answer.ids for answers in found for answer in answers]))
        ranked = [[{"target": next(texts), "score": answer.score} for answer in answers] for answers in found]
        return [{**best[0], "alternatives": best} if decoding.n_best > 1 else best[0] for best in ranked]

    def _allowed(self, source: Tensor, prefix: Tensor, most: Tensor, copied: list[str]) -> Allowed:
        """Return what has answers begin with their prefix, and hold each symbol to copy as often as the input does."""
        read, write = (
            source.new_tensor([_piece(tokenizer, symbol) for symbol in copied])
            for tokenizer in (self.source_tokenizer, self.target_tokenizer)
        )
        counts = (source[:, :, None] == read).sum(1)
        return constraint(most, self.target_tokenizer.size, self.target_tokenizer.eos, prefix, write, counts)


def _piece(tokenizer: Tokenizer, symbol: str) -> int:
    (ids,) = tokenizer.encode([symbol])
    if len(ids) != 1 or ids[0] == tokenizer.unk:
        raise LamcoreError(f"decoding.copy: {symbol!r} is no single piece of the vocabulary; see tokenizer.symbols.")
    return ids[0]


class _Steps:
    """Answers half-way: what the decoder remembers of the inputs, and of the tokens that it has written.

    Those stay where they are: a row of a beam finds its own among those of its record by `seen`."""

    def __init__(self, model: TransformerModel, source: Tensor, memory: Tensor, mask: Tensor | None):
        self.model, self.heads = model, model.settings.heads
        self.layers: list[Any] = list(model.decoder.layers)
        self.inputs = torch.stack([layer.cross.remember(memory) for layer in self.layers])  # (L, 2, R*H, S, d)
        self.mask = None if mask is None else mask.squeeze(1).repeat_interleave(self.heads, 0)  # (R*H, 1, S)
        self.source = source
        self.keys = None if model.copier is None else model.copier.key(memory)
        """What the copier looks at, (R, S, D)."""
        self.cache = self.inputs[:, :, :, :0]  # (L, 2, R*H, room, d)
        self.times: list[int] = []
        """Place in its answer of each token of a record in the cache."""
        self.seen: Tensor | None = None
        """Which of them each row continues, (R, W, written), 0 or -inf; None: all."""
        self.length = 0

    def step(self, tokens: Tensor) -> Tensor:
        model, records = self.model, self.inputs.shape[2] // self.heads
        x = model.target_embedding(tokens.view(records, -1)) * model.settings.width**0.5  # (R, W, D)
        place, turn = model._positions(self.length, self.length + 1, model.target_places, tokens.device)
        x = x if place is None else x + place.to(x.dtype)
        seen = self._write(x)
        for layer, inputs, cache in zip(self.layers, self.inputs, self.cache, strict=True):
            x = layer.step(x, inputs, self.mask, cache, self.times, seen, turn)
        x = model.decoder.last(x)
        scores = F.linear(x, model._writer())
        if model.copier is not None and self.keys is not None:
            scores = model.copier.log_probs(x, self.keys, self.source, scores)
        return scores.flatten(0, 1)

    def _write(self, x: Tensor) -> Tensor | None:
        """Make room for a token a row; return `seen` for each head, (R*H, W, written), or None."""
        width = x.shape[1]
        self.times += [self.length] * width
        self.length += 1
        if len(self.times) > self.cache.shape[3]:
            self.cache = F.pad(self.cache, (0, 0, 0, ROOM * width))
        if self.seen is None:
            return None
        own = torch.full((width, width), -torch.inf, device=x.device, dtype=x.dtype).fill_diagonal_(0)
        self.seen = torch.cat([self.seen, own.expand(len(x), -1, -1)], 2)
        return self.seen[:, None].expand(-1, self.heads, -1, -1).flatten(0, 1)

    def select(self, rows: Tensor, records: Tensor | None) -> None:
        old = self.inputs.shape[2] // self.heads
        new = old if records is None else len(records)
        if self.seen is None and len(rows) > new:
            self.seen = self.cache.new_zeros(old, 1, len(self.times))
        if self.seen is not None:
            self.seen = self.seen.flatten(0, 1).index_select(0, rows).unflatten(0, (new, -1))
        if records is not None:
            places = (records[:, None] * self.heads + torch.arange(self.heads, device=records.device)).flatten()
            self.inputs, self.cache = self.inputs.index_select(2, places), self.cache.index_select(2, places)
            self.mask = None if self.mask is None else self.mask.index_select(0, places)
            self.source = self.source.index_select(0, records)
            self.keys = None if self.keys is None else self.keys.index_select(0, records)


def _pad(rows: list[np.ndarray], pad: int) -> Tensor:
    length = max(len(row) for row in rows)
    padded = np.full((len(rows), -(-length // ROUND) * ROUND), pad, dtype=np.int64)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(padded)
