"""One run: log, validate, checkpoint, restore, stop. What a trainer gets beside model and data."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from lamcore.data import Data
from lamcore.errors import DAMAGED, NUMERICAL_STOP, LamcoreError, unknown
from lamcore.kinds import Answer, Recipe, records_of
from lamcore.model import TrainedModel, weights
from lamcore.plugins import Registry
from lamcore.scores import RESAMPLES, Scores, scored
from lamcore.store import commit, dumps, remove, room, set_aside, verified

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
        self._checkpoints = folder / "checkpoints"

    @property
    def model(self) -> Any:
        """The model as it stands."""
        return self.trained.model

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call an `on_` hook of every plugin."""
        self._registry.notify(hook, run=self, **arguments)

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Add a line to log.jsonl and tell the plugins."""
        line = json.dumps({"step": step, "time": round(time.time(), 3), **values}, allow_nan=False)
        with room(self.folder / "log.jsonl"), (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self.notify("on_log", step=step, values=values)

    # Validation --------------------------------------------------------------------------------------------------

    def validate(self, step: int) -> dict[str, float]:
        """Score the validation split with the model as it stands: loss, and the metrics where one is the monitor."""
        scores: Scores = {"loss": {"value": self._loss("validation"), "direction": "lower"}}
        if self.monitor != "loss":
            scores |= self.score("validation", resamples=0)[0]
        values = {name: score["value"] for name, score in scores.items()}
        if self.monitor not in values:
            raise unknown("validation score to monitor", self.monitor, values)
        if not all(math.isfinite(value) for value in values.values()):
            raise LamcoreError(f"Validation at step {step} gave {values}: the model has diverged.", NUMERICAL_STOP)
        self.log(step, {"validation": values})
        self.notify("on_evaluate", step=step, split="validation", scores=scores)
        return values

    def _loss(self, split: str) -> float:
        total, count = 0.0, 0.0
        was_training = self.model.training
        self.model.eval()
        with torch.inference_mode():
            for _, batch in self.data.batches(split, self.recipe.decoding.batch_tokens):
                losses, counts = self.model(self.trained.on(batch))
                total, count = total + float(losses.double().sum()), count + float(counts.sum())
        self.model.train(was_training)
        return total / count

    def score(self, split: str, resamples: int = RESAMPLES) -> tuple[Scores, list[Answer]]:
        """Return a held-out split's scores and the answers that they were counted from, as the user reads them."""
        records = list(records_of(self.data.raw[split]))
        answers = self.trained.predict(({**r, **self.trained.empty} for r in records), self.recipe.decoding)
        return scored(self.recipe.metrics, answers, records, resamples), answers

    def better(self, a: float, b: float) -> bool:
        """Say whether a monitored value is better than another."""
        return a < b if self._direction() == "lower" else a > b

    def _direction(self) -> str:
        label = self.monitor.partition(".")[0]
        return "lower" if self.monitor == "loss" else self.recipe.metrics[label].direction

    # Checkpoints -------------------------------------------------------------------------------------------------

    def checkpoint(self, step: int, state: Mapping[str, Any], scores: Mapping[str, float] | None = None) -> None:
        """Commit all that training needs to go on; with scores, also the weights where they are the best so far."""
        value = scores[self.monitor] if scores else None
        if value is not None and (self.best is None or self.better(value, self.best[1])):
            self.best = (step, value)
            self._commit_weights(f"best-{step:08d}")
        tensors: dict[str, torch.Tensor] = {}
        body = {"best": self.best, "log_bytes": self._log_bytes(), "state": _split(state, "", tensors)}

        def fill(folder: Path) -> None:
            (folder / "tensors.safetensors").write_bytes(save(tensors))
            (folder / "state.json").write_text(dumps(body), encoding="utf-8")

        path = self._checkpoints / f"step-{step:08d}"
        if not path.is_dir():
            commit(path, fill, step=step, threads=torch.get_num_threads(), torch=torch.__version__)
        for old in self._steps()[:-KEPT]:
            remove(old)
        wanted = {f"best-{best[0]:08d}" for step in self._steps() if (best := self._best_of(step))}
        for old in self._checkpoints.glob("best-*"):
            if old.name not in wanted:
                remove(old)
        self.notify("on_save", step=step, path=path)

    def _best_of(self, path: Path) -> tuple[int, float] | None:
        return json.loads((path / "state.json").read_text(encoding="utf-8"))["best"]

    def _steps(self) -> list[Path]:
        return sorted(self._checkpoints.glob("step-*"))

    def _log_bytes(self) -> int:
        lines = self.folder / "log.jsonl"
        return lines.stat().st_size if lines.exists() else 0

    def restore(self) -> tuple[int, dict[str, Any]] | None:
        """Return (step, state) of the newest good checkpoint and take the log back to it; None where there is none.

        A damaged checkpoint is set aside and the one before it used; LamcoreError (5) where all are damaged.
        """
        found = self._steps()
        for path in reversed(found):
            try:
                manifest = verified(path)
            except LamcoreError as error:
                log.warning("%s It was set aside as %s.", error, set_aside(path).name)
                continue
            return self._read(path, manifest)
        if found:
            raise LamcoreError(f"{self._checkpoints} holds no checkpoint that is whole.", DAMAGED)
        return None

    def _read(self, path: Path, manifest: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        body = json.loads((path / "state.json").read_text(encoding="utf-8"))
        tensors = load_file(path / "tensors.safetensors")
        self.best = tuple(body["best"]) if body["best"] else None
        torch.set_num_threads(manifest["threads"])
        lines = self.folder / "log.jsonl"
        if lines.exists():
            with lines.open("r+b") as file:
                file.truncate(body["log_bytes"])
        return manifest["step"], _join(body["state"], tensors)

    def _commit_weights(self, name: str) -> None:
        path = self._checkpoints / name
        if path.is_dir():
            remove(path)
        commit(path, lambda folder: (folder / "model.safetensors").write_bytes(save(weights(self.model))) and None)

    def load_best(self) -> None:
        """Put the best weights into the model; as they are where nothing was validated."""
        if self.best is not None:
            path = self._checkpoints / f"best-{self.best[0]:08d}"
            verified(path)
            self.model.load_state_dict(load_file(path / "model.safetensors"))

    def save_weights(self, step: int) -> None:
        """Keep the model's weights alone, for averaging."""
        self._commit_weights(f"weights-{step:08d}")

    def weights(self) -> list[tuple[int, Path]]:
        """Return the weights kept by `save_weights`, oldest first."""
        return [(int(path.name[8:]), path) for path in sorted(self._checkpoints.glob("weights-*"))]

    def load_weights(self, path: Path) -> dict[str, torch.Tensor]:
        """Return weights that were kept, on the CPU."""
        verified(path)
        return load_file(path / "model.safetensors")

    def drop_weights(self, path: Path) -> None:
        """Forget weights that were kept."""
        remove(path)

    # Stopping ----------------------------------------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """Ask the trainer to end after the step it is in; the first reason stays."""
        self.stopped = self.stopped or reason

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within, SIGINT and SIGTERM ask for a stop; a second one ends the process as usual."""
        signals = [signal.SIGINT, signal.SIGTERM]
        before = {number: signal.getsignal(number) for number in signals}

        def ask(number: int, frame: Any) -> None:
            self.stop("interrupted")
            for one in signals:
                signal.signal(one, before[one])

        try:
            for number in signals:
                signal.signal(number, ask)
        except ValueError:  # not the main thread: whoever runs us there stops us there
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _split(value: Any, where: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return plain JSON with every tensor taken out into `tensors` and named in its place."""
    if isinstance(value, torch.Tensor):
        tensors[where] = value.detach().cpu().contiguous().clone()
        return {"$tensor": where}
    if isinstance(value, Mapping):
        keys = {"$keys": "int"} if value and all(isinstance(key, int) for key in value) else {}
        return {**keys, **{str(key): _split(item, f"{where}/{key}", tensors) for key, item in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_split(item, f"{where}/{number}", tensors) for number, item in enumerate(value)]
    return value


def _join(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, dict) and "$tensor" in value:
        return tensors[value["$tensor"]]
    if isinstance(value, dict):
        numbered = value.pop("$keys", None) == "int"
        return {int(key) if numbered else key: _join(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_join(item, tensors) for item in value]
    return value
