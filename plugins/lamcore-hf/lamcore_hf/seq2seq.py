"""An encoder-decoder of transformers as a model of lamcore: it encodes, learns from and answers records.

B is the number of records, S the length of inputs, T that of targets, V the vocabulary; in a search N rows, as many a
record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForSeq2SeqLM
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from lamcore import Answer, Decoding, Example, LamcoreError, Record
from lamcore.decode import limits, search
from lamcore.model import evaluating
from lamcore_hf.model import NOTHING, PADDING, Checkpoint, losses, padded, refuse_rules, texts_of

if TYPE_CHECKING:
    from lamcore_hf import HfSeq2Seq


class Seq2Seq(Checkpoint):
    """Text in, text out."""

    auto = AutoModelForSeq2SeqLM

    def __init__(self, settings: HfSeq2Seq):
        super().__init__(settings)
        for name in ("decoder_start_token_id", "pad_token_id"):
            if name not in self.marks:
                raise LamcoreError(f"The checkpoint's config lacks {name}, with which an answer begins and is filled.")

    # ------------------------------------------------------------------------------------- records to tensors

    def encode(self, records: list[Record]) -> list[Example]:
        """Return `source` and `target`, token ids with the tokenizer's marks, cut to max_length."""
        sources = self._ids(texts_of(records, "input"), target=False)
        targets = self._ids(texts_of(records, "target"), target=True)
        return [
            {"source": source, "target": target, "size": (len(source), len(target)), "vocabulary": self.vocabulary}
            for source, target in zip(sources, targets, strict=True)
        ]

    def _ids(self, texts: list[str], target: bool) -> list[np.ndarray]:
        """Return each text's ids; where one is cut it keeps its end mark, and a target always has one."""
        made = []
        for ids in self.cutter.ids(texts, target):
            ends = target or ids[-1:] == [self.eos] or not ids
            kept = ids[:-1] if ids[-1:] == [self.eos] else ids
            made.append(
                np.array([*kept[: self.max_length - 1], self.eos] if ends else ids[: self.max_length], np.int32)
            )
        return made

    def collate(self, examples: list[Example]) -> dict[str, Tensor]:
        """Pad to `source` (B, S), with -1, and `labels` (B, T), with -100."""
        self.check(examples)
        rows = {name: [example[name] for example in examples] for name in ("source", "target")}
        return {"source": padded(rows["source"], PADDING), "labels": padded(rows["target"], NOTHING)}

    def written_marks(self) -> set[int]:
        """Return the marks around a target: they are learnt, and so written."""
        return self.cutter.around

    # ------------------------------------------------------------------------------------------------ learning

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return each record's summed loss and its number of target tokens, the end mark included."""
        return losses(self.logits(batch), batch["labels"])

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the scores of each target token's place, before softmax: (B, T, V)."""
        source, mask = self._source(batch)
        labels = batch["labels"]
        before = labels.roll(1, 1).masked_fill(labels.roll(1, 1) == NOTHING, self.marks["pad_token_id"])
        before[:, 0] = self.marks["decoder_start_token_id"]
        return self.inner(input_ids=source, attention_mask=mask, decoder_input_ids=before, use_cache=False).logits

    def _source(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the source and which of it is no padding, (B, S) each."""
        mask = batch["source"] != PADDING
        return batch["source"].masked_fill(~mask, self.marks["pad_token_id"]), mask.long()

    # ----------------------------------------------------------------------------------------------- answering

    @torch.inference_mode()
    def predict(self, batch: dict[str, Tensor], decoding: Decoding) -> list[Answer]:
        """Return one {"target", "score"} a record, with `alternatives` (more such, itself the first) if n_best > 1.

        A score is the log probability over its length penalty."""
        if self.training:
            with evaluating(self):
                return self.predict(batch, decoding)
        refuse_rules(decoding)
        source, mask = self._source(batch)
        most = limits(mask.sum(1) - 1, decoding).clamp(max=self.max_length - 1)
        keys = [row[:length] for row, length in zip(source.tolist(), mask.sum(1).tolist(), strict=True)]
        marks: dict[str, Any] = {"bos": self.marks["decoder_start_token_id"], "eos": self.eos, "never": self.never()}
        return self.answers(search(_Steps(self.inner, source, mask), most, decoding, keys=keys, **marks), decoding)


class _Steps:
    """Answers half-way: what the encoder made of the inputs, and keys and values of what is written; N rows each."""

    def __init__(self, inner: Any, source: Tensor, mask: Tensor):
        self.inner, self.mask = inner, mask
        self.memory = inner.get_encoder()(input_ids=source, attention_mask=mask).last_hidden_state  # (N, S, D)
        self.cache = EncoderDecoderCache(DynamicCache(config=inner.config), DynamicCache())

    def step(self, tokens: Tensor) -> Tensor:
        found = self.inner(
            encoder_outputs=BaseModelOutput(last_hidden_state=self.memory),
            attention_mask=self.mask,
            decoder_input_ids=tokens[:, None],
            past_key_values=self.cache,
            use_cache=True,
        )
        return found.logits[:, -1]

    def select(self, rows: Tensor, records: Tensor | None) -> None:
        if len(rows) != len(self.mask) or not torch.equal(rows, torch.arange(len(rows), device=rows.device)):
            self.memory, self.mask = self.memory.index_select(0, rows), self.mask.index_select(0, rows)
            self.cache.batch_select_indices(rows)
