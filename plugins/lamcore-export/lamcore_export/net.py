"""The stock `transformer` by the names of its parameters, in plain torch: the contract that every export is made from.

The names and shapes of `Net`'s state are those in the model folder's weights; what `Encoder` and `Decoder` compute with
them is what other programs have to compute. Both are free of Python control flow over sizes, so they can be traced.
B records, N rows (beginnings of answers), S input tokens, t tokens written, D width, H heads, d = D / H, L layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lamcore.errors import LamcoreError, some
from lamcore.model import TrainedModel
from lamcore.plugins import Registry

PAD, BOS, EOS = 0, 2, 3
BENT: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "gelu": F.gelu, "silu": F.silu}
EPSILON = {"layer": 1e-5, "rms": 1e-6}


class SelfAttention(nn.Module):
    """`inward` makes queries, keys and values, in this order, of D numbers each; heads are d numbers side by side."""

    def __init__(self, width: int):
        super().__init__()
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)


class CrossAttention(nn.Module):
    """`memory` makes keys and values, in this order, of what the encoder gives."""

    def __init__(self, width: int):
        super().__init__()
        self.query, self.memory, self.outward = (nn.Linear(width, size) for size in (width, 2 * width, width))


class FeedForward(nn.Module):
    """Two products with an activation between them; of `swiglu` the first half is bent and multiplies the second."""

    def __init__(self, width: int, inner: int, activation: str):
        super().__init__()
        self.activation = activation
        self.inward, self.outward = nn.Linear(width, inner * (1 + (activation == "swiglu"))), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inward(x)
        if self.activation == "swiglu":
            gate, x = x.chunk(2, -1)
            return self.outward(F.silu(gate) * x)
        return self.outward(BENT[self.activation](x))


class Residual(nn.Module):
    """The norm around a part of a layer: x + part(norm(x)) where `place` is pre, norm(x + part(x)) where it is post."""

    def __init__(self, width: int, norm: str, place: str):
        super().__init__()
        self.norm, self.first = make_norm(norm, width), place == "pre"

    def before(self, x: Tensor) -> Tensor:
        """Return what the part gets."""
        return self.norm(x) if self.first else x

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        """Return what follows from x and what the part made of it."""
        return x + y if self.first else self.norm(x + y)


def make_norm(kind: str, width: int) -> nn.Module:
    """Return the norm of that kind, with the epsilon that `transformer` has."""
    return nn.RMSNorm(width, EPSILON[kind]) if kind == "rms" else nn.LayerNorm(width, EPSILON[kind])


class Layer(nn.Module):
    """A layer of the encoder, or with `cross` of the decoder."""

    def __init__(self, s: Any, cross: bool):
        super().__init__()
        self.attention = SelfAttention(s.width)
        self.feed_forward = FeedForward(s.width, s.feed_forward, s.activation.value)
        if cross:
            self.cross = CrossAttention(s.width)
            self.around_cross = Residual(s.width, s.norm.value, s.place.value)
        self.around_attention = Residual(s.width, s.norm.value, s.place.value)
        self.around_feed_forward = Residual(s.width, s.norm.value, s.place.value)


class Stack(nn.Module):
    """Layers, and the norm after the last of them where norms come first."""

    def __init__(self, s: Any, depth: int, cross: bool):
        super().__init__()
        self.layers = nn.ModuleList(Layer(s, cross) for _ in range(depth))
        self.last = make_norm(s.norm.value, s.width) if s.place.value == "pre" else nn.Identity()


class Net(nn.Module):
    """Every parameter of a `transformer` under its name; `settings` are the architecture's, sizes of vocabularies."""

    def __init__(self, settings: Any, source_size: int, target_size: int, joint: bool):
        super().__init__()
        s = self.settings = settings
        self.joint = joint
        self.target_embedding = nn.Embedding(target_size, s.width)
        self.source_embedding = None if joint and s.tie else nn.Embedding(source_size, s.width)
        self.output = None if s.tie else nn.Linear(s.width, target_size, bias=False)
        learned = s.positions.value == "learned"
        self.source_places = nn.Embedding(s.max_length, s.width) if learned else None
        self.target_places = nn.Embedding(s.max_length, s.width) if learned else None
        self.encoder = Stack(s, s.layers, cross=False)
        self.decoder = Stack(s, s.decoder_layers or s.layers, cross=True)

    def embedding(self) -> Tensor:
        """Return the matrix that input tokens are read from, (V, D)."""
        return (self.source_embedding or self.target_embedding).weight

    def writer(self) -> Tensor:
        """Return the matrix that makes scores, (V, D)."""
        return (self.output or self.target_embedding).weight

    def places(self, learned: nn.Embedding | None) -> Tensor:
        """Return what is added to the tokens at each place, (max_length, D): zeros where positions are rotary."""
        s = self.settings
        if learned is not None:
            return learned.weight.detach() * math.sqrt(s.width)
        if s.positions.value == "rotary":
            return torch.zeros(s.max_length, s.width)
        angles = _angles(s.max_length, s.width)
        return torch.cat([angles.sin(), angles.cos()], 1)

    def turns(self) -> tuple[Tensor, Tensor] | None:
        """Return cosine and sine of the angle of each place where positions are rotary, (max_length, d) each."""
        s = self.settings
        if s.positions.value != "rotary":
            return None
        angles = _angles(s.max_length, s.width // s.heads).repeat(1, 2)
        return angles.cos(), angles.sin()


def _angles(length: int, width: int) -> Tensor:
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    return torch.arange(length)[:, None] * rates


class _Half(nn.Module):
    """What encoder and decoder share: reading tokens, and attention."""

    def __init__(self, net: Net, embedding: Tensor, places: nn.Embedding | None):
        super().__init__()
        self.heads, self.root = net.settings.heads, math.sqrt(net.settings.width)
        self.embedding = nn.Parameter(embedding.detach(), requires_grad=False)
        self.places: Tensor
        self.register_buffer("places", net.places(places))
        self.turns = net.turns()

    def read(self, tokens: Tensor, start: Any, stop: Any) -> Tensor:
        """Return tokens (B, stop - start) as vectors (B, stop - start, D)."""
        return F.embedding(tokens, self.embedding) * self.root + self.places[start:stop]

    def turn(self, x: Tensor, start: Any, stop: Any) -> Tensor:
        """Turn queries or keys (B, H, T, d) by their place where positions are rotary (Su et al. 2021)."""
        if self.turns is None:
            return x
        cosine, sine = (angles[start:stop] for angles in self.turns)
        first, second = x.chunk(2, -1)
        return x * cosine + torch.cat([-second, first], -1) * sine

    def split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Cut (B, T, parts * D) into `parts` tensors (B, H, T, d)."""
        return tuple(one.unflatten(2, (self.heads, -1)).transpose(1, 2) for one in x.chunk(parts, -1))

    def attend(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """Return softmax(q k' / sqrt(d) + mask) v of each head, side by side: (B, T, D)."""
        scores = query @ keys.transpose(2, 3) / math.sqrt(query.shape[-1])
        scores = scores if mask is None else scores + mask
        return (scores.softmax(-1) @ values).transpose(1, 2).flatten(2)


def padding(source: Tensor) -> Tensor:
    """Return what hides padding, (B, 1, 1, S): 0 at a token, -inf beside them."""
    return torch.zeros(source.shape).masked_fill(source == PAD, -math.inf)[:, None, None]


class Encoder(_Half):
    """Input tokens (B, S), each row closed by </s> and then padded, to keys and values of each decoder layer."""

    def __init__(self, net: Net):
        super().__init__(net, net.embedding(), net.source_places)
        self.layers: Any = net.encoder.layers
        self.last = net.encoder.last
        of_decoder: Any = net.decoder.layers
        self.memory = nn.ModuleList(layer.cross.memory for layer in of_decoder)

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Return `memory_keys` and `memory_values`, (L, B, H, S, d) each."""
        length, mask = source.shape[1], padding(source)
        x = self.read(source, 0, length)
        for layer in self.layers:
            query, keys, values = self.split(layer.attention.inward(layer.around_attention.before(x)), 3)
            query, keys = self.turn(query, 0, length), self.turn(keys, 0, length)
            x = layer.around_attention.after(x, layer.attention.outward(self.attend(query, keys, values, mask)))
            x = layer.around_feed_forward.after(x, layer.feed_forward(layer.around_feed_forward.before(x)))
        pairs = [self.split(linear(self.last(x)), 2) for linear in self.memory]
        return torch.stack([pair[0] for pair in pairs]), torch.stack([pair[1] for pair in pairs])


class Decoder(_Half):
    """One step: the newest token of each row, given what the encoder made and what this made of the tokens before."""

    def __init__(self, net: Net):
        super().__init__(net, net.target_embedding.weight, net.target_places)
        self.layers: Any = net.decoder.layers
        self.last = net.decoder.last
        self.writer = None if net.output is None else nn.Parameter(net.output.weight.detach(), requires_grad=False)

    def forward(
        self, tokens: Tensor, source: Tensor, memory_keys: Tensor, memory_values: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return `logits` (N, V) and the longer `keys` and `values`, (L, N, H, t + 1, d) each; tokens are (N,).

        At the first step tokens are <s>, and keys and values are empty: t = 0."""
        place, mask = keys.shape[3], padding(source)
        x = self.read(tokens[:, None], place, place + 1)
        longer: list[tuple[Tensor, Tensor]] = []
        for number, layer in enumerate(self.layers):
            query, key, value = self.split(layer.attention.inward(layer.around_attention.before(x)), 3)
            query, key = self.turn(query, place, place + 1), self.turn(key, place, place + 1)
            pair = torch.cat([keys[number], key], 2), torch.cat([values[number], value], 2)
            longer.append(pair)
            x = layer.around_attention.after(x, layer.attention.outward(self.attend(query, *pair, None)))
            (query,) = self.split(layer.cross.query(layer.around_cross.before(x)), 1)
            seen = self.attend(query, memory_keys[number], memory_values[number], mask)
            x = layer.around_cross.after(x, layer.cross.outward(seen))
            x = layer.around_feed_forward.after(x, layer.feed_forward(layer.around_feed_forward.before(x)))
        logits = F.linear(self.last(x)[:, 0], self.embedding if self.writer is None else self.writer)
        return logits, torch.stack([pair[0] for pair in longer]), torch.stack([pair[1] for pair in longer])


def net_of(registry: Registry, run: Path, trained: TrainedModel) -> Net:
    """Return the net of a run's model, or raise LamcoreError where it is another architecture than `transformer`."""
    architecture = trained.parts.architecture
    name = registry.name_of(architecture)
    if name.rpartition(":")[2] != "transformer":
        raise LamcoreError(f"{run} has the architecture {name!r}; lam export knows `transformer` and `causal_lm`.")
    if getattr(architecture, "copy", False):
        raise LamcoreError(f"{run} has architecture.copy=true, which no exported format can carry: use lam predict.")
    source, target = trained.tokenizer["input"], trained.tokenizer["target"]
    net = Net(architecture, source.size, target.size, source is target)
    held, wanted = shapes(trained.model.state_dict()), shapes(net.state_dict())
    if odd := sorted({one for one, _ in held.items() ^ wanted.items()}):
        raise LamcoreError(f"{run} can't be exported: of its weights {some(odd)} are not as `transformer` names them.")
    net.load_state_dict(trained.model.state_dict())
    return net.eval().requires_grad_(False)


def shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def sample(net: Net) -> dict[str, Tensor]:
    """Return a batch to compare scores on: `source` (4, S) and `target` (4, T), padded, always the same."""
    chance = torch.Generator().manual_seed(1)
    batch = {}
    for name, rows, lengths in (
        ("source", len(net.embedding()), (9, 2, 7, 14)),
        ("target", len(net.target_embedding.weight), (6, 11, 1, 8)),
    ):
        lengths = tuple(min(length, net.settings.max_length - 1) for length in lengths)
        ids = torch.randint(min(EOS + 1, rows - 1), rows, (4, max(lengths) + 1), generator=chance)
        for row, length in zip(ids, lengths, strict=True):
            row[length], row[length + 1 :] = EOS, PAD
        batch[name] = ids
    return batch


def furthest(found: Tensor, wanted: Tensor, batch: Mapping[str, Tensor]) -> float:
    """Return the greatest difference of a log probability, (B, T, V) or (B, T), at the tokens of the target."""
    return (found - wanted)[batch["target"] != PAD].abs().max().item()
