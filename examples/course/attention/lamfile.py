"""Exercise 1: look up what is asked for, by attention. Complete `attend`; the rest is there to be read."""

from __future__ import annotations

from dataclasses import dataclass

from lamcore import Architecture, hookimpl


def attend(query, keys, values, padding):
    """Return the values (B, D) that a query asks for: their average, weighted by how well their keys fit.

    `query` is (B, D); `keys` and `values` are (B, S, D); `padding` (B, S) is True where nothing stands. A key fits by
    its dot product with the query, divided by the square root of D; a softmax over the S places turns that into
    weights. Padding weighs nothing."""
    raise NotImplementedError("Exercise 1.1")


@dataclass
class Recall(Architecture):
    """Answer which number stands beside a letter."""

    width: int = 32
    """Numbers that stand for a letter."""

    labels = ("target",)

    def build(self, tokenizer, labels):
        import torch
        from torch import nn
        from torch.nn import functional as F

        class RecallModel(nn.Module):
            def __init__(self, width, names):
                super().__init__()
                self.names = names
                self.asked, self.letter = nn.Embedding(26, width), nn.Embedding(26, width)
                self.number, self.out = nn.Embedding(10, width), nn.Linear(width, len(names))

            def encode(self, records):
                return [self.example(record["input"].split(), record["target"]) for record in records]

            def example(self, words, target):
                pairs = words[:-1]
                return {
                    "letters": [ord(pair[0]) - ord("a") for pair in pairs],
                    "numbers": [int(pair[1]) for pair in pairs],
                    "asked": ord(words[-1][0]) - ord("a"),
                    "label": self.names.index(target) if target in self.names else -100,
                    "size": len(pairs),
                }

            def collate(self, examples):
                def pad(name):
                    rows = [torch.as_tensor(example[name]) for example in examples]
                    return nn.utils.rnn.pad_sequence(rows, batch_first=True).long()

                sizes = torch.tensor([len(example["letters"]) for example in examples])
                padding = torch.arange(int(sizes.max())) >= sizes[:, None]  # (B, S)
                one = {name: torch.tensor([int(example[name]) for example in examples]) for name in ("asked", "label")}
                return {"letters": pad("letters"), "numbers": pad("numbers"), "padding": padding, **one}

            def scores(self, batch):
                keys, values = self.letter(batch["letters"]), self.number(batch["numbers"])  # (B, S, D)
                return self.out(attend(self.asked(batch["asked"]), keys, values, batch["padding"]))

            def forward(self, batch):
                losses = F.cross_entropy(self.scores(batch), batch["label"], ignore_index=-100, reduction="none")
                return losses, torch.ones_like(losses)

            def predict(self, batch, decoding):
                return [{"target": self.names[number]} for number in self.scores(batch).argmax(-1).tolist()]

        return RecallModel(self.width, list(labels["target"]))


@hookimpl
def register_architectures(register):
    register("recall", Recall)
