"""Tools of the contracts of architectures and trainers: a model on trial, and a whole toy run. Imports torch."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import math
import shutil
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from lamcore import hookimpl
from lamcore.data import Data, Encoded, vocabulary
from lamcore.kinds import KINDS, Answer, Architecture, Decoding, Recipe, Record, TokenizerPlan, Trainer, records_of
from lamcore.make import make
from lamcore.model import ModelParts, TrainedModel, evaluating, load_model
from lamcore.plugins import Plugin, Registry
from lamcore.prepare import prepare
from lamcore.run import Run
from lamcore.tables import write_table
from lamcore.testing.component import described
from lamcore.testing.contract import ensure
from lamcore.testing.toy import Commands, Idle, Intents
from lamcore.tokenizer import Tokenizer

CPU = torch.device("cpu")
PRIVATE = 0xF0000
"""The first of the characters that Unicode leaves to private use."""


@contextlib.contextmanager
def torch_seeded(seed: int) -> Iterator[None]:
    """Set torch's random numbers, and put them back at the end."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


# ------------------------------------------------------------------------------------------------- architectures


class Exact(Tokenizer):
    """A tokenizer whose answers can be read back: it writes one private character an id."""

    def __init__(self, tokenizer: Tokenizer):
        super().__init__(tokenizer._inner)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._read(text) or ids for text, ids in zip(texts, super().encode(texts), strict=True)]

    def _read(self, text: str) -> list[int]:
        """Return the ids that `decode` wrote, or none where the text is another's."""
        own = all(ord(character) >= PRIVATE for character in text)
        return [ord(character) - PRIVATE for character in text] if own else []

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        return ["".join(chr(PRIVATE + i) for i in row if i > self.eos or i == self.unk) for row in ids]


@dataclass
class Bench:
    """A model on trial, with the records that it was built for."""

    trained: TrainedModel
    records: list[Record]

    @property
    def model(self) -> Any:
        return self.trained.model

    def encode(self, records: Sequence[Record]) -> list[Any]:
        return self.model.encode(copy.deepcopy(list(records)))

    def batch(self, records: Sequence[Record]) -> dict[str, torch.Tensor]:
        return self.model.collate(self.encode(records))

    def losses(self, records: Sequence[Record]) -> torch.Tensor:
        """Return each record's loss in evaluation mode, (B,)."""
        with evaluating(self.model):
            losses = self.model(self.batch(records))[0]
        return losses.clone()

    def answers(self, records: Sequence[Record], length: int = 12) -> list[Answer]:
        """Return the answers of greedy search in evaluation mode."""
        with evaluating(self.model):
            return self.model.predict(self.batch(records), Decoding(max_length=length, max_ratio=0))

    def blank(self, records: Sequence[Record]) -> list[Record]:
        """Return records as they are at `predict`: columns that the model fills are empty."""
        return [{**record, **self.trained.empty} for record in records]

    def logits(self, record: Record) -> torch.Tensor:
        """Return the scores of the places of one record's target, without a cache."""
        with evaluating(self.model):
            scores = self.model.logits(self.batch([record]))
        return scores.clone()

    def fit(self, updates: int, rate: float, until_right: bool = False) -> None:
        """Learn the records as one batch: AdamW, 20 updates of warm-up, a rate that falls to a tenth at the end.

        With `until_right` it ends, looking every 20 updates, once all records are answered right."""
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
        shape = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min((n + 1) / 20, 1 - 0.9 * n / updates))
        batch = self.batch(self.records)
        for update in range(1, updates + 1):
            losses, counts = self.model.train()(batch)
            (losses.sum() / counts.sum()).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            shape.step()
            if until_right and update % 20 == 0:
                items = float(self.losses(self.records).sum() / counts.sum())
                if items < 0.2 and self.right() == len(self.records):
                    return

    def right(self) -> int:
        """Return how many records are answered as their columns say, as far as the tokenizer can write that."""
        columns = self.trained.parts.architecture.answers
        answers = self.answers(self.blank(self.records), 400)
        pairs = zip(answers, self.records, strict=True)
        return sum(all(answer.get(c) == self._writable(c, record[c]) for c in columns) for answer, record in pairs)

    def _writable(self, column: str, value: Any) -> Any:
        tokenizer = self.trained.tokenizer.get(column)
        return tokenizer.decode(tokenizer.encode([value]))[0] if tokenizer else value

    def from_disk(self, folder: Path) -> list[Any]:
        """Return the examples of all records, written to disk and read back as a run does."""
        table = write_table(folder, iter(self.encode(self.records)))
        return Encoded(table)[np.arange(len(self.records))]

    def reloaded(self, folder: Path) -> Bench:
        """Return the model saved to a folder and loaded again."""
        registry = registry_of(self.trained.parts.architecture)
        self.trained.save(folder / "model", registry, "", {"name": "check"})
        return Bench(load_model(folder / "model", registry, CPU), self.records)

    def shake(self) -> None:
        """Move every weight a little, so that a newly built model is another."""
        with torch.no_grad():
            for weight in self.model.state_dict().values():
                if weight.is_floating_point():
                    weight.add_(torch.randn_like(weight), alpha=0.02)


