"""The joint reader of intent and slots as a model of lamcore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lamcore import Answer, Decoding, Example, Labels, LamcoreError, Record
from lamcore.model import evaluating
from lamcore_transformer import layers
from lamcore_transformer.reading import Summary, WordEncoder, look_at, pad_words, refuse_rules, words_of

if TYPE_CHECKING:
    from lamcore.tokenizer import Tokenizer
    from lamcore_transformer.readers import Tagger

UNKNOWN = -1
"""The number of a label that is not known: at `predict`, or one that train lacks."""


class TaggerModel(nn.Module):
    """A sentence in, its intent and a tag a word out."""

    def __init__(self, settings: Tagger, tokenizer: Mapping[str, Tokenizer], labels: Labels):
        super().__init__()
        self.settings, self.tokenizer = settings, tokenizer["input"]
        self.intents, self.tags = list(labels["intent"]), list(labels["tags"])
        width = settings.encoder.width
        self.encoder = WordEncoder(settings.encoder, self.tokenizer)
        self.summary = Summary(width)
        self.intent = nn.Linear(2 * width, len(self.intents))
        self.told = nn.Linear(len(self.intents), width)
        self.mix = nn.Linear(width, width)
        self.tag = nn.Linear(width, len(self.tags))
        self.chain = Chain(len(self.tags))

    # ------------------------------------------------------------------------------------- records to tensors

    def encode(self, records: list[Record]) -> list[Example]:
        """Return what is seen of each word, and the numbers of `intent` and `tags`."""
        sentences = [record.get("tokens") or words_of(record["input"]) for record in records]
        examples = look_at(sentences, self.tokenizer, self.settings.encoder.buckets)
        intents, tags = ({label: i for i, label in enumerate(known)} for known in (self.intents, self.tags))
        for record, words, example in zip(records, sentences, examples, strict=True):
            given = record["tags"] or [""] * max(1, len(words))
            if len(given) != example["size"]:
                what = f"Record {record.get('id')!r}: {len(given)} tags for {len(words)} tokens"
                raise LamcoreError(f"{what}; there must be one a token.")
            example["intent"] = intents.get(record["intent"], UNKNOWN)
            example["tags"] = np.array([tags.get(tag, UNKNOWN) for tag in given], dtype=np.int32)
        return examples

    def collate(self, examples: list[Example]) -> dict[str, Tensor]:
        """Pad to `words`, `pieces` and `grams` (see `pad_words`), `intent` (B,) and `tags` (B, S), with UNKNOWN."""
        batch = pad_words(examples)
        tags = np.full(batch["pieces"].shape[:2], UNKNOWN, dtype=np.int64)
        for row, example in zip(tags, examples, strict=True):
            row[: len(example["tags"])] = example["tags"]
        intents = torch.tensor([int(example["intent"]) for example in examples])
        return {**batch, "intent": intents, "tags": torch.from_numpy(tags)}

    # ------------------------------------------------------------------------------------------------ learning

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return each record's loss, of its intent and of its tags together, and its number of words.

        What is unknown (a label that train lacks) costs nothing."""
        intent, tags, padding = self._scores(batch)
        smoothing = self.settings.label_smoothing if self.training else 0.0
        losses = F.cross_entropy(intent, batch["intent"], None, None, UNKNOWN, None, "none", smoothing)
        known = ((batch["tags"] != UNKNOWN) | padding).all(1)
        surprise = self.chain(tags, batch["tags"].clamp(min=0), padding)
        return losses + surprise.where(known, 0), (~padding).sum(1)

    def _scores(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the scores of intents (B, I) and of tags (B, S, K), and which places are padding (B, S)."""
        rate = self.settings.encoder.dropout
        x, _, padding = self.encoder(batch)
        intent = self.intent(layers.dropout(self.summary(x, padding), rate, self.training))
        told = self.told(intent.softmax(1))[:, None]
        x = torch.relu(self.mix(layers.dropout(x, rate, self.training)) + told)
        return intent, self.tag(layers.dropout(x, rate, self.training)), padding

    # ----------------------------------------------------------------------------------------------- answering

    @torch.inference_mode()
    def predict(self, batch: dict[str, Tensor], decoding: Decoding) -> list[Answer]:
        """Return one {"intent", "tags", "probability", "score"} a record."""
        refuse_rules(decoding)
        if self.training:
            with evaluating(self):
                return self.predict(batch, decoding)
        intent, tags, padding = self._scores(batch)
        chances, best = intent.softmax(1).max(1)
        paths, scores = self.chain.best(tags, padding)
        rows = zip(
            best.tolist(), chances.tolist(), paths.tolist(), scores.tolist(), batch["words"].tolist(), strict=True
        )
        return [
            {
                "intent": self.intents[one],
                "tags": [self.tags[tag] for tag in path[:words]],
                "probability": chance,
                "score": score + float(np.log(chance)),
            }
            for one, chance, path, score, words in rows
        ]


class Chain(nn.Module):
    """A linear-chain conditional random field (Lafferty et al. 2001): a score for each pair of neighbours."""

    def __init__(self, tags: int):
        super().__init__()
        self.first, self.last = nn.Parameter(torch.zeros(tags)), nn.Parameter(torch.zeros(tags))
        self.pairs = nn.Parameter(torch.zeros(tags, tags))  # from row to column

    def forward(self, scores: Tensor, tags: Tensor, padding: Tensor) -> Tensor:
        """Return -log p(tags), (B,), given scores (B, S, K), tags and padding (B, S)."""
        inside = ~padding
        own = (scores.gather(2, tags[..., None])[..., 0] * inside).sum(1)
        own = own + (self.pairs[tags[:, :-1], tags[:, 1:]] * inside[:, 1:]).sum(1) + self.first[tags[:, 0]]
        end = tags.gather(1, inside.sum(1, keepdim=True) - 1)[:, 0]
        return self._all(scores, padding) - own - self.last[end]

    def _all(self, scores: Tensor, padding: Tensor) -> Tensor:
        """Return the logarithm of the summed weights of all paths, (B,).

        Sums over pairs are products of exponentials, each step's largest divided out."""
        top = self.pairs.max()
        weights = (self.pairs - top).exp()
        total = scores[:, 0] + self.first
        for place in range(1, scores.shape[1]):
            largest = total.amax(1, keepdim=True)
            following = ((total - largest).exp() @ weights).clamp(min=1e-30).log() + largest + top + scores[:, place]
            total = torch.where(padding[:, place, None], total, following)
        return (total + self.last).logsumexp(1)

    def best(self, scores: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
        """Return the likeliest tags (B, S) and their log probability (B,): Viterbi's search."""
        total, back = scores[:, 0] + self.first, []
        stay = torch.arange(scores.shape[2], device=scores.device)
        for place in range(1, scores.shape[1]):
            value, origin = (total[..., None] + self.pairs).max(1)
            hidden = padding[:, place, None]
            back.append(torch.where(hidden, stay, origin))
            total = torch.where(hidden, total, value + scores[:, place])
        value, tag = (total + self.last).max(1)
        path = [tag]
        for origin in reversed(back):
            path.append(origin.gather(1, path[-1][:, None])[:, 0])
        return torch.stack(path[::-1], 1), value - self._all(scores, padding)
