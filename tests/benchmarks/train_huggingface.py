"""Train a MarianMTModel with Seq2SeqTrainer: `train_huggingface.py PIECES STEPS`; the last line printed is JSON.

PIECES holds train.en, train.de and vocab, as `train.py` writes them. Needs transformers and accelerate, not lamcore."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from huggingface import Speed, padded, train
from transformers import MarianConfig, MarianMTModel, Seq2SeqTrainer, Seq2SeqTrainingArguments

PAIRS = 240


class Tokens(Speed):
    """Target tokens a second, and how many places of the target are filled."""

    def __init__(self) -> None:
        super().__init__()
        self.filled = self.whole = 0

    def collate(self, rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """Pad pairs of sequences of ids: 0, or -100 where there is no loss."""
        source, target = padded(rows, "input_ids", 0), padded(rows, "labels", -100)
        count = int((target != -100).sum())
        self.learnt, self.filled, self.whole = self.learnt + count, self.filled + count, self.whole + target.numel()
        before = torch.nn.functional.pad(target[:, :-1].clamp(min=0), (1, 0), value=2)
        read = {"input_ids": source, "attention_mask": (source != 0).long(), "decoder_input_ids": before}
        return {**read, "labels": target}


def main() -> None:
    folder = Path(sys.argv[1])
    ids = {piece: i + 4 for i, piece in enumerate((folder / "vocab").read_text().split("\n")[:-1])}
    sides = [(folder / f"train.{language}").read_text().split("\n")[:-1] for language in ("en", "de")]
    cut = [[[*(ids.get(piece, 1) for piece in line.split(" ")), 3] for line in lines] for lines in sides]
    rows = [{"input_ids": a, "labels": b, "length": max(len(a), len(b))} for a, b in zip(*cut, strict=True)]
    layers = {f"{half}_{name}": size for half in ("encoder", "decoder") for name, size in SIZES.items()}
    config = MarianConfig(
        vocab_size=len(ids) + 4, d_model=128, dropout=0.3, activation_function="relu", scale_embedding=True,
        max_position_embeddings=512, pad_token_id=0, bos_token_id=2, eos_token_id=3, forced_eos_token_id=3,
        decoder_start_token_id=2, **layers,
    )  # fmt: skip
    torch.manual_seed(1)
    speed, model = Tokens(), MarianMTModel(config)
    classes = {"trainer": Seq2SeqTrainer, "arguments": Seq2SeqTrainingArguments}
    train(model, rows, speed, PAIRS, learning_rate=5e-4, label_smoothing_factor=0.1, **classes)
    padding = f"{100 * (1 - speed.filled / speed.whole):.1f} %"
    sys.stdout.write(json.dumps({"speeds": speed.speeds, "padding": padding}) + "\n")


SIZES = {"layers": 4, "attention_heads": 4, "ffn_dim": 256}


if __name__ == "__main__":
    main()
