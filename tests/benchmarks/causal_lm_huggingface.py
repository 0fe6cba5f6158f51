"""Train a LlamaForCausalLM with Trainer: `causal_lm_huggingface.py PLAN STEPS`; the last line printed is JSON.

PLAN is what `causal_lm.py` writes. Needs transformers and accelerate, not lamcore."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

EVERY = 5


class Speed(TrainerCallback):
    """Learnt tokens a second, for every so many updates."""

    def __init__(self) -> None:
        self.speeds: list[float] = []
        self.tokens = 0

    def collate(self, rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """Pad ids with 0 and labels with -100."""
        ids, labels = ([torch.tensor(row[name]) for row in rows] for name in ("input_ids", "labels"))
        lengths = torch.tensor([len(one) for one in ids])
        padded = torch.nn.utils.rnn.pad_sequence(ids, True, 0)
        target = torch.nn.utils.rnn.pad_sequence(labels, True, -100)
        self.tokens += int((target != -100).sum())
        mask = (torch.arange(padded.shape[1]) < lengths[:, None]).long()
        return {"input_ids": padded, "attention_mask": mask, "labels": target}

    def on_train_begin(self, *_: object, **__: object) -> None:
        self.since = time.perf_counter()

    def on_step_end(self, _: object, state: object, *__: object, **___: object) -> None:
        if state.global_step % EVERY == 0:  # type: ignore[attr-defined]
            self.speeds.append(self.tokens / (time.perf_counter() - self.since))
            self.tokens, self.since = 0, time.perf_counter()


def main() -> None:
    plan, steps = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])
    rows = [
        {
            "input_ids": [*tokens, 3],
            "labels": [-100, *(label if label >= 0 else -100 for label in labels)],
            "length": len(tokens) + 1,
        }
        for tokens, labels in plan["records"]
    ]
    s = plan["sizes"]
    config = LlamaConfig(
        vocab_size=s["vocabulary"], hidden_size=s["width"], intermediate_size=s["feed_forward"],
        num_hidden_layers=s["layers"], num_attention_heads=s["heads"], num_key_value_heads=s["key_value_heads"],
        max_position_embeddings=s["max_length"], tie_word_embeddings=s["tie"], rms_norm_eps=1e-6,
        pad_token_id=0, bos_token_id=2, eos_token_id=3, use_cache=False,
    )  # fmt: skip
    torch.manual_seed(1)
    speed, model = Speed(), LlamaForCausalLM(config)
    with tempfile.TemporaryDirectory() as output:
        settings = TrainingArguments(
            output_dir=output, max_steps=steps, per_device_train_batch_size=plan["batch"], learning_rate=1e-3,
            adam_beta2=0.98, train_sampling_strategy="group_by_length", use_cpu=True, logging_steps=EVERY,
            save_strategy="no", report_to=[], disable_tqdm=True, remove_unused_columns=False,
        )  # fmt: skip
        Trainer(model, settings, train_dataset=rows, data_collator=speed.collate, callbacks=[speed]).train()
    sys.stdout.write(json.dumps(speed.speeds) + "\n")


if __name__ == "__main__":
    main()
