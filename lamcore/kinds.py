"""The contracts: the six kinds of component, the model, and the settings that the core itself reads.

A component is a dataclass: its fields are its settings (a type, a default that works, a one-line string under each),
its methods are its work. This module imports neither torch nor datasets."""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

    from lamcore.data import Data
    from lamcore.run import Run
    from lamcore.tokenizer import Tokenizer

Record = dict[str, Any]
"""One row: column -> value, with `id`."""
Answer = dict[str, Any]
"""The columns that a model fills, and where it has them `score` and `alternatives`."""
Example = dict[str, Any]
"""What a model learns one record from: name -> number or array (its first axis may vary), and `size`."""
Labels = Mapping[str, Sequence[str]]
"""Column -> the values it takes in the train split, sorted."""
MISSING: Any = "???"
"""The default of a field that the user must set."""


class Source(ABC):
    """Give records, split by split."""

    makes_splits: bool = False
    """True where `load` itself cuts the splits: then a record's input in two splits is an error, not a remark."""

    @abstractmethod
    def load(self) -> Mapping[str, Dataset | Iterable[Record]]:
        """Return {split: records}: `train`, `validation`; every other split is a held-out test.

        Iterables are read once, in order, and written to disk in constant memory. A record without `id` gets one."""

    def fingerprint(self) -> str | None:
        """Return a short text that changes when the data does; None: unknown, the source is read for every run."""
        return None


class Preprocessor(ABC):  # noqa: B024 - a step overrides `change` or `apply`
    """Turn records into what the model reads, and answers back into what the user reads. Learns nothing."""

    def change(self, record: Record) -> Record | None:
        """Return the record changed (a new dict), or the one given; None drops it, in train only."""
        return record

    def apply(self, rows: Dataset, split: str) -> Dataset | Iterable[Record]:
        """Turn a whole split ("predict" at `predict`); validation and test keep every row.

        Override it only where a step needs the whole table."""
        turned = ((record, self.change(record)) for record in records_of(rows))
        return (old if new is None else new for old, new in turned if new is not None or split != "train")

    def undo(self, answer: Answer, record: Record) -> Answer:
        """Turn an answer back; `record` is the record as this step was given it."""
        return answer


def records_of(rows: Dataset) -> Iterator[Record]:
    """Go through a table record by record, at the speed of its columns."""
    for batch in rows.iter(batch_size=1000):
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))


class Augmenter(ABC):
    """Vary the records of a training batch."""

    @abstractmethod
    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return records, new dicts where they differ; all chance is from `rng`, keyed by (seed, epoch, step)."""


class Model(Protocol):
    """What an architecture builds: a `torch.nn.Module` with these methods; B is the number of records."""

    def encode(self, records: list[Record]) -> list[Example]:
        """Turn records into examples; `size` is a length, or a tuple of lengths, one a padded sequence."""

    def collate(self, examples: list[Example]) -> dict[str, torch.Tensor]:
        """Pad examples into tensors by name; draws nothing at random (it runs in a thread of its own)."""

    def forward(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (losses (B,), counts (B,)): each record's summed loss and how many items (tokens) it sums."""

    def predict(self, batch: dict[str, torch.Tensor], decoding: Decoding) -> list[Answer]:
        """Return one answer a record, in order."""  # logits(batch) -> (B, T, V) too, where a model has them


class Architecture(ABC):
    """Describe a model."""

    reads: Sequence[str] = ("input", "target")
    """Columns that `encode` reads; the tokenizer learns from those that hold text."""
    labels: Sequence[str] = ()
    """Columns whose values are classes."""
    answers: Sequence[str] = ("target",)
    """Columns that the model fills; empty at `predict`."""
    own_tokenizer: ClassVar[bool] = False
    """True where the model cuts text by itself: none is learnt for it."""

    @abstractmethod
    def build(self, tokenizer: Mapping[str, Tokenizer], labels: Labels) -> Model:
        """Return a new model; `tokenizer` holds one tokenizer a text column (the same one where it is joint).

        It must also build under torch.device("meta"): read no numbers out of tensors."""


class Trainer(ABC):
    """Fit a model."""

    batch_tokens: int = 4096
    """Most padded tokens in a training batch; the rehearsal tries the largest."""
    shares_work: ClassVar[bool] = False
    """True where the processes that torchrun starts train together."""

    @abstractmethod
    def fit(self, run: Run, model: Any, data: Data) -> None:
        """Train; return with the best weights in `model`, under the architecture's own names."""


