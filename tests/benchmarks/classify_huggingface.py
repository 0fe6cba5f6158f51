"""Train a BertForSequenceClassification with Trainer: `classify_huggingface.py PLAN STEPS`; it prints JSON last.

PLAN is what `classify.py` writes. Needs transformers and accelerate, not lamcore."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

EVERY, LONGEST = 5, 128


class Speed(TrainerCallback):
    """Examples a second, for every so many updates."""

    def __init__(self) -> None:
        self.speeds: list[float] = []
        self.examples = 0

    def collate(self, rows: list[dict[str, object]]) -> dict[str, torch.Tensor]:
        """Pad ids with 0."""
        ids = [torch.tensor(row["input_ids"]) for row in rows]
        padded = torch.nn.utils.rnn.pad_sequence(ids, True, 0)
        self.examples += len(rows)
        labels = torch.tensor([row["labels"] for row in rows])
        return {"input_ids": padded, "attention_mask": (padded != 0).long(), "labels": labels}

    def on_train_begin(self, *_: object, **__: object) -> None:
        self.since = time.perf_counter()

    def on_step_end(self, _: object, state: object, *__: object, **___: object) -> None:
        if state.global_step % EVERY == 0:  # type: ignore[attr-defined]
            self.speeds.append(self.examples / (time.perf_counter() - self.since))
            self.examples, self.since = 0, time.perf_counter()


def main() -> None:
    plan, steps = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])
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
    speed, model = Speed(), BertForSequenceClassification(config)
    with tempfile.TemporaryDirectory() as output:
        settings = TrainingArguments(
            output_dir=output, max_steps=steps, per_device_train_batch_size=plan["batch"], learning_rate=1e-3,
            adam_beta2=0.98, label_smoothing_factor=0.1, train_sampling_strategy="group_by_length", use_cpu=True,
            logging_steps=EVERY, save_strategy="no", report_to=[], disable_tqdm=True, remove_unused_columns=False,
        )  # fmt: skip
        Trainer(model, settings, train_dataset=rows, data_collator=speed.collate, callbacks=[speed]).train()
    parameters = sum(weight.numel() for weight in model.parameters())
    sys.stdout.write(json.dumps({"speeds": speed.speeds, "parameters": parameters}) + "\n")


if __name__ == "__main__":
    main()
