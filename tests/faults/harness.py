"""What the fault suites share: a small real training, processes forked from this warm one, bitwise comparison.

A fork of a process that has torch imported and one update done runs the whole training in a fraction of a second."""

from __future__ import annotations

import json
import logging
import os
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lamcore import Architecture, LamcoreError, Metric, Source, cli, commands
from lamcore.errors import BUG
from lamcore.plugins import Component, Plugin, Registry
from lamcore_noise import DropWords, Typos
from lamcore_trainers import Supervised
from lamcore_transformer import Transformer

STEPS, EVERY = 12, 2
CHECKPOINTS = STEPS // EVERY
DEADLINE = 60.0
"""Seconds after which a child hangs; a run takes a fraction of one."""
TIMES = {"time", "tokens_per_second", "seconds_left"}
"""Keys of a line of the log that say how long something took."""
IGNORED = {".lock", ".holder.json"}
WORDS = ["one", "two", "six", "ten", "red", "blue", "sun", "moon", "cat", "dog", "tree", "sea"]


@dataclass
class Backwards(Source):
    """Words and the same words backwards; 48, 8 and 8 records."""

    def load(self) -> dict[str, Iterator[dict[str, str]]]:
        """Return three splits."""
        return {"train": _pairs(0, 48), "validation": _pairs(48, 56), "test": _pairs(56, 64)}

    def fingerprint(self) -> str:
        """Return what never changes."""
        return "1"


