"""Pictures of digits: a source, a classifier and a metric; no text, no tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lamcore import Answer, Architecture, Labels, Metric, Record, Source, hookimpl

PARTS = {"train": range(8), "validation": range(8, 9), "test": range(9, 10)}
"""Split -> which of each ten pictures it has."""


@dataclass
class Digits(Source):
    """Give the handwritten digits of scikit-learn: `image`, 8 rows of 8 numbers from 0 to 1, and its `intent`."""

    makes_splits = True

    def load(self) -> dict[str, Iterator[Record]]:
        return {split: self.pictures(split) for split in PARTS}

    def fingerprint(self) -> str:
        import sklearn

        return sklearn.__version__

    def pictures(self, split: str) -> Iterator[Record]:
        """Yield the pictures of a split."""
        from sklearn.datasets import load_digits

        images, digits = load_digits(return_X_y=True)
        for number, (image, digit) in enumerate(zip(images.tolist(), digits.tolist(), strict=True)):
            if number % 10 in PARTS[split]:
                yield {"id": f"digit-{number}", "image": [value / 16 for value in image], "intent": str(digit)}


@dataclass
class PixelClassifier(Architecture):
    """Classify pictures of one size by two layers."""

    width: int = 64
    """Numbers between the layers."""
    pixels: int = 64
    """Numbers of a picture."""

    reads = ("image",)
    labels = ("intent",)
    answers = ("intent",)

    def build(self, tokenizer: Mapping[str, Any], labels: Labels) -> Any:
        from lamcore_digits.model import PixelModel

        return PixelModel(self, list(labels["intent"]))

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records for checks."""
        return [record for _, record in zip(range(32), Digits().pictures("train"), strict=False)]


@dataclass
class RightLabels(Metric):
    """Share of the answers whose label is right."""

    column: str = "intent"
    """The column that holds the label."""

    @property
    def signature(self) -> str:
        return f"equal {self.column}"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        return {"right": float(answer[self.column] == record[self.column]), "all": 1.0}

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        return {"right_labels": sums["right"] / sums["all"] if sums["all"] else 0.0}

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records for checks."""
        return PixelClassifier.example_records()


@hookimpl
def register_sources(register):
    register("digits", Digits)


@hookimpl
def register_architectures(register):
    register("pixel_classifier", PixelClassifier)


@hookimpl
def register_metrics(register):
    register("right_labels", RightLabels)
