"""Raw text as what a model reads and learns."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamcore import Augmenter, Preprocessor, Record
from lamcore.kinds import records_of
from lamcore_unsupervised.denoise import Denoise
from lamcore_unsupervised.raw import RAW

if TYPE_CHECKING:
    from datasets import Dataset


def _records(rows: Dataset, split: str) -> Iterator[Record]:
    """Yield records with both texts, raw text in `target`; without any they are dropped, in train only.

    At `predict` what stands in `input` is what was asked, for the target is yet to come."""
    for record in records_of(rows):
        texts = {column: record.get(column) or "" for column in ("input", "target")}
        languages = {}
        if split != "predict" and bool(texts["input"].strip()) != bool(texts["target"].strip()):
            column = "input" if texts["input"].strip() else "target"
            texts = {"input": "", "target": texts[column]}
            if (language := record.get(f"{column}_lang")) is not None:
                languages = {"input_lang": language, "target_lang": language}
        if split != "train" or "".join(texts.values()).strip():
            yield {**record, **texts, **languages}


@dataclass
class Autoencode(Preprocessor):
    """Make raw text both input and target: what stands in one of them alone; records with both texts stay pairs.

    An augmenter such as `denoise` noises the inputs of train anew each time; those of validation and tests are noised
    here, once, by a chance that follows from the record's id. A new column `raw` tells raw text from pairs."""

    noise: Augmenter | None = None
    """What noises validation and tests, such as {name: masked}; null: denoise with its defaults. Set both alike."""

    def apply(self, rows: Dataset, split: str) -> Iterable[Record]:
        """Yield the records; raw ones have one text twice, or its noised copy as input."""
        noise = self.noise or Denoise()
        for record in _records(rows, split):
            raw = bool(record["target"] and not record["input"])
            made = {**record, "input": record["target"] if raw else record["input"], RAW: raw}
            held_out = raw and split not in ("train", "predict")
            yield noise.apply([made], random.Random(str(record["id"])))[0] if held_out else made


@dataclass
class PlainText(Preprocessor):
    """Write text as `segments`, all of which a decoder-only model learns; where a record has two texts, the second.

    At `predict` the input is what the text begins with."""

    def apply(self, rows: Dataset, split: str) -> Iterable[Record]:
        """Yield the records with their segments."""
        for record in _records(rows, split):
            begin = [{"text": record["input"], "train": False}] if record["input"] else []
            yield {**record, "segments": [*begin, {"text": record["target"], "train": True}]}