class Metric(ABC):
    """Compare answers with what the source gave; the core sums counts, bootstraps, slices and compares."""

    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Least and greatest value."""
    direction: ClassVar[str] = "higher"
    """Which is better: "higher" or "lower"."""
    differences: ClassVar[Sequence[str]] = ()
    """Scores that compare two groups of records: they have a sign, 0 is best."""

    @property
    def signature(self) -> str:
        """Say how the score was made, so that others can make the same."""
        return ""

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Return the numbers of one answer whose sums `score` needs."""
        raise NotImplementedError(f"{type(self).__name__} defines neither count nor counts")

    def counts(self, answers: Sequence[Answer], records: Sequence[Record]) -> list[Mapping[str, float]]:
        """Return the numbers of many answers; override where scoring together is faster."""
        return [self.count(answer, record) for answer, record in zip(answers, records, strict=True)]

    @abstractmethod
    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return {name: value} from summed counts; a value named as the metric takes its label in the run."""


CONTRACTS: list[type] = [Source, Preprocessor, Augmenter, Architecture, Trainer, Metric]
KINDS = {contract.__name__.lower(): contract for contract in CONTRACTS}
"""Singular name -> contract; a plugin registers with `register_<plural>`."""
PLURALS = {kind: f"{kind}s" for kind in KINDS}


@dataclass
class Decoding:
    """How a model searches for an answer."""

    beam: int = 1
    """Hypotheses kept a step; 1 is greedy search, and sampling."""
    length_penalty: float = 1.0
    """Exponent of the length that a hypothesis' log probability is divided by (Wu et al. 2016); 0 is no penalty."""
    n_best: int = 1
    """Answers a record; more than 1 are `alternatives`, best first. At most `beam`, or any number of samples."""
    temperature: float = 0.0
    """0 searches for the likeliest answer; above, tokens are drawn, with scores divided by this."""
    top_k: int = 0
    """Likeliest tokens that are drawn from; 0 is all."""
    top_p: float = 1.0
    """Share of the probability that the tokens drawn from must have (nucleus sampling); 1 is all."""
    seed: int = 1
    """What is drawn follows from it and the record's input."""
    copy: list[str] = field(default_factory=list)
    """Pieces of the vocabulary that each answer holds exactly as often as its input, such as <0>."""
    max_length: int = 256
    """Most tokens in an answer."""
    max_ratio: float = 2.0
    """Most tokens in an answer for each token of the input (10 more are always allowed); 0 is no such bound."""
    batch_tokens: int = 4000
    """Most padded tokens decoded at once."""
    constrain: str = ""
    """Rule of what an answer may be: a constraint's name, and after a colon what it takes; empty is none."""
    rules: Any = field(default=None, init=False, repr=False, compare=False)
    """No setting: where `constrain` names one, rules(tokenizer, limits) -> Allowed for the batch that is answered."""

    def __post_init__(self) -> None:
        if min(self.beam, self.n_best, self.max_length, self.batch_tokens) < 1:
            raise ValueError("beam, n_best, max_length and batch_tokens must be 1 or more")
        if self.temperature < 0 or self.top_k < 0 or self.max_ratio < 0 or not 0 < self.top_p <= 1:
            raise ValueError("temperature, top_k and max_ratio must be 0 or more, top_p more than 0 and at most 1")
        if 0 < self.temperature < 0.001:
            raise ValueError(f"temperature={self.temperature:g} is too near to 0: write 0, which draws nothing")
        if self.temperature > 0 and self.beam > 1:
            raise ValueError(f"sampling (temperature={self.temperature:g}) needs beam=1, not {self.beam}")
        if self.temperature == 0 and self.n_best > self.beam:
            raise ValueError(f"n_best={self.n_best} needs a beam of as many, or a temperature; beam is {self.beam}")


class Subwords(Enum):
    """How text is cut."""

    bpe = "bpe"
    byte_bpe = "byte_bpe"
    character = "character"


@dataclass
class TokenizerPlan:
    """How the run's tokenizer is learnt from the train split, or where it is read from."""

    kind: Subwords = Subwords.bpe
    """bpe (merged characters), byte_bpe (merged bytes: nothing is unknown) or character."""
    size: int = 8000
    """Pieces in the vocabulary, special tokens included; character takes what it finds."""
    joint: bool = True
    """One vocabulary for all text columns; false learns one a column."""
    symbols: list[str] = field(default_factory=list)
    """Texts that are always one piece, such as <0>."""
    dropout: float = 0.0
    """Share of BPE's merges that training batches pass over at random (Provilkov et al. 2020: 0.1); 0 is off."""
    max_records: int = 1_000_000
    """Most train records to learn from, taken evenly over the split."""
    file: str | None = None
    """A tokenizer.json to use instead of learning one (unigram and wordpiece too; no regexes, no precompiled maps)."""

    def __post_init__(self) -> None:
        if not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout must be between 0 and 1, not {self.dropout}")


@dataclass
class Recipe:
    """Everything a run is made of: the root of a config."""

    source: Source
    """Where records come from."""
    architecture: Architecture
    """What the model is."""
    trainer: Trainer
    """How it is fitted."""
    preprocessors: dict[str, Preprocessor] = field(default_factory=dict)
    """Steps from record to example, in order; an answer goes back through them."""
    augmenters: dict[str, Augmenter] = field(default_factory=dict)
    """Variation of training batches, in order."""
    metrics: dict[str, Metric] = field(default_factory=dict)
    """Scores of validation and test."""
    tokenizer: TokenizerPlan = field(default_factory=TokenizerPlan)
    """How text becomes numbers."""
    decoding: Decoding = field(default_factory=Decoding)
    """How answers are searched."""
    name: str = "run"
    """The run's name, part of its folder's."""
    intended_use: str = ""
    """What the model is for and for whom: a sentence of the model card."""
    limits: str = ""
    """What it is not for, and where it is known to be wrong: a sentence of the model card."""
    init: str | None = None
    """A finished run's or a model's folder to begin with: tokenizer, labels, architecture and weights are its."""
    seed: int = 1
    """All chance follows from it."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    monitor: str = "loss"
    """Which validation score picks the best checkpoint: loss or a metric's name."""
    requires: list[str] = field(default_factory=list)
    """Distributions that must be installed, with ranges: lamcore-clean>=0.1."""
    cache: str | None = None
    """Folder of prepared data; null is the user's cache folder, or the run's where that can't be written."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+", self.name):
            raise ValueError(f"name is part of a folder's: letters, digits, '.', '_' and '-' only, not {self.name!r}")
