"""The parts of a Transformer, to build other models from: `from lamcore_transformer import layers`.

- `dropout`, `add_dropout`: masks from random bytes, several times as fast as torch's own on a CPU
- `attend`, `mix`, `SelfAttention`, `CrossAttention`: attention over whole sequences, and over a cache token by token
- `SelfAttention.bias`, `SelfAttention.split`: what a variant overrides; layers take `attention=` to make theirs
- `FeedForward`, `EncoderLayer`, `DecoderLayer`, `Stack`: the Transformer of Vaswani et al. 2017, pre- or post-norm
- `Adapter`: a small layer for fine-tuning
- `sinusoids`, `rotary`, `rotate`: positions
- `chunked_loss`: label-smoothed cross entropy that never holds the scores of all tokens at once

Sizes: B records, S input tokens, T target tokens, D width, H heads, d = D / H, V vocabulary, N rows.
What is tuned is tuned for float32 on a CPU; everything is right on any device and in bfloat16.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# ---------------------------------------------------------------------------------------------------- dropout


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Zero a share `rate` of x and scale up the rest (Srivastava et al. 2014)."""
    if not training or rate == 0:
        return x
    return x * keep_mask(x, rate) if x.device.type == "cpu" else F.dropout(x, rate)


def add_dropout(residual: Tensor, x: Tensor, rate: float, training: bool) -> Tensor:
    """Return residual + dropout(x), in one pass over memory."""
    if not training or rate == 0:
        return residual + x
    if x.device.type != "cpu":
        return residual + F.dropout(x, rate)
    return torch.addcmul(residual, x, keep_mask(x, rate))


