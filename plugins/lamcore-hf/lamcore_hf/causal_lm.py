"""A decoder of transformers as a model of lamcore: read from segments, learnt where they say, going on with a prompt.

- A record is the tokenizer's mark of a beginning and its segments, each cut into pieces by itself
- After a run of trained segments the end mark is learnt, and not read: what follows a run is as if it was not there

B is the number of records, T the length of the longest, V the vocabulary; in a search N rows, as many a record."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM
from transformers.cache_utils import DynamicCache

from lamcore import Answer, Decoding, Example, LamcoreError, Record
from lamcore.decode import limits, search
from lamcore.model import evaluating
from lamcore_hf.model import NOTHING, PADDING, Checkpoint, losses, padded, refuse_rules, texts_of

if TYPE_CHECKING:
    from lamcore_hf import HfCausalLm


class CausalLm(Checkpoint):
    """Segments in, the last trained one out."""

    auto = AutoModelForCausalLM
    settings: HfCausalLm

    # ------------------------------------------------------------------------------------- records to tensors

    def encode(self, records: list[Record]) -> list[Example]:
        """Return `tokens` (n,) that are read, the `labels` (n,) learnt from them, and the `prompt` of the answer.

        A label is the token that comes next where that is learnt, the end mark after the last of a run of trained
        segments, else -100."""
        texts = [self._segments(record) for record in records]
        ids = iter(self.cutter.ids([text for parts in texts for text, _ in parts], marks=False))
        rows = [[(next(ids), train) for _, train in parts] for parts in texts]
        return [self._example(record, parts) for record, parts in zip(records, rows, strict=True)]

    def _segments(self, record: Record) -> list[tuple[str, bool]]:
        """Return the parts of a record, (text, trained), up to the last that is trained."""
        if not (segments := record.get("segments")):
            (text,), (target,) = texts_of([record], "input"), texts_of([record], "target")
            return [(text + self.settings.between, False), (target, True)]
        for number, one in enumerate(segments):
            if not (
                isinstance(one, Mapping) and isinstance(one.get("text"), str) and isinstance(one.get("train"), bool)
            ):
                what = (
                    f"Record {record.get('id')!r}: segments[{number}] must be {{text, train}}, a text and true or false"
                )
                raise LamcoreError(f"{what}, not {one!r}.")
        parts = [(one["text"], one["train"]) for one in segments]
        while parts and not parts[-1][1]:
            parts.pop()
        if not parts:
            what = f"Record {record.get('id')!r}: none of its segments is trained"
            raise LamcoreError(f"{what}; where an answer is to come, end with {{text: '', train: true}}.")
        return parts

    def _example(self, record: Record, parts: list[tuple[list[int], bool]]) -> Example:
        begin = self._begin()
        tokens = np.array([*begin, *(token for ids, _ in parts for token in ids)], dtype=np.int32)
        learnt = np.array([False] * len(begin) + [train for ids, train in parts for _ in ids])
        coming, next_learnt = np.append(tokens[1:], self.eos), np.append(learnt[1:], True)
        labels = np.where(next_learnt, coming, np.where(learnt, self.eos, NOTHING)).astype(np.int32)
        last = len(parts) - next((at for at, (_, train) in enumerate(reversed(parts)) if not train), len(parts))
        asked = len(begin) + sum(len(ids) for ids, _ in parts[:last])
        kept = self._kept(record, learnt, len(begin))
        prompt = self._cut(tokens[:asked], len(begin))
        row = {"tokens": tokens[kept], "labels": labels[kept], "prompt": prompt, "size": int(kept.sum())}
        return {**row, "vocabulary": self.vocabulary}

    def _begin(self) -> list[int]:
        """Return the marks before a text; where the tokenizer has none, the end mark."""
        begin = self.cutter.begin[:-1] if self.cutter.begin[-1:] == [self.eos] else self.cutter.begin
        return begin or [self.eos]

    def _kept(self, record: Record, learnt: np.ndarray, begin: int) -> np.ndarray:
        """Say which tokens stay (n,): the oldest that are only read go, until at most max_length are left."""
        over = max(0, len(learnt) - self.max_length)
        spared = learnt | (np.arange(len(learnt)) < begin)
        if (most := int(spared.sum())) > self.max_length:
            what = f"Record {record.get('id')!r}: what it trains takes {most} tokens"
            raise LamcoreError(f"{what}, of at most {self.max_length}: raise architecture.max_length, or shorten it.")
        return spared | (np.cumsum(~spared) > over)

    def _cut(self, prompt: np.ndarray, begin: int) -> np.ndarray:
        """Return the prompt without its oldest text, so that there is room for an answer."""
        over = max(0, len(prompt) - (self.max_length - self.max_length // 8))
        return np.concatenate([prompt[:begin], prompt[begin + over :]])

    def collate(self, examples: list[Example]) -> dict[str, Tensor]:
        """Pad to `tokens` (B, T), `labels` (B, T) and, at the beginning, `prompt` (B, P)."""
        self.check(examples)
        rows = {name: [example[name] for example in examples] for name in ("tokens", "labels", "prompt")}
        return {
            "tokens": padded(rows["tokens"], PADDING),
            "labels": padded(rows["labels"], NOTHING),
            "prompt": padded(rows["prompt"], PADDING, left=True),
        }

    # ------------------------------------------------------------------------------------------------ learning

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return each record's summed loss and its number of trained tokens, end marks included."""
        return losses(self._scores(batch), batch["labels"])

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the scores of each trained token's place, before softmax: (B, most trained tokens, V)."""
        trained = batch["labels"] != NOTHING
        places = trained.long().argsort(stable=True, dim=1, descending=True)[:, : int(trained.sum(1).max())]
        scores = self._scores(batch)
        return scores.gather(1, places[:, :, None].expand(-1, -1, scores.shape[2]))

    def _scores(self, batch: dict[str, Tensor]) -> Tensor:
        tokens, mask = batch["tokens"], batch["tokens"] != PADDING
        return self.inner(
            input_ids=tokens.masked_fill(~mask, self.eos), attention_mask=mask.long(), use_cache=False
        ).logits

    # ----------------------------------------------------------------------------------------------- answering

    @torch.inference_mode()
    def predict(self, batch: dict[str, Tensor], decoding: Decoding) -> list[Answer]:
        """Return one {"target", "score"} a record, with `alternatives` (more such, itself the first) if n_best > 1.

        A score is the log probability over its length penalty. Prompt and answer have at most max_length tokens."""
        if self.training:
            with evaluating(self):
                return self.predict(batch, decoding)
        refuse_rules(decoding)
        prompt, mask = batch["prompt"], batch["prompt"] != PADDING
        lengths = mask.sum(1)
        most = torch.minimum(limits(lengths - 1, decoding), self.max_length - lengths)
        keys = [row[len(row) - length :] for row, length in zip(prompt.tolist(), lengths.tolist(), strict=True)]
        steps = _Steps(self.inner, prompt.masked_fill(~mask, self.eos), mask.long())
        marks: dict[str, Any] = {"bos": self.eos, "eos": self.eos, "never": self.never()}
        return self.answers(search(steps, most, decoding, keys=keys, **marks), decoding)


