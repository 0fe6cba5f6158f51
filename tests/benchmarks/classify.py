"""Training speed of `classifier` beside Hugging Face's Trainer with a BertForSequenceClassification of the same size.

    python tests/benchmarks/classify.py --data DIR --huggingface PYTHON [--rounds 3] [--steps 200] [--busy]

DIR holds CLINC150; PYTHON is that of an environment with transformers 5.23.0 and accelerate. The peer reads the pieces
of the same tokenizer. It has two layers of the same width, which are as many parameters as the classifier's LSTM and
one layer, and a table of as many rows as the classifier's two. Both have the same dropout, one thread and, on average,
as many records a batch, Hugging Face's grouped by length. The first half of each run is not counted.

--busy is for a machine that does other things too: every clock of both shows seconds of processor time.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import measure

HERE = Path(__file__).parent
ENV = dict(measure.ONE_THREAD)


def lamcore(folder: Path, steps: int) -> tuple[float, float]:
    """Train by the command; return examples a second and the peak of memory in MB."""
    words = ["experiment=actions/clinc150", f"trainer.steps={steps}", f"trainer.validate_every={steps}"]
    speeds, peak = measure.train(folder, [*words, "trainer.ema=0", "monitor=loss", "metrics=[]"], ENV)
    return measure.settled(speeds), peak  # a record counts as one token


def huggingface(folder: Path, python: str, steps: int) -> tuple[float, float]:
    """Train with Hugging Face's Trainer; return the same."""
    command = [python, str(HERE / "classify_huggingface.py"), str(folder / "plan.json"), str(steps)]
    found, peak = measure.train_peer(command, ENV)
    return measure.settled(found["speeds"]), peak


def write_plan(folder: Path) -> int:
    """Write what the peer needs: sizes, the records' pieces and classes, records a batch; return our parameters."""
    recipe, trained, data, batch = measure.opened(folder / "run")
    rows, classes, tokenizer = data.ready["train"], list(trained.labels["intent"]), trained.tokenizer["input"]
    s = recipe.architecture.encoder
    sizes = {"width": s.width, "heads": s.heads, "feed_forward": s.feed_forward, "dropout": s.dropout}
    sizes |= {"vocabulary": tokenizer.size + s.buckets + 1, "classes": len(classes)}
    records = list(zip(tokenizer.encode(rows["input"]), map(classes.index, rows["intent"]), strict=True))
    (folder / "plan.json").write_text(json.dumps({"sizes": sizes, "batch": batch, "records": records}))
    return sum(weight.numel() for weight in trained.model.parameters())


def main() -> None:
    """Measure by turns and print the table."""
    given = measure.arguments(__doc__ or "", steps=200).parse_args()
    ENV["CLINC150"] = os.environ["CLINC150"] = str(given.data.absolute())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lamcore(folder, measure.EVERY)  # prepares the data
        own = write_plan(folder)
        if given.busy:
            measure.count_processor_time(folder, ENV)
        turns = {
            f"lamcore, {own:,} parameters": lambda: lamcore(folder, given.steps),
            "Hugging Face Trainer 5.23.0": lambda: huggingface(folder, given.huggingface, given.steps),
        }
        measure.compared(measure.by_turns(turns, given.rounds), "{:.0f}")


if __name__ == "__main__":
    main()
