"""Toy records to try components on: made here, the same on every machine, with awkward texts among them.

And a toy task to try trainers on: what a command wants done (`intent`) by its first letters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lamcore.kinds import Architecture, Labels, Record, Source, Trainer

ACTIONS = {"open": "öffne", "close": "schließe", "start": "starte", "stop": "stoppe", "show": "zeige", "dim": "dimme"}
PLACES = {"kitchen": "Küche", "garage": "Garage", "bedroom": "Schlafzimmer", "hall": "Flur", "cellar": "Keller"}
THINGS = {"light": "Licht", "door": "Tür", "heating": "Heizung", "window": "Fenster", "camera": "Kamera"}
AWKWARD = [
    "", " ", "?", "A", "{name} of {count, number}", "<0> and <b>bold</b> &amp; more", "NA", "null", "007", "1e3", "no",
    "12:30", "${oc.env:HOME}", "%s %(name)s", "C:\\new\\table", "https://example.org/a?b=1&copy=2 me@example.org",
    "it's “quoted” – and «so» on", "ein Straßenfuß, ŒUVRE, İstanbul", "cafe\u0301 caf\u00e9", "ﬁne ½ Ｗｉｄｅ ²",
    "שלום עולם \u202emixed\u202c", "日本語の文です。", "नमस्ते", "👩‍👩‍👧 👍🏽", "one\u2028two\u0085three\x0cfour",
    "a\tb\r\nc\rd", "nul\x00here \x1b[31mred", "\ufeffmark\u200b\u00ad", "schÃ¶n", "[SEP] <s> </s> <pad>", "x" * 300,
    "word " * 60,
]  # fmt: skip
"""Texts that careless code breaks, drops or mistakes for something else."""


def records(number: int) -> list[Record]:
    """Return that many records, the same each time: commands for a house in English and German, one in four awkward.

    No input stands twice. `group` holds four records each, `intent` is the input's first word or "none"."""
    return [_record(at) for at in range(number)]


def _record(at: int) -> Record:
    if at % 4 == 3:
        again, place = divmod(at // 4, len(AWKWARD))
        text = target = f"{AWKWARD[place]} {again + 1}" if again else AWKWARD[place]
        intent = "none"
    else:
        text, target, intent = _command(at - at // 4)
    return {
        "id": f"toy-{at}", "input": text, "target": target, "references": [target], "intent": intent,
        "input_lang": "en", "target_lang": "de", "domain": ("house", "garden", "car")[at % 3],
        "group": f"group-{at // 4}",
    }  # fmt: skip


def _command(at: int) -> tuple[str, str, str]:
    """Return input, target and intent of command number `at`; a number follows once all have been said."""
    at, action = divmod(at, len(ACTIONS))
    at, thing = divmod(at, len(THINGS))
    again, place = divmod(at, len(PLACES))
    a, b, c = list(ACTIONS)[action], list(THINGS)[thing], list(PLACES)[place]
    end = f" {again + 1}" if again else ""
    return f"{a} the {b} in the {c}{end}", f"{PLACES[c]}: {THINGS[b]} {ACTIONS[a]}{end}", a


@dataclass
class Commands(Source):
    """Commands for a house: 120 to train on, 30 each for validation and test."""

    def load(self) -> Mapping[str, list[Record]]:
        every = [record for record in records(240) if record["intent"] != "none"]
        return {"train": every[:120], "validation": every[120:150], "test": every[150:]}


@dataclass
class Given(Source):
    """The records that it is given, to try what reads a source."""

    splits: dict[str, list[Record]] = field(default_factory=dict)
    """Split -> records."""
    mark: str | None = "a"
    """What stands for the state of the data; null: it is unknown."""

    def load(self) -> Mapping[str, Iterable[Record]]:
        return {split: iter(records) for split, records in self.splits.items()}

    def fingerprint(self) -> str | None:
        return self.mark


@dataclass
class Intents(Architecture):
    """Tell a command's intent by its first letters: it learns in a second."""

    width: int = 16
    """Numbers that stand for one letter."""
    dropout: float = 0.1
    """Share of the numbers that are zeroed in training."""

    reads = ("input",)
    labels = ("intent",)
    answers = ("intent",)

    def build(self, tokenizer: Mapping[str, Any], labels: Labels) -> Any:
        """Return a new model."""
        from lamcore.testing.models import IntentModel

        return IntentModel(labels["intent"], self.width, self.dropout)


@dataclass
class Idle(Trainer):
    """Train nothing."""

    def fit(self, run: Any, model: Any, data: Any) -> None:
        """Return at once."""
