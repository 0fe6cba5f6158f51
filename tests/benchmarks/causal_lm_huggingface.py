"""Train a LlamaForCausalLM with Trainer: `causal_lm_huggingface.py PLAN STEPS`; the last line printed is JSON.

PLAN is what `causal_lm.py` writes. Needs transformers and accelerate, not lamcore."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from huggingface import Speed, padded, train
from transformers import LlamaConfig, LlamaForCausalLM


class Tokens(Speed):
    """Learnt tokens a second."""

    def collate(self, rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """Pad ids with 0 and labels with -100."""
        ids, labels = padded(rows, "input_ids", 0), padded(rows, "labels", -100)
        self.learnt += int((labels != -100).sum())
        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
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
    speed, model = Tokens(), LlamaForCausalLM(config)
    train(model, rows, speed, plan["batch"], learning_rate=1e-3)
    sys.stdout.write(json.dumps({"speeds": speed.speeds}) + "\n")


if __name__ == "__main__":
    main()