class _Steps:
    """Answers half-way: keys and values of prompts and of what is written, N rows; `mask` (N, length) is 0 at padding.

    The prompts are read in the first step, in the place of the mark that `search` gives."""

    def __init__(self, inner: Any, prompt: Tensor, mask: Tensor):
        self.inner, self.mask, self.cache = inner, mask, DynamicCache(config=inner.config)
        self.prompt: Tensor | None = prompt
        takes = inspect.signature(inner.forward).parameters
        self.places = "position_ids" in takes
        self.last: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}

    def step(self, tokens: Tensor) -> Tensor:
        read = tokens[:, None]
        if self.prompt is not None:
            read, self.prompt = self.prompt, None
        else:
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(read), 1)], 1)
        given: dict[str, Any] = {"input_ids": read, "attention_mask": self.mask, **self.last}
        if self.places:
            given["position_ids"] = (self.mask.cumsum(1) - 1).clamp(min=0)[:, -read.shape[1] :]
        return self.inner(**given, past_key_values=self.cache, use_cache=True).logits[:, -1]

    def select(self, rows: Tensor, records: Tensor | None) -> None:
        if len(rows) != len(self.mask) or not torch.equal(rows, torch.arange(len(rows), device=rows.device)):
            self.mask = self.mask.index_select(0, rows)
            self.cache.batch_select_indices(rows)
            self.prompt = None if self.prompt is None else self.prompt.index_select(0, rows)
