"""The classifier's model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lamcore import Answer, Decoding, Example, Record

if TYPE_CHECKING:
    from lamcore_digits import PixelClassifier

UNKNOWN = -100
"""The number of a label that train does not have: it costs nothing."""


class PixelModel(nn.Module):
    """Two layers from pixels (B, P) to labels (B, L)."""

    def __init__(self, settings: PixelClassifier, labels: list[str]):
        super().__init__()
        self.labels = labels
        self.layers = nn.Sequential(
            nn.Linear(settings.pixels, settings.width), nn.ReLU(), nn.Linear(settings.width, len(labels))
        )

    def encode(self, records: list[Record]) -> list[Example]:
        known = {label: number for number, label in enumerate(self.labels)}
        return [
            {"image": np.array(r["image"], np.float32), "label": known.get(r["intent"], UNKNOWN), "size": 1}
            for r in records
        ]

    def collate(self, examples: list[Example]) -> dict[str, torch.Tensor]:
        images = np.stack([example["image"] for example in examples])
        return {"image": torch.from_numpy(images), "label": torch.tensor([int(e["label"]) for e in examples])}

    def forward(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        losses = F.cross_entropy(self.layers(batch["image"]), batch["label"], ignore_index=UNKNOWN, reduction="none")
        return losses, torch.ones_like(losses)

    def predict(self, batch: dict[str, Any], decoding: Decoding) -> list[Answer]:
        best = self.layers(batch["image"]).softmax(-1).max(-1)
        return [
            {"intent": self.labels[number], "score": score}
            for score, number in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]
