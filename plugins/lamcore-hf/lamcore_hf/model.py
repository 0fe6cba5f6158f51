"""What all models of checkpoints share: config, tokenizer and weights, of a checkpoint or of a trained model."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lamcore import Answer, Decoding, Example, LamcoreError, Record
from lamcore.decode import Found
from lamcore.store import loads
from lamcore_hf import checkpoint
from lamcore_hf.cutting import MOST_TOKENIZER, Cutter
from lamcore_hf.lora import merged, put

if TYPE_CHECKING:
    from lamcore.run import Run
    from lamcore_hf import HfCausalLm, HfSeq2Seq

NOTHING = -100
"""The label of a place at which nothing is learnt (that of transformers)."""
PADDING = -1
"""What rows of tokens are filled up with."""


class Checkpoint(nn.Module):
    """A model of transformers, `inner`, and beside its weights the tokenizer: `tokenizer` (bytes,), uint8.

    Its weights are named as in the checkpoint, after "inner."; a weight that has several names there has the first."""

    auto: Any
    """The class of transformers that makes models of this kind."""

    def __init__(self, settings: HfSeq2Seq | HfCausalLm):
        super().__init__()
        self.settings: HfSeq2Seq | HfCausalLm = settings
        self.lora = False
        self.fixed: list[nn.Parameter] = []
        """Weights that are not to be trained, where LoRA is attached."""
        if settings.checkpoint:
            parts = checkpoint.read(settings.checkpoint, self.auto)
        else:
            parts = checkpoint.Parts(loads(settings.config.encode()))
        self.config_json = checkpoint.as_json(parts.config)
        config = checkpoint.configured(parts.config, self.auto, settings.checkpoint or "architecture.config")
        self.marks = checkpoint.marks_of(config)
        self.eos: int = self.marks["eos_token_id"]
        self.rows: int = config.vocab_size
        places = getattr(config, "max_position_embeddings", None)
        self.max_length = min(settings.max_length, places or settings.max_length)
        self.inner: Any = checkpoint.build(config, parts.folder, self.auto)
        length = len(parts.cutter.content) if parts.cutter else _most(settings.tokenizer_bytes)
        self.register_buffer("tokenizer", torch.zeros(length, dtype=torch.uint8))
        if parts.cutter and not self.tokenizer.is_meta:
            self.tokenizer.copy_(torch.from_numpy(np.frombuffer(parts.cutter.content, dtype=np.uint8).copy()))
        self.tokenizer: Tensor
        self.register_state_dict_post_hook(_one_name_each)
        self.register_load_state_dict_pre_hook(_every_name)
        self.register_load_state_dict_post_hook(_another_tokenizer)

    @cached_property
    def cutter(self) -> Cutter:
        """The tokenizer that lies among the weights."""
        return Cutter(self.tokenizer.cpu().numpy().tobytes(), self.rows)

    @cached_property
    def vocabulary(self) -> int:
        """What tells examples that were made with this tokenizer, cut to this length, from others."""
        return zlib.crc32(self.cutter.content + str(self.max_length).encode())

    @cached_property
    def other_names(self) -> dict[str, str]:
        """Another name of a weight -> its first one, for weights with several."""
        first = {id(weight): name for name, weight in self.named_parameters()}
        every = self.named_parameters(remove_duplicate=False)
        return {name: first[id(weight)] for name, weight in every if first[id(weight)] != name}

    def never(self) -> list[int]:
        """Return the tokens that are not written: marks but the end, the unknown piece, rows without a piece."""
        return sorted({*self.cutter.never, *self.marks.values()} - {self.eos, *self.written_marks()})

    def written_marks(self) -> set[int]:
        """Return the marks that an answer holds."""
        return set()

    def texts(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of each row of tokens; marks leave nothing, other special tokens (`<0>`) are text."""
        left_out = {*self.marks.values(), *self.cutter.around}
        return self.cutter.texts([[token for token in row if token not in left_out] for row in rows])

    def check(self, examples: Sequence[Example]) -> None:
        """Raise LamcoreError for examples that another tokenizer made: the checkpoint's folder is another by now."""
        if any(int(example["vocabulary"]) != self.vocabulary for example in examples):
            what = "The prepared data was cut with another tokenizer: the checkpoint has changed since"
            raise LamcoreError(f"{what}. Copy the checkpoint to a folder with another name, or set another cache.")

    def answers(self, found: Found, decoding: Decoding) -> list[Answer]:
        """Return what was found as answers, with `alternatives` if n_best > 1."""
        texts = iter(self.texts([answer.ids for answers in found for answer in answers]))
        ranked = [[{"target": next(texts), "score": answer.score} for answer in answers] for answers in found]
        return [{**best[0], "alternatives": best} if decoding.n_best > 1 else best[0] for best in ranked]


def _most(length: int) -> int:
    if length > MOST_TOKENIZER:
        raise LamcoreError(f"architecture.tokenizer_bytes must be at most {MOST_TOKENIZER:,}, not {length:,}.")
    return length


def _one_name_each(model: Checkpoint, state: dict[str, Tensor], prefix: str, _: Any) -> None:
    """Keep each weight once, under the checkpoint's first name for it, and with the changes of LoRA merged."""
    for name in model.other_names:
        state.pop(prefix + name, None)
    merged(model, state, prefix)


def _every_name(model: Checkpoint, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    put(model, state, prefix)
    for name, first in model.other_names.items():
        if prefix + first in state:
            state[prefix + name] = state[prefix + first]


def _another_tokenizer(model: Checkpoint, _: Any) -> None:
    model.__dict__.pop("cutter", None)
    model.__dict__.pop("vocabulary", None)


def hand_on(run: Run, model: Checkpoint) -> None:
    """Have the trained model name its config, and neither the checkpoint's folder nor LoRA."""
    from lamcore_hf import Lora

    own: dict[str, Any] = {
        "checkpoint": "",
        "config": model.config_json,
        "tokenizer_bytes": len(model.tokenizer),
        "lora": Lora(),
    }
    settings: Any = run.recipe.architecture
    run.trained.parts = replace(run.trained.parts, architecture=replace(settings, **own))


def refuse_rules(decoding: Decoding) -> None:
    """Raise LamcoreError for decoding settings that need a tokenizer of lamcore."""
    if decoding.constrain or decoding.copy:
        what = "decoding.constrain and decoding.copy need a tokenizer of lamcore"
        raise LamcoreError(f"{what}, and this model has its checkpoint's: leave them empty.")


def texts_of(records: Sequence[Record], column: str) -> list[str]:
    """Return a column's texts; raise LamcoreError where one is none."""
    for record in records:
        if not isinstance(record.get(column), str):
            raise LamcoreError(f"Record {record.get('id')!r}: {column} must be text, not {record.get(column)!r}.")
    return [record[column] for record in records]


def padded(rows: Sequence[np.ndarray], value: int, left: bool = False) -> Tensor:
    """Return rows (B, longest), filled up at the end, or at the beginning."""
    made = np.full((len(rows), max(len(row) for row in rows)), value, dtype=np.int64)
    for line, row in zip(made, rows, strict=True):
        line[len(line) - len(row) if left else 0 :][: len(row)] = row
    return torch.from_numpy(made)


def losses(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return each record's summed cross-entropy (B,), and how many labels that sums (B,); logits are (B, T, V)."""
    every = nn.functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), reduction="none")
    return every.view(labels.shape).sum(1), (labels != NOTHING).sum(1)
