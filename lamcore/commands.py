"""Train, resume, evaluate, predict: read from top to bottom this tells a run."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

import lamcore
from lamcore import tokenizer as tokenizers
from lamcore.data import Data
from lamcore.errors import DAMAGED, INTERRUPTED, LamcoreError, safe, unknown
from lamcore.init import begin
from lamcore.kinds import Answer, Decoding, Recipe, records_of
from lamcore.make import make, plain
from lamcore.model import ModelParts, TrainedModel, load_model
from lamcore.plugins import Registry, load_plugins
from lamcore.prepare import cache_folder, prepare
from lamcore.run import Run, seed_all
from lamcore.scores import Scores, reference, scored
from lamcore.store import commit, dumps, line, locked, remove, replacing, write

Config = Mapping[str, Any]
BEGUN = ("checkpoints", "model")
"""What a run folder holds when something has been learnt; before, another run may be started there."""


def train(*overrides: str, folder: str | Path | None = None) -> Run:
    """Train as `lam train OVERRIDES` does; return the finished run, with `.folder` and `.scores`."""
    from lamcore import config  # Hydra is for composing only

    registry = load_plugins()
    made = config.composed(registry, overrides)
    return start(registry, made.values, made.written, made.origins, Path(folder or made.folder))


def load(folder: str | Path, device: str = "auto") -> TrainedModel:
    """Return the model of a run's or a model's folder: `load("runs/x").predict(["Turn on the light"])`."""
    return load_model(Path(folder), load_plugins(), choose_device(device))


def start(registry: Registry, values: Config, written: Config, origins: Mapping[str, str], folder: Path) -> Run:
    """Start a run in a new folder; `written` is the config as it is kept, environment interpolations and all."""
    for key in ("name", "init", "architecture", "preprocessors", "decoding"):
        texts = re.sub(r"\$\{oc\.decode:[^\"]*", "", json.dumps(written.get(key)))  # numbers are no secrets
        if "${oc.env:" in texts:
            raise LamcoreError(f"{key} takes text from the environment, but goes into the model that is handed on.")
    if _follows():
        return _follow(registry, values)
    run = _open(registry, values, folder)
    with locked(folder):
        parts = (*BEGUN, "vocabulary", "config.yaml", "provenance.json")
        held = {part for part in parts if (folder / part).exists()}
        if held & {*BEGUN} or (held and "provenance.json" not in held):  # the latter are somebody's own
            raise LamcoreError(f"{folder} holds a run already. Go on with it by: lam resume {folder}")
        if held:
            remove(folder / "vocabulary")
        write(folder / "provenance.json", dumps(dict(origins)))
        write(folder / "environment.json", dumps(environment(registry)))
        write(folder / "config.yaml", yaml.safe_dump(dict(written), sort_keys=False, allow_unicode=True))
        return _run(run, registry)


def rehearse(registry: Registry, values: Config) -> None:
    """Do all that comes before the first step, in a folder that goes away; plugins say what the run would take."""
    with tempfile.TemporaryDirectory() as folder:
        run = _open(registry, values, Path(folder))
        run.stop("dry run")
        _prepare(run)
        _build(run, registry)
        _rehearse(run)


def again(registry: Registry, folder: Path) -> Run:
    """Train a run's config anew beside it, if all that it used is as it was."""
    check_unchanged(registry, folder)
    number = 2
    while (beside := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    written = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    origins = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    return start(registry, read_config(folder), written, origins, beside)


def check_unchanged(registry: Registry, folder: Path) -> None:
    """Raise the error (1) that names each version that is not the one a run used."""
    read_config(folder)  # says so where this is no run
    used, now = json.loads((folder / "environment.json").read_text(encoding="utf-8")), environment(registry)
    drift = [f"{name} {used[name]} -> {now.get(name, 'not there')}" for name in used if used[name] != now.get(name)]
    if drift:
        raise LamcoreError(f"{folder} used other versions: {', '.join(drift)}. Install those, or train it unlocked.", 1)


def resume(registry: Registry, folder: Path) -> Run:
    """Go on with an interrupted run; of a finished one only what is missing is made."""
    values = read_config(folder)
    if _follows():
        return _follow(registry, values)
    run = _open(registry, values, folder)
    with locked(folder):
        return _run(run, registry)


def _follows() -> bool:
    """Say whether this process is one of several that torchrun started, and not the first, which alone writes."""
    return os.environ.get("RANK", "0") != "0"


def _follow(registry: Registry, values: Config) -> Run:
    """Train together with the process that writes the run, in a folder that goes away; no plugin watches."""
    recipe = make(Recipe, values, find=registry.find)
    if not recipe.trainer.shares_work:
        raise LamcoreError("torchrun started several processes, and this trainer is for one: trainer=distributed.")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), recipe, Registry(), choose_device(recipe.device))
        _prepare(run)
        _build(run, registry)
        with run.interruptible():
            seed_all(run.seed)
            recipe.trainer.fit(run, run.model, run.data)
    return run


