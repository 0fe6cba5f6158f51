"""What stands at the end of a run: scores, ten answers, the folder and the commands to go on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamcore.console import answer_text, say, scores, table

EXAMPLES = 10
LONGEST = 160
"""Most characters shown of a text."""


def report(folder: Path, found: Mapping[str, Any]) -> None:
    """Print the end of the run in a folder, whose scores are {split: {metric: {value, low, high, signature}}}."""
    say()
    scores(found)
    answered = sorted(folder.glob("predictions-*.jsonl"), key=lambda path: "test" not in path.name)
    if answered:
        say()
        examples(answered[0])
    here = folder.resolve()
    here = here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    say()
    say(f"The run is in {here}. Go on with:")
    for command in (f'predict {here} "TEXT"', f"evaluate {here} --decoding beam=5", "train --help"):
        say(f"  lam {command}", "bold")


def examples(answered: Path) -> None:
    """Print records taken evenly over a predictions file, each with its answer."""
    lines = answered.read_text(encoding="utf-8").split("\n")[:-1]
    chosen = [json.loads(line) for line in lines[:: max(1, len(lines) // EXAMPLES)][:EXAMPLES]]
    rows = [(row["input"], text_of(row["reference"]), answer_text(row["answer"])) for row in chosen]
    table(("input", "reference", "answer"), [[short(cell) for cell in row] for row in rows])


def text_of(reference: Any) -> Any:
    """Return a reference as its answer is shown."""
    return answer_text(reference) if isinstance(reference, dict) else reference


def short(text: Any) -> str:
    """Return a text that is not endless."""
    return str(text) if len(str(text)) <= LONGEST else f"{str(text)[:LONGEST]}..."
