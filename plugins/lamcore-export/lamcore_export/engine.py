"""Answer through an exported folder: the run's model with all its steps, and CTranslate2 for the net between them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lamcore.decode import limits
from lamcore.errors import LamcoreError
from lamcore.kinds import Answer, Decoding
from lamcore.model import TrainedModel
from lamcore_export.net import PAD
from lamcore_export.to_ctranslate2 import pieces, words

KNOWN = {"beam", "length_penalty", "max_length", "max_ratio", "batch_tokens", "seed"}
"""Settings of a search that are heeded, or mean nothing without one that is not."""


def with_ctranslate2(trained: TrainedModel, folder: str | Path, **settings: Any) -> TrainedModel:
    """Return a run's model that answers through its export to CTranslate2; `settings` are those of its Translator.

    with_ctranslate2(lamcore.load("runs/x"), "runs/x/exports/ctranslate2", intra_threads=2).predict(["..."])"""
    import ctranslate2

    translator = ctranslate2.Translator(str(folder), **settings)
    return dataclasses.replace(trained, model=_Through(trained, translator), device=torch.device("cpu"))


class _Through(torch.nn.Module):
    """A model whose `predict` is CTranslate2's beam search; it reads records as the model that was exported."""

    def __init__(self, trained: TrainedModel, translator: Any):
        super().__init__()
        self.encode, self.collate, self.translator = trained.model.encode, trained.model.collate, translator
        self.target = trained.tokenizer["target"]
        self.source_pieces, self.target_pieces = (pieces(trained.tokenizer[name]) for name in ("input", "target"))
        self.ids = {piece: number for number, piece in enumerate(self.target_pieces)}

    def predict(self, batch: dict[str, Tensor], decoding: Decoding) -> list[Answer]:
        """Return one {"target", "score"} a record, chosen from the beam by lamcore's length penalty."""
        for field in dataclasses.fields(decoding):
            if field.name not in KNOWN and (value := getattr(decoding, field.name)) != getattr(Decoding(), field.name):
                raise LamcoreError(
                    f"decoding.{field.name}={value} is not for CTranslate2: answer with lamcore, or leave it out."
                )
        if "prefix" in batch:
            raise LamcoreError("A record with a prefix is not for CTranslate2: answer it with lamcore.")
        lengths = (batch["source"] != PAD).sum(1) - 1
        found = self.translator.translate_batch(
            list(words(batch["source"], self.source_pieces)),
            beam_size=decoding.beam,
            num_hypotheses=decoding.beam,
            length_penalty=0,
            return_scores=True,
            max_input_length=0,
            max_decoding_length=int(limits(lengths, decoding).max()),
            disable_unk=True,
            suppress_sequences=[["<pad>"], ["<s>"]],
        )
        best = [max(ranked(one, decoding.length_penalty)) for one in found]
        texts = self.target.decode([[self.ids[piece] for piece in answer] for _, answer in best])
        return [{"target": text, "score": score} for text, (score, _) in zip(texts, best, strict=True)]


def ranked(found: Any, exponent: float) -> list[tuple[float, list[str]]]:
    """Return hypotheses with their log probabilities over lamcore's length penalty (Wu et al. 2016, equation 14)."""
    pairs = zip(found.scores, found.hypotheses, strict=True)
    return [(total / ((5 + len(answer) + 1) / 6) ** exponent, answer) for total, answer in pairs]
