"""Splits -> batches: a pure function of (seed, epoch, step), in memory that does not grow with the corpus.

Examples are encoded once and kept on disk. The order of an epoch is a keyed permutation that is computed number by
number; batches are cut within windows of it."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset

from lamcore.errors import LamcoreError
from lamcore.kinds import Example, Recipe, Record, records_of
from lamcore.prepare import Prepared, key_of
from lamcore.store import dumps
from lamcore.tables import CHUNK, map_table, once, open_table, read_table
from lamcore.tokenizer import Tokenizer, files_of, learn

WINDOW = 100_000
"""Records among which those of alike length are put together."""
Batch = dict[str, torch.Tensor]


class Data:
    """The records of a run and the batches made of them."""

    def __init__(self, recipe: Recipe, prepared: Prepared, cache: Path):
        self.raw, self.ready, self.overlap = prepared.raw, prepared.ready, prepared.overlap
        self.report, self.folders = prepared.report, prepared.folders
        self._recipe, self._prepared, self._cache = recipe, prepared, cache
        self._model: Any = None
        self._key = ""
        self._encoded: dict[str, Encoded] = {}

    def bind(self, model: Any, tokenizer: Mapping[str, Tokenizer], labels: Mapping[str, Sequence[str]]) -> None:
        """Give the model that encodes and collates."""
        learnt = json.dumps([files_of(tokenizer), dict(labels)])
        self._tokenizer = tokenizer
        self._model, self._key = model, key_of(self._recipe.architecture, self._prepared.folder.name, learnt)

    def vocabulary(self) -> dict[str, str]:
        """Return {file name: JSON} of tokenizer and labels, learnt from train now or at some earlier time."""
        plan, architecture = self._recipe.tokenizer, self._recipe.architecture

        def files() -> dict[str, str]:
            folder = self._prepared.folder / "train"
            tokenizer, labels = vocabulary(self._recipe, self.ready["train"], lambda: read_table(folder))
            return {"labels.json": dumps(labels), "columns.json": dumps(list(tokenizer)), **files_of(tokenizer)}

        if plan.file:
            return files()
        columns = json.dumps([list(architecture.reads), list(architecture.labels), architecture.own_tokenizer])
        key = key_of(plan, self._prepared.folder.name, columns)
        learnt: dict[str, str] = once(self._cache / f"vocabulary-{key}", files)
        return learnt

    def encoded(self, split: str) -> Encoded:
        """Return the examples of a split, encoded now or at some earlier time."""
        if split not in self._encoded:
            folder = self._cache / f"encoded-{self._key}-{split}"
            once(folder, lambda: len(map_table(self._prepared.folder / split, folder, self._encode)))
            self._encoded[split] = Encoded(open_table(folder))
        return self._encoded[split]

    def _encode(self, rows: Dataset) -> Iterator[Example]:
        records = records_of(rows)
        while chunk := list(itertools.islice(records, CHUNK)):
            yield from self._model.encode(chunk)

    def names(self, batch: Batch) -> list[str]:
        """Return the ids of a training batch's records."""
        return [str(name) for name in self.ready["train"][batch["rows"].tolist()]["id"]]

    def train_batches(self, tokens: int, start: int = 0, rank: int = 0, world: int = 1) -> Iterator[tuple[int, Batch]]:
        """Yield (epoch, batch) without end, from the batch numbered `start`; the next one is made meanwhile.

        A batch holds at most `tokens` padded tokens: its records times its longest sequence, and at least one record.
        Of `world` processes that numbered `rank` gets every world-th batch."""
        batches = enumerate(self._plan(self.encoded("train").sizes, tokens))
        mine = itertools.islice(batches, start * world + rank, None, world)
        return _ahead((epoch, self._batch(rows, f"{epoch}/{number}")) for number, (epoch, rows) in mine)

    def _plan(self, sizes: np.ndarray, tokens: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (epoch, row numbers) of every batch, window by window."""
        for epoch in itertools.count():
            key, part = f"{self._recipe.seed}/{epoch}", self._part(epoch)
            for first in range(0, len(part), WINDOW):
                places = permuted(np.arange(first, min(first + WINDOW, len(part))), len(part), key)
                batches = cut(part[places], sizes, tokens)
                random.Random(f"{key}/{first}").shuffle(batches)
                yield from ((epoch, batch) for batch in batches)

    def _part(self, epoch: int) -> np.ndarray:
        """Return the train rows that take part in an epoch: none before its `first_epoch` or after its `last_epoch`."""
        train = self.ready["train"]
        part = np.ones(len(train), dtype=bool)
        for name, outside in (("first_epoch", np.greater), ("last_epoch", np.less)):
            if name in train.column_names:
                try:
                    part &= ~outside(np.asarray(train.data.column(name), dtype=float), epoch)
                except (TypeError, ValueError) as error:
                    raise LamcoreError(f"Column {name!r} of train must hold whole numbers: {error}.") from error
        if not part.any():
            raise LamcoreError(f"Epoch {epoch} has no train record: see their columns first_epoch and last_epoch.")
        return np.flatnonzero(part)

    def _batch(self, rows: np.ndarray, key: str) -> Batch:
        """Return the training batch of these rows, augmented."""
        dropout = self._recipe.tokenizer.dropout
        if not (self._recipe.augmenters or dropout):
            return self._collate(self.encoded("train")[rows], rows)
        records: list[Record] = list(records_of(self.ready["train"].select(rows)))
        for label, augmenter in self._recipe.augmenters.items():
            seed = f"{self._recipe.seed}/{key}/{label}"
            records = derived(records, augmenter.apply(list(records), random.Random(seed)), label, seed)
        if dropout:
            rng = random.Random(f"{self._recipe.seed}/{key}/dropout")
            for column, tokenizer in self._tokenizer.items():
                texts = tokenizer.dropped([record[column] for record in records], dropout, rng)
                records = [{**record, column: text} for record, text in zip(records, texts, strict=True)]
        return self._collate(self._model.encode(records), rows)

    def _collate(self, examples: list[Example], rows: np.ndarray) -> Batch:
        return {**self._model.collate(examples), "rows": torch.from_numpy(rows)}

    def largest_batch(self, tokens: int) -> Batch:
        """Return the batch of the first window that holds most padded tokens over all its sequences."""
        sizes = self.encoded("train").sizes
        first = permuted(np.arange(min(WINDOW, len(sizes))), len(sizes), f"{self._recipe.seed}/0")
        rows = max(cut(first, sizes, tokens), key=lambda rows: len(rows) * int(sizes[rows].max(0).sum()))
        return self._batch(rows, "0/0")

    def batches(self, split: str, tokens: int) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield (row numbers, batch) over a split, records of alike length together."""
        encoded = self.encoded(split)
        for rows in cut(np.arange(len(encoded.sizes)), encoded.sizes, tokens):
            yield rows, self._collate(encoded[rows], rows)


def derived(given: list[Record], made: list[Record], augmenter: str, seed: str) -> list[Record]:
    """Name in each new record its `parent`, and the augmenter and seed that made it of it.

    Raises LamcoreError for a record of no given one: what is derived stays in its split."""
    ids, same = {record["id"] for record in given}, {id(record) for record in given}
    for record in made:
        if record.get("id") not in ids:
            name = record.get("id")
            raise LamcoreError(f"The augmenter {augmenter!r} made a record with the id {name!r} of no given one.")
    lineage = {"augmenter": augmenter, "seed": seed}
    return [r if id(r) in same else {**r, "parent": r.get("parent") or r["id"], **lineage} for r in made]


class Encoded:
    """The examples of a split; `sizes` is (N, K), the lengths of their K sequences."""

    def __init__(self, table: Dataset):
        self._table = table.with_format("arrow")
        chunks = [np.asarray(_flat(chunk), dtype=np.int32) for chunk in table.data.column("size").chunks]
        self.sizes = np.concatenate(chunks).reshape(len(table), -1)

    def __getitem__(self, rows: np.ndarray) -> list[Example]:
        table = self._table[rows]
        columns = {name: _values(table[name].combine_chunks()) for name in table.column_names}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _flat(array: pa.Array) -> np.ndarray:
    """Return the numbers of a column end to end, as they lie in memory."""
    return (array.flatten() if pa.types.is_list(array.type) else array).to_numpy(zero_copy_only=False)


def _values(array: pa.Array) -> Sequence[Any]:
    """Return a column's values: numbers, or arrays where it holds lists."""
    if not pa.types.is_list(array.type):
        return array.to_numpy(zero_copy_only=False)
    if pa.types.is_list(array.type.value_type):
        return [np.asarray(value) for value in array.to_pylist()]
    ends = np.cumsum(array.value_lengths().to_numpy())
    return np.split(_flat(array), ends[:-1])


def _ahead(items: Iterator[Any]) -> Iterator[Any]:
    """Yield items, with the next one being made in a thread."""
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item


def permuted(positions: np.ndarray, size: int, key: str) -> np.ndarray:
    """Return where a keyed permutation of range(size) sends positions, without making the permutation.

    A Feistel network of four rounds on the smallest even number of bits that holds `size`; results outside the range
    walk on until they are inside (Black and Rogaway 2002, "Ciphers with arbitrary finite domains")."""
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask, keys = np.uint64((1 << half) - 1), [random.Random(f"{key}/{r}").getrandbits(64) | 1 for r in range(4)]

    def network(x: np.ndarray) -> np.ndarray:
        left, right = x >> np.uint64(half), x & mask
        for one in keys:
            mixed = (right + np.uint64(one >> 32)) * np.uint64(one)
            left, right = right, left ^ ((mixed ^ (mixed >> np.uint64(29))) >> np.uint64(17)) & mask
        return (left << np.uint64(half)) | right

    with np.errstate(over="ignore"):
        result = network(positions.astype(np.uint64))
        while len(outside := np.flatnonzero(result >= size)):
            result[outside] = network(result[outside])
    return result.astype(np.int64)


def cut(rows: np.ndarray, sizes: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Cut rows into batches of at most `tokens` padded tokens each; `sizes` is (N, K), the lengths of K sequences.

    Rows are put in the order of cells of four in the last sequence's length, within a cell by the first's, up and down
    in turn, so that neighbours are alike in both."""
    lengths = -(-sizes[rows] // 4)
    last, first = lengths[:, -1], lengths[:, 0]
    order = np.lexsort((np.where(last % 2 == 0, first, -first), last))
    ordered, longest = rows[order], (lengths.max(1) * 4)[order].tolist()
    batches, begin, width = [], 0, 0
    for number, length in enumerate(longest):
        width = max(width, length)
        if number > begin and width * (number + 1 - begin) > tokens:
            batches.append(ordered[begin:number])
            begin, width = number, length
    return [*batches, ordered[begin:]]


def vocabulary(
    recipe: Recipe,
    train: Dataset,
    read: Callable[[], Iterator[Record]] | None = None,
    given: dict[str, Tokenizer] | None = None,
) -> tuple[dict[str, Tokenizer], dict[str, list[str]]]:
    """Learn the tokenizer, or take that given, and the labels from the train split, whose records `read` may give.

    A blank is no label: the record's is not known."""
    labels, reads = recipe.architecture.labels, recipe.architecture.reads
    if missing := [column for column in (*reads, *labels) if column not in train.column_names]:
        what = f"The architecture reads the column {missing[0]!r}, which the data lacks."
        raise LamcoreError(f"{what} There are: {', '.join(train.column_names)}.")
    read = read or (lambda: records_of(train))
    columns = [] if recipe.architecture.own_tokenizer else [name for name in reads if name not in labels]
    text = [name for name in columns if getattr(train.features[name], "dtype", "") == "string"]
    every = -(-len(train) // recipe.tokenizer.max_records)
    if given is None:
        given = learn(recipe.tokenizer, {name: Column(read, name, every) for name in text}) if text else {}
    return given, {name: sorted({one for v in Column(read, name) for one in _many(v)} - {""}) for name in labels}


class Column:
    """The values of one column, gone through anew as often as wanted; of every so many records one."""

    def __init__(self, read: Callable[[], Iterator[Record]], name: str, every: int = 1):
        self._read, self._name, self._every = read, name, every

    def __iter__(self) -> Iterator[Any]:
        values = (record[self._name] for record in itertools.islice(self._read(), 0, None, self._every))
        return ("" if value is None else value for value in values)


def _many(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