def bench(
    architecture: Architecture, records: Sequence[Record], plan: Mapping[str, Any], exact: bool = False, seed: int = 1
) -> Bench:
    """Build a model for records as a run does; `exact` gives it tokenizers whose answers can be read back."""
    table = Dataset.from_list(copy.deepcopy(list(records)))
    recipe = Recipe(Commands(), architecture, Idle(), tokenizer=make(TokenizerPlan, plan, "tokenizer"))
    tokenizer, labels = vocabulary(recipe, table)
    if exact:
        made = {id(one): Exact(one) for one in tokenizer.values()}
        tokenizer = {column: made[id(one)] for column, one in tokenizer.items()}
    ready = list(records_of(table))
    filled = sorted({*architecture.answers, *architecture.labels} & {*table.column_names})
    empty = {column: type(ready[0][column])() for column in filled}
    parts = ModelParts(architecture, {}, Decoding())
    with torch_seeded(seed):
        return Bench(TrainedModel(parts, tokenizer, labels, empty, CPU).build(), ready)


def registry_of(component: Any) -> Registry:
    """Return a registry that offers a component's class, and those of the components within it."""
    module, classes = types.ModuleType("lamcore_checked"), {type(component), *described(component)[1].values()}
    for kind, contract in KINDS.items():
        setattr(module, f"register_{kind}s", _offer([cls for cls in classes if issubclass(cls, contract)]))
    registry = Registry()
    registry.add(Plugin("lamcore-checked", "checked", "0"), module)
    return registry


def _offer(classes: Sequence[type]) -> Any:
    @hookimpl
    def offer(register: Any) -> None:
        for number, cls in enumerate(classes):
            register(f"checked_{number}", cls)

    return offer


def alike(one: Any, other: Any) -> bool:
    """Say whether two answers are the same, but for rounding."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-3)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) and bool(one == other)


def equal(one: Any, other: Any) -> bool:
    """Say whether two examples or batches hold the same numbers."""
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    return np.array_equal(np.asarray(one), np.asarray(other))


# ------------------------------------------------------------------------------------------------------ trainers


@dataclass
class Watch:
    """What a toy run is to notice and to do."""

    stop_at: tuple[int, str] | None = None
    """(training pass, reason): in that pass the run is asked to stop."""
    fail_at: int = 0
    """Training pass that ends in an error."""
    nan_at: int = 0
    """Training pass whose losses are not a number."""
    values: Callable[[int], float] | None = None
    """What the validation numbered 0, 1, ... is to give; None: what it gives."""
    copies: Path | None = None
    """Where to keep a copy of the run at each save."""
    deadline: float = 120.0
    """Seconds after which training is taken to go on for ever."""
    passes: int = 0
    """Training passes seen."""
    validated: list[tuple[int, int, dict[str, torch.Tensor]]] = field(default_factory=list)
    """(step, training passes, weights) of each validation."""
    states: list[Mapping[str, Any]] = field(default_factory=list)
    """The states that checkpoints were given."""
    splits: list[str] = field(default_factory=list)
    """The splits that were looked at."""
    began: float = field(default_factory=time.monotonic)


class Failure(Exception):
    """The error of `Watch.fail_at`."""


class ToyData(Data):
    """The toy task's records; notes which splits are looked at."""

    watch: Watch

    def encoded(self, split: str) -> Encoded:
        self.watch.splits.append(split)
        return super().encoded(split)


class ToyRun(Run):
    """A run of the toy task that is watched."""

    watch: Watch

    def validate(self, step: int) -> dict[str, float]:
        watch = self.watch
        watch.validated.append((step, watch.passes, state_of(self.model)))
        values = super().validate(step)
        return values if watch.values is None else {"loss": watch.values(len(watch.validated) - 1)}

    def score(self, split: str, *given: Any, **named: Any) -> Any:
        self.watch.splits.append(split)
        return super().score(split, *given, **named)

    def checkpoint(self, step: int, state: Mapping[str, Any], scores: Mapping[str, float] | None = None) -> None:
        self.watch.states.append(state)
        super().checkpoint(step, state, scores)
        if self.watch.copies:
            shutil.copytree(self.folder, self.watch.copies / f"{len(self.watch.states):04d}")

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log without what tells of time."""
        log = self.folder / "log.jsonl"
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").split("\n")[:-1]] if log.exists() else []
        return [{k: v for k, v in line.items() if k != "time" and "second" not in k} for line in lines]

    def steps(self) -> list[int]:
        """Return the steps of the checkpoints that there are, in order."""
        return [int(path.name.removeprefix("step-")) for path in sorted(self.folder.glob("checkpoints/step-*"))]


def state_of(model: Any) -> dict[str, torch.Tensor]:
    """Return a copy of a model's weights."""
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}


