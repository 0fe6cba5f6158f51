"""Training speed of `causal_lm` beside Hugging Face's Trainer with a LlamaForCausalLM of the same size.

    python tests/benchmarks/causal_lm.py --data DIR --huggingface PYTHON [--rounds 3] [--steps 60] [--busy] [WORDS ...]

DIR holds tldr-commands; PYTHON is that of an environment with transformers 5.23.0 and accelerate; WORDS are overrides
of the experiment actions/tldr_commands. Both get the same ids, learn the same tokens (the commands and their ends),
without dropout, on one thread, in batches of as many records on average, Hugging Face's grouped by length. Examples a
second are learnt tokens a second over those that a record has on average. The first half of each run is not counted.

--busy is for a machine that does other things too: every clock of both shows seconds of processor time.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import measure
import numpy as np

HERE = Path(__file__).parent
ENV = dict(measure.ONE_THREAD)


def lamcore(folder: Path, steps: int, words: list[str]) -> tuple[float, float]:
    """Train by the command; return learnt tokens a second and the peak of memory in MB."""
    own = ["experiment=actions/tldr_commands", "architecture.dropout=0", "metrics=[]", "trainer.minutes=0"]
    own += [f"trainer.steps={steps}", f"trainer.validate_every={steps}", "decoding=greedy", "decoding.max_length=2"]
    speeds, peak = measure.train(folder, [*own, *words], ENV)
    return measure.settled(speeds), peak


def huggingface(folder: Path, python: str, steps: int) -> tuple[float, float]:
    """Train with Hugging Face's Trainer; return the same."""
    command = [python, str(HERE / "causal_lm_huggingface.py"), str(folder / "plan.json"), str(steps)]
    found, peak = measure.train_peer(command, ENV)
    return measure.settled(found["speeds"]), peak


def write_plan(folder: Path) -> float:
    """Write what the peer needs: sizes, the records' ids and labels, records a batch; return learnt tokens a record."""
    recipe, trained, data, batch = measure.opened(folder / "run")
    encoded = data.encoded("train")
    records = [[one["tokens"].tolist(), one["labels"].tolist()] for one in encoded[np.arange(len(encoded.sizes))]]
    s = recipe.architecture
    sizes = {name: getattr(s, name) for name in ("layers", "width", "heads", "key_value_heads", "feed_forward", "tie")}
    sizes |= {"vocabulary": trained.tokenizer["target"].size, "max_length": s.max_length}
    (folder / "plan.json").write_text(json.dumps({"sizes": sizes, "batch": batch, "records": records}))
    return float(np.mean([sum(label >= 0 for label in labels) for _, labels in records]))


def main() -> None:
    """Measure by turns and print the table."""
    parser = measure.arguments(__doc__ or "", steps=60)
    parser.add_argument("words", nargs="*", help="overrides")
    given = parser.parse_args()
    ENV["TLDR_COMMANDS"] = os.environ["TLDR_COMMANDS"] = str(given.data.absolute())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lamcore(folder, measure.EVERY, given.words)  # prepares the data
        each = write_plan(folder)
        if given.busy:
            measure.count_processor_time(folder, ENV)
        turns = {
            "lamcore": lambda: lamcore(folder, given.steps, given.words),
            "Hugging Face Trainer 5.23.0": lambda: huggingface(folder, given.huggingface, given.steps),
        }
        results = measure.by_turns(turns, given.rounds)
    measure.compared(
        {system: [(speed / each, peak) for speed, peak in found] for system, found in results.items()}, "{:.1f}"
    )


if __name__ == "__main__":
    main()
