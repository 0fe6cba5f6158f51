"""Copy words of the input to the output: the pointer-generator of See et al. 2017 for the encoder-decoder.

The probability of token v at a place of the target is (their equation 9)

    p(v) = g softmax(z)[v] + (1 - g) * sum of a[s] over the places s of the input where v stands,

with z the model's scores of the vocabulary, a the attention of one head of its own from the decoder's last vector to
the encoded input, and g = sigmoid(w . vector + b) the share that is generated. Input and output need one vocabulary.

Sizes: B records, S input tokens, T target tokens, D width, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lamcore_transformer.layers import chunked_loss

LEAST = 1e-30
"""What counts as no probability: its logarithm is finite, and so are gradients."""


class Copier(nn.Module):
    """Look at the input once more, and say for each token of the output how likely it is a copy, and of what."""

    def __init__(self, width: int, pad: int):
        super().__init__()
        self.pad = pad
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.generate = nn.Linear(width, 1)

    def look(self, hidden: Tensor, keys: Tensor, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the attention (B, T, S), and log g and log (1 - g), (B, T); in float32 at least.

        `hidden` (B, T, D) is what the decoder made, `keys` (B, S, D) those of the encoded input, `source` its tokens.
        """
        scores = torch.bmm(self.query(hidden), keys.transpose(1, 2)) * keys.shape[-1] ** -0.5
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        scores = scores.masked_fill((source == self.pad)[:, None], -torch.inf)
        gate = self.generate(hidden)[..., 0].to(scores.dtype)
        return scores.softmax(-1), F.logsigmoid(gate), F.logsigmoid(-gate)

    def losses(
        self, hidden: Tensor, memory: Tensor, source: Tensor, weight: Tensor, target: Tensor, smoothing: float
    ) -> Tensor:
        """Return -log p(target) a token, 0 where it is padding: (B, T). The scores of all tokens are never held.

        `memory` (B, S, D) is the encoded input, `weight` (V, D) makes scores of vectors. What is smoothed is the
        generating half: with smoothing e the loss is (1 - e) (-log p) + e (mean of -log softmax(z))."""
        attention, generate, copy = self.look(hidden, self.key(memory), source)
        rows, tokens = hidden.flatten(0, 1), target.flatten()
        plain = chunked_loss(rows, weight, tokens, 0.0, self.pad).view(target.shape)  # -log softmax(z)[target]
        copied = (attention * (source[:, None] == target[:, :, None])).sum(-1)
        losses = -torch.logaddexp(generate - plain, copy + copied.clamp_min(LEAST).log())
        if smoothing:
            even = plain + ((weight[tokens] - weight.mean(0)) * rows).sum(-1).view(target.shape)
            losses = (1 - smoothing) * losses + smoothing * even
        return losses.masked_fill(target == self.pad, 0)

    def log_probs(self, hidden: Tensor, keys: Tensor, source: Tensor, scores: Tensor) -> Tensor:
        """Return log p of every token of the vocabulary, given their scores z: (B, T, V)."""
        attention, generate, copy = self.look(hidden, keys, source)
        places = source[:, None].expand_as(attention)
        copied = torch.zeros_like(scores, dtype=attention.dtype).scatter_add_(2, places, attention)
        plain = scores.log_softmax(-1, dtype=attention.dtype)
        return torch.logaddexp(generate[..., None] + plain, copy[..., None] + copied.clamp_min(LEAST).log())
