"""The model that picks a sentence of a text.

Sizes: B records, S sentences of a text, P tokens of a sentence, D width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lamcore import Answer, Decoding, Example, LamcoreError, Record
from lamcore.model import evaluating
from lamcore_summaries.sentences import best_of

if TYPE_CHECKING:
    from lamcore.tokenizer import Tokenizer
    from lamcore_summaries.extractive import Extractive


class PickerModel(nn.Module):
    """The sentences of a text in, the number of one of them out."""

    def __init__(self, settings: Extractive, tokenizer: Tokenizer):
        super().__init__()
        self.settings, self.tokenizer = settings, tokenizer
        width = settings.width
        self.tokens = nn.Embedding(tokenizer.size, width, padding_idx=tokenizer.pad)
        self.first, self.last = (nn.Embedding(settings.places + 1, width) for _ in range(2))
        self.sentence = nn.Linear(2 * width, width)
        self.order = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)
        self.score = nn.Linear(2 * width, 1, bias=False)  # the same bias for all sentences would say nothing

    def encode(self, records: list[Record]) -> list[Example]:
        """Return the `tokens` of each record's sentences, end to end, how many `each` has, and `best`, which is right.

        `best` is 0 where there is no target. A text without sentences has an empty one, and that an unknown token."""
        return [self._example(record) for record in records]

    def _example(self, record: Record) -> Example:
        sentences = list(record["sentences"] or [""])
        most, unknown = self.settings.max_tokens, [self.tokenizer.unk]
        tokens = [ids[:most] or unknown for ids in self.tokenizer.encode(sentences)]
        target = record["target"]
        return {
            "tokens": np.concatenate([np.array(ids, dtype=np.int32) for ids in tokens]),
            "each": np.array([len(ids) for ids in tokens], dtype=np.int32),
            "best": best_of(sentences, [target]) if target else 0,
            "size": len(tokens) * max(map(len, tokens)),
        }

    def collate(self, examples: list[Example]) -> dict[str, Tensor]:
        """Pad to `tokens` (B, S, P); `sentences` (B,) says how many there are, `best` (B,) which is right."""
        each = [np.asarray(example["each"]) for example in examples]
        pad = self.tokenizer.pad
        tokens = np.full((len(each), max(map(len, each)), max(lengths.max() for lengths in each)), pad, dtype=np.int64)
        for row, lengths, example in zip(tokens, each, examples, strict=True):
            row[: len(lengths)][np.arange(row.shape[1]) < lengths[:, None]] = example["tokens"]
        return {
            "tokens": torch.from_numpy(tokens),
            "sentences": torch.tensor([len(lengths) for lengths in each]),
            "best": torch.tensor([int(example["best"]) for example in examples]),
        }

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return each record's loss, the cross-entropy of its sentences, and 1."""
        losses = F.cross_entropy(self._scores(batch), batch["best"], reduction="none")
        return losses, torch.ones_like(batch["best"])

    def _scores(self, batch: dict[str, Tensor]) -> Tensor:
        """Return a score a sentence, (B, S), -inf where there is none."""
        tokens, count = batch["tokens"], batch["sentences"]
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self._sentences(tokens)
        x = x + self.first(places.clamp(max=self.settings.places))
        x = x + self.last((count[:, None] - 1 - places).clamp(0, self.settings.places))
        packed = nn.utils.rnn.pack_padded_sequence(x, count.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(self.order(packed)[0], True, 0.0, tokens.shape[1])
        read = F.dropout(torch.cat([x, states], 2), self.settings.dropout, self.training)
        return self.score(read)[..., 0].masked_fill(places >= count[:, None], -torch.inf)

    def _sentences(self, tokens: Tensor) -> Tensor:
        """Return a vector a sentence, (B, S, D), of the mean and the largest of its tokens' numbers."""
        s, none = self.settings, tokens == self.tokenizer.pad
        if self.training and s.token_dropout:
            some = none | (torch.rand(tokens.shape, device=tokens.device) < s.token_dropout)
            none = torch.where(some.all(2, keepdim=True), none, some)
        x = self.tokens(tokens).masked_fill(none[..., None], 0)
        mean = x.sum(2) / (~none).sum(2, keepdim=True).clamp(min=1)
        largest = x.masked_fill(none[..., None], -torch.inf).amax(2).masked_fill(none.all(2)[..., None], 0)
        both = F.dropout(torch.cat([mean, largest], 2), s.dropout, self.training)
        return torch.relu(self.sentence(both))

    @torch.inference_mode()
    def predict(self, batch: dict[str, Tensor], decoding: Decoding) -> list[Answer]:
        """Return one {"target", "sentence", "score"} a record; a score is the log probability."""
        if decoding.constrain:
            raise LamcoreError(
                f"decoding.constrain={decoding.constrain} is for models that write text: leave it empty."
            )
        if self.training:
            with evaluating(self):
                return self.predict(batch, decoding)
        scores, best = self._scores(batch).log_softmax(1).max(1)
        picked = batch["tokens"][torch.arange(len(best), device=best.device), best].tolist()
        written = [[i for i in ids if i > self.tokenizer.eos][: decoding.max_length] for ids in picked]
        texts = self.tokenizer.decode(written)  # without marks, so that <unk> is not spelt out
        return [
            {"target": text, "sentence": number, "score": score}
            for text, number, score in zip(texts, best.tolist(), scores.tolist(), strict=True)
        ]
