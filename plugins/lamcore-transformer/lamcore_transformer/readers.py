"""The architectures that read a sentence and answer with classes: `tagger` and `classifier`. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lamcore import Architecture, Labels, Record

if TYPE_CHECKING:
    from lamcore.tokenizer import Tokenizer
    from lamcore_transformer.classifier import ClassifierModel
    from lamcore_transformer.tagger import TaggerModel


@dataclass
class Encoder:
    """How a sentence's words become vectors: pieces and character n-grams, an LSTM, self-attention."""

    embedding: int = 128
    """Numbers that stand for a piece of a word, and for a word by itself."""
    width: int = 256
    """Numbers that stand for a word in its sentence."""
    layers: int = 1
    """Layers of self-attention and feed-forward above the LSTM; 0 is the LSTM alone."""
    heads: int = 4
    """Attention heads; they share the width."""
    feed_forward: int = 512
    """Width inside a feed-forward layer."""
    buckets: int = 20_000
    """Rows of the table that character n-grams are hashed into."""
    dropout: float = 0.3
    """Share of the numbers that are zeroed in training (on a CPU rounded to 1/256)."""
    word_dropout: float = 0.2
    """Share of the words that are read by their n-grams alone in training; half of those are not read at all."""

    def __post_init__(self) -> None:
        for name in ("embedding", "width", "heads", "feed_forward", "buckets"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.layers < 0:
            raise ValueError(f"layers must be 0 or more, not {self.layers}")
        if self.width % self.heads or self.width % 2:
            raise ValueError(
                f"width must be even and a multiple of heads, but {self.width} is not (heads {self.heads})"
            )
        for name in ("dropout", "word_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and less than 1, not {getattr(self, name)}")


def _small() -> Encoder:
    return Encoder(embedding=32, width=32, heads=2, feed_forward=64, buckets=500)


@dataclass
class Tagger(Architecture):
    """Intent and slots of a sentence, learnt together: a class for it and a BIO tag for each word."""

    encoder: Encoder = field(default_factory=Encoder)
    """How the words are read."""
    label_smoothing: float = 0.0
    """Share of the probability that is spread evenly over the intents in training."""

    reads = ("input",)
    labels = ("intent", "tags")
    answers = ("intent", "tags")

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be at least 0 and less than 1, not {self.label_smoothing}")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return a small one, for checks."""
        return cls(_small())

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return sentences with their intent and tags, for checks."""
        things = ["door", "window", "light", "lamp", "gate", "shutter", "blind", "hatch"]
        tagged = [(verb, thing, f"B-{kind}") for verb, kind in (("open", "hole"), ("dim", "lamp")) for thing in things]
        return [
            {
                "id": f"r{at}",
                "input": f"{verb} the {thing}",
                "tokens": [verb, "the", thing],
                "tags": ["O", "O", tag],
                "intent": verb,
            }
            for at, (verb, thing, tag) in enumerate(tagged)
        ]

    def build(self, tokenizer: Mapping[str, Tokenizer], labels: Labels) -> TaggerModel:
        """Return a new model with random weights, drawn from torch's seed."""
        from lamcore_transformer.tagger import TaggerModel

        return TaggerModel(self, tokenizer, labels)


@dataclass
class Classifier(Architecture):
    """Class of a sentence; where its probability is low, the answer can be a label that abstains."""

    column: str = "intent"
    """Column that holds the class."""
    encoder: Encoder = field(default_factory=Encoder)
    """How the words are read."""
    label_smoothing: float = 0.1
    """Share of the probability that is spread evenly over the classes in training."""
    threshold: float = 0.0
    """Probability under which the answer is `abstain`; 0 is never."""
    abstain: str = "oos"
    """What is answered under the threshold."""

    reads = ("input",)

    def __post_init__(self) -> None:
        for name in ("label_smoothing", "threshold"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and less than 1, not {getattr(self, name)}")

    @property
    def labels(self) -> Sequence[str]:  # type: ignore[override]
        """The column that holds the class."""
        return (self.column,)

    @property
    def answers(self) -> Sequence[str]:  # type: ignore[override]
        """The same."""
        return (self.column,)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return a small one, for checks."""
        return cls(encoder=_small())

    def build(self, tokenizer: Mapping[str, Tokenizer], labels: Labels) -> ClassifierModel:
        """Return a new model with random weights, drawn from torch's seed."""
        from lamcore_transformer.classifier import ClassifierModel

        return ClassifierModel(self, tokenizer, labels)
