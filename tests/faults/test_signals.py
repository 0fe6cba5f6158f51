"""A6: a run that is asked to end saves the step it is at and ends with 75; every verb ends in one line."""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import shutil
import signal
import subprocess
import time

import pytest
from harness import DEADLINE, STEPS, Bench, Child, as_lam, differences, finish, go

from lamcore import commands
from lamcore.errors import INTERRUPTED

SEED = 61
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]
GRACE = 5.0
"""Most seconds from the signal to the end, on the reference run."""
ENDINGS = {INTERRUPTED, *(-number for number in NUMBERS)}


def tell_steps():
    """Have this process write a line at every step, when its updates are done and when it validates."""
    log, validate = commands.Run.log, commands.Run.validate

    def logged(run, step, values):
        log(run, step, values)
        if "loss" in values:
            print("step", step, flush=True)

    def validated(run, step):
        print("validates", step, flush=True)
        return validate(run, step)

    commands.Run.log, commands.Run.validate = logged, validated


def starts(bench, folder):
    return Child(lambda: (tell_steps(), as_lam(lambda: go(folder, bench.values))), folder.with_suffix(".said"))


def last_step(said):
    return max((int(step) for step in re.findall(r"^step (\d+)$", said, re.M)), default=0)


def interrupt(bench, folder, rng, twice):
    """Signal a run at a random instant; return the exit code and whether it landed while the run trained."""
    child = starts(bench, folder)
    child.ends(rng.uniform(0.0, bench.seconds))
    child.kill(rng.choice(NUMBERS))
    if twice:
        child.ends(rng.choice([0.0, 0.001, 0.01]))
        with contextlib.suppress(ProcessLookupError):
            child.kill(rng.choice(NUMBERS))
    began = time.monotonic()
    code, said = child.wait(), child.said
    assert (took := time.monotonic() - began) < GRACE, f"{took} s"
    assert "Traceback" not in said, said
    return code, said


def end_alike(bench, folder):
    """Go on with a run and compare its end, but for a checkpoint before the last one: it lies where it stopped."""
    finish(folder, bench.values)
    last = f"checkpoints/step-{STEPS:08d}"
    wrong = [name for name in differences(folder, bench.state) if not name.startswith("checkpoints/step-")]
    wrong += [name for name in differences(folder, bench.state) if name.startswith(last)]
    assert not wrong, f"{folder} differs from the uninterrupted run in {wrong}"
    shutil.rmtree(folder)


def interrupted_runs(bench, number, twice=False):
    """Interrupt so many runs and compare their ends; return where the signals landed, and the seed."""
    rng, landed = random.Random(SEED), {"training": 0, "before or after": 0, "too late": 0}
    while landed["training"] + landed["before or after"] < number:
        folder = bench.new()
        code, said = interrupt(bench, folder, rng, twice)
        if code == 0:
            landed["too late"] += 1
        elif not folder.joinpath("config.yaml").exists() or (folder / "log.jsonl").exists() is False:
            landed["before or after"] += 1
            assert code in ENDINGS
        else:
            assert code == INTERRUPTED or (twice and code in ENDINGS), said
            trained = "lam: Interrupted. Go on with" in said
            landed["training" if trained else "before or after"] += 1
            if trained and not twice:
                kept = sorted((folder / "checkpoints").glob("step-*"))[-1]
                assert int(kept.name[5:]) == last_step(said), said
        end_alike(bench, folder)
        assert landed["too late"] < 100 + number
    return f"{landed}, seed {SEED}"


def test_an_interrupted_run_keeps_every_step_and_ends_bit_for_bit(bench):
    landed = interrupted_runs(bench, 12)
    print(f"A6 short: 12 of 12 interrupted runs ended with 75, lost no step, ended bitwise equal; {landed}")


