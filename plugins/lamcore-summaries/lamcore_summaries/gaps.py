"""The augmenter `gap_sentences`: learn to write from the sentences of the input."""

from __future__ import annotations

import random
from dataclasses import dataclass

from lamcore import Augmenter, Record
from lamcore_summaries.sentences import sentences_of


@dataclass
class GapSentences(Augmenter):
    """Have the model write a sentence of its input, which is hidden behind a mask (Zhang et al. 2020, PEGASUS).

    A model then learns from every sentence, and not from the summaries alone; the mask tells it which is wanted. In a
    share of the records the sentence stays, behind the mask: so it learns to copy."""

    records: float = 0.5
    """Share of the records that are touched, 0 to 1; records of one sentence never are."""
    kept: float = 0.5
    """Share of those whose sentence stays in the input, 0 to 1."""
    around: int | None = None
    """Most sentences that are shown on either side of the mask, so that there is little to read; null is all."""
    mask: str = "<mask>"
    """What marks its place; name it among tokenizer.symbols."""

    def __post_init__(self) -> None:
        for name in ("records", "kept"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        if self.around is not None and self.around < 0:
            raise ValueError(f"around must be 0 or more, or null, not {self.around}")
        if len(self.mask.split()) != 1:
            raise ValueError(f"mask must be a text without spaces, not {self.mask!r}")

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records of several sentences, for checks."""
        texts = (f"Task {at} is hard. We solve it. It rains." for at in range(20))
        return [{"id": str(at), "input": text, "target": f"We solve task {at}."} for at, text in enumerate(texts)]

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records, a share of them with a sentence of theirs as target."""
        return [self._gap(record, rng) if rng.random() < self.records else record for record in records]

    def _gap(self, record: Record, rng: random.Random) -> Record:
        sentences = sentences_of(record)
        if len(sentences) < 2:
            return record
        place = rng.randrange(len(sentences))
        shown = [self.mask, sentences[place]] if rng.random() < self.kept else [self.mask]
        far = len(sentences) if self.around is None else self.around
        before, after = sentences[max(0, place - far) : place], sentences[place + 1 : place + 1 + far]
        return {**record, "input": " ".join([*before, *shown, *after]), "target": sentences[place]}
