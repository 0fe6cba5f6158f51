"""`lam check-resume`: prove that a run of this config, killed and resumed, equals one that was never stopped.

Real processes, a real SIGKILL, and every tensor, number and answer compared; so plugins are held to it too."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lamcore.plugins import Registry

PASSED_ON = {"ignore_unknown_options": True}
LAM = [sys.executable, "-P", "-c", "from lamcore.cli import main; main()"]
CLOCK = ("time", "second")
"""What is in the names of the log's numbers that the clock decides; they are not compared."""
LOOK = 0.005
"""Seconds between two looks at the log of a run that is to be killed."""


@dataclass(frozen=True)
class Kill:
    """Where a run was killed: the step of its last line of the log, and the checkpoint that it goes on from."""

    step: int
    checkpoint: int


@dataclass(frozen=True)
class Check:
    """One thing that was compared; `problem` names the first difference, and is empty where all is equal."""

    what: str
    compared: str
    problem: str


@click.command("check-resume", context_settings=PASSED_ON)
@click.option("--kills", default=3, show_default=True, type=click.IntRange(1), help="How often the run is killed.")
@click.option("--seed", default=1, show_default=True, help="What the instants of the kills follow from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(registry: Registry, overrides: tuple[str, ...], kills: int, seed: int, as_json: bool) -> None:
    """Prove that a run of OVERRIDES that is killed and resumed equals, bit for bit, one that is not.

    \b
    lam check-resume experiment=NAME trainer.minutes=0 trainer.steps=60 trainer.validate_every=10

    The config is trained twice, to its end, in a temporary folder: once undisturbed, and once killed at random
    instants and resumed. So give it few steps, and several checkpoints. Exit code 1: they differ."""
    refuse_clock(registry, overrides)
    folder = Path(tempfile.mkdtemp(prefix="lam-check-resume-"))
    say(f"training undisturbed, in {folder}")
    first = undisturbed(overrides, folder / "undisturbed")
    landed = killed(overrides, folder / "killed", folder / "undisturbed", first, random.Random(seed), kills)
    checks = list(compare(folder / "undisturbed", folder / "killed"))
    equal = not any(check.problem for check in checks)
    advice = "" if equal else cause(overrides, folder)
    if as_json:
        found = {"equal": equal, "seed": seed, "kills": [asdict(kill) for kill in landed], "advice": advice}
        click.echo(json.dumps(found | {"checks": [asdict(check) for check in checks]}))
    else:
        show(checks, landed, advice)
    if not equal:
        say(f"both runs are kept in {folder}")
        raise click.exceptions.Exit(1)
    shutil.rmtree(folder)


def refuse_clock(registry: Registry, overrides: Sequence[str]) -> None:
    """Refuse a config that is none, and one whose length is decided by the clock: no two runs of it are equal."""
    from lamcore.config import composed
    from lamcore.errors import LamcoreError

    trainer = composed(registry, overrides).values["trainer"]
    if trainer.get("minutes"):
        hint = "add trainer.minutes=0 trainer.steps=60 trainer.validate_every=10"
        raise LamcoreError(f"trainer.minutes={trainer['minutes']} lets the clock decide the run's length: {hint}.")


def say(text: str) -> None:
    """Say on standard error what is being done."""
    from lamcore.errors import safe

    click.echo(f"lam: {safe(text)}", err=True)


# Running ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(*words: str, errors: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `lam` with the options that this one was given; wait for its end, and raise what it said where it failed."""
    from lamcore.cli import options
    from lamcore.errors import LamcoreError

    given = [word for name in options.block for word in ("--no-plugin", name)]
    given += ["--lamfile", str(options.lamfile)] if options.lamfile else []
    command = [*LAM, *given, "--quiet", *words]
    with errors.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file)
        try:
            yield process
            code = process.wait()
        finally:
            process.kill()
            process.wait()
    if code > 0:  # below 0 it was killed by us
        said = errors.read_text(encoding="utf-8", errors="replace").strip().split("\n")[-1]
        raise LamcoreError(f"A run ended with exit code {code}: {said.removeprefix('lam: ')}", code)


def undisturbed(words: Sequence[str], run: Path) -> int:
    """Train a run to its end; return how many lines its log had at the first checkpoint."""
    first: int | None = None
    with running("train", *words, f"hydra.run.dir={run}", errors=run.with_suffix(".txt")) as process:
        while process.poll() is None:
            if first is None and saved(run):
                first = len(log_of(run))
            time.sleep(LOOK)
    return len(log_of(run)) if first is None else first


def killed(words: Sequence[str], run: Path, model: Path, first: int, chance: random.Random, kills: int) -> list[Kill]:
    """Train a run that is killed so many times, at instants drawn over the log of one that was not, and resumed."""
    from lamcore.errors import LamcoreError

    seconds = [line["time"] for line in log_of(model)]
    lines = range(first, len(seconds))
    landed: list[Kill] = []
    going: tuple[str, ...] = ("train", *words, f"hydra.run.dir={run}")
    for number in sorted(chance.sample(lines, min(kills, len(lines)))):
        delay = chance.random() * (seconds[number] - seconds[number - 1])
        if number <= len(log_of(run)):
            continue  # the kill before came so late that this line was there already
        with running(*going, errors=run.with_suffix(".txt")) as process:
            kill = kill_at(process, run, number, delay)
        if kill is None:
            break
        say(f"killed after step {kill.step}, goes on from the checkpoint of step {kill.checkpoint}")
        landed.append(kill)
        going = ("resume", str(run))
    if not landed:
        hint = "lower trainer.validate_every, or raise trainer.steps"
        raise LamcoreError(f"The run ended before it could be killed after its first checkpoint: {hint}.")
    with running("resume", str(run), errors=run.with_suffix(".txt")):
        pass
    return landed


