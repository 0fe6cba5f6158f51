"""Train a MarianMTModel with Seq2SeqTrainer: `train_huggingface.py PIECES STEPS`; the last line printed is JSON.

PIECES holds train.en, train.de and vocab, as `train.py` writes them. Needs transformers and accelerate, not lamcore."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import MarianConfig, MarianMTModel, Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

EVERY, PAIRS = 5, 240


class Speed(TrainerCallback):
    """Target tokens a second, for every so many updates."""

    def __init__(self) -> None:
        self.speeds: list[float] = []
        self.tokens = self.filled = self.whole = 0

    def collate(self, rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """Pad pairs of sequences of ids: 0, or -100 where there is no loss."""
        source, labels = ([torch.tensor(row[name]) for row in rows] for name in ("input_ids", "labels"))
        padded = torch.nn.utils.rnn.pad_sequence(source, True, 0)
        target = torch.nn.utils.rnn.pad_sequence(labels, True, -100)
        count = int((target != -100).sum())
        self.tokens, self.filled, self.whole = self.tokens + count, self.filled + count, self.whole + target.numel()
        before = torch.nn.functional.pad(target[:, :-1].clamp(min=0), (1, 0), value=2)
        read = {"input_ids": padded, "attention_mask": (padded != 0).long(), "decoder_input_ids": before}
        return {**read, "labels": target}

    def on_train_begin(self, *_: object, **__: object) -> None:
        self.since = time.perf_counter()

    def on_step_end(self, _: object, state: object, *__: object, **___: object) -> None:
        if state.global_step % EVERY == 0:  # type: ignore[attr-defined]
            self.speeds.append(self.tokens / (time.perf_counter() - self.since))
            self.tokens, self.since = 0, time.perf_counter()


def main() -> None:
    folder, steps = Path(sys.argv[1]), int(sys.argv[2])
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
    speed, model = Speed(), MarianMTModel(config)
    with tempfile.TemporaryDirectory() as output:
        settings = Seq2SeqTrainingArguments(
            output_dir=output, max_steps=steps, per_device_train_batch_size=PAIRS, learning_rate=5e-4, adam_beta2=0.98,
            label_smoothing_factor=0.1, train_sampling_strategy="group_by_length", use_cpu=True, logging_steps=EVERY,
            save_strategy="no", report_to=[], disable_tqdm=True, remove_unused_columns=False,
        )  # fmt: skip
        Seq2SeqTrainer(model, settings, train_dataset=rows, data_collator=speed.collate, callbacks=[speed]).train()
    padding = f"{100 * (1 - speed.filled / speed.whole):.1f} %"
    sys.stdout.write(json.dumps({"speeds": speed.speeds, "padding": padding}) + "\n")


SIZES = {"layers": 4, "attention_heads": 4, "ffn_dim": 256}


if __name__ == "__main__":
    main()
