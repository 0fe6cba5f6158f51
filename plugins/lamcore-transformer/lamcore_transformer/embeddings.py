"""Embeddings that begin with what the train split tells: tokens that stand in the same records begin alike.

Latent semantic indexing over two languages at once (Deerwester et al. 1990; Dumais et al. 1997; Levy et al. 2017, "A
Strong Baseline for Learning Cross-Lingual Word Embeddings from Sentence Alignments"): a record's input and target are
one document, tokens are rows and records columns of a matrix, whose greatest singular vectors become the embeddings. A
word and its translation stand in the same records: attention finds the one, and the output layer reads it as the other,
long before training has moved them together. It takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from lamcore.data import Data

RECORDS = 100_000
"""Most records that are looked at, evenly over the train split."""
CHUNK = 10_000
"""Records in memory at once."""
OVERSAMPLING = 20
"""Directions more than needed, for the randomised decomposition (Halko et al. 2011)."""


@torch.no_grad()
def begin_with_sentences(model: Any, data: Data) -> None:
    """Set the embeddings of an encoder-decoder; a token that no record has, or that all have, stays as it is."""
    target, source = model.target_embedding.weight, model.source_embedding
    tables = [target] if source is None else [target, source.weight]
    vectors, known = latent(
        *_places(data, 0 if source is None else len(target)), sum(map(len, tables)), target.shape[1]
    )
    for table, new, right in zip(
        tables, vectors.split([*map(len, tables)]), known.split([*map(len, tables)]), strict=True
    ):
        table[right.to(table.device)] = new[right].to(table)


def _places(data: Data, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (tokens, records): which token stands in which record, each pair once; inputs' ids begin at `offset`."""
    encoded = data.encoded("train")
    size = len(encoded.sizes)
    rows = np.linspace(0, size, min(size, RECORDS), endpoint=False, dtype=np.int64)
    kinds = [
        np.unique(np.concatenate([example["source"] + offset, example["target"]]))
        for first in range(0, len(rows), CHUNK)
        for example in encoded[rows[first : first + CHUNK]]
    ]
    return np.concatenate(kinds), np.repeat(np.arange(len(kinds)), [*map(len, kinds)])


def latent(tokens: np.ndarray, records: np.ndarray, size: int, width: int) -> tuple[Tensor, Tensor]:
    """Return a vector of length 1 for each of `size` tokens (size, width), and which of them are known (size,).

    `tokens` and `records` (P,) pair up: a token stands in a record, and weighs log(records / records that have it)."""
    documents = int(records[-1]) + 1
    counts = np.bincount(tokens, minlength=size)
    weight = np.log(documents / counts.clip(1)).astype(np.float32)
    places = torch.from_numpy(np.stack([tokens.astype(np.int64), records]))
    matrix = torch.sparse_coo_tensor(places, torch.from_numpy(weight[tokens]), (size, documents), check_invariants=True)
    left, values, _ = torch.svd_lowrank(matrix, min(width + OVERSAMPLING, size, documents))
    vectors = F.pad((left * values.sqrt())[:, :width], (0, max(0, width - left.shape[1])))
    known = torch.from_numpy((counts > 0) & (counts < documents))
    return F.normalize(vectors - vectors[known].mean(0)), known