def keep_mask(like: Tensor, rate: float) -> Tensor:
    """Return a tensor shaped like `like`: 0 at a share `rate` (rounded to 1/256), 1 / (1 - rate) elsewhere.

    Random 64-bit words are drawn and read as eight bytes each: torch's generator is slow, one call a number is slower.
    """
    words = torch.empty((like.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    dropped = round(rate * 256)
    mask = torch.empty(like.shape, dtype=like.dtype)
    torch.ge(words.view(torch.uint8)[: like.numel()].view(like.shape), dropped, out=mask)
    return mask.mul_(256 / (256 - dropped))


# -------------------------------------------------------------------------------------------------- positions


@lru_cache(maxsize=16)
def sinusoids(length: int, width: int, device: torch.device) -> Tensor:
    """Return the positions of Vaswani et al. 2017, (length, width), sines before cosines."""
    with torch.inference_mode(False):
        angles = _angles(length, width, device)
        return torch.cat([angles.sin(), angles.cos()], 1)


@lru_cache(maxsize=16)
def rotary(length: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the angles by which `rotate` turns heads of this width, (length, width) each."""
    with torch.inference_mode(False):
        angles = _angles(length, width, device).repeat(1, 2)
        return angles.cos(), angles.sin()


def _angles(length: int, width: int, device: torch.device) -> Tensor:
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000.0) / width))
    return torch.arange(length, device=device)[:, None] * rates


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turn pairs of numbers of x (..., T, d) by their place (Su et al. 2021); `turn` is from `rotary`."""
    cosine, sine = (part.to(x.dtype) for part in turn)
    first, second = x.chunk(2, -1)
    return x * cosine + torch.cat([-second, first], -1) * sine


# -------------------------------------------------------------------------------------------------- attention


def attend(query: Tensor, memory: Tensor | None, heads: int, mask: Tensor | None, rate: float = 0.0) -> Tensor:
    """Return softmax(q k' / sqrt(d)) v for each head: (B, T, D).

    `query` is split by heads (see `split_heads`): (3, B*H, T, d) holding queries, keys and values, or (1, B*H, T, d)
    with keys and values in `memory`, (2, B*H, S, d). `mask`, 0 or -inf, is added: it broadcasts to (B, H, T, S).
    `rate` is the dropout of the attention weights.
    """
    mixed = mix(query, memory, heads, mask, rate)
    return mixed.unflatten(0, (-1, heads)).transpose(1, 2).flatten(2)  # (B, H, T, d) to (B, T, D)


def mix(query: Tensor, memory: Tensor | None, heads: int, mask: Tensor | None, rate: float = 0.0) -> Tensor:
    """Return what `attend` does, still split by heads: (B*H, T, d)."""
    if query.device.type == "cpu":
        return _Attend.apply(query, memory, heads, mask, rate)
    pair = query[1:] if memory is None else memory
    q, k, v = (part.unflatten(0, (-1, heads)) for part in (query[0], pair[0], pair[1]))
    mask = None if mask is None else mask.to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, mask, rate).flatten(0, 1)


def split_heads(packed: Tensor, parts: int, heads: int) -> Tensor:
    """Cut (B, T, parts*D) into (parts, B*H, T, d), in one copy."""
    B, T, _ = packed.shape
    return packed.view(B, T, parts, heads, -1).permute(2, 0, 3, 1, 4).reshape(parts, B * heads, T, -1)


class _Attend(torch.autograd.Function):
    """Attention by three batched products, with the backward pass written out: half the copies of autograd's."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, memory: Tensor | None, heads: int, mask: Tensor | None, rate: float) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            pair = query[1:] if memory is None else memory
            scale = query.shape[-1] ** -0.5
            weights = torch.bmm(query[0], pair[0].transpose(1, 2)).mul_(scale)
            if mask is not None:
                weights.unflatten(0, (-1, heads)).add_(mask)
            weights = torch.softmax(weights, -1, out=weights)
            kept = keep_mask(weights, rate) if rate else None
            mixed = torch.bmm(weights if kept is None else weights * kept, pair[1])
        ctx.save_for_backward(query, memory, weights, kept)
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, memory, weights, kept = ctx.saved_tensors
        pair = query[1:] if memory is None else memory
        grad_query = torch.empty_like(query)
        grad_memory = None if memory is None else torch.empty_like(memory)
        grad_pair = grad_query[1:] if grad_memory is None else grad_memory
        grad = grad.contiguous()

        torch.bmm((weights if kept is None else weights * kept).transpose(1, 2), grad, out=grad_pair[1])
        slope = torch.bmm(grad, pair[1].transpose(1, 2))
        slope = slope if kept is None else slope.mul_(kept)
        slope = torch._softmax_backward_data(slope, weights, -1, weights.dtype).mul_(query.shape[-1] ** -0.5)
        torch.bmm(slope, pair[0], out=grad_query[0])
        torch.bmm(slope.transpose(1, 2), query[0], out=grad_pair[0])
        return grad_query, grad_memory, None, None, None


class SelfAttention(nn.Module):
    """Each token looks at the tokens of its own sequence; queries, keys and values are made by one product.

    Whole sequences and single steps go through `split` and `bias`: for another attention derive a class and override
    one of them.
    """

    def __init__(self, width: int, heads: int, rate: float):
        super().__init__()
        self.heads, self.rate = heads, rate
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def split(self, x: Tensor, turn: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return queries, keys and values of x (B, T, D), split by heads: (3, B*H, T, d)."""
        packed = split_heads(self.inward(x), 3, self.heads)
        return packed if turn is None else torch.cat([rotate(packed[:2], turn), packed[2:]])

    def bias(self, start: int, stop: int, device: torch.device) -> Tensor | None:
        """Return what to add to the scores of tokens start..stop for tokens 0..stop, (H, stop - start, stop) or None.

        Padding and, in the decoder, tokens ahead are hidden elsewhere."""
        return None

    def forward(self, x: Tensor, mask: Tensor | None, turn: tuple[Tensor, Tensor] | None) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        bias = self.bias(0, x.shape[1], x.device)
        if bias is not None:
            mask = bias if mask is None else mask + bias
        rate = self.rate if self.training else 0.0
        return self.outward(attend(self.split(x, turn), None, self.heads, mask, rate))

    def step(
        self, x: Tensor, cache: Tensor, times: list[int], seen: Tensor | None, turn: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Map the newest token of each row, (R, W, D), W rows a record, to (R, W, D).

        `cache` (2, R*H, room, d) holds keys and values of what all rows of a record have written, at the places `times`
        of their answers; the last W are those of x, which are added to it. `seen`, 0 or -inf, says which of them each
        row continues: (R*H, W, len(times)) or, where it is all, None.
        """
        packed = self.split(x, turn)  # (3, R*H, W, d)
        cache[:, :, len(times) - x.shape[1] : len(times)] = packed[1:]
        bias = self.bias(times[-1], times[-1] + 1, x.device)
        if bias is not None:
            bias = bias[:, :, times].repeat(len(x), 1, 1)  # (R*H, 1, len(times))
            seen = bias if seen is None else seen + bias
        return self.outward(_look_up(packed[0], cache[:, :, : len(times)], self.heads, seen))


MakeAttention = Callable[[int, int, float], SelfAttention]
"""(width, heads, dropout of the attention weights) -> the self-attention of a layer."""


def _look_up(query: Tensor, memory: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """Return what `attend` does, (R, W, D), with fewer calls: for a query that is short and learns nothing."""
    scores = torch.bmm(query, memory[0].transpose(1, 2)).mul_(query.shape[-1] ** -0.5)
    if mask is not None:
        scores += mask
    mixed = torch.bmm(torch.softmax(scores, -1), memory[1])
    return mixed.unflatten(0, (-1, heads)).transpose(1, 2).flatten(2)


class CrossAttention(nn.Module):
    """Each token of the target looks at the tokens of the input."""

    def __init__(self, width: int, heads: int, rate: float):
        super().__init__()
        self.heads, self.rate = heads, rate
        self.query, self.memory = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.outward = nn.Linear(width, width)

    def remember(self, memory: Tensor) -> Tensor:
        """Return keys and values of the encoded input (B, S, D): (2, B*H, S, d)."""
        return split_heads(self.memory(memory), 2, self.heads)

    def forward(self, x: Tensor, remembered: Tensor, mask: Tensor | None) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        query = split_heads(self.query(x), 1, self.heads)
        return self.outward(attend(query, remembered, self.heads, mask, self.rate if self.training else 0.0))

    def step(self, x: Tensor, remembered: Tensor, mask: Tensor | None) -> Tensor:
        """Map the newest token of each row, (R, W, D), W rows a record, to (R, W, D); `mask` is (R*H, 1, S)."""
        query = split_heads(self.query(x), 1, self.heads)
        return self.outward(_look_up(query[0], remembered, self.heads, mask))


# ----------------------------------------------------------------------------------------------------- layers


class Adapter(nn.Module):
    """A small layer that is put into a trained model to learn alone (Houlsby et al. 2019): x + up(relu(down(x))).

    With `up` zero, as it begins, it changes nothing."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.down, self.up = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        return x + self.up(torch.relu(self.down(x)))


class FeedForward(nn.Module):
    """Two products with something bent between them; `swiglu` multiplies by a gate (Shazeer 2020).

    A model may put an `Adapter` in the place of `adapter`, which does nothing."""

    def __init__(self, width: int, inner: int, activation: str, rate: float, bias: bool = True):
        super().__init__()
        self.activation, self.rate = activation, rate
        self.inward = nn.Linear(width, inner * (2 if activation == "swiglu" else 1), bias=bias)
        self.outward = nn.Linear(inner, width, bias=bias)
        self.adapter: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        return self.adapter(self.outward(dropout(self._bend(self.inward(x)), self.rate, self.training)))

    def _bend(self, x: Tensor) -> Tensor:
        if self.activation == "swiglu":
            gate, x = x.chunk(2, -1)
            return F.silu(gate) * x
        return {"relu": torch.relu, "gelu": F.gelu, "silu": F.silu}[self.activation](x)


class Residual(nn.Module):
    """Norm and residual around a part of a layer: before it (Xiong et al. 2020) or after (Vaswani et al. 2017)."""

    def __init__(self, width: int, norm: str, place: str, rate: float):
        super().__init__()
        self.norm, self.first, self.rate = make_norm(norm, width), place == "pre", rate

    def forward(self, x: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        """Map x (..., D) to x + part(norm(x)), or to norm(x + part(x))."""
        if self.first:
            return add_dropout(x, part(self.norm(x)), self.rate, self.training)
        return self.norm(add_dropout(x, part(x), self.rate, self.training))


def make_norm(kind: str, width: int) -> nn.Module:
    """Return a layer norm (Ba et al. 2016) or an rms norm (Zhang and Sennrich 2019)."""
    return RmsNorm(width, eps=1e-6) if kind == "rms" else nn.LayerNorm(width)


class RmsNorm(nn.RMSNorm):
    """torch's rms norm, which for learning on a CPU is many passes over memory; here those are a third."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        if x.device.type != "cpu" or not torch.is_grad_enabled() or x.dtype != self.weight.dtype:
            return super().forward(x)
        return _RmsNorm.apply(x, self.weight, self.eps)


class _RmsNorm(torch.autograd.Function):
    """y = x r with r = (mean(x^2) + eps)^-1/2, and the result is y w; with g its gradient dx = r (g w - y mean(g w y)).

    The slope of w is the sum of g y."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        size = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = size.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        y = x * scale
        ctx.save_for_backward(y, scale, weight)
        return y * weight

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        y, scale, weight = ctx.saved_tensors
        both = (grad * y).flatten(0, -2)
        along = torch.mv(both, weight).view(scale.shape).div_(-y.shape[-1])
        return torch.addcmul(grad * weight, y, along).mul_(scale), both.sum(0), None


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward."""

    def __init__(
        self,
        width: int,
        heads: int,
        inner: int,
        activation: str,
        norm: str,
        place: str,
        rate: float,
        attention: MakeAttention = SelfAttention,
    ):
        super().__init__()
        self.attention = attention(width, heads, rate)
        self.feed_forward = FeedForward(width, inner, activation, rate)
        self.around_attention = Residual(width, norm, place, rate)
        self.around_feed_forward = Residual(width, norm, place, rate)

    def forward(self, x: Tensor, mask: Tensor | None, turn: tuple[Tensor, Tensor] | None) -> Tensor:
        """Map (B, S, D) to (B, S, D); `mask` hides padding, `turn` is from `rotary` or None."""
        x = self.around_attention(x, lambda y: self.attention(y, mask, turn))
        return self.around_feed_forward(x, self.feed_forward)


class DecoderLayer(nn.Module):
    """Self-attention to what came before, attention to the input, feed-forward."""

    def __init__(
        self,
        width: int,
        heads: int,
        inner: int,
        activation: str,
        norm: str,
        place: str,
        rate: float,
        attention: MakeAttention = SelfAttention,
    ):
        super().__init__()
        self.attention = attention(width, heads, rate)
        self.cross = CrossAttention(width, heads, rate)
        self.feed_forward = FeedForward(width, inner, activation, rate)
        self.around_attention = Residual(width, norm, place, rate)
        self.around_cross = Residual(width, norm, place, rate)
        self.around_feed_forward = Residual(width, norm, place, rate)

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor, memory_mask: Tensor | None, turn: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Map (B, T, D) to (B, T, D), given the encoded input `memory` (B, S, D)."""
        x = self.around_attention(x, lambda y: self.attention(y, mask, turn))
        x = self.around_cross(x, lambda y: self.cross(y, self.cross.remember(memory), memory_mask))
        return self.around_feed_forward(x, self.feed_forward)

    def step(
        self,
        x: Tensor,
        remembered: Tensor,
        mask: Tensor | None,
        cache: Tensor,
        times: list[int],
        seen: Tensor | None,
        turn: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """Map the newest token of each row, (R, W, D), to (R, W, D); see the `step` of either attention."""
        x = self.around_attention(x, lambda y: self.attention.step(y, cache, times, seen, turn))
        x = self.around_cross(x, lambda y: self.cross.step(y, remembered, mask))
        return self.around_feed_forward(x, self.feed_forward)


class Stack(nn.Module):
    """Layers one on another, and for pre-norm layers the norm that closes them."""

    def __init__(self, layers: Iterable[nn.Module], last: nn.Module | None = None):
        super().__init__()
        self.layers, self.last = nn.ModuleList(layers), last or nn.Identity()

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Pass x through every layer, each given `context` as well."""
        for layer in self.layers:
            x = layer(x, *context)
        return self.last(x)


# ------------------------------------------------------------------------------------------------------- loss


def chunked_loss(hidden: Tensor, weight: Tensor, target: Tensor, smoothing: float, ignore: int = 0) -> Tensor:
    """Return -log softmax(hidden weight')[target], label-smoothed (Szegedy et al. 2016), a token: (N,).

    hidden (N, D), weight (V, D), target (N,); where target is `ignore` the loss is 0 and nothing is computed.
    Equals torch's cross_entropy with label_smoothing. Scores are made, used for the loss and both gradients and
    overwritten a few hundred rows at a time: (N, V) never exists. Gradients are exact for any weighting of tokens, and
    cost nothing more where all tokens weigh the same.
    """
    if torch.is_autocast_enabled(hidden.device.type):
        dtype = torch.get_autocast_dtype(hidden.device.type)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
    return _ChunkedLoss.apply(hidden, weight, target, smoothing, ignore, torch.is_grad_enabled())


class _ChunkedLoss(torch.autograd.Function):
    """With p = softmax(z), z = h W', V classes and smoothing e, the loss is logsumexp(z) - (1-e) z[y] - e/V sum(z).

    Only logsumexp needs a pass over z: sum(z) = h . (sum of the rows of W). The same for gradients, where
    dz = p - (1-e) onehot(y) - e/V: p W and p' h are made by chunks, and the rest is added at the end.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, target: Tensor, smoothing: float, ignore: int, learn: bool
    ) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            rows = (target != ignore).nonzero()[:, 0]
            h, y = hidden.index_select(0, rows), target.index_select(0, rows)
            grads = tuple(learn and need for need in ctx.needs_input_grad[:2])
            log_sum, score, grad_h, grad_w = _sweep(h, weight, y, h, *grads)
            _add_targets(grad_h, grad_w, h, weight, y, smoothing)
            losses = log_sum - (1 - smoothing) * score
            if smoothing:
                losses -= (h @ weight.sum(0)).to(log_sum.dtype) * (smoothing / len(weight))
        if learn:
            ctx.save_for_backward(h, weight, y, rows, grad_h, grad_w)
        ctx.smoothing, ctx.length = smoothing, len(target)
        return losses.new_zeros(len(target)).index_copy_(0, rows, losses)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        h, weight, y, rows, grad_h, grad_w = ctx.saved_tensors
        share = grad.index_select(0, rows)[:, None]
        even = len(rows) == 0 or bool((share == share[0]).all())
        if grad_w is not None:
            if even:
                grad_w = grad_w * (share[0] if len(rows) else 0)
            else:  # tokens weigh differently: the sum over tokens has to be made again
                weighted = (h * share).to(h.dtype)
                _, _, _, grad_w = _sweep(h, weight, y, weighted, False, True)
                _add_targets(None, grad_w, weighted, weight, y, ctx.smoothing)
            grad_w = grad_w.to(weight.dtype)
        if grad_h is not None:
            scaled = (grad_h * share).to(h.dtype)
            grad_h = scaled.new_zeros(ctx.length, h.shape[1]).index_copy_(0, rows, scaled)
        return grad_h, grad_w, None, None, None, None


def _sweep(
    h: Tensor, weight: Tensor, y: Tensor, right: Tensor, need_h: bool, need_w: bool
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Return logsumexp(z) (N,), z[y] (N,), p W (N, D) and p' right (V, D), by chunks through one buffer of scores."""
    exact = torch.promote_types(h.dtype, torch.float32)
    chunk = 512 if h.device.type == "cpu" else 8192
    scores = h.new_empty(min(chunk, len(h)), len(weight))
    log_sum, score = h.new_empty(2, len(h), dtype=exact)
    grad_h = torch.empty_like(h) if need_h else None
    grad_w = torch.zeros(weight.shape, dtype=exact, device=h.device) if need_w else None
    for start in range(0, len(h), chunk):
        part = slice(start, start + chunk)
        z = torch.mm(h[part], weight.t(), out=scores[: len(h[part])]).to(exact)
        score[part] = z.gather(1, y[part, None])[:, 0]
        top = z.amax(1)
        p = torch.softmax(z, 1, out=z)
        log_sum[part] = top - p.amax(1).log()  # the likeliest class has p = exp(top - logsumexp)
        p = p.to(h.dtype)
        if grad_h is not None:
            torch.mm(p, weight, out=grad_h[part])
        if grad_w is not None and exact == h.dtype:
            grad_w.addmm_(p.t(), right[part])
        elif grad_w is not None:
            grad_w += torch.mm(p.t(), right[part])
    return log_sum, score, grad_h, grad_w


def _add_targets(
    grad_h: Tensor | None, grad_w: Tensor | None, right: Tensor, weight: Tensor, y: Tensor, smoothing: float
) -> None:
    """Add to the gradients, in place, what the target and the smoothing put in."""
    each = smoothing / len(weight)
    if grad_h is not None:
        grad_h.sub_(weight.index_select(0, y), alpha=1 - smoothing).sub_(weight.sum(0), alpha=each)
    if grad_w is not None:
        right = right.to(grad_w.dtype)
        grad_w.index_add_(0, y, right, alpha=smoothing - 1).sub_(right.sum(0), alpha=each)
