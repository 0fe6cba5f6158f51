"""What `tagger` and `classifier` share: sentence -> words -> what is seen of each -> vectors in context.

A word is seen as its pieces in the run's vocabulary (a frequent word is one) and as its character n-grams
(Bojanowski et al. 2017), so that a word that stands nowhere in train is known by its spelling."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from lamcore import Decoding, Example, LamcoreError
from lamcore_transformer import layers

if TYPE_CHECKING:
    from lamcore.tokenizer import Tokenizer
    from lamcore_transformer.readers import Encoder

PIECES, GRAMS = 8, 40
"""Most pieces, and most n-grams, that are looked at in a word."""
NONE = 0
"""The piece, and the n-gram, that stands for nothing."""


def refuse_rules(decoding: Decoding) -> None:
    """Raise LamcoreError where the decoding would hold written text to a rule: here a class is chosen, none is."""
    if decoding.constrain:
        what = f"decoding.constrain={decoding.constrain} is for models that write text"
        raise LamcoreError(f"{what}, and this one chooses among the labels of train: leave it empty.")


def words_of(text: str) -> list[str]:
    """Cut a text into words and punctuation marks: letters, digits and apostrophes stay together."""
    return re.findall(r"\w+(?:['’]\w+)*|[^\w\s]", text)


@lru_cache(maxsize=100_000)
def grams_of(word: str, buckets: int) -> list[int]:
    """Return the numbers of a word's n-grams of 2 to 5 characters, its ends marked, hashed to 1..buckets."""
    marked = f"<{word.lower()}>"
    found = [marked[i : i + n] for n in (3, 4, 2, 5) for i in range(len(marked) - n + 1)]
    return [zlib.crc32(gram.encode()) % buckets + 1 for gram in found[:GRAMS]]


def look_at(sentences: Sequence[Sequence[str]], tokenizer: Tokenizer, buckets: int) -> list[Example]:
    """Return for each sentence `pieces` and `grams` of its words, end to end, and how many of them each word has.

    An empty sentence is one empty word."""
    words = sorted({word for sentence in sentences for word in sentence} | {""})
    pieces = {w: ids[:PIECES] or [tokenizer.unk] for w, ids in zip(words, tokenizer.encode(words), strict=True)}
    examples: list[Example] = []
    for sentence in sentences:
        example: Example = {"size": max(1, len(sentence)), "words": len(sentence)}
        for name, seen in (
            ("pieces", [pieces[word] for word in sentence or [""]]),
            ("grams", [grams_of(word, buckets) for word in sentence or [""]]),
        ):
            example[name] = np.concatenate([np.asarray(ids, dtype=np.int32) for ids in seen])
            example[f"{name}_each"] = np.array([len(ids) for ids in seen], dtype=np.int32)
        examples.append(example)
    return examples


def pad_words(examples: Sequence[Example]) -> dict[str, Tensor]:
    """Pad what `look_at` saw: `words` (B,), `pieces` (B, S, P) and `grams` (B, S, G), with NONE."""
    length = max(int(example["size"]) for example in examples)
    batch = {"words": torch.tensor([int(example["words"]) for example in examples])}
    for name in ("pieces", "grams"):
        each = np.zeros((len(examples), length), dtype=np.int32)
        for row, example in zip(each, examples, strict=True):
            row[: len(example[f"{name}_each"])] = example[f"{name}_each"]
        padded = np.full((*each.shape, each.max()), NONE, dtype=np.int64)
        padded[np.arange(each.max()) < each[..., None]] = np.concatenate([example[name] for example in examples])
        batch[name] = torch.from_numpy(padded)
    return batch


class WordEncoder(nn.Module):
    """Words to vectors: their pieces and n-grams, an LSTM over them, and self-attention over its states."""

    def __init__(self, settings: Encoder, tokenizer: Tokenizer):
        super().__init__()
        self.settings, s = settings, settings
        self.pieces = nn.EmbeddingBag(tokenizer.size, s.embedding, mode="sum", padding_idx=NONE)
        self.grams = nn.EmbeddingBag(s.buckets + 1, s.embedding, mode="mean", padding_idx=NONE)
        for table in (self.pieces, self.grams):
            nn.init.normal_(table.weight, std=s.embedding**-0.5)
        self.recurrent = nn.LSTM(s.embedding, s.width // 2, batch_first=True, bidirectional=True)
        shape = (s.width, s.heads, s.feed_forward, "relu", "layer", "pre", s.dropout)
        self.attentive = layers.Stack([layers.EncoderLayer(*shape) for _ in range(s.layers)], nn.LayerNorm(s.width))

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the words in context (B, S, D), by themselves (B, S, E), and which places are padding (B, S)."""
        alone = self.embed(batch["pieces"], batch["grams"])  # (B, S, E)
        lengths = batch["words"].clamp(min=1)
        padding = torch.arange(alone.shape[1], device=alone.device) >= lengths[:, None]
        packed = nn.utils.rnn.pack_padded_sequence(alone, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(self.recurrent(packed)[0], True, 0.0, alone.shape[1])
        x = layers.dropout(states, self.settings.dropout, self.training)
        mask = torch.zeros(padding.shape, device=x.device).masked_fill_(padding, -torch.inf)[:, None, None]
        return self.attentive(x, mask, None), alone, padding

    def embed(self, pieces: Tensor, grams: Tensor) -> Tensor:
        """Return the words by themselves (B, S, E).

        In training a share of the words loses its pieces, as if train lacked them, and half as many also their n-grams.
        """
        if self.training and self.settings.word_dropout:
            chance = torch.rand(pieces.shape[:2], device=pieces.device)[..., None]
            pieces = pieces.masked_fill(chance < self.settings.word_dropout, NONE)
            grams = grams.masked_fill(chance < self.settings.word_dropout / 2, NONE)
        x = (self.pieces(pieces.flatten(0, 1)) + self.grams(grams.flatten(0, 1))) * self.settings.embedding**0.5
        return layers.dropout(x.view(*pieces.shape[:2], -1), self.settings.dropout, self.training)


class Summary(nn.Module):
    """One vector a sentence: the largest and the attended value of each number of its words (Lin et al. 2017)."""

    def __init__(self, width: int):
        super().__init__()
        self.weigh = nn.Linear(width, 1, bias=False)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Map (B, S, D) to (B, 2 D)."""
        weights = self.weigh(x).masked_fill(padding[..., None], -torch.inf).softmax(1)
        largest = x.masked_fill(padding[..., None], -torch.inf).amax(1)
        return torch.cat([largest, (weights * x).sum(1)], 1)
