"""A file of answers whose call is killed before any operation on disk, or at any instant, is made whole by the next."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from disk import at, counter, crash, watch
from harness import Child, ended, registry, spread

from lamcore import answers
from lamcore.model import load_model

RECORDS = 50
"""In chunks of seven: seven whole ones and a last one of one record."""
FORMS = ["parquet", "jsonl"]


@pytest.fixture(scope="module")
def model(bench):
    """Give the model of the reference run."""
    return load_model(bench.reference, registry(), "cpu")


def work(model, out):
    """Answer fifty records into a file, seven at a time."""
    answers.CHUNK, answers.BATCH = 7, 10
    inputs = ({"id": number, "input": f"{'one ' * (number % 3)}{number}"} for number in range(RECORDS))
    answers.answer_file(model, inputs, out, model.parts.decoding, keep=["input"])


@pytest.fixture(scope="module", params=FORMS)
def whole(request, model, bench):
    """Give the file of an unbroken call, the operations it took, and its seconds."""
    out = bench.new() / f"whole.{request.param}"
    out.parent.mkdir()
    seen, said = out.with_suffix(".operations"), out.with_suffix(".said")
    began = time.monotonic()
    assert ended(lambda: (watch(out.parent, counter(seen, out.parent)), work(model, out)), said) == 0
    return out, seen.read_text(encoding="utf-8").splitlines(), time.monotonic() - began


def finished(model, whole, out):
    """Go on with a file in a new process and compare it with the unbroken one; nothing else is left beside it."""
    child = Child(lambda: work(model, out), out.parent.with_suffix(".said"))
    assert child.wait() == 0, child.said
    assert out.read_bytes() == whole.read_bytes()
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def killed_before(model, out, number):
    def do():
        watch(out.parent, at(number, crash))
        work(model, out)

    return Child(do, out.parent.with_suffix(".said")).wait()


def check(bench, model, whole, number):
    file, operations, _ = whole
    chosen = spread([*enumerate(operations)], number)
    for place, operation in chosen:
        out = bench.new() / f"answers{file.suffix}"
        out.parent.mkdir()
        assert killed_before(model, out, place) == -9, operation
        again = killed_before(model, out, place // 2 + 3)  # a second kill, on the way of going on
        assert again == -9 or out.exists()
        finished(model, file, out)
    print(f"{file.suffix}: {len(chosen)} of {len(chosen)} kills before one of {len(operations)} operations: same bytes")


def test_a_kill_before_an_operation_loses_and_doubles_no_row(bench, model, whole):
    check(bench, model, whole, 6)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_kill_before_each_operation_loses_and_doubles_no_row(bench, model, whole):
    check(bench, model, whole, 10_000)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_two_hundred_kills_at_any_instant_lose_and_double_no_row(bench, model, whole):
    file, _, seconds = whole
    rng, landed = random.Random(20), 0
    for _ in range(100):
        out: Path = bench.new() / f"answers{file.suffix}"
        out.parent.mkdir()
        for _ in range(2):
            child = Child(lambda: work(model, out), out.parent.with_suffix(".said"))  # noqa: B023
            child.ends(rng.uniform(0, seconds))
            child.kill()
            landed += child.wait() == -9
        finished(model, file, out)
    print(f"{file.suffix}: 100 of 100 files the same after {landed} kills that landed")
