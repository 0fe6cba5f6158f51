"""Export to torch: encoder and decoder step as programs of torch.export, which run where torch is and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim

from lamcore.model import TrainedModel
from lamcore_export.net import BOS, EOS, PAD, Decoder, Encoder, Net, furthest, sample

Call = Callable[..., Any]
NAMES = {
    "encoder": (["source"], ["memory_keys", "memory_values"]),
    "decoder": (
        ["tokens", "source", "memory_keys", "memory_values", "keys", "values"],
        ["logits", "new_keys", "new_values"],
    ),
}
"""Program -> names of its inputs and its outputs."""


def write(folder: Path, net: Net, trained: TrainedModel) -> float:
    """Write encoder.pt2 and decoder.pt2; return how far their scores are from the model's."""
    for name, (module, inputs, shapes) in programs(net).items():
        torch.export.save(torch.export.export(module, inputs, dynamic_shapes=shapes), folder / f"{name}.pt2")
    encoder, decoder = (torch.export.load(folder / f"{name}.pt2").module() for name in NAMES)
    return difference(encoder, decoder, net, trained)


def programs(net: Net) -> dict[str, tuple[torch.nn.Module, tuple[Tensor, ...], tuple[Any, ...]]]:
    """Return {name: (module, example inputs, which of their sizes vary)}."""
    most = net.settings.max_length
    rows, length, written = Dim("rows"), Dim("length", max=most), Dim("written", min=0, max=most - 1)
    encoder, decoder = Encoder(net).eval(), Decoder(net).eval()
    source = torch.tensor([[EOS + 1, EOS + 1, EOS, PAD], [EOS + 1, EOS + 1, EOS + 1, EOS]]).clamp(
        max=len(net.embedding()) - 1
    )
    with torch.no_grad():
        memory = encoder(source)
    before = torch.zeros(*memory[0].shape[:3], 3, memory[0].shape[4])
    of_memory, of_written = {1: rows, 3: length}, {1: rows, 3: written}
    shapes = ({0: rows}, {0: rows, 1: length}, of_memory, of_memory, of_written, of_written)
    return {
        "encoder": (encoder, (source,), ({0: rows, 1: length},)),
        "decoder": (decoder, (torch.tensor([BOS, BOS]), source, *memory, before, before.clone()), shapes),
    }


def difference(encoder: Call, decoder: Call, net: Net, trained: TrainedModel) -> float:
    """Return the greatest difference of a log probability between the model's and those of the two programs."""
    batch = sample(net)
    with torch.no_grad():
        memory = encoder(batch["source"])
        keys = values = memory[0][:, :, :, :0]
        steps, tokens = [], torch.full_like(batch["target"][:, 0], BOS)
        for newest in batch["target"].unbind(1):
            logits, keys, values = decoder(tokens, batch["source"], *memory, keys, values)
            steps.append(logits)
            tokens = newest
        wanted = trained.model.logits(batch)
    return furthest(torch.stack(steps, 1).log_softmax(-1), wanted.log_softmax(-1), batch)
