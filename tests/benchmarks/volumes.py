"""Millions of records: memory of `lam predict --in --out` at several sizes, and its rate beside the engine's own.

    python tests/benchmarks/volumes.py [--records 10000 200000 1000000] [--run RUN --texts FILE] [--rounds 3] [--busy]

A tiny classifier, trained for it, answers files of so many records into Parquet; peak memory is that of the whole
process. With `--run` a finished run answers the lines of FILE by turns through a file, as `lam predict` does, and as
the engine does it chunk by chunk with the same records in memory; both in one process, whose model is loaded. `--busy`
counts seconds of processor time, for a machine that does other things too.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import LAM, ONE_THREAD, by_turns, measured, spread, table

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "ra", "ling", "tor", "s")]
TINY = """source=jsonl architecture=classifier trainer=supervised trainer.steps=20 trainer.warmup=4
trainer.validate_every=20 tokenizer.size=300 architecture.encoder.width=16 architecture.encoder.embedding=16
architecture.encoder.heads=2 architecture.encoder.feed_forward=32 architecture.encoder.buckets=100 metrics=[accuracy]
device=cpu --quiet""".split()


def write_records(file: Path, number: int) -> None:
    """Write records of random words."""
    rng = random.Random(1)
    with file.open("w") as out:
        for n in range(number):
            words = rng.choices(WORDS, k=rng.randint(3, 14))
            out.write(json.dumps({"id": n, "input": " ".join(words), "intent": words[0][0]}) + "\n")


def memory(folder: Path, sizes: list[int]) -> None:
    """Print the table of peak memory."""
    write_records(folder / "train.jsonl", 1000)
    data = [f"source.{split}={folder}/train.jsonl" for split in ("train", "validation")]
    measured([LAM, "train", *TINY, *data, f"cache={folder}/cache", f"hydra.run.dir={folder}/run"], ONE_THREAD)
    rows = []
    for number in sizes:
        source, out = folder / "in.jsonl", folder / "out.parquet"
        write_records(source, number)
        took = measured([LAM, "predict", str(folder / "run"), "--in", str(source), "--out", str(out)], ONE_THREAD)
        pace = took.output.strip().split(", ")[-1]
        rows.append((f"{number:,}", f"{took.peak_mb:.0f}", f"{took.seconds:.0f}", pace, f"{out.stat().st_size:,}"))
    table(("records", "peak memory, MB", "seconds, all in all", "pace", "bytes of Parquet"), rows)


def rate(run: Path, texts: list[str], rounds: int, clock: Callable[[], float]) -> None:
    """Print the two rates and their ratio, round by round."""
    from lamcore import answers, load
    from lamcore.model import CHUNK

    model = load(run)
    decoding = model.parts.decoding
    records = [model.record(number, text) for number, text in enumerate(texts)]

    def engine() -> Any:
        chunks = [records[at : at + CHUNK] for at in range(0, len(records), CHUNK)]
        return [model._answers(chunk, decoding) for chunk in chunks]

    def file() -> Any:
        return answers.answer_file(model, answers.read(folder / "in.txt"), folder / "out.parquet", decoding)

    def timed(do: Callable[[], Any]) -> float:
        began = clock()
        do()
        return len(texts) / (clock() - began)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        engine()  # shapes seen for the first time cost more
        found = by_turns({"engine": lambda: timed(engine), "file": lambda: timed(file)}, rounds)
    ratios = [b / a for a, b in zip(found["engine"], found["file"], strict=True)]
    rows = [("engine, in memory", spread(found["engine"], "{:.1f}"), "")]
    rows.append(("predict --in --out", spread(found["file"], "{:.1f}"), spread(ratios)))
    table(("way", "records a second: median (least to greatest)", "of the engine's, round by round"), rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="*", default=[10_000, 200_000, 1_000_000])
    parser.add_argument("--run", type=Path)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", action="store_true", help="seconds of processor time")
    words = parser.parse_args()
    if words.records:
        with tempfile.TemporaryDirectory() as name:
            memory(Path(name), words.records)
    if words.run:
        texts = words.texts.read_text(encoding="utf-8").split("\n")[:-1]
        rate(words.run, texts, words.rounds, time.process_time if words.busy else time.perf_counter)


if __name__ == "__main__":
    main()
