"""Every hook of lamcore, with its documentation. `register_KINDS` adds, `on_EVENT` watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run

hookspec = pluggy.HookspecMarker("lamcore")
hookimpl = pluggy.HookimplMarker("lamcore")

Register = Callable[[str, Any], None]
"""register(name, thing): offer a component class, or a click command, under a snake_case name."""


@hookspec
def register_sources(register: Register) -> None:
    """Offer sources: `register("wmt", Wmt)`."""


@hookspec
def register_preprocessors(register: Register) -> None:
    """Offer preprocessors: `register("clean", Clean)`."""


@hookspec
def register_augmenters(register: Register) -> None:
    """Offer augmenters: `register("typos", Typos)`."""


@hookspec
def register_architectures(register: Register) -> None:
    """Offer architectures: `register("transformer", Transformer)`."""


@hookspec
def register_trainers(register: Register) -> None:
    """Offer trainers: `register("supervised", Supervised)`."""


@hookspec
def register_metrics(register: Register) -> None:
    """Offer metrics: `register("bleu", Bleu)`."""


@hookspec
def register_commands(register: Register) -> None:
    """Offer verbs of `lam`: `register("list", command)`, click commands; `click.pass_obj` gives one the registry."""


@hookspec
def on_start(run: Run) -> None:
    """Watch a run begin: its folder exists and is locked, nothing is read yet."""


@hookspec
def on_data(run: Run, data: Data) -> None:
    """Watch the data being ready: `data.raw` and `data.ready` hold every split."""


@hookspec
def on_model(run: Run, model: Any) -> None:
    """Watch the model being built, on its device, before the first step."""


@hookspec
def on_log(run: Run, step: int, values: Mapping[str, Any]) -> None:
    """Watch a line of the log: `values` as the trainer gave them (loss, tokens a second, ...)."""


@hookspec
def on_evaluate(run: Run, step: int, split: str, scores: Mapping[str, Mapping[str, Any]]) -> None:
    """Watch a split being scored: `scores` is {metric: {value, low, high, signature}}."""


@hookspec
def on_save(run: Run, step: int, path: Path) -> None:
    """Watch a checkpoint that is whole on disk at `path`."""


@hookspec
def on_finish(run: Run, error: BaseException | None) -> None:
    """Watch a run end: `error` is None when all went well."""
