"""Learn from the answers of an earlier run: source `run_answers`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lamcore import MISSING, Record, Source, hookimpl


@dataclass
class RunAnswers(Source):
    """The train records of a source, with what an earlier run answers to them.

    As it stands, the answer becomes `target`: sequence-level distillation (Kim and Rush 2016). With `swap` the answer
    becomes `input` and the text that was answered `target`: back-translation (Sennrich et al. 2016), for which the run
    translates the other way round. Each record names the one it was made of as `parent`. Held-out splits keep their own
    texts, turned the same way; one whose records have only one text is left out: mix this with a source that has both.
    """

    run: str = MISSING
    """Folder of a finished run, or of a model."""
    source: Source = MISSING
    """Where the texts to answer come from, such as {name: books, folder: texts, split: [1, 0, 0]}."""
    column: str = "input"
    """Which text is answered: input or target."""
    swap: bool = False
    """The answer becomes input and the text that was answered target."""
    tag: str = ""
    """Put before the input of answered records (Caswell et al. 2019), such as <BT>: one of tokenizer.symbols."""
    keep_score: float | None = None
    """Least score of an answer that is kept: log probability over the length penalty; null: all. Blank ones never."""
    decoding: dict[str, int | float | bool | str] = field(default_factory=dict)
    """How answers are searched where not as in the run, such as {beam: 5}."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""

    def __post_init__(self) -> None:
        if self.column not in ("input", "target"):
            raise ValueError(f"column must be input or target, not {self.column!r}")

    def load(self) -> Mapping[str, Iterable[Record]]:
        from lamcore_answers.answering import answered

        return answered(self)

    def fingerprint(self) -> str | None:
        from lamcore_answers.answering import fingerprint

        return fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that asks a small untrained model of a toy source's texts, for checks."""
        from lamcore.testing.toy import Commands
        from lamcore_answers.example import write_model

        return cls(run=str(write_model(folder / "model")), source=Commands(), device="cpu")


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    register("run_answers", RunAnswers)
