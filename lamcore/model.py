"""The trained model, which is handed on as a folder: records go down the steps, answers come back up them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from safetensors import SafetensorError
from safetensors.torch import load_file

from lamcore import tokenizer as tokenizers
from lamcore.data import cut
from lamcore.errors import DAMAGED, LamcoreError
from lamcore.kinds import Answer, Architecture, Decoding, Preprocessor, Record, records_of
from lamcore.make import make, plain
from lamcore.plugins import Registry
from lamcore.store import MANIFEST, commit, dumps, verified
from lamcore.tokenizer import Tokenizer

FORMAT = 1
DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "bool": "BOOL", "uint8": "U8"}
DTYPES |= {f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)}
CHUNK = 2000
"""Records answered at once."""


@dataclass
class ModelParts:
    """The components that a model folder's config names."""

    architecture: Architecture
    preprocessors: dict[str, Preprocessor]
    decoding: Decoding


@dataclass
class TrainedModel:
    """A model with the steps around it: what `lamcore.load` gives."""

    parts: ModelParts
    tokenizer: Mapping[str, Tokenizer]
    labels: Mapping[str, Sequence[str]]
    empty: Record
    """Column that the model fills -> the empty value of its type."""
    device: torch.device
    model: Any = None

    def build(self) -> TrainedModel:
        """Build the model anew."""
        model: Any = self.parts.architecture.build(self.tokenizer, self.labels)
        self.model = model.to(self.device)
        return self

    def on(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return a batch on the model's device."""
        return {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}

    def predict(self, inputs: Iterable[str | Record], decoding: Decoding | None = None) -> list[Answer]:
        """Return one answer an input, in order; a text is short for {"input": text}."""
        return list(self.stream(inputs, decoding))

    def stream(self, inputs: Iterable[str | Record], decoding: Decoding | None = None) -> Iterator[Answer]:
        """Answer inputs one after the other, some thousands at a time."""
        records = (self._record(number, one) for number, one in enumerate(inputs))
        while chunk := list(islice(records, CHUNK)):
            yield from self._answers(chunk, decoding or self.parts.decoding)

    def _record(self, number: int, one: Any) -> Record:
        if not isinstance(one, str | Mapping):
            raise LamcoreError(f"Input {number} must be text or a record, not {one!r}.")
        given = {"input": one} if isinstance(one, str) else one
        return {"id": f"predict-{number}", **self.empty, **given}

    def _answers(self, records: list[Record], decoding: Decoding) -> list[Answer]:
        ready = self._down(records)
        for record in ready:
            for column in self.parts.architecture.reads:
                if column not in record:
                    raise LamcoreError(f"Record {record['id']!r} lacks the column {column!r}, which the model reads.")
                if column in self.tokenizer and not isinstance(record[column], str):
                    raise LamcoreError(f"Record {record['id']!r}: {column} must be text, not {record[column]!r}.")
        examples = self.model.encode(ready)
        sizes = np.array([np.atleast_1d(example["size"]) for example in examples])
        answers: dict[int, Answer] = {}
        with evaluating(self.model):
            for rows in cut(np.arange(len(examples)), sizes, decoding.batch_tokens):
                batch = self.on(self.model.collate([examples[row] for row in rows]))
                answers.update(zip(rows.tolist(), self.model.predict(batch, decoding), strict=True))
        return [self._up(answers[number], record) for number, record in enumerate(records)]

    def _down(self, records: list[Record]) -> list[Record]:
        """Take records down the steps; held-out ones are never dropped."""
        for step in self.parts.preprocessors.values():
            if type(step).apply is Preprocessor.apply:
                records = [step.change(record) or record for record in records]
            else:
                made = step.apply(Dataset.from_list(records), "predict")
                records = list(records_of(made) if isinstance(made, Dataset) else made)
        return records

    def _up(self, answer: Answer, record: Record) -> Answer:
        """Take an answer back up the steps that its record came down."""
        steps = list(self.parts.preprocessors.values())
        if all(type(step).undo is Preprocessor.undo for step in steps):
            return answer
        given = [record]
        for step in steps:
            given.append(step.change(given[-1]) or given[-1])
        for step, before in zip(reversed(steps), reversed(given[:-1]), strict=True):
            answer = step.undo(answer, before)
        return answer

    def save(self, folder: Path, registry: Registry, card: str, facts: Mapping[str, Any]) -> Path:
        """Write the model folder: safetensors and JSON, nothing that could run."""
        names = {"tokenized": list(self.tokenizer), "empty": self.empty}
        config = {"format": FORMAT, **facts, **plain(self.parts, registry.name_of), **names}
        texts = {"labels.json": dumps(dict(self.labels)), "config.json": dumps(config), "README.md": card}
        texts |= tokenizers.files_of(self.tokenizer)
        files = {name: text.encode() for name, text in texts.items()}
        return commit(folder, {"model.safetensors": packed(self.model.state_dict()), **files})


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Have a model in evaluation mode, without gradients, and then as it was."""
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        yield
    model.train(was_training)


def packed(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Return tensors in the safetensors format: the length of a JSON header, the header, all bytes end to end.

    With hundreds of small tensors it takes a quarter of the library's time, and shared memory is no matter."""
    header: dict[str, Any] = {}
    parts, end = [], 0
    for name, tensor in sorted(tensors.items(), key=lambda pair: -pair[1].element_size()):  # so that all lie aligned
        begin, end = end, end + tensor.nbytes
        dtype = DTYPES[str(tensor.dtype).removeprefix("torch.")]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [begin, end]}
        parts.append(tensor.detach().cpu().flatten().view(torch.uint8).numpy().data)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return b"".join([len(head).to_bytes(8, "little"), head, *parts])


def load_model(folder: Path, registry: Registry, device: torch.device) -> TrainedModel:
    """Read a run's or a model's folder; raise LamcoreError (2: no such folder, 5: damaged)."""
    folder = folder / "model" if (folder / "model").is_dir() else folder
    if not (folder / MANIFEST).is_file() and not (folder / "config.json").is_file():
        raise LamcoreError(f"{folder} is no run with a finished model and no model folder.")
    verified(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if config["format"] != FORMAT:
            raise ValueError(f"it has format {config['format']!r}, and this lamcore reads {FORMAT}")
        named = {name: config[name] for name in ("architecture", "preprocessors", "decoding")}
        tokenizer = tokenizers.read(folder, config["tokenized"])
        labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
        parts = make(ModelParts, named, find=registry.find)
        trained = TrainedModel(parts, tokenizer, labels, dict(config["empty"]), device).build()
        trained.model.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        raise LamcoreError(f"{folder} can't be used as a model: {problem}", DAMAGED) from error
    trained.model.eval()
    return trained
