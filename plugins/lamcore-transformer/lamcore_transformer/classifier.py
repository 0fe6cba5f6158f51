"""The classifier of sentences as a model of lamcore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lamcore import Answer, Decoding, Example, Labels, Record
from lamcore.model import evaluating
from lamcore_transformer import layers
from lamcore_transformer.reading import Summary, WordEncoder, look_at, pad_words, refuse_rules, words_of

if TYPE_CHECKING:
    from lamcore.tokenizer import Tokenizer
    from lamcore_transformer.readers import Classifier

UNKNOWN = -1
"""The number of a label that is not known: at `predict`, or one that train lacks."""


class ClassifierModel(nn.Module):
    """A sentence in, its class out."""

    def __init__(self, settings: Classifier, tokenizer: Mapping[str, Tokenizer], labels: Labels):
        super().__init__()
        self.settings, self.tokenizer = settings, tokenizer["input"]
        self.classes = list(labels[settings.column])
        width = settings.encoder.width
        self.encoder = WordEncoder(settings.encoder, self.tokenizer)
        self.summary = Summary(width)
        self.output = nn.Linear(2 * width + settings.encoder.embedding, len(self.classes))

    def encode(self, records: list[Record]) -> list[Example]:
        """Return what is seen of each word, and the number of the record's class."""
        numbers = {label: i for i, label in enumerate(self.classes)}
        examples = look_at(
            [words_of(record["input"]) for record in records], self.tokenizer, self.settings.encoder.buckets
        )
        for record, example in zip(records, examples, strict=True):
            example["class"] = numbers.get(record[self.settings.column], UNKNOWN)
        return examples

    def collate(self, examples: list[Example]) -> dict[str, Tensor]:
        """Pad to `words`, `pieces` and `grams` (see `pad_words`) and `class` (B,)."""
        return {**pad_words(examples), "class": torch.tensor([int(example["class"]) for example in examples])}

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return each record's loss, and 1; a class that train lacks costs nothing."""
        scores, wanted = self.logits(batch)[:, 0], batch["class"]
        smoothing = self.settings.label_smoothing if self.training else 0.0
        losses = F.cross_entropy(scores, wanted, ignore_index=UNKNOWN, label_smoothing=smoothing, reduction="none")
        return losses, torch.ones_like(wanted)

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the scores of the classes, before softmax: (B, 1, C)."""
        s = self.settings.encoder
        x, alone, padding = self.encoder(batch)
        bag = alone.masked_fill(padding[..., None], 0).sum(1) / (~padding).sum(1, keepdim=True).sqrt()
        read = torch.cat([self.summary(x, padding), bag], 1)
        return self.output(layers.dropout(read, s.dropout, self.training))[:, None]

    @torch.inference_mode()
    def predict(self, batch: dict[str, Tensor], decoding: Decoding) -> list[Answer]:
        """Return one {column, "probability", "score"} a record; the class is `abstain` below the threshold."""
        refuse_rules(decoding)
        if self.training:
            with evaluating(self):
                return self.predict(batch, decoding)
        s = self.settings
        chances, best = self.logits(batch)[:, 0].softmax(1).max(1)
        return [
            {
                s.column: self.classes[one] if chance >= s.threshold else s.abstain,
                "probability": chance,
                "score": float(np.log(chance)),
            }
            for one, chance in zip(best.tolist(), chances.tolist(), strict=True)
        ]
