"""A1 and A8: a run that is killed at any instant goes on bit for bit, and each line of its log stands once."""

from __future__ import annotations

import random
import shutil

import pytest
from disk import crash
from harness import STEPS, TRANSFORMER, Bench, Child, finish, go, log_lines

from lamcore_trainers.optimizer import AdamW

SEED = 20
TRIES = 100
"""Most tries a kill, since some land before or after the run."""


def kill(bench, folder, rng):
    """Start or go on with a run and kill it at a random instant within; return how many tries that took."""
    before = folder.with_suffix(".before")
    for tried in range(1, TRIES):
        shutil.rmtree(before, ignore_errors=True)
        if folder.exists():
            shutil.copytree(folder, before)
        child = Child(lambda: go(folder, bench.values), folder.with_suffix(".said"))
        child.ends(rng.uniform(0.0, bench.seconds))
        child.kill()
        if child.wait() == -9 and folder.exists():
            shutil.rmtree(before, ignore_errors=True)
            return tried
        if before.exists():  # it ended by itself: once more from where it was
            shutil.rmtree(folder)
            before.rename(folder)
    raise AssertionError(f"no kill of {TRIES} landed within the run")


def killed_runs(bench, number, times, rng):
    """Kill so many runs so many times each and compare their ends; return how many kills landed and were tried."""
    tried = 0
    for _ in range(number):
        folder = bench.new()
        tried += sum(kill(bench, folder, rng) for _ in range(times))
        finish(folder, bench.values)
        assert log_lines(folder) == bench.state["log.jsonl"]
        bench.same(folder)
    return number * times, tried


def check(bench, number, thrice, name):
    rng = random.Random(SEED)
    once = killed_runs(bench, number, 1, rng)
    more = killed_runs(bench, thrice, 3, rng)
    print(
        f"A1 {name}: {number} of {number} runs killed once and {thrice} of {thrice} killed three times: bitwise equal"
    )
    print(f"A8 {name}: each line of their logs stands once (kills that landed within a run: {once[0]} of {once[1]} and")
    print(f"   {more[0]} of {more[1]}; seed {SEED})")


def test_a_killed_run_goes_on_bit_for_bit(bench):
    check(bench, 12, 3, "short")


@pytest.mark.full
@pytest.mark.timeout(900)
def test_two_hundred_killed_runs_go_on_bit_for_bit(bench):
    check(bench, 150, 30, "toy model")


@pytest.mark.full
@pytest.mark.timeout(900)
def test_killed_runs_with_averaged_weights_and_several_batches_an_update_go_on_bit_for_bit(tmp_path):
    check(Bench(tmp_path / "bench", average=3, accumulation=2), 25, 5, "averaging, accumulation")


@pytest.mark.full
@pytest.mark.timeout(900)
def test_killed_runs_of_a_transformer_go_on_bit_for_bit(tmp_path):
    check(Bench(tmp_path / "bench", TRANSFORMER), 25, 5, "transformer")


@pytest.mark.full
def test_a_run_killed_at_its_first_or_last_step_or_at_the_edge_of_an_epoch_goes_on_bit_for_bit(bench):
    epochs = [line["epoch"] for line in bench.state["log.jsonl"] if "epoch" in line]
    edges = [step for step in range(2, STEPS + 1) if epochs[step - 1] != epochs[step - 2]]
    cases = [(step, after) for step in (1, *(e + d for e in edges for d in (-1, 0)), STEPS) for after in (False, True)]
    for step, after in cases:
        folder = bench.new()
        child = Child(lambda: (_kill_at(step, after), go(folder, bench.values)), folder.with_suffix(".said"))  # noqa: B023
        assert child.wait() == -9, child.said
        finish(folder, bench.values)
        bench.same(folder)
    print(f"A1 forced: {len(cases)} of {len(cases)} kills at first and last step and at epochs' edges {edges}")


def _kill_at(step, after):
    count, real = 0, AdamW.step

    def counted(optimizer, *words):
        nonlocal count
        count += 1
        if count == step and not after:
            crash()
        real(optimizer, *words)
        if count == step:
            crash()

    AdamW.step = counted
