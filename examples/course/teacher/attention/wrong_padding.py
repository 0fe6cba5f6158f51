"""Wrong: padding is looked at. The contract and the hand-worked number catch it."""


def attend(query, keys, values, padding):
    """Forget the padding."""
    import torch

    weights = (torch.einsum("bd,bsd->bs", query, keys) / keys.shape[-1] ** 0.5).softmax(-1)
    return torch.einsum("bs,bsd->bd", weights, values)
