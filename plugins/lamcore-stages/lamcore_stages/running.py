"""Read a file of stages, and train what is not finished, each in a process of its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from lamcore.errors import DAMAGED, ENDING, LamcoreError, safe, unknown

if TYPE_CHECKING:
    from lamcore.plugins import Registry

LAM = [sys.executable, "-P", "-c", "from lamcore.cli import main; main()"]
STATE = "stages.json"
"""Beside the runs: the overrides of each stage that was begun, and whether it is finished."""
Stages = dict[str, list[str]]
"""Stage -> overrides, in the order in which they are trained."""


def read(registry: Registry, name: str, overrides: Sequence[str]) -> Stages:
    """Return the stages of a file, `overrides` added to each; raise LamcoreError for one that could not be trained."""
    file = _find(registry, name)
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise LamcoreError(f"{file} can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not found:
        raise LamcoreError(
            f"{file}: write stages as NAME: [OVERRIDES], such as first: [experiment=translation/tatoeba]"
        )
    known: list[str] = []
    for stage, words in found.items():
        _check(file, stage, words, known)
        known.append(stage)
    return {stage: [*words, *overrides] for stage, words in found.items()}


def _find(registry: Registry, name: str) -> Path:
    if Path(name).suffix in (".yaml", ".yml"):
        return Path(name)
    roots = [folder / "stages" for folder in (Path("conf"), *registry.conf_folders())]
    there = {f.relative_to(root).with_suffix("").as_posix(): f for root in roots[::-1] for f in root.rglob("*.yaml")}
    if name not in there:
        raise unknown("file of stages", name, there, has="There are")
    return there[name]


def _check(file: Path, stage: Any, words: Any, known: Sequence[str]) -> None:
    """Refuse what is no stage, and a reference to one that does not come before it."""
    if not isinstance(stage, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", stage):
        raise LamcoreError(f"{file}: a stage's name is a-z, 0-9 and _, not {stage!r}")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise LamcoreError(f"{file}: {stage} must be a list of overrides, such as [experiment=NAME, trainer.steps=100]")
    for other in re.findall(r"\$\{(\w+)\}", " ".join(words)):
        if other not in known:
            raise unknown("earlier stage", other, known, where=stage)


def train(registry: Registry, stages: Stages, folder: Path) -> None:
    """Train, or resume, each stage that is not finished; raise LamcoreError where one fails."""
    _compose(registry, stages, folder)
    state = _state(folder, stages)
    for number, (stage, words) in enumerate(_filled(stages, folder).items(), 1):
        run = folder / stage
        if state.get(stage, {}).get("finished"):
            _say(f"stage {number} of {len(stages)}, {stage}: finished before, in {run}")
            continue
        begun = (run / "config.yaml").is_file()
        _say(f"stage {number} of {len(stages)}, {stage}: {'going on' if begun else 'training'} in {run}")
        state[stage] = {"overrides": stages[stage], "finished": False}
        _keep(folder, state)
        code = _lam(*(["resume", str(run)] if begun else ["train", *words, f"hydra.run.dir={run}"]))
        if code:
            raise LamcoreError(f"Stage {stage} ended with exit code {code}. The same line goes on with it.", code)
        state[stage]["finished"] = True
        _keep(folder, state)


def _filled(stages: Stages, folder: Path) -> Stages:
    """Put folders in place of the stages' names."""

    def place(found: re.Match[str]) -> str:
        return str(folder / found[1])

    return {stage: [re.sub(r"\$\{(\w+)\}", place, word) for word in words] for stage, words in stages.items()}


def _compose(registry: Registry, stages: Stages, folder: Path) -> None:
    """Check every config before the first is trained; what `init` brings can't be known yet."""
    from lamcore.config import composed

    for stage, words in _filled(stages, folder).items():
        try:
            composed(registry, [word for word in words if not word.startswith("init=")])
        except LamcoreError as error:
            raise LamcoreError(f"{stage}: {error}", error.exit_code) from error


def _state(folder: Path, stages: Stages) -> dict[str, dict[str, Any]]:
    """Return what an earlier call left; refuse a folder whose stages had other overrides."""
    file = folder / STATE
    try:
        found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        begun = {stage: (list(one["overrides"]), bool(one["finished"])) for stage, one in found.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LamcoreError(f"{file} is damaged ({error}): choose another folder by --into", DAMAGED) from error
    for stage, (words, _) in begun.items():
        if words != stages.get(stage):
            raise LamcoreError(
                f"{folder} has a stage {stage} with other overrides ({' '.join(words)}): choose another --into"
            )
    return {stage: {"overrides": words, "finished": finished} for stage, (words, finished) in begun.items()}


def _keep(folder: Path, state: Mapping[str, Any]) -> None:
    from lamcore.store import dumps, write

    folder.mkdir(parents=True, exist_ok=True)
    write(folder / STATE, dumps(state))


def _lam(*words: str) -> int:
    """Run `lam` with the options that this one was given, pass on the signals that ask to end, return its exit code."""
    from lamcore.cli import options

    given = [word for name in options.block for word in ("--no-plugin", name)]
    given += ["--lamfile", str(options.lamfile)] if options.lamfile else []
    process = subprocess.Popen([*LAM, *given, *words], start_new_session=True)  # so that a signal comes once
    before = {number: signal.signal(number, lambda asked, _: process.send_signal(asked)) for number in ENDING}
    try:
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    click.echo(f"lam: {safe(text)}", err=True)
