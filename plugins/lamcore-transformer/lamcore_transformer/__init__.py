"""Offer Transformers that write and that read; `lamcore_transformer.layers` holds the parts for other models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lamcore import Architecture, Labels, hookimpl
from lamcore_transformer.readers import Classifier, Tagger

if TYPE_CHECKING:
    from lamcore.run import Run
    from lamcore.tokenizer import Tokenizer
    from lamcore_transformer.causal_lm import CausalLmModel
    from lamcore_transformer.model import TransformerModel


LONGEST = 2**17


class Activation(Enum):
    """What stands between the two halves of a feed-forward layer."""

    relu = "relu"
    gelu = "gelu"
    silu = "silu"
    swiglu = "swiglu"


class Place(Enum):
    """Where a layer is normalised."""

    pre = "pre"
    post = "post"


class NormKind(Enum):
    """How a layer is normalised."""

    layer = "layer"
    rms = "rms"


class Positions(Enum):
    """How a token's place is told."""

    sinusoidal = "sinusoidal"
    learned = "learned"
    rotary = "rotary"


class Beginning(Enum):
    """What embeddings are before training."""

    random = "random"
    sentences = "sentences"


@dataclass
class Transformer(Architecture):
    """Encoder-decoder Transformer (Vaswani et al. 2017): text in, text out."""

    layers: int = 4
    """Layers of the encoder, and of the decoder unless decoder_layers says otherwise."""
    decoder_layers: int | None = None
    """Layers of the decoder; null is as many as the encoder's."""
    width: int = 256
    """Numbers that stand for one token."""
    heads: int = 4
    """Attention heads; they share the width."""
    feed_forward: int = 1024
    """Width inside a feed-forward layer."""
    activation: Activation = Activation.relu
    """relu, gelu, silu, or swiglu (gated, Shazeer 2020: half as many parameters again)."""
    place: Place = Place.pre
    """Where layers are normalised: pre trains more easily, post is the original and needs warm-up."""
    norm: NormKind = NormKind.layer
    """layer (mean and variance) or rms (root mean square, Zhang and Sennrich 2019)."""
    positions: Positions = Positions.sinusoidal
    """sinusoidal, learned (one vector a place, up to max_length) or rotary (Su et al. 2021)."""
    tie: bool = True
    """One matrix for reading and writing the target, and with a joint tokenizer for reading the input too."""
    embeddings: Beginning = Beginning.random
    """They begin random, or by `sentences`: tokens of the same train records begin alike (Dumais et al. 1997)."""
    dropout: float = 0.1
    """Share of the numbers that are zeroed in training (on a CPU rounded to 1/256)."""
    label_smoothing: float = 0.1
    """Share of the probability that is spread evenly over the vocabulary in training."""
    max_length: int = 512
    """Longest sequence in tokens, its end mark among them; longer ones are cut."""
    adapter: int = 0
    """Width of a small layer after each feed-forward (Houlsby et al. 2019), to fine-tune it alone; 0 is none."""
    copy: bool = False
    """Tokens of the target may be copied from the input (See et al. 2017): for names that training never saw."""

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "feed_forward"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.adapter < 0:
            raise ValueError(f"adapter must be 0 (none) or more, not {self.adapter}")
        if self.decoder_layers is not None and self.decoder_layers < 1:
            raise ValueError(f"decoder_layers must be 1 or more, or null, not {self.decoder_layers}")
        for name in ("dropout", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and less than 1, not {getattr(self, name)}")
        self._check_shapes()

    def _check_shapes(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, but {self.width} is not one of {self.heads}")
        if self.positions is Positions.rotary and self.width // self.heads % 2:
            raise ValueError(f"rotary positions need an even width a head, not {self.width // self.heads}")
        if self.positions is Positions.sinusoidal and self.width % 2:
            raise ValueError(f"sinusoidal positions need an even width, not {self.width}")
        if self.max_length < 2:
            raise ValueError(f"max_length must be 2 or more, not {self.max_length}")
        if self.max_length > LONGEST:  # there is a vector for each place
            raise ValueError(f"max_length must be at most {LONGEST}, not {self.max_length}")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return a small one, for checks."""
        return cls(layers=1, width=64, heads=4, feed_forward=128)

    def build(self, tokenizer: Mapping[str, Tokenizer], labels: Labels) -> TransformerModel:
        """Return a new model with random weights, drawn from torch's seed."""
        from lamcore_transformer.model import TransformerModel

        return TransformerModel(self, tokenizer)


@dataclass
class CausalLm(Architecture):
    """Decoder-only Transformer, shaped as Llama (Touvron et al. 2023): it goes on with the text that it is given.

    It reads `segments` ([{text, train}]) where a record has them, else `input`; it answers with the text of the last
    trained segment, else `target`."""

    layers: int = 4
    """Layers of attention and feed-forward."""
    width: int = 256
    """Numbers that stand for one token."""
    heads: int = 4
    """Attention heads; they share the width."""
    key_value_heads: int = 2
    """Heads of keys and values, each shared by as many queries (Ainslie et al. 2023); `heads` or a part of it."""
    feed_forward: int = 704
    """Width inside a feed-forward layer (swiglu, Shazeer 2020: three matrices)."""
    tie: bool = True
    """One matrix for reading and writing tokens."""
    dropout: float = 0.1
    """Share of the numbers that are zeroed in training (on a CPU rounded to 1/256)."""
    max_length: int = 512
    """Most tokens of a record, its answer among them; of longer ones the oldest text that is not trained is cut off."""

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "key_value_heads", "feed_forward"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.width % (2 * self.heads):
            raise ValueError(f"width must be heads times an even number, but {self.width} is not with {self.heads}")
        if self.heads % self.key_value_heads:
            raise ValueError(f"heads must be a multiple of key_value_heads, not {self.heads} of {self.key_value_heads}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and less than 1, not {self.dropout}")
        if not 8 <= self.max_length <= LONGEST:
            raise ValueError(f"max_length must be from 8 to {LONGEST}, not {self.max_length}")

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return a small one, for checks."""
        return cls(layers=1, width=64, feed_forward=128)

    def build(self, tokenizer: Mapping[str, Tokenizer], labels: Labels) -> CausalLmModel:
        """Return a new model with random weights, drawn from torch's seed."""
        from lamcore_transformer.causal_lm import CausalLmModel

        return CausalLmModel(self, tokenizer)


@hookimpl
def register_architectures(register: Any) -> None:
    """Offer the architectures of this plugin."""
    register("transformer", Transformer)
    register("causal_lm", CausalLm)
    register("tagger", Tagger)
    register("classifier", Classifier)


@hookimpl
def on_model(run: Run, model: Any) -> None:
    """Let the embeddings of a new model, but for one that begins with another's, begin with what train tells."""
    if getattr(run.recipe.architecture, "embeddings", None) is Beginning.sentences and run.recipe.init is None:
        from lamcore_transformer.embeddings import begin_with_sentences

        begin_with_sentences(model, run.data)
