"""The metric `comet`: a scorer of translations that runs in an environment of its own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lamcore import Answer, LamcoreError, Metric, Record, hookimpl
from lamcore.errors import some

EXAMPLE = """
import difflib
import json
import sys

for line in sys.stdin:
    row = json.loads(line)
    print(difflib.SequenceMatcher(None, row["mt"], row["ref"], autojunk=False).ratio())
"""


@dataclass
class Comet(Metric):
    """Mean of the scores that a command of another environment gives the answers, as COMET does."""

    command: list[str] = field(default_factory=lambda: ["comet-env/bin/python", "score.py"])
    """The program and its arguments: it reads {"src", "mt", "ref"} as JSON lines and writes a number a line."""
    scorer: str = ""
    """What it computes, for the signature, such as wmt22-comet-da; empty: the command's words."""
    timeout: float = 3600.0
    """Most seconds that one call may take."""
    column: str = "target"
    """Text column to score."""

    range = (-math.inf, math.inf)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one with a stand-in for COMET written into a folder, for checks: the ratio of equal characters."""
        (folder / "score.py").write_text(EXAMPLE, encoding="utf-8")
        return cls(command=[sys.executable, "-S", str(folder / "score.py")], scorer="equal characters")

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return a few records for checks, as each call starts a process."""
        texts = ["Guten Morgen.", "Wo ist der Bahnhof?", "Ich lese\nein Buch.", "„Ja“, sagte sie."]
        return [{"id": str(n), "input": f"English {n}", "target": text} for n, text in enumerate(texts)]

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise ValueError("command must name a program")
        if not self.timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {self.timeout}")

    @property
    def signature(self) -> str:
        """Name what scores."""
        return f"scorer:{self.scorer or ' '.join(self.command)}|mean of segments"

    def counts(self, answers: Sequence[Answer], records: Sequence[Record]) -> list[Mapping[str, float]]:
        """Have the command score all answers in one call; raise LamcoreError where it does not do so."""
        if not answers:
            return []
        rows = [self._row(answer, record) for answer, record in zip(answers, records, strict=True)]
        return [{"sum": score, "records": 1.0} for score in self._scores(rows)]

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return the mean; of no records it is 0."""
        return {"comet": sums.get("sum", 0.0) / max(sums.get("records", 0.0), 1.0)}

    def _row(self, answer: Answer, record: Record) -> dict[str, Any]:
        given = (record.get("references") if self.column == "target" else None) or [record.get(self.column)]
        if not isinstance(given[0], str) or not isinstance(record.get("input"), str):
            lacking = self.column if isinstance(record.get("input"), str) else "input"
            raise LamcoreError(f"comet: record {record.get('id')!r} has no text in its column {lacking!r}.")
        return {"src": record["input"], "mt": answer[self.column], "ref": given[0]}

    def _scores(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        try:
            done = subprocess.run(
                self.command,
                input="".join(f"{json.dumps(row)}\n" for row in rows),
                capture_output=True,
                timeout=self.timeout,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            what = f"comet.command: {self.command[0]!r} can't be run: {error.strerror}"
            raise LamcoreError(f"{what}. Name the program of the environment that has the scorer.") from error
        except subprocess.TimeoutExpired as error:
            what = f"comet.command took longer than {self.timeout:g} seconds for {len(rows)} answers"
            raise LamcoreError(f"{what}: raise metrics.comet.timeout.") from error
        if done.returncode:
            last = done.stderr.strip().split("\n")[-1] or "nothing on standard error"
            raise LamcoreError(f"comet.command ended with exit code {done.returncode}: {last}")
        return _numbers(done.stdout.removesuffix("\n").split("\n") if done.stdout else [], len(rows))


def _numbers(lines: Sequence[str], wanted: int) -> list[float]:
    """Return the scores that were written, or raise the error that says what was written instead."""
    if len(lines) != wanted:
        shown = some(map(repr, lines), 2) or "nothing"
        what = f"comet.command wrote {len(lines)} lines for {wanted} answers ({shown})"
        raise LamcoreError(f"{what}. It must write one number for each, and nothing else, to standard output.")
    scores = []
    for number, line in enumerate(lines, 1):
        try:
            scores.append(float(line))
        except ValueError as error:
            raise LamcoreError(f"comet.command: line {number} of its output is no number: {line[:60]!r}") from error
    return scores


@hookimpl
def register_metrics(register: Any) -> None:
    """Offer the metric."""
    register("comet", Comet)
