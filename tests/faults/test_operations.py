"""A2 and A3: a crash before, or a full or failing disk at, each single operation of a run."""

from __future__ import annotations

import errno
import resource

import pytest
from disk import at, counter, crash, refuse, watch
from harness import Child, ended, finish, go, spread, steps

from lamcore.errors import NO_ROOM
from lamcore.store import verified

ERRORS = [errno.ENOSPC, errno.EIO, errno.EFBIG]


@pytest.fixture(scope="module")
def operations(bench):
    """Give the operations of an uninterrupted run, in order, as text."""
    folder, file = bench.new(), bench.home / "operations"
    assert ended(lambda: (watch(folder, counter(file, folder)), go(folder, bench.values)), bench.home / "said") == 0
    bench.same(folder)
    return file.read_text(encoding="utf-8").splitlines()


def of_checkpoints(operations):
    return sum("checkpoints" in operation for operation in operations)


def crash_before(bench, number, operation):
    folder = bench.new()
    child = Child(lambda: (watch(folder, at(number, crash)), go(folder, bench.values)), folder.with_suffix(".said"))
    assert child.wait() == -9, f"{operation}: {child.said}"
    said = finish(folder, bench.values)
    assert "damaged" not in said, f"{operation}: {said}"
    bench.same(folder)


def check_crashes(bench, operations, number):
    chosen = spread([*enumerate(operations)], number)
    for place, operation in chosen:
        crash_before(bench, place, operation)
    all_of = f"{len(operations)} operations of a run, {of_checkpoints(operations)} of its six checkpoints"
    print(f"A2: {len(chosen)} of {len(chosen)} crashes before one of the {all_of}: bitwise equal")


def test_a_crash_before_an_operation_changes_nothing(bench, operations):
    check_crashes(bench, operations, 17)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_crash_before_each_operation_changes_nothing(bench, operations):
    check_crashes(bench, operations, len(operations))


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_crash_before_each_operation_of_the_preparation_changes_nothing(bench):
    file, values = bench.home / "operations-cold", {**bench.values}

    def cold(folder, before):
        values["cache"] = str(folder / "cache")
        return Child(lambda: (watch(folder, before), go(folder, values)), folder.with_suffix(".said"))

    folder = bench.new()
    assert cold(folder, counter(file, folder)).wait() == 0
    of_cache = [n for n, line in enumerate(file.read_text(encoding="utf-8").splitlines()) if " cache" in line]
    for number in of_cache:
        folder = bench.new()
        child = cold(folder, at(number, crash))
        assert child.wait() == -9, child.said
        finish(folder, values)
        (folder / "config.yaml").write_bytes(bench.state["config.yaml"])  # it names the cache
        bench.same(folder)
    print(f"A2: {len(of_cache)} of {len(of_cache)} crashes before an operation of the preparation: bitwise equal")


def fail_at(bench, number, code, operation):
    """Refuse one operation; say whether the run ended for it."""
    folder = bench.new()
    child = Child(
        lambda: (watch(folder, at(number, refuse(code))), go(folder, bench.values)), folder.with_suffix(".said")
    )
    ended_with = child.wait()
    what = f"{errno.errorcode[code]} at operation {number}, {operation}"
    assert ended_with in (0, NO_ROOM), f"{what}: {child.said}"
    if ended_with:
        assert len(child.said.splitlines()) == 1 and "Free some space" in child.said, f"{what}: {child.said}"
    for step in steps(folder):
        verified(folder / "checkpoints" / f"step-{step:08d}")
    newest = max([0, *steps(folder)])
    said = finish(folder, bench.values)
    assert f"went on from {newest}\n" in said and "damaged" not in said, f"{what}: {said}"
    bench.same(folder)
    return ended_with == NO_ROOM


def check_refusals(bench, operations, number):
    cases = spread(
        [
            (place, code, name)
            for place, name in enumerate(operations)
            for code in (ERRORS if "checkpoints" in name else [ERRORS[place % 3]])
        ],
        number,
    )
    stopped = sum(fail_at(bench, *case) for case in cases)
    names = ", ".join(errno.errorcode[code] for code in ERRORS)
    print(f"A3: {len(cases)} of {len(cases)} refused operations ({names}): checkpoints whole, resumed bitwise equal;")
    print(f"    {stopped} ended the run with exit 6 and one line, {len(cases) - stopped} were of no consequence")


def test_a_full_or_failing_disk_ends_with_six_and_loses_nothing(bench, operations):
    check_refusals(bench, operations, 17)


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_a_full_or_failing_disk_at_each_operation_ends_with_six_and_loses_nothing(bench, operations):
    check_refusals(bench, operations, 3 * len(operations))


def test_a_limit_of_the_kernel_on_file_sizes_ends_with_six_and_loses_nothing(bench):
    sizes = {len(value) for value in bench.state.values() if isinstance(value, bytes)}
    limits = [size - 1 for size in spread(sorted(size for size in sizes if size > 400), 6)]  # an error takes some too
    for limit in limits:
        folder = bench.new()

        def limited(limit=limit, folder=folder):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            go(folder, bench.values)

        child = Child(limited, folder.with_suffix(".said"))
        assert child.wait() == NO_ROOM and len(child.said.splitlines()) == 1, child.said
        finish(folder, bench.values)
        bench.same(folder)
    print(f"A3: {len(limits)} of {len(limits)} runs under a real limit of the kernel (EFBIG): exit 6, bitwise equal")