def kill_at(process: subprocess.Popen[bytes], run: Path, number: int, delay: float) -> Kill | None:
    """Kill a process so many seconds after its log has so many lines and a checkpoint is there; None: it had ended."""
    due: float | None = None
    while process.poll() is None:
        if due is None and saved(run) and len(log_of(run)) >= number:
            due = time.monotonic() + delay
        if due is not None and time.monotonic() >= due:
            process.kill()
            process.wait()
            return Kill(log_of(run)[-1]["step"], saved(run)[-1])
        time.sleep(LOOK)
    return None


def log_of(run: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a run's log."""
    file = run / "log.jsonl"
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in lines]


def saved(run: Path) -> list[int]:
    """Return the steps of a run's checkpoints, oldest first."""
    return sorted(int(path.name[5:]) for path in (run / "checkpoints").glob("step-*"))


def cause(words: Sequence[str], folder: Path) -> str:
    """Say whether two undisturbed runs differ as well: then not the resuming is at fault."""
    say("they differ: training undisturbed once more, to see why")
    undisturbed(words, folder / "again")
    if any(check.problem for check in compare(folder / "undisturbed", folder / "again")):
        return "Two undisturbed runs differ as well: something draws from chance outside its rng and torch's seed."
    return "Two undisturbed runs are equal: something that training depends on is in no checkpoint."


# Comparing -------------------------------------------------------------------------------------------------------


def compare(a: Path, b: Path) -> Iterator[Check]:
    """Compare all that two runs leave, from what shows a difference earliest on."""
    logs = [[timeless(line) for line in log_of(run)] for run in (a, b)]
    pairs = enumerate(zip(*logs, strict=False), 1)
    problem = next((f"line {n}, step {x['step']}: {_unequal(x, y)}" for n, (x, y) in pairs if x != y), "")
    lengths = "" if len(logs[0]) == len(logs[1]) else f"{len(logs[0])} lines and {len(logs[1])}"
    yield Check("log", f"{len(logs[0])} lines", problem or lengths)
    files = sorted({path.relative_to(run) for run in (a, b) for path in kept(run)}, key=_order)
    for group in dict.fromkeys(file.parent for file in files):
        problems = [difference(a, b, file) for file in files if file.parent == group]
        number = sum(tensors for tensors, _ in problems)
        compared = f"{number} tensors" if number else f"{len(problems)} files"
        what = "answers and scores" if group == Path() else group.as_posix()
        yield Check(what, compared, next((problem for _, problem in problems if problem), ""))


def timeless(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line of the log without what the clock decides."""
    return {key: value for key, value in line.items() if not any(word in key for word in CLOCK)}


def kept(run: Path) -> Iterator[Path]:
    """Give the files of a run that must not depend on interruptions."""
    for pattern in ("checkpoints/*-*/*", "vocabulary/*", "model/*", "predictions-*.jsonl", "scores.json"):
        yield from (path for path in run.glob(pattern) if path.name != "manifest.json")


def _order(file: Path) -> tuple[bool, str, str]:
    return (not file.parts[0].startswith(("checkpoints", "vocabulary")), file.parent.name[-8:], file.as_posix())


def difference(a: Path, b: Path, file: Path) -> tuple[int, str]:
    """Return how many tensors a file holds, and how it differs between two runs: nothing where its bytes are equal."""
    lacking = next((run for run in (a, b) if not (run / file).is_file()), None)
    if lacking is not None:
        return 0, f"{file} is not in the {lacking.name} run"
    left, right = ((run / file).read_bytes() for run in (a, b))
    if file.suffix == ".safetensors":
        return tensors_differ(left, right, file.name)
    if file.name == "state.json":
        one, other = (json.loads(content) for content in (left, right))
        return 0, "" if one == other else f"state.json: {_unequal(one, other)}"
    return 0, "" if left == right else f"{file.name} differs"


def tensors_differ(left: bytes, right: bytes, name: str) -> tuple[int, str]:
    """Return how many tensors a file holds, and the first of them whose bytes, type or shape differ."""
    from safetensors import deserialize

    one, other = (dict(deserialize(content)) for content in (left, right))
    for tensor in sorted({*one, *other}):
        if one.get(tensor) != other.get(tensor):
            return len(one), f"{name}: tensor {tensor}"
    return len(one), ""


def _unequal(a: Any, b: Any, where: str = "") -> str:
    """Say the first key at which two values differ, and both."""
    if isinstance(a, dict) and isinstance(b, dict):
        key = next(key for key in {**a, **b} if a.get(key) != b.get(key) or (key in a) != (key in b))
        return _unequal(a.get(key), b.get(key), f"{where}.{key}" if where else key)
    return f"{where} is {a!r} and {b!r}"


def show(checks: Sequence[Check], landed: Sequence[Kill], advice: str) -> None:
    """Print the table of what is equal, and what that means."""
    from lamcore import console

    rows = [(check.what, check.compared, check.problem or "equal") for check in checks]
    console.table(("what", "compared", "undisturbed and killed"), rows)
    wrong = sum(bool(check.problem) for check in checks)
    console.say(f"{len(landed)} kills: {f'{wrong} of {len(checks)} differ. {advice}' if wrong else 'all is equal.'}")
