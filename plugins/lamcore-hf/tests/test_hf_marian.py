"""Marian's SentencePiece models cut as its own tokenizer does; the ids here are what that gives."""

from __future__ import annotations

import json

import pytest
from transformers.convert_slow_tokenizer import import_protobuf

from lamcore import LamcoreError
from lamcore_hf import HfSeq2Seq
from lamcore_hf.example import write

VOCABULARY = ["</s>", "<unk>", "▁a", "b", "▁", "c", "ab", "▁d", ">>de<<", "<pad>"]
SOURCE = {"▁": -2.0, "▁a": -1.5, "b": -1.0, "ab": -2.2, "z": -1.0}
TARGET = {"▁": -2.0, "c": -1.0, "▁a": -1.5, "b": -1.2}


def spm(pieces, kind=1):
    pb = import_protobuf()
    model = pb.ModelProto()
    for piece, score, sort in [("<unk>", 0.0, 2), ("</s>", 0.0, 3), *((p, s, 1) for p, s in pieces.items())]:
        model.pieces.add(piece=piece, score=score, type=sort)
    model.trainer_spec.model_type = kind
    model.normalizer_spec.name = "identity"
    return model.SerializeToString()


@pytest.fixture
def checkpoint(tmp_path):
    marks = {"pad_token_id": 9, "eos_token_id": 0, "decoder_start_token_id": 9, "forced_eos_token_id": 0}
    folder = write(tmp_path, "marian", vocab_size=10, **marks)
    (folder / "tokenizer.json").unlink()
    (folder / "source.spm").write_bytes(spm(SOURCE))
    (folder / "target.spm").write_bytes(spm(TARGET))
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(VOCABULARY)}))
    return folder


CUT = {
    "a b": [2, 4, 3, 0],
    "  a   b ": [2, 4, 3, 0],
    "ab": [2, 3, 0],
    "c": [4, 5, 0],  # only the target's model has it, but the vocabulary is of both
    "z": [4, 1, 0],  # the vocabulary lacks it
    "a??b": [2, 1, 3, 0],
    ">>de<< a": [8, 2, 0],
    "": [0],
}


def test_marian_checkpoints_are_cut_as_by_their_own_tokenizer(checkpoint):
    model = HfSeq2Seq(checkpoint=str(checkpoint)).build({}, {})
    assert model.cutter.ids([*CUT]) == [*CUT.values()]
    assert model.cutter.ids(["ca b", "z"], target=True) == [[4, 5, 1, 4, 3, 0], [4, 1, 0]]
    assert model.texts([[2, 4, 3, 5, 0], [6, 7], [9]]) == ["a bc", "ab d", ""]
    assert model.never() == [1, 9]
    (example,) = model.encode([{"id": "x", "input": "a b", "target": "c"}])
    assert (example["source"].tolist(), example["target"].tolist()) == ([2, 4, 3, 0], [4, 5, 0])


def test_bad_models_of_a_marian_checkpoint_are_refused(checkpoint):
    for file, content, message in (
        ("vocab.json", b'{"a": 0}', "vocab.json can't be read: it lacks </s>, <unk>, <pad>"),
        ("source.spm", b"\xff" * 9, "source.spm, target.spm, vocab.json can't be read: "),
        ("source.spm", spm(SOURCE, kind=2), "must be of the kind unigram"),
        ("target_vocab.json", b"{}", "has a vocabulary for each side"),
    ):
        before = (checkpoint / file).read_bytes() if (checkpoint / file).exists() else None
        (checkpoint / file).write_bytes(content)
        with pytest.raises(LamcoreError, match=message):
            HfSeq2Seq(checkpoint=str(checkpoint)).build({}, {})
        if before:
            (checkpoint / file).write_bytes(before)
