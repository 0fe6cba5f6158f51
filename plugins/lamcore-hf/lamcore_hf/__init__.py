"""Checkpoints of Hugging Face transformers as architectures; light, the work is in the other modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lamcore import MISSING, Architecture, Labels, hookimpl

if TYPE_CHECKING:
    from lamcore.run import Run
    from lamcore.tokenizer import Tokenizer
    from lamcore_hf.causal_lm import CausalLm
    from lamcore_hf.seq2seq import Seq2Seq


@dataclass
class Lora:
    """Low-rank changes of matrices (Hu et al. 2021) by peft; they are merged into what is kept."""

    rank: int = 0
    """Rank of the change of a matrix: 8, say; 0 is off."""
    alpha: float = 16.0
    """The change is scaled by alpha / rank."""
    dropout: float = 0.0
    """Share of what a change reads that is zeroed in training."""
    modules: list[str] = field(default_factory=list)
    """Regexes that are looked for in the names of linear modules: those found are changed; empty is all but the last.

    The last is the one that writes the scores."""

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise ValueError(f"rank must be 0 (off) or more, not {self.rank}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and less than 1, not {self.dropout}")


@dataclass
class HfSeq2Seq(Architecture):
    """An encoder-decoder of Hugging Face transformers, such as Marian or T5: text in, text out.

    It begins with a checkpoint's weights and cuts text with the checkpoint's tokenizer."""

    own_tokenizer = True

    checkpoint: str = MISSING
    """Folder that `save_pretrained` wrote, or a name on the hub; empty in a trained model, which holds all of it."""
    max_length: int = 512
    """Longest sequence in tokens, its end mark among them; longer ones are cut. At most what the model has places for.
    """
    lora: Lora = field(default_factory=Lora)
    """Train low-rank changes of matrices instead of all, by peft."""
    config: str = ""
    """No setting: the checkpoint's config as JSON, in a trained model."""
    tokenizer_bytes: int = 0
    """No setting: how long the tokenizer is that a trained model holds beside its weights."""

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one of a small checkpoint with random weights, for checks."""
        from lamcore_hf.example import write

        return cls(checkpoint=str(write(folder / "t5", "t5")))

    def build(self, tokenizer: Mapping[str, Tokenizer], labels: Labels) -> Seq2Seq:
        """Return a model with the checkpoint's weights; where there is none, one of `config` with random weights."""
        from lamcore_hf.seq2seq import Seq2Seq

        return Seq2Seq(self)


@dataclass
class HfCausalLm(Architecture):
    """A decoder-only model of Hugging Face transformers, such as Llama: it goes on with the text that it is given.

    It begins with a checkpoint's weights and cuts text with the checkpoint's tokenizer. It reads `segments`
    ([{text, train}]) where a record has them, else `input`; it answers with the text of the last trained segment, else
    `target`."""

    own_tokenizer = True

    checkpoint: str = MISSING
    """Folder that `save_pretrained` wrote, or a name on the hub; empty in a trained model, which holds all of it."""
    between: str = "\n"
    """Text between input and target, where a record has no segments."""
    max_length: int = 512
    """Most tokens of a record, its answer among them; of longer ones the oldest text that is not trained is cut off.

    At most what the model has places for."""
    lora: Lora = field(default_factory=Lora)
    """Train low-rank changes of matrices instead of all, by peft."""
    config: str = ""
    """No setting: the checkpoint's config as JSON, in a trained model."""
    tokenizer_bytes: int = 0
    """No setting: how long the tokenizer is that a trained model holds beside its weights."""

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one of a small checkpoint with random weights, for checks."""
        from lamcore_hf.example import write

        return cls(checkpoint=str(write(folder / "llama", "llama")))

    def build(self, tokenizer: Mapping[str, Tokenizer], labels: Labels) -> CausalLm:
        """Return a model with the checkpoint's weights; where there is none, one of `config` with random weights."""
        from lamcore_hf.causal_lm import CausalLm

        return CausalLm(self)


def _check(settings: HfSeq2Seq | HfCausalLm) -> None:
    if not (settings.checkpoint or settings.config):
        raise ValueError("checkpoint must be set: a folder that save_pretrained wrote, or a name on the hub")
    if not 8 <= settings.max_length <= 2**17:
        raise ValueError(f"max_length must be from 8 to {2**17}, not {settings.max_length}")
    if settings.tokenizer_bytes < 0:
        raise ValueError(f"tokenizer_bytes must be 0 or more, not {settings.tokenizer_bytes}")


@hookimpl
def register_architectures(register: Any) -> None:
    """Offer the architectures of this plugin."""
    register("hf_seq2seq", HfSeq2Seq)
    register("hf_causal_lm", HfCausalLm)


@hookimpl
def on_start(run: Run) -> None:
    """Fetch a checkpoint that is named as on the hub; building and loading never reach for the network."""
    settings = run.recipe.architecture
    if isinstance(settings, (HfSeq2Seq, HfCausalLm)):
        from lamcore_hf.checkpoint import fetch

        fetch(settings.checkpoint)


@hookimpl
def on_model(run: Run, model: Any) -> None:
    """Have the model handed on hold its config instead of naming the checkpoint, and attach LoRA where it is asked for.

    The checkpoint's tokenizer lies among the weights."""
    settings = run.recipe.architecture
    if isinstance(settings, (HfSeq2Seq, HfCausalLm)):
        from lamcore_hf.lora import attach
        from lamcore_hf.model import hand_on

        hand_on(run, model)
        if settings.lora.rank:
            attach(settings.lora, run, model)
