"""The solution of exercise 1."""


def attend(query, keys, values, padding):
    """Look up by softmax attention."""
    import torch

    fit = torch.einsum("bd,bsd->bs", query, keys) / keys.shape[-1] ** 0.5
    weights = fit.masked_fill(padding, float("-inf")).softmax(-1)
    return torch.einsum("bs,bsd->bd", weights, values)
