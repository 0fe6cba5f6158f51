"""Attention within a window."""

import torch

from lamcore_transformer.layers import SelfAttention


class WindowAttention(SelfAttention):
    """Self-attention that sees `window` tokens to either side."""

    def __init__(self, width, heads, rate, window):
        super().__init__(width, heads, rate)
        self.window = window

    def bias(self, start, stop, device):
        places = torch.arange(stop, device=device)
        far = (places[start:, None] - places).abs() > self.window  # (T, S)
        return -1e4 * far.float().expand(self.heads, -1, -1)  # finite: a row of padding alone stays a number
