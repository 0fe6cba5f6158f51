"""Corpus size does not enter memory: prepare synthetic pairs and train 100 steps, at two sizes.

`python tests/benchmarks/corpus.py` takes 5 million pairs and a hundredth of them; `--pairs N` another number.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from measure import LAM, PINNED, Measured, measured, table

SPLITS = {"train": "pairs", "validation": "held"}
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "ra", "ling", "tor", "s")]


def write_pairs(folder: Path, number: int) -> None:
    """Write line-aligned files of random words; the target is the input with its words turned round."""
    rng = random.Random(1)
    with (folder / "pairs.a").open("w") as first, (folder / "pairs.b").open("w") as second:
        for _ in range(number):
            words = rng.choices(WORDS, k=rng.randint(3, 14))
            first.write(" ".join(words) + "\n")
            second.write(" ".join(words[::-1]) + "\n")
    for side in "ab":
        lines = (folder / f"pairs.{side}").open()
        (folder / f"held.{side}").write_text("".join(next(lines) for _ in range(200)))


def train(folder: Path) -> Measured:
    """Prepare and train 100 steps."""
    words = [
        f"source.train=[{folder}/pairs.a,{folder}/pairs.b]",
        f"source.validation=[{folder}/held.a,{folder}/held.b]",
    ]
    words += [
        "preprocessors=[normalise,length_filter]",
        "tokenizer.size=300",
        "trainer.steps=100",
        "trainer.batch_tokens=2000",
    ]
    words += ["architecture.layers=1", "architecture.width=64", "trainer.validate_every=100", f"cache={folder}/cache"]
    return measured([LAM, "train", "source=parallel_text", *words, f"hydra.run.dir={folder}/run", "--quiet"], PINNED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5_000_000)
    largest = parser.parse_args().pairs
    rows = []
    for number in (largest // 100, largest):
        with tempfile.TemporaryDirectory() as name:
            write_pairs(Path(name), number)
            took = train(Path(name))
        rows.append((f"{number:,}", f"{took.peak_mb:.0f}", f"{took.seconds:.0f}"))
    table(("pairs", "peak memory, MB", "seconds, all in all"), rows)


if __name__ == "__main__":
    main()
