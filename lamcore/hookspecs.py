"""Every hook of lamcore, with its documentation. `register_KINDS` adds, `on_EVENT` watches.

Each says since which version it is there; of an argument that came later it says "`ARGUMENT` since 0.2". What is to go
warns for one minor release first, in words that name the hook, what to use instead and the version that it goes in:
`@hookspec(warn_on_impl=DeprecationWarning("..."))`, or `warn_on_impl_args={"step": DeprecationWarning("...")}`."""

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

API = 1
"""The version of hooks and kinds; a plugin's module may state the one that it is made for as `lamcore_api`."""

Register = Callable[[str, Any], None]
"""register(name, thing): offer a component class, or a click command, under a snake_case name."""


@hookspec
def register_sources(register: Register) -> None:
    """Offer sources: `register("wmt", Wmt)`. Since 0.1."""


@hookspec
def register_preprocessors(register: Register) -> None:
    """Offer preprocessors: `register("clean", Clean)`. Since 0.1."""


@hookspec
def register_augmenters(register: Register) -> None:
    """Offer augmenters: `register("typos", Typos)`. Since 0.1."""


@hookspec
def register_architectures(register: Register) -> None:
    """Offer architectures: `register("transformer", Transformer)`. Since 0.1."""


@hookspec
def register_trainers(register: Register) -> None:
    """Offer trainers: `register("supervised", Supervised)`. Since 0.1."""


@hookspec
def register_metrics(register: Register) -> None:
    """Offer metrics: `register("bleu", Bleu)`. Since 0.1."""


@hookspec
def register_commands(register: Register) -> None:
    """Offer verbs of `lam`: `register("list", command)`, click commands; `click.pass_obj` gives one the registry.

    Since 0.1."""


@hookspec
def register_evaluations(register: Register) -> None:
    """Offer evaluations: `register("slices", command)`, a click command whose options become options of `lam evaluate`.

    Where one of them is given, `command.callback(registry, run, as_json, **options)` does the work instead of the core:
    the run's data and model are ready. It prints what it found, as JSON where `as_json` is true. Since 0.1."""


@hookspec
def register_constraints(register: Register) -> None:
    """Offer what `decoding.constrain` may name: `register("tools", tools)`, a function.

    `tools(given, records, tokenizer, limits)` returns the rule (`lamcore.decode.Allowed`) of a batch's answers: `given`
    is the text after the colon, `tokenizer` the answers' own, `limits` (R,) the most tokens of each. Since 0.1."""


@hookspec
def on_start(run: Run) -> None:
    """Watch a run begin: its folder exists and is locked, nothing is read yet. Since 0.1."""


@hookspec
def on_data(run: Run, data: Data) -> None:
    """Watch the data being ready: `data.raw` and `data.ready` hold every split.

    `data.report` says what each step did, `data.folders` where the source's tables and each step's lie. Since 0.1."""


@hookspec
def on_model(run: Run, model: Any) -> None:
    """Watch the model being built, on its device, before the first step. Since 0.1."""


@hookspec
def on_rehearse(run: Run, batch: Mapping[str, Any]) -> None:
    """Watch the end of the rehearsal: `batch`, the largest, went through the model; `run.stopped` may be "dry run".

    Since 0.1."""


@hookspec
def on_log(run: Run, step: int, values: Mapping[str, Any]) -> None:
    """Watch a line of the log: `values` as the trainer gave them (loss, tokens a second, ...). Since 0.1."""


@hookspec
def on_evaluate(run: Run, step: int, split: str, scores: Mapping[str, Mapping[str, Any]]) -> None:
    """Watch a split being scored: `scores` is {metric: {value, low, high, signature}}. Since 0.1."""


@hookspec
def on_save(run: Run, step: int, path: Path) -> None:
    """Watch a checkpoint that is whole on disk at `path`. Since 0.1."""


@hookspec
def on_finish(run: Run, error: BaseException | None) -> None:
    """Watch a run end: `error` is None when all went well. Since 0.1."""


@hookspec
def on_predict(out: Path, answered: int, ended: bool) -> None:
    """Watch answers going into the file `out`: how many are there, at first, after each chunk, and when it `ended`.

    A call that goes on where another was broken off begins with what that one answered. Since 0.1."""
