"""Train a BertForSequenceClassification with Trainer: `classify_huggingface.py PLAN STEPS`; it prints JSON last.

PLAN is what `classify.py` writes. Needs transformers and accelerate, not lamcore."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from huggingface import Speed, padded, train
from transformers import BertConfig, BertForSequenceClassification

LONGEST = 128


class Examples(Speed):
    """Examples a second."""

    def collate(self, rows: list[dict[str, object]]) -> dict[str, torch.Tensor]:
        """Pad ids with 0."""
        self.learnt += len(rows)
        ids, labels = padded(rows, "input_ids", 0), torch.tensor([row["labels"] for row in rows])
        return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    rows = [
        {"input_ids": [2, *ids[: LONGEST - 2], 3], "labels": label, "length": len(ids)}
        for ids, label in plan["records"]
    ]
    s = plan["sizes"]
    config = BertConfig(
        vocab_size=s["vocabulary"], hidden_size=s["width"], intermediate_size=s["feed_forward"], num_hidden_layers=2,
        num_attention_heads=s["heads"], max_position_embeddings=LONGEST, num_labels=s["classes"], pad_token_id=0,
        hidden_dropout_prob=s["dropout"], attention_probs_dropout_prob=s["dropout"],
    )  # fmt: skip
    torch.manual_seed(1)
    speed, model = Examples(), BertForSequenceClassification(config)
    train(model, rows, speed, plan["batch"], learning_rate=1e-3, label_smoothing_factor=0.1)
    parameters = sum(weight.numel() for weight in model.parameters())
    sys.stdout.write(json.dumps({"speeds": speed.speeds, "parameters": parameters}) + "\n")


if __name__ == "__main__":
    main()
