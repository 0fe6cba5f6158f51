"""Wrong: the softmax is over the records of the batch. The contract catches it: neighbours change a loss."""


def attend(query, keys, values, padding):
    """Take the softmax over the wrong axis."""
    import torch

    fit = torch.einsum("bd,bsd->bs", query, keys) / keys.shape[-1] ** 0.5
    weights = fit.softmax(0).masked_fill(padding, 0.0)
    return torch.einsum("bs,bsd->bd", weights, values)