def _open(registry: Registry, values: Config, folder: Path) -> Run:
    recipe = make(Recipe, values, find=registry.find)
    return Run(folder, recipe, registry, choose_device(recipe.device))


def _run(run: Run, registry: Registry) -> Run:
    """Tell a run: the data's journey from source to scores."""
    error: BaseException | None = None
    try:
        run.notify("on_start")
        _prepare(run)
        _build(run, registry)
        _rehearse(run)
        with run.interruptible():
            seed_all(run.seed)
            run.recipe.trainer.fit(run, run.model, run.data)
        if run.stopped == "interrupted":
            raise LamcoreError(f"Interrupted. Go on with: lam resume {run.folder}", INTERRUPTED)
        if not (run.folder / "model").is_dir():
            facts = {"name": run.recipe.name, "versions": environment(registry)}
            run.trained.save(run.folder / "model", registry, _card(run, registry), facts)
        _evaluate(run)
    except BaseException as caught:
        error = caught
        raise
    finally:
        run.notify("on_finish", error=error)
    return run


def _prepare(run: Run) -> None:
    """Read the source and apply the preprocessors, or open what an earlier run left in the cache."""
    cache = cache_folder(run.recipe.cache, run.folder)
    prepared = prepare(run.recipe, cache)
    if "validation" not in prepared.raw:
        raise LamcoreError(f"The source gives no split 'validation', only: {', '.join(prepared.raw)}.")
    overlap = {split: len(rows) for split, rows in prepared.overlap.items()}
    facts = {"key": prepared.folder.name, "steps": prepared.report, "overlap": overlap}
    write(run.folder / "preparation.json", dumps(facts))
    run.data = Data(run.recipe, prepared, cache)
    run.notify("on_data", data=run.data)


def _build(run: Run, registry: Registry) -> None:
    """Learn the vocabulary or take it from `init`, or read what an earlier start of this run kept; build the model."""
    folder, recipe, train = run.folder / "vocabulary", run.recipe, run.data.ready["train"]
    if not folder.is_dir() and recipe.init:
        commit(folder, begin(run, registry, Path(recipe.init).expanduser()))
    elif not folder.is_dir():
        commit(folder, {name: text.encode() for name, text in run.data.vocabulary().items()})
    columns, labels = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("columns", "labels")
    )
    tokenizer = tokenizers.read({file.name: file.read_bytes() for file in folder.glob("tokenizer*")}, columns)
    parts = ModelParts(recipe.architecture, recipe.preprocessors, recipe.decoding)
    filled = {*recipe.architecture.answers, *recipe.architecture.labels} & {*train.column_names}
    empty = {name: type(train[0][name])() for name in sorted(filled)}
    seed_all(run.seed)
    run.trained = TrainedModel(parts, tokenizer, labels, empty, run.device, constraints=registry.constraints).build()
    if recipe.init:
        run.model.load_state_dict(run.load_weights(folder))
    run.data.bind(run.model, tokenizer, labels)
    run.notify("on_model", model=run.model)


def _rehearse(run: Run) -> None:
    """Try the largest batch and a few answers: lack of memory or a misspelt monitor costs a second and not a night."""
    batch = run.trained.on(run.data.largest_batch(run.recipe.trainer.batch_tokens))
    losses, counts = run.model(batch)
    (losses.sum() / counts.sum()).backward()
    run.model.zero_grad(set_to_none=True)
    records = run.data.raw["validation"].take(4).to_list()
    answers = run.trained.predict(records, dataclasses.replace(run.recipe.decoding, max_length=8))
    known = {"loss", *scored(run.recipe.metrics, answers, records, resamples=0)}
    if run.monitor not in known:
        raise unknown("score to monitor", run.monitor, known)
    run.notify("on_rehearse", batch=batch)


def _evaluate(run: Run) -> None:
    """Score every held-out split and keep what was answered."""
    for split in run.data.raw:
        if split != "train":
            scores, answers = run.score(split)
            run.scores |= {split: scores, **_unseen(run, split, answers)}
            with replacing(run.folder / f"predictions-{split}.jsonl") as file:
                for answer, r in zip(answers, records_of(run.data.raw[split]), strict=True):
                    held = {"reference": reference(answer, r), "answer": answer}
                    file.write(line({"id": r["id"], "input": r.get("input"), **held}))
            write(run.folder / "scores.json", dumps(run.scores))
            run.notify("on_evaluate", step=run.best[0] if run.best else 0, split=split, scores=scores)


def _unseen(run: Run, split: str, answers: list[Answer]) -> dict[str, Scores]:
    """Return the scores without the rows whose input stands in train, where there are such rows."""
    seen = set(run.data.overlap.get(split, []))
    kept = [row for row in range(len(answers)) if row not in seen]
    if not seen or not kept:
        return {}
    records = run.data.raw[split].select(kept).to_list()
    return {f"{split} without {len(seen)} seen": scored(run.recipe.metrics, [answers[row] for row in kept], records)}


