"""The trained model, which is handed on as a folder: records go down the steps, answers come back up them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from safetensors.torch import load
from torch.nn.modules.module import register_module_parameter_registration_hook

from lamcore import tokenizer as tokenizers
from lamcore.data import cut
from lamcore.errors import DAMAGED, LamcoreError, unknown
from lamcore.kinds import Answer, Architecture, Decoding, Preprocessor, Record, records_of
from lamcore.make import make, plain
from lamcore.plugins import Registry
from lamcore.store import MANIFEST, MOST_JSON, checksum, commit, content_of, dumps, loads
from lamcore.tables import table_of
from lamcore.tokenizer import Tokenizer

FORMAT = 1
DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "bool": "BOOL", "uint8": "U8"}
DTYPES |= {f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)}
CHUNK = 2000
"""Records answered at once."""
WEIGHTS = "model.safetensors"
FILES = r"(config|labels|tokenizer(-[^/\\\0]+)?)\.json|README\.md|model\.safetensors"
"""What a model folder may hold; other files in it are never opened."""
MOST_CONFIG, MOST_WEIGHTS, MOST_TENSORS, MOST_BUFFERS = 2**20, 2**36, 10_000, 2**26
"""Bytes of the largest config and weights that are read, tensors in them, bytes that a model may hold beside them."""


@dataclass
class ModelParts:
    """The components that a model folder's config names."""

    architecture: Architecture
    preprocessors: dict[str, Preprocessor]
    decoding: Decoding


@dataclass
class ModelConfig(ModelParts):
    """What config.json and labels.json of a model folder may say."""

    format: int
    tokenized: list[str]
    empty: dict[str, Any]
    labels: dict[str, list[str | int | float | bool]]
    name: str = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass
class TrainedModel:
    """A model with the steps around it: what `lamcore.load` gives."""

    parts: ModelParts
    tokenizer: Mapping[str, Tokenizer]
    labels: Mapping[str, Sequence[Any]]
    empty: Record
    """Column that the model fills -> the empty value of its type."""
    device: torch.device
    model: Any = None
    constraints: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    """What `decoding.constrain` may name."""
    identity: str = ""
    """SHA-256 of the manifest of the folder that it was read from."""

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
        records = (self.record(number, one) for number, one in enumerate(inputs))
        while chunk := list(islice(records, CHUNK)):
            yield from self._answers(chunk, decoding or self.parts.decoding)

    def record(self, number: int, one: Any) -> Record:
        """Return an input as a record with an id and the columns that the model fills, empty where it has none."""
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
                ruled = self._ruled(decoding, [ready[row] for row in rows])
                answers.update(zip(rows.tolist(), self.model.predict(batch, ruled), strict=True))
        return [self._up(answers[number], record) for number, record in enumerate(records)]

    def _ruled(self, decoding: Decoding, records: list[Record]) -> Decoding:
        """Return the decoding with the rules that its constraint has for these records' answers."""
        name, _, given = decoding.constrain.partition(":")
        if not name:
            return decoding
        if name not in self.constraints:
            raise unknown("constraint", name, self.constraints, has="Installed")
        ruled = replace(decoding)
        ruled.rules = partial(self.constraints[name], given, records)
        return ruled

    def _down(self, records: list[Record]) -> list[Record]:
        """Take records down the steps; held-out ones are never dropped."""
        for step in self.parts.preprocessors.values():
            if type(step).apply is Preprocessor.apply:
                records = [step.change(record) or record for record in records]
            else:
                made = step.apply(table_of(records), "predict")
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
        return commit(folder, {WEIGHTS: packed(self.model.state_dict()), **files})


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Have a model in evaluation mode, without gradients, and then as it was."""
    was_training = model.training
    if was_training:  # going through all modules costs milliseconds
        model.eval()
    with torch.inference_mode():
        yield
    if was_training:
        model.train()


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
    try:
        files = _read(folder)
        config = loads(files["config.json"])
        if config["format"] != FORMAT:
            raise ValueError(f"it has format {config['format']!r}, and this lamcore reads {FORMAT}")
        made = make(ModelConfig, {**config, "labels": loads(files["labels.json"])}, find=registry.find)
        if any(made.empty.values()):
            raise ValueError("an empty value in it is not empty")
        parts = ModelParts(made.architecture, made.preprocessors, made.decoding)
        tokenizer = tokenizers.read(files, made.tokenized)
        trained = TrainedModel(parts, tokenizer, made.labels, made.empty, device, constraints=registry.constraints)
        trained.identity = checksum(content_of(folder / MANIFEST, MOST_JSON))["sha256"]
        _fit(trained, files[WEIGHTS])
        trained.build().model.load_state_dict(load(files[WEIGHTS]))
    except MemoryError:
        raise
    except Exception as error:  # whatever an architecture makes of a stranger's settings
        kind, code = f"{type(error).__name__}: ", DAMAGED
        if isinstance(error, LamcoreError):
            kind, code = "", error.exit_code
        raise LamcoreError(f"{folder} can't be used as a model: {kind}{' '.join(str(error).split())}", code) from error
    trained.model.eval()
    return trained


def _read(folder: Path) -> dict[str, bytes]:
    """Read each file that the manifest names, once, and compare it with its checksum."""
    found = {}
    for name, entry in loads(content_of(folder / MANIFEST, MOST_JSON))["files"].items():
        if not re.fullmatch(FILES, name):
            raise ValueError(f"its manifest names {name!r}, which is no file of a model")
        most = {WEIGHTS: MOST_WEIGHTS, "config.json": MOST_CONFIG}.get(name, MOST_JSON)
        found[name] = content_of(folder / name, min(most, entry["bytes"]))
        if checksum(found[name]) != entry:
            raise ValueError(f"{name} is damaged, its checksum is not the manifest's")
    return found


def _fit(trained: TrainedModel, weights: bytes) -> None:
    """Build the model without memory, and raise ValueError where its tensors are not those of the weights."""
    held = loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])
    held = {name: (one["dtype"], one["shape"]) for name, one in held.items() if name != "__metadata__"}
    if len(held) > MOST_TENSORS:
        raise ValueError(f"its weights are more than {MOST_TENSORS} tensors")
    built = 0

    def count(module: torch.nn.Module, name: str, parameter: torch.nn.Parameter | None) -> None:
        nonlocal built
        built += parameter is not None and parameter.is_meta
        if built > len(held) + 1000:  # some are made and thrown away
            raise ValueError("its architecture has more parameters than its weights")

    with register_module_parameter_registration_hook(count), torch.device("meta"):
        model: Any = trained.parts.architecture.build(trained.tokenizer, trained.labels)
    state = model.state_dict().items()
    wanted = {name: (DTYPES[str(one.dtype).removeprefix("torch.")], list(one.shape)) for name, one in state}
    for name in {**wanted, **held}:
        if wanted.get(name) != held.get(name):
            raise ValueError(f"{name} is {held.get(name)} in its weights, {wanted.get(name)} in its architecture")
    if sum(one.nbytes for one in model.buffers()) > len(weights) + MOST_BUFFERS:
        raise ValueError("its architecture holds more than its weights")