def same_weights(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Say whether all weights are the same, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@functools.cache
def _toy() -> tuple[Any, Any, Path]:
    """Prepare the toy task once a process; return what must stay alive, the records and the cache."""
    folder = tempfile.TemporaryDirectory(prefix="lamcore-check-")
    return folder, prepare(Recipe(Commands(), Intents(), Idle()), Path(folder.name)), Path(folder.name)


def open_run(folder: Path, trainer: Trainer, watch: Watch) -> ToyRun:
    """Open a run of the toy task as `lam train` and `lam resume` do, up to the trainer's turn."""
    _, prepared, cache = _toy()
    folder.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(Commands(), Intents(), trainer)
    run = ToyRun(folder, recipe, Registry(), CPU)
    data = ToyData(recipe, prepared, cache)
    run.data, run.watch, data.watch = data, watch, watch
    labels = {"intent": sorted(set(prepared.raw["train"]["intent"]))}
    torch.manual_seed(run.seed)
    parts = ModelParts(recipe.architecture, {}, recipe.decoding)
    run.trained = TrainedModel(parts, {}, labels, {"intent": ""}, CPU).build()
    data.bind(run.model, {}, labels)
    run.model.watch = functools.partial(_pass, run, watch)
    return run


def _pass(run: ToyRun, watch: Watch) -> float:
    """Take note of a training pass; return what its losses are to be multiplied by."""
    watch.passes += 1
    late = time.monotonic() - watch.began
    ensure(late < watch.deadline, f"it still trains after {late:.0f} seconds and {watch.passes} passes")
    if watch.stop_at and watch.passes == watch.stop_at[0]:
        run.stop(watch.stop_at[1])
    if watch.passes == watch.fail_at:
        raise Failure(f"pass {watch.passes}")
    return math.nan if watch.passes == watch.nan_at else 1.0


def fitted(folder: Path, trainer: Trainer, watch: Watch) -> ToyRun:
    """Open a run and fit; random numbers are put back at the end."""
    with torch.random.fork_rng(devices=[]):
        run = open_run(folder, trainer, watch)
        torch.manual_seed(run.seed)
        trainer.fit(run, run.model, run.data)
        return run


def validation_loss(run: ToyRun) -> float:
    """Return the loss an item on validation, with the model as it stands."""
    sums = np.zeros(2)
    with evaluating(run.model):
        for _, batch in run.data.batches("validation", 1000):
            losses, counts = run.model(batch)
            sums += float(losses.sum()), float(counts.sum())
    return float(sums[0] / sums[1])


class IntentModel(torch.nn.Module):
    """Tell a command's intent by its first letters; one number a letter and place."""

    LETTERS = 6
    watch: Callable[[], float] | None = None

    def __init__(self, labels: Sequence[str], width: int, dropout: float):
        super().__init__()
        self.labels = {label: number for number, label in enumerate(labels)}
        self.embedding = torch.nn.Embedding(self.LETTERS * 64, width)
        self.dropout = torch.nn.Dropout(dropout)
        self.head = torch.nn.Linear(width, len(labels))

    def encode(self, records: list[Record]) -> list[dict[str, Any]]:
        return [
            {
                "letters": np.array([64 * at + ord(c) % 64 for at, c in enumerate(self._first(record))], np.int64),
                "label": self.labels.get(record["intent"], 0),
                "size": self.LETTERS,
            }
            for record in records
        ]

    def _first(self, record: Record) -> str:
        return record["input"][: self.LETTERS].ljust(self.LETTERS)

    def collate(self, examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        letters = torch.from_numpy(np.stack([example["letters"] for example in examples]))
        return {"letters": letters, "label": torch.tensor([int(example["label"]) for example in examples])}

    def scores(self, letters: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.embedding(letters)).sum(1))  # (B, labels)

    def logits(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.scores(batch["letters"])[:, None]  # (B, 1, labels)

    def forward(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        factor = self.watch() if self.training and self.watch else 1.0
        losses = torch.nn.functional.cross_entropy(self.scores(batch["letters"]), batch["label"], reduction="none")
        return losses * factor, torch.ones_like(batch["label"])

    def predict(self, batch: dict[str, torch.Tensor], decoding: Decoding) -> list[Answer]:
        was_training = self.training
        with evaluating(self):
            best = self.scores(batch["letters"]).argmax(1).tolist()
        self.train(was_training)
        names = list(self.labels)
        return [{"intent": names[number]} for number in best]