def reopen(registry: Registry, folder: Path, decoding: Mapping[str, Any]) -> Run:
    """Return a finished run with its model and data, and with decoding settings of its own."""
    run = _open(registry, read_config(folder), folder)
    run.trained = load_model(folder, registry, run.device)
    run.recipe.decoding = decoding_of(run.trained, decoding)
    cache = cache_folder(run.recipe.cache, folder)
    run.data = Data(run.recipe, prepare(run.recipe, cache), cache)
    return run


def evaluate(registry: Registry, folder: Path, decoding: Mapping[str, Any]) -> Run:
    """Score a finished run's held-out splits again; with decoding settings of its own nothing is written."""
    run = reopen(registry, folder, decoding)
    if decoding:
        run.scores = {split: run.score(split)[0] for split in run.data.raw if split != "train"}
        return run
    with locked(folder):
        _evaluate(run)
        return run


def decoding_of(trained: TrainedModel, settings: Mapping[str, Any]) -> Decoding:
    """Return the model's own decoding with other settings."""
    return make(Decoding, {**plain(trained.parts.decoding), **settings}, "decoding")


def choose_device(name: str) -> torch.device:
    """Return the device of that name; auto takes a GPU where there is one. Never silently another than asked for."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise LamcoreError(f"device={name} can't be used here: {str(error).partition(chr(10))[0]}") from error


def environment(registry: Registry) -> dict[str, str]:
    """Return the versions of what a run rests on; names and versions only, no value of the environment."""
    packages = ["torch", "tokenizers", "datasets", "hydra-core", "omegaconf", "numpy"]
    versions = {name: importlib.metadata.version(name) for name in packages}
    plugins = {p.distribution: p.version for p in registry.plugins if p.module is not None}
    return {"python": platform.python_version(), "lamcore": lamcore.__version__, **versions, **plugins}


def read_config(folder: Path) -> dict[str, Any]:
    """Return a run's config with the environment's values filled in."""
    try:
        read = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        return {key: _fill(value, key) for key, value in read.items()}
    except OSError as error:
        raise LamcoreError(f"{folder} is no run: it has no config.yaml.") from error
    except (yaml.YAMLError, AttributeError, UnicodeError) as error:
        raise LamcoreError(f"{folder}/config.yaml is damaged: {error}", DAMAGED) from error


def _fill(value: Any, where: str) -> Any:
    """Put the environment's values in place of ${oc.env:NAME} and ${oc.env:NAME,default}."""
    if isinstance(value, dict):
        return {key: _fill(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, f"{where}[{number}]") for number, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def look_up(found: re.Match[str]) -> str:
        name, comma, default = found[1].partition(",")
        if name.strip() not in os.environ and not comma:
            raise LamcoreError(f"{where} needs the environment variable {name.strip()}, which is not set.")
        return os.environ.get(name.strip(), default.strip())

    filled = re.sub(r"\$\{oc\.env:([^{}]*)\}", look_up, value)
    decoded = re.fullmatch(r"\$\{oc\.decode:([^{}]*)\}", filled)
    return yaml.safe_load(decoded[1]) if decoded else filled


def _code(text: str) -> str:
    """Return a text as Markdown's code, within which nothing is markup."""
    return f"`{safe(text).replace('`', chr(39))}`"


def _prose(text: str) -> str:
    """Return a text as a line of Markdown's prose, nothing in it markup."""
    return re.sub(r"([\\`*_\[\]<>#|~&!])", r"\\\1", " ".join(safe(text).split())) or "not stated"


def _card(run: Run, registry: Registry) -> str:
    """Return the model card, in the form that model hubs read."""
    sizes = [f"{_code(split)} {len(rows):,}" for split, rows in run.data.raw.items()]
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    architecture, source = registry.name_of(run.recipe.architecture), registry.name_of(run.recipe.source)
    began = ""
    if run.recipe.init:
        first = json.loads((run.folder / "vocabulary" / "init.json").read_text(encoding="utf-8"))
        began = f"\nIt began with the weights of {_code(first['folder'])} (SHA-256 `{first['sha256']}`).\n"
    return (
        f"---\nlibrary_name: lamcore\n---\n# {_code(run.recipe.name)}\n\nArchitecture `{architecture}`, "
        f"{parameters:,} parameters, trained with lamcore {lamcore.__version__} on source `{source}`\n"
        f"(records: {', '.join(sizes)}).\n{began}\n"
        f"Intended use: {_prose(run.recipe.intended_use)}\n\nLimits: {_prose(run.recipe.limits)}\n\n"
        '```python\nfrom lamcore import load\n\nload("FOLDER").predict(["..."])\n```\n'
    )