@pytest.mark.full
@pytest.mark.timeout(600)
def test_fifty_interrupted_runs_keep_every_step_and_end_bit_for_bit(bench):
    landed = interrupted_runs(bench, 50)
    print(f"A6: 50 of 50 interrupted runs ended with 75, lost no step, ended bitwise equal; {landed}")


def test_a_second_signal_ends_at_once_and_harms_nothing(bench):
    landed = interrupted_runs(bench, 6, twice=True)
    print(f"A6 short: 6 of 6 runs that were signalled twice ended bitwise equal when resumed; {landed}")


@pytest.mark.full
@pytest.mark.timeout(600)
def test_fifty_runs_signalled_twice_end_bit_for_bit(bench):
    landed = interrupted_runs(bench, 50, twice=True)
    print(f"A6: 50 of 50 runs that were signalled twice ended bitwise equal when resumed; {landed}")


MOMENTS = ["step 1", "step 2", "validates 2", "step 7", "validates 8", f"step {STEPS}", f"validates {STEPS}"]
"""In an update, in one before a validation that is due, in that validation, in the last one."""


def check_moments(bench, cases):
    for word, number in cases:
        folder = bench.new()
        child = Child(
            lambda: (signal_at(word, number), as_lam(lambda: go(folder, bench.values))),  # noqa: B023
            folder.with_suffix(".said"),
        )
        assert child.wait() == INTERRUPTED, child.said
        assert child.said.splitlines()[-1] == f"lam: Interrupted. Go on with: lam resume {folder}"
        kept = sorted((folder / "checkpoints").glob("step-*"))[-1]
        assert int(kept.name[5:]) == int(word.split()[1]), child.said
        end_alike(bench, folder)
    print(f"A6 forced: {len(cases)} of {len(cases)} moments, validations under way among them")


@pytest.mark.full
def test_any_moment_can_be_interrupted_also_a_validation(bench):
    check_moments(bench, [(word, NUMBERS[place % 3]) for place, word in enumerate(MOMENTS)])


@pytest.mark.full
@pytest.mark.timeout(600)
def test_any_moment_can_be_interrupted_by_any_signal_also_with_averaged_weights(bench, tmp_path):
    for made in (bench, Bench(tmp_path / "bench", average=2)):
        check_moments(made, [(word, number) for word in MOMENTS for number in NUMBERS])


def signal_at(word, number):
    """Have this process signal itself right after a step's line of the log, or in the midst of a validation."""
    log, loss = commands.Run.log, commands.Run._loss
    at = []

    def logged(run, step, values):
        log(run, step, values)
        if "loss" in values:
            at.append(step)
            if word == f"step {step}":
                os.kill(os.getpid(), number)

    def lost(run, split):
        if word == f"validates {at[-1]}":
            os.kill(os.getpid(), number)
            assert False, "the validation went on after the signal"  # noqa: B011
        return loss(run, split)

    commands.Run.log, commands.Run._loss = logged, lost


# ---- every verb, as a process of its own

WAITS = '''
"""A plugin that tells when it is reached, and waits there for a signal."""
import os, signal
from dataclasses import dataclass
from lamcore import Preprocessor, hookimpl

def wait(name):
    if os.environ.get("LAMCORE_TEST_WAIT") == name:
        print("waits", file=__import__("sys").stderr, flush=True)
        while True:
            signal.pause()

wait("import")

@dataclass
class Waits(Preprocessor):
    """Wait at the first record."""
    def change(self, record):
        wait("record")
        return record

@hookimpl
def on_start(run):
    wait("start")

@hookimpl
def on_evaluate(run, step, split, scores):
    wait(split)

@hookimpl
def register_preprocessors(register):
    register("waits", Waits)
'''
VERBS = [
    ("plugins", "import", ["plugins"]),
    ("train", "import", ["train", "TOY"]),
    ("train", "start", ["train", "TOY"]),
    ("train", "record", ["train", "TOY", "preprocessors=[waits]"]),
    ("train", "test", ["train", "TOY"]),
    ("evaluate", "validation", ["evaluate", "RUN"]),
    ("predict", "import", ["predict", "RUN", "one two"]),
    ("predict", "input", ["predict", "RUN", "--out", "answers.txt"]),
]
"""Verb, where it waits, words."""


