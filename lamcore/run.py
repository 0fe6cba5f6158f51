"""One run: log, validate, checkpoint, restore, stop. What a trainer gets beside model and data."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import math
import os
import random
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from lamcore.data import Data
from lamcore.errors import DAMAGED, ENDING, NUMERICAL_STOP, LamcoreError, some, unknown
from lamcore.kinds import Answer, Recipe, records_of
from lamcore.model import TrainedModel, evaluating, packed
from lamcore.plugins import Registry
from lamcore.scores import RESAMPLES, Scores, direction_of, scored
from lamcore.store import commit, dumps, line, put, remove, set_aside, verified

KEPT = 2
"""Full checkpoints kept."""
log = logging.getLogger("lamcore")


class Run:
    """A run folder being written."""

    def __init__(self, folder: Path, recipe: Recipe, registry: Registry, device: torch.device):
        self.folder, self.recipe, self.device = folder, recipe, device
        self.seed, self.monitor = recipe.seed, recipe.monitor
        self.data: Data
        self.trained: TrainedModel
        self.stopped: str | None = None
        self.best: tuple[int, float] | None = None
        self.scores: dict[str, Scores] = {}
        self._registry = registry
        self._breakable = False
        self._checkpoints, self._log = folder / "checkpoints", folder / "log.jsonl"

    @property
    def model(self) -> Any:
        """The model as it stands."""
        return self.trained.model

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call an `on_` hook of every plugin."""
        self._registry.notify(hook, run=self, **arguments)

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Add a line to log.jsonl and tell the plugins."""
        put(self._log, line({"step": step, "time": round(time.time(), 3), **values}).encode(), os.O_APPEND)
        self.notify("on_log", step=step, values=values)

    def validate(self, step: int) -> dict[str, float]:
        """Score the validation split with the model as it stands: loss, and the metrics where one is the monitor.

        Returns {} where a signal broke it off: then `stopped` is "interrupted", and a resumed run has it to do."""
        try:
            self._breakable = True
            scores: Scores = {"loss": {"value": self._loss("validation"), "direction": "lower"}}
            if self.monitor != "loss":
                scores |= self.score("validation", resamples=0)[0]
            self._breakable = False
        except KeyboardInterrupt:
            if self.stopped != "interrupted":
                raise
            return {}
        except LamcoreError as error:
            raise LamcoreError(f"Validation at step {step}: {error}", error.exit_code) from error
        values = {name: score["value"] for name, score in scores.items()}
        if self.monitor not in values:
            raise unknown("validation score to monitor", self.monitor, values)
        self.log(step, {"validation": values})
        self.notify("on_evaluate", step=step, split="validation", scores=scores)
        return values

    def _loss(self, split: str) -> float:
        total, count = 0.0, 0.0
        with evaluating(self.model):
            for rows, batch in self.data.batches(split, self.recipe.decoding.batch_tokens):
                losses, counts = self.model(self.trained.on(batch))
                total, count = total + float(losses.double().sum()), count + float(counts.sum())
                if not math.isfinite(total):
                    names = self.data.ready[split][rows[~losses.isfinite().cpu().numpy()]]["id"]
                    what = f"the loss is {total} at records {some(names)}: the model has diverged."
                    raise LamcoreError(what, NUMERICAL_STOP)
        return total / count

    def score(self, split: str, resamples: int = RESAMPLES) -> tuple[Scores, list[Answer]]:
        """Return a held-out split's scores and the answers that they were counted from, as the user reads them."""
        records = list(records_of(self.data.raw[split]))
        answers = self.trained.predict(({**r, **self.trained.empty} for r in records), self.recipe.decoding)
        return scored(self.recipe.metrics, answers, records, resamples), answers

    def better(self, a: float, b: float) -> bool:
        """Say whether a monitored value is better than another; of differences, that nearer to 0."""
        direction = direction_of(self.recipe.metrics, self.monitor)
        if direction == "zero":
            return abs(a) < abs(b)
        return a < b if direction == "lower" else a > b

    def checkpoint(self, step: int, state: Mapping[str, Any], scores: Mapping[str, float] | None = None) -> None:
        """Commit all that training needs to go on; with scores, also the weights where they are the best so far.

        `state` is {name: tensor or plain JSON value (no tensor within)}. What is not finite is refused (3)."""
        value = scores[self.monitor] if scores else None
        if value is not None and (self.best is None or self.better(value, self.best[1])):
            self.best = (step, value)
            self._commit_weights(f"best-{step:08d}")
        tensors = {name: one for name, one in state.items() if isinstance(one, torch.Tensor)}
        _check_finite(self.model, tensors.values())
        plain = {name: one for name, one in state.items() if name not in tensors}
        log_lines = self._log.read_bytes().count(b"\n") if self._log.exists() else 0
        facts = {"step": step, "threads": torch.get_num_threads(), "torch": torch.__version__, "best": self.best}
        body = dumps({**facts, "log_lines": log_lines, "state": plain})
        files = {"tensors.safetensors": packed(tensors), "state.json": body.encode()}
        path = self._checkpoints / f"step-{step:08d}"
        commit(path, files)
        self._forget()
        self.notify("on_save", step=step, path=path)

    def _forget(self) -> None:
        """Remove old checkpoints, and best weights that no checkpoint speaks of."""
        steps = self._kept("step")
        for old in steps[:-KEPT]:
            remove(old)
        needed = set()
        for path in steps[-KEPT:]:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # damaged, or it has no best
                needed.add(f"best-{_body(path)['best'][0]:08d}")
        for old in self._kept("best"):
            if old.name not in needed:
                remove(old)

    def _kept(self, what: str) -> list[Path]:
        return sorted(self._checkpoints.glob(f"{what}-*"))

    def restore(self) -> tuple[int, dict[str, Any]] | None:
        """Return (step, state) of the newest good checkpoint and take the log back to it; None where there is none.

        A damaged checkpoint is set aside and the one before it used; LamcoreError (5) where all are damaged."""
        damaged: dict[Path, LamcoreError] = {}
        for path in reversed(self._kept("step")):
            try:
                body = self._whole(path)
            except LamcoreError as error:
                damaged[path] = error
                continue
            for bad, why in damaged.items():
                log.warning("%s It was set aside as %s; %s is used.", why, set_aside(bad).name, path.name)
            self.best = tuple(body["best"]) if body["best"] else None
            if (here := torch.get_num_threads()) != body["threads"]:
                log.warning("%s goes on with %d threads, as it began, and not %d.", path, body["threads"], here)
                torch.set_num_threads(body["threads"])
            if body["torch"] != torch.__version__:
                log.warning("%s is of torch %s: the end may differ in bits.", path, body["torch"])
            self._rewind(body["log_lines"])
            self._forget()
            return body["step"], {**body["state"], **load_file(path / "tensors.safetensors")}
        if damaged:
            found = " ".join(str(error) for error in damaged.values())
            raise LamcoreError(f"{self._checkpoints} holds no checkpoint that is whole: {found}", DAMAGED)
        self._rewind(0)
        return None

    def _whole(self, path: Path) -> dict[str, Any]:
        """Return what a checkpoint holds beside tensors; raise LamcoreError (5) where it or its best is damaged."""
        body = _body(verified(path))
        if path.name != f"step-{body['step']:08d}":
            raise LamcoreError(f"{path} is damaged: it holds step {body['step']}.", DAMAGED)
        if body["best"]:
            verified(self._checkpoints / f"best-{body['best'][0]:08d}")
        return body

    def _rewind(self, lines: int) -> None:
        """Cut off what was logged after a checkpoint."""
        with contextlib.suppress(FileNotFoundError), self._log.open("rb") as file:
            os.truncate(self._log, sum(len(one) for one in itertools.islice(file, lines)))

    def _commit_weights(self, name: str) -> None:
        _check_finite(self.model)
        commit(self._checkpoints / name, {"model.safetensors": packed(self.model.state_dict())})

    def load_best(self) -> None:
        """Put the best weights into the model; as they are where nothing was validated."""
        if self.best is not None:
            self.model.load_state_dict(self.load_weights(self._checkpoints / f"best-{self.best[0]:08d}"))

    def save_weights(self, step: int) -> None:
        """Keep the model's weights alone, for averaging."""
        self._commit_weights(f"weights-{step:08d}")

    def weights(self) -> list[tuple[int, Path]]:
        """Return the weights kept by `save_weights`, oldest first."""
        return [(int(path.name[8:]), path) for path in self._kept("weights")]

    def load_weights(self, path: Path) -> dict[str, torch.Tensor]:
        """Return weights that were kept, on the CPU."""
        verified(path)
        return load_file(path / "model.safetensors")

    def drop_weights(self, path: Path) -> None:
        """Forget weights that were kept."""
        remove(path)

    def stop(self, reason: str) -> None:
        """Ask the trainer to end after the step it is in; the first reason stays, but for an interruption."""
        self.stopped = reason if reason == "interrupted" else self.stopped or reason

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within, SIGINT, SIGTERM and SIGUSR1 ask for a stop; a second one ends the process as usual."""
        before = {one: old for one in ENDING if (old := signal.getsignal(one)) is not signal.SIG_IGN}
        if threading.current_thread() is not threading.main_thread():  # whoever runs us there stops us there
            before = {}

        def put_back(*_: Any) -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def ask(*_: Any) -> None:
            self.stop("interrupted")
            put_back()
            if self._breakable:  # a validation may take minutes, and nothing of it is kept yet
                raise KeyboardInterrupt

        for number in before:
            signal.signal(number, ask)
        try:
            yield
        finally:
            put_back()


def seed_all(seed: int) -> None:
    """Begin chance anew: torch's, and Python's and numpy's own, in case a library draws from those."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def _check_finite(model: Any, state: Iterable[torch.Tensor] = ()) -> None:
    """Raise LamcoreError (3) where a weight is not finite or a state holds a NaN; a mask may hold infinities."""
    with torch.no_grad():
        norm, floats = torch.nn.utils.get_total_norm, [one for one in state if one.is_floating_point()]
        if norm(model.parameters()).isfinite() and not norm(floats).isnan():
            return
        bad = [name for name, weight in model.named_parameters() if not weight.isfinite().all()]
    what = some(bad) if bad else "the trainer's state"
    raise LamcoreError(f"Not saved, for it holds nan or inf: {what}. The checkpoint before is kept.", NUMERICAL_STOP)


def _body(checkpoint: Path) -> dict[str, Any]:
    return json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
