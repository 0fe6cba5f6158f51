"""Answer speed beside Hugging Face's generate: the same weights, text in and text out, interleaved, threads pinned.

    python tests/benchmarks/answer.py --run RUN --texts FILE [--transformers PYTHON] [--rounds 3] [--length N]

RUN is a finished run with a stock transformer; FILE holds a text a line; PYTHON is that of an environment with
transformers (5.23.0) and torch. Each engine has a process of its own, and they answer by turns: texts one by one with a
beam of 5 and greedily, then batches of 32 texts of alike length. With `--length` all answers have N tokens, for weights
that were not trained; else they end where the model ends them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WAYS = [("beam 5, one by one", 1, 5), ("greedy, one by one", 1, 1), ("beam 5, batches of 32", 32, 5)]
WAYS += [("greedy, batches of 32", 32, 1)]


class Engine:
    """A process that answers."""

    def __init__(self, python: str, kind: str, folder: Path, threads: int):
        pinned = {"OMP_NUM_THREADS": str(threads), "OMP_PROC_BIND": "close", "OMP_PLACES": "cores"}
        command = [python, str(Path(__file__).absolute()), "--serve", kind, "--run", str(folder)]
        env = {**os.environ, **pinned, "TOKENIZERS_PARALLELISM": "false"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def answer(self, texts: list[str], beam: int, length: int) -> tuple[float, float, list[str]]:
        """Return seconds, seconds of processor time, and the answers."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([texts, beam, length]) + "\n")
        self.process.stdin.flush()
        seconds, busy, answers = json.loads(self.process.stdout.readline())
        return seconds, busy, answers

    def end(self) -> None:
        """Close the process."""
        self.process.communicate()


def serve(kind: str, folder: Path) -> None:
    """Answer the requests on standard input."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    answer = {"lamcore": lamcore, "transformers": transformers}[kind](folder)
    for line in sys.stdin:
        began, busy = time.perf_counter(), time.process_time()
        answers = answer(*json.loads(line))
        print(json.dumps([time.perf_counter() - began, time.process_time() - busy, answers]), flush=True)


def lamcore(folder: Path) -> Callable[[list[str], int, int], list[str]]:
    """Return lamcore's way to answer."""
    from lamcore import Decoding, load

    model = load(folder)

    def answer(texts: list[str], beam: int, length: int) -> list[str]:
        settings: dict[str, Any] = {"max_length": length, "max_ratio": 0} if length else {}
        return [one["target"] for one in model.predict(texts, Decoding(beam=beam, **settings))]

    return answer


def transformers(folder: Path) -> Callable[[list[str], int, int], list[str]]:
    """Return Hugging Face's way to answer."""
    import torch
    import transformers as hf

    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    model = hf.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    model.generation_config.suppress_tokens = None  # what it would cost

    @torch.inference_mode()
    def answer(texts: list[str], beam: int, length: int) -> list[str]:
        settings = {"min_new_tokens": length, "max_new_tokens": length} if length else {}
        read = tokenizer(texts, return_tensors="pt", padding=True)
        ids = model.generate(**read, num_beams=beam, do_sample=False, **settings)
        return tokenizer.batch_decode(ids, skip_special_tokens=True)

    return answer


def main() -> None:
    """Measure and print."""
    from measure import LAM, measured, table

    words = arguments()
    texts = words.texts.read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as name:
        engines = {"lamcore": Engine(sys.executable, "lamcore", words.run, words.threads)}
        if words.transformers:
            out = Path(name) / "marian"
            measured([LAM, "export", str(words.run), "--to", "huggingface", "--out", str(out)])
            engines["transformers"] = Engine(words.transformers, "transformers", out, words.threads)
        rows = []
        for way, size, beam in WAYS:
            rows += compare(way, engines, batches(texts, size, words.number), beam, words)
        for engine in engines.values():
            engine.end()
    columns = ("what", "engine", "ms a batch: p50", "p95", "texts a second", "processor ms a text")
    table((*columns, "faster", "same answers"), rows)


def arguments() -> argparse.Namespace:
    """Read the command line; `--serve` is for the processes that this one starts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--transformers", metavar="PYTHON")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--number", type=int, default=40, help="texts one by one; 8 times as many in batches")
    parser.add_argument("--length", type=int, default=0)
    parser.add_argument("--serve", choices=["lamcore", "transformers"], help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.serve:
        serve(words.serve, words.run)
        sys.exit()
    return words


def batches(texts: list[str], size: int, number: int) -> list[list[str]]:
    """Return texts spread evenly over the lengths that there are, in batches of alike length."""
    texts = sorted(texts, key=len)
    if size == 1:
        return [[texts[(2 * i + 1) * len(texts) // (2 * number)]] for i in range(number)]
    chosen = [texts[i * len(texts) // (8 * number)] for i in range(min(8 * number, len(texts)))]
    return [chosen[i : i + size] for i in range(0, len(chosen), size)]


def compare(
    way: str, engines: dict[str, Engine], given: list[list[str]], beam: int, words: argparse.Namespace
) -> list[tuple[str, ...]]:
    """Return a row of the table for each engine; a batch counts with the best of its rounds."""
    found: dict[str, list[tuple[float, float, list[str]]]] = {name: [] for name in engines}
    for texts in given:
        for engine in engines.values():
            engine.answer(texts, beam, words.length)  # shapes seen for the first time cost more
        turns = [[engine.answer(texts, beam, words.length) for engine in engines.values()] for _ in range(words.rounds)]
        for name, tries in zip(engines, zip(*turns, strict=True), strict=True):
            found[name].append((min(t[0] for t in tries), min(t[1] for t in tries), tries[0][2]))
    number = sum(map(len, given))
    ours = [answer for _, _, answers in found["lamcore"] for answer in answers]
    rows = []
    for name, tries in found.items():
        times = sorted(1000 * seconds for seconds, _, _ in tries)
        ratios = [b[0] / a[0] for a, b in zip(found["lamcore"], tries, strict=True)]
        equal = sum(a == b for a, b in zip(ours, [one for t in tries for one in t[2]], strict=True)) / number
        cells = [statistics.median(times), times[int(0.95 * len(times))], 1000 * number / sum(times)]
        cells.append(1000 * sum(busy for _, busy, _ in tries) / number)
        beside = ("", "") if name == "lamcore" else (f"lamcore {statistics.median(ratios):.2f} x", f"{equal:.1%}")
        rows.append((way, name, *(f"{cell:.1f}" for cell in cells), *beside))
    return rows


if __name__ == "__main__":
    main()