def _pairs(first: int, last: int) -> Iterator[dict[str, str]]:
    for number in range(first, last):
        words = [WORDS[number % 12], WORDS[(5 * number + number // 12) % 12], WORDS[number // 12]][: 2 + number % 2]
        yield {"input": " ".join(words), "target": " ".join(reversed(words))}


@dataclass
class Overlap(Metric):
    """The share of places where answer and target have the same letter: a metric that moves at every validation."""

    def count(self, answer: dict[str, Any], record: dict[str, Any]) -> dict[str, float]:
        """Count places."""
        pair = answer["target"], record["target"]
        return {"same": sum(a == b for a, b in zip(*pair, strict=False)), "all": max(map(len, pair))}

    def score(self, sums: Any) -> dict[str, float]:
        """Divide."""
        return {"overlap": sums["same"] / sums["all"]}


@dataclass
class Letters(Architecture):
    """Tell the letter at each place of the target from the letter at that place of the input and the place itself."""

    width: int = 16
    """Numbers a letter."""
    dropout: float = 0.2
    """Share that is zeroed in training."""

    def build(self, tokenizer: Any, labels: Any) -> torch.nn.Module:
        """Return a new model."""
        return LettersModel(self, tokenizer)


PLACES = 16


class LettersModel(torch.nn.Module):
    """B records of PLACES letters each; cheap, and it learns at every update."""

    def __init__(self, settings: Letters, tokenizer: Any):
        """Draw the weights."""
        super().__init__()
        self.tokenizer = tokenizer
        self.letters = torch.nn.Embedding(tokenizer["input"].size, settings.width)
        self.places = torch.nn.Parameter(torch.randn(PLACES, settings.width))
        self.head = torch.nn.Linear(settings.width, tokenizer["target"].size)
        self.dropout = settings.dropout

    def encode(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Cut or fill both columns to PLACES letters."""
        columns = {name: self.tokenizer[name].encode([r[name] for r in records]) for name in ("input", "target")}
        pairs = zip(*columns.values(), strict=True)
        return [{"x": _places(x), "y": _places(y), "size": PLACES} for x, y in pairs]

    def collate(self, examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Stack."""
        return {key: torch.from_numpy(np.stack([np.asarray(one[key]) for one in examples])).long() for key in "xy"}

    def logits(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return (B, PLACES, V)."""
        hidden = torch.nn.functional.dropout(self.letters(batch["x"]) + self.places, self.dropout, self.training)
        return self.head(hidden)

    def forward(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return losses (B,) and counts (B,)."""
        logits = self.logits(batch).flatten(0, 1)
        losses = torch.nn.functional.cross_entropy(logits, batch["y"].flatten(), reduction="none")
        return losses.view(-1, PLACES).sum(1), torch.full((len(batch["y"]),), PLACES)

    def predict(self, batch: dict[str, torch.Tensor], decoding: Any) -> list[dict[str, Any]]:
        """Return the likeliest letters."""
        return [{"target": text} for text in self.tokenizer["target"].decode(self.logits(batch).argmax(2).tolist())]


def _places(ids: Sequence[int]) -> np.ndarray:
    return np.array([*ids, *[0] * PLACES][:PLACES], np.int32)


def registry() -> Registry:
    """Return a registry of the real transformer, trainer and noise, and the toy task."""
    made, plugin = Registry(), Plugin("faults", "faults", "1")
    parts: list[tuple[str, str, type]] = [
        ("source", "backwards", Backwards),
        ("metric", "overlap", Overlap),
        ("architecture", "letters", Letters),
        ("architecture", "transformer", Transformer),
        ("trainer", "supervised", Supervised),
        ("augmenter", "typos", Typos),
        ("augmenter", "drop_words", DropWords),
    ]
    made.offers = [Component(kind, name, cls, plugin) for kind, name, cls in parts]
    return made


def config(cache: Path | str | None, **trainer: Any) -> dict[str, Any]:
    """Return the values of the reference run: six checkpoints, dropout, augmenters, a metric as monitor, 3 epochs."""
    steps = {"steps": STEPS, "validate_every": EVERY, "log_every": 1, "warmup": 4, "lr": 0.03, "batch_tokens": 200}
    return {
        "name": "faults",
        "seed": 7,
        "device": "cpu",
        "cache": str(cache) if cache else None,
        "source": {"name": "backwards"},
        "architecture": {"name": "letters"},
        "trainer": {"name": "supervised", **steps, **trainer},
        "augmenters": {
            "typos": {"name": "typos", "records": 1.0},
            "drop": {"name": "drop_words", "records": 1.0, "rate": 0.3},
        },
        "metrics": {"overlap": {"name": "overlap"}},
        "monitor": "overlap",
        "tokenizer": {"kind": "character"},
        "decoding": {"max_length": 10},
    }


TRANSFORMER = {"name": "transformer", "layers": 1, "width": 16, "heads": 2, "feed_forward": 32, "dropout": 0.2}
"""The architecture of the slower runs: values of `architecture`."""


def go(folder: Path, values: dict[str, Any]) -> commands.Run:
    """Start the run of a folder, or go on with it, as `lam train` and `lam resume` do."""
    known = registry()
    if (folder / "config.yaml").exists():
        return commands.resume(known, folder)
    return commands.start(known, values, values, {}, folder)


def as_lam(do: Callable[[], Any]) -> None:
    """Do something as the command `lam` does, with its signals, its one line and its exit codes; end this process."""
    cli.lam.invoke = lambda context: do()  # type: ignore[method-assign]
    sys.argv = ["lam", "plugins"]
    code: Any = 0
    try:
        cli.main()
    except SystemExit as error:
        code = error.code
    sys.stderr.flush()
    os._exit(int(code or 0))


def tell_restored() -> None:
    """Have this process say from which step a run goes on; 0 is the beginning."""
    restore = commands.Run.restore

    def told(run: commands.Run) -> Any:
        found = restore(run)
        print("went on from", found[0] if found else 0, flush=True)
        return found

    commands.Run.restore = told  # type: ignore[method-assign]


class Child:
    """A process forked from this one."""

    def __init__(self, do: Callable[[], Any], shown: Path):
        """Do something in a new process that ends with the exit code of `lam`; what it says goes into a file."""
        self.shown = shown
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _live(do, shown)
        self._handle = os.pidfd_open(self.pid)

    def ends(self, seconds: float) -> bool:
        """Wait for the end, so long at most; say whether it came."""
        return bool(select.select([self._handle], [], [], seconds)[0])

    def wait(self) -> int:
        """Return the exit code, -9 for a process killed by signal 9; one that outlives its deadline is a failure."""
        late = not self.ends(DEADLINE)
        if late:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._handle)
        assert not late, f"hung for {DEADLINE} s; it said: {self.said}"
        return os.waitstatus_to_exitcode(status)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    @property
    def said(self) -> str:
        """What it wrote to stdout and stderr."""
        return self.shown.read_text(encoding="utf-8") if self.shown.exists() else ""


def _live(do: Callable[[], Any], shown: Path) -> None:
    code = BUG
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        handle = os.open(shown, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout = sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        log = logging.getLogger("lamcore")
        log.handlers, log.propagate = [logging.StreamHandler(sys.stderr)], False
        torch.set_num_threads(1)
        do()
        code = 0
    except LamcoreError as error:
        code = error.exit_code
        print(error, file=sys.stderr)
    except KeyboardInterrupt:  # then Python ends by that signal
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(do: Callable[[], Any], shown: Path) -> int:
    """Do something in a new process and return its exit code."""
    return Child(do, shown).wait()


def finish(folder: Path, values: dict[str, Any]) -> str:
    """Go on with a run to its end in a new process; return what it said."""
    child = Child(lambda: (tell_restored(), go(folder, values)), folder.with_suffix(".said"))
    assert child.wait() == 0, child.said
    return child.said


def state(folder: Path) -> dict[str, Any]:
    """Return all that a run came to: {what: bytes or values}, without what tells time and what was set aside.

    Weights, each kept checkpoint's tensors (optimizer and chance among them) and values, log, scores, predictions."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name.startswith(("cache/", "checkpoints/damaged-")) or path.name in IGNORED:
            continue
        if path.name == "manifest.json":
            found[name] = sorted(json.loads(path.read_text(encoding="utf-8"))["files"])
        elif path.name == "state.json":
            found[name] = json.loads(path.read_text(encoding="utf-8"))
        elif path.name == "log.jsonl":
            found[name] = log_lines(folder)
        else:
            found[name] = path.read_bytes()
    return found


def log_lines(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's log without what tells time."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def differences(folder: Path, reference: dict[str, Any]) -> list[str]:
    """Return the names of what differs between a run and the state of another."""
    mine = state(folder)
    return sorted(name for name in mine.keys() | reference.keys() if mine.get(name) != reference.get(name))


def steps(folder: Path) -> list[int]:
    """Return the steps of the checkpoints that a run keeps."""
    return [int(path.name[5:]) for path in sorted((folder / "checkpoints").glob("step-*"))]


class Bench:
    """The uninterrupted run, whose end every other must reach; copies of it at any moment."""

    def __init__(self, home: Path, architecture: dict[str, Any] | None = None, **trainer: Any):
        """Train it in a new folder, with these values in place of the usual ones."""
        home.mkdir(exist_ok=True)
        self.home = home
        self.values = config(home / "cache", **trainer)
        self.values["architecture"] = architecture or self.values["architecture"]
        self.reference = home / "reference"
        torch.set_num_threads(1)
        short = {**self.values["trainer"], "steps": EVERY}
        go(home / "warm", {**self.values, "trainer": short})  # imports what is imported late; fills the cache
        finish(self.reference, self.values)
        began = time.monotonic()
        finish(home / "again", self.values)
        self.seconds = time.monotonic() - began
        self.state = state(self.reference)
        assert steps(self.reference) == [STEPS - EVERY, STEPS]
        self._number = 0

    def new(self) -> Path:
        """Return a folder that is not there yet."""
        self._number += 1
        return self.home / f"run-{self._number}"

    def same(self, folder: Path) -> None:
        """Fail unless a finished run equals the uninterrupted one bit for bit; remove it."""
        assert not (wrong := differences(folder, self.state)), f"{folder} differs from the uninterrupted run in {wrong}"
        shutil.rmtree(folder)
        folder.with_suffix(".said").unlink(missing_ok=True)


def spread(items: Sequence[Any], number: int) -> list[Any]:
    """Return so many of the items, evenly over them; all where there are fewer."""
    return [items[index * len(items) // number] for index in range(number)] if len(items) > number else list(items)