@pytest.fixture(scope="module")
def waiting_site(site, write_plugin):
    write_plugin(site, "waits", WAITS)
    return site


def interrupted_verb(words, where, number, cwd, site, process, **started_with):
    """Start `lam`, wait until it is there, signal it; return exit code and what it said."""
    env = {**os.environ, "PYTHONPATH": str(site), "LAMCORE_TEST_WAIT": where, "LAMCORE_QUIET": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*process, *words], cwd=cwd, env=env, **pipes, **started_with) as started:
        try:
            said = b""
            if where == "input":  # it reads its standard input: it is there when it has taken what a pipe holds
                started.stdin.write(b"one two\n" * 50_000)
                started.stdin.flush()
            while where != "input" and b"waits\n" not in said:
                assert select.select([started.stderr], [], [], DEADLINE)[0], f"{words} never came to {where}"
                said += (piece := os.read(started.stderr.fileno(), 65536))
                assert piece, said
            started.send_signal(number)
            out, rest = started.communicate(timeout=DEADLINE)
        finally:
            started.kill()
    return started.returncode, (said + rest).decode(), out.decode()


def check_verbs(cases, tmp_path, waiting_site, process, toy_run, trained):
    for n, (verb, where, given, number) in enumerate(cases):
        run = tmp_path / f"run-{n}"
        stand = {"TOY": toy_run, "RUN": [str(trained)]}
        words = [one for word in given for one in stand.get(word, [word])]
        words += [f"hydra.run.dir={run}"] * (verb == "train")
        code, err, out = interrupted_verb(words, where, number, tmp_path, waiting_site, process)
        told = [line for line in err.splitlines() if line != "waits" and "lamfile" not in line]
        assert (code, told) == (INTERRUPTED, ["lam: Interrupted."]), f"{verb} at {where}: {err}"
        assert not out and not list(tmp_path.rglob(".tmp-*")) and not (tmp_path / "answers.txt").exists()
    names = ", ".join(f"{verb} ({where}, {number.name})" for verb, where, _, number in cases)
    print(f"A6: {len(cases)} of {len(cases)} verbs ended in one line with 75: {names}")


def test_plugins_and_train_end_in_one_line(tmp_path, waiting_site, process, toy_run, trained):
    cases = [(*VERBS[0], signal.SIGTERM), (*VERBS[3], signal.SIGUSR1)]
    check_verbs(cases, tmp_path, waiting_site, process, toy_run, trained)


@pytest.mark.parametrize(
    ("words", "where"),
    [(VERBS[0][2], "import"), pytest.param(VERBS[2][2], "start", marks=pytest.mark.full)],
)
def test_a_job_in_a_shells_background_ends_too(tmp_path, waiting_site, process, toy_run, words, where):
    """A shell without job control has its background jobs ignore SIGINT: SIGTERM still ends them, and SIGINT never."""
    words = [one for word in words for one in (toy_run if word == "TOY" else [word])]

    def in_background():
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    ended = interrupted_verb(words, where, signal.SIGTERM, tmp_path, waiting_site, process, preexec_fn=in_background)
    assert ended[0] == INTERRUPTED and ended[1].splitlines()[-1] == "lam: Interrupted.", ended


@pytest.mark.full
@pytest.mark.timeout(900)
def test_every_verb_ends_in_one_line_at_every_signal(tmp_path, waiting_site, process, toy_run, trained):
    copy = tmp_path / "trained"
    shutil.copytree(trained, copy)
    cases = [(*case, number) for case in VERBS for number in NUMBERS]
    check_verbs(cases, tmp_path, waiting_site, process, toy_run, copy)
