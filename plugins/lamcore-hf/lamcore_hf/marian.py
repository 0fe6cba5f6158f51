"""Turn a Marian checkpoint's SentencePiece models and vocab.json into tokenizers of the library `tokenizers`.

Marian cuts with the SentencePiece model of a side, and looks the pieces up in one vocabulary of both: an id is the
place in that. Pieces that the side's model lacks stand in no text, and pieces that the vocabulary lacks are unknown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import tokenizers as hf
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from lamcore import LamcoreError
from lamcore_hf.cutting import NEVER

SPECIAL = ["</s>", "<unk>", "<pad>"]
CUT = (1, 4)
"""Types of SentencePiece's pieces that stand in texts: normal and user-defined."""


def tokenizers_of(source: bytes, target: bytes, vocabulary: Mapping[str, int], rows: int) -> dict[str, Any]:
    """Return what a `Cutter` is made of, for a model of so many rows.

    Raises ValueError where the vocabulary lacks a mark or has ids beyond the rows, LamcoreError for other models."""
    if lacking := [piece for piece in SPECIAL if piece not in vocabulary]:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    if not {*vocabulary.values()} <= {*range(rows)}:
        raise ValueError(f"its ids must be from 0 to below {rows}, the model's rows")
    sides = {"source": _made(source, vocabulary, rows), "target": _made(target, vocabulary, rows)}
    return {**{name: json.loads(side.to_str()) for name, side in sides.items()}, "unknown": vocabulary["<unk>"]}


def _made(content: bytes, vocabulary: Mapping[str, int], rows: int) -> hf.Tokenizer:
    from transformers.convert_slow_tokenizer import import_protobuf

    read = import_protobuf().ModelProto.FromString(content)
    if read.trainer_spec.model_type != 1:
        raise LamcoreError("A Marian checkpoint's SentencePiece models must be of the kind unigram.")
    made = hf.Tokenizer(models.Unigram(_places(read, vocabulary, rows), vocabulary["<unk>"]))
    made.normalizer = normalizers.Sequence(_normalizers(read.normalizer_spec))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    made.decoder = decoders.Metaspace(prepend_scheme="always")
    languages = sorted(piece for piece in vocabulary if piece.startswith(">>") and piece.endswith("<<"))
    made.add_special_tokens([hf.AddedToken(piece, normalized=False) for piece in [*SPECIAL, *languages]])
    end = ("</s>", vocabulary["</s>"])
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[end])
    return made


def _places(read: Any, vocabulary: Mapping[str, int], rows: int) -> list[tuple[str, float]]:
    """Return (piece, log probability) by id; beyond the rows those that the vocabulary lacks.

    What stands in no text has 0: the unknown piece is less likely than the least of all."""
    scores = {one.piece: one.score for one in read.pieces if one.type in CUT}
    named = {i: piece for piece, i in vocabulary.items()}
    marks = {piece for piece in vocabulary if piece in SPECIAL or (piece.startswith(">>") and piece.endswith("<<"))}
    places = []
    for i in range(rows):
        piece = named.get(i, str(i))
        stands = i in named and (piece in scores or piece in marks)
        places.append((piece if stands else NEVER + piece, scores.get(piece, 0.0) if stands else 0.0))
    return places + [(piece, score) for piece, score in scores.items() if piece not in vocabulary]


def _normalizers(given: Any) -> list[Any]:
    steps: list[Any] = [normalizers.Replace(NEVER, "")]
    if given.precompiled_charsmap:
        steps.append(normalizers.Precompiled(given.precompiled_charsmap))
    if given.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(hf.Regex(" {2,}"), " ")]
    return steps
