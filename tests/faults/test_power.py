"""A4: whatever a power cut leaves of what was not yet on disk, the run goes on from the last step that was saved."""

from __future__ import annotations

import json
import random

import pytest
from disk import Disk, lay_out, recorder, watch
from harness import CHECKPOINTS, ended, finish, go

SEED = 40


@pytest.fixture(scope="module")
def trace(bench):
    """Give the recorded operations of an uninterrupted run."""
    return record(bench, bench.values)


def record(bench, values):
    folder, file = bench.new(), bench.home / "trace"
    values["cache"] = values["cache"].replace("RUN", str(folder))
    assert ended(lambda: (watch(folder, recorder(file, folder)), go(folder, values)), bench.home / "said") == 0
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def states(trace, number, rng):
    """Yield (step that must not be lost, what the disk holds) for so many instants, each thing done at random."""
    instants = sorted(rng.randrange(len(trace)) for _ in range(number))
    disk = Disk()
    for place in disk.play(trace):
        for _ in range(instants.count(place)):
            yield disk.saved, disk.after_power_cut(rng)


def check(bench, trace, number, name):
    rng, torn = random.Random(SEED), 0
    for saved, left in states(trace, number, rng):
        folder = bench.new()
        lay_out(left, folder)
        torn += any(".tmp-" in path for path in left)
        said = finish(folder, bench.values)
        assert int(said.split("went on from ")[1].split()[0]) >= saved, said
        assert "damaged" not in said, said
        bench.same(folder)
    print(
        f"A4 {name}: {number} of {number} power cuts went on from the newest saved step, bitwise equal; 0 wrong loads"
    )
    print(f"   ({len(trace)} recorded operations, {torn} states with a torn commit, seed {SEED})")


def test_a_power_cut_loses_no_saved_step(bench, trace):
    check(bench, trace, 30, "short")


@pytest.mark.full
@pytest.mark.timeout(900)
def test_three_hundred_power_cuts_lose_no_saved_step(bench, trace):
    check(bench, trace, 300, "a run")


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_power_cut_while_data_are_prepared_leaves_no_wrong_data(bench):
    """The cache lies in the run's folder; what is found there must be what an uninterrupted run makes."""
    values = {**bench.values, "cache": "RUN/cache"}
    whole = record(bench, values)
    before = [line for line in whole if line != ["saved", "4"]][: whole.index(["saved", "2"])]
    rng, number = random.Random(SEED), 60
    for _, left in states(before, number, rng):
        folder = bench.new()
        lay_out(left, folder)
        for path in [folder / "config.yaml", *folder.glob(".tmp-*config.yaml")]:
            path.unlink(missing_ok=True)  # it names the cache of the recorded run
        finish(folder, {**bench.values, "cache": str(folder / "cache")})
        (folder / "config.yaml").write_bytes(bench.state["config.yaml"])
        bench.same(folder)
    print(f"A4 preparation: {number} of {number} power cuts before the first checkpoint, bitwise equal (seed {SEED})")


def test_a_checkpoint_reaches_the_disk_in_order(trace):
    """Each file, then the manifest, then the folder's names, then its own name, then the name above it."""
    commits = [paths for what, *paths in trace if what == "rename" and paths[1].startswith("checkpoints/step-")]
    assert len(commits) == CHECKPOINTS
    for temporary, folder in commits:
        under = [(what, paths[0]) for what, *paths in trace if f"{paths[0]}/".startswith(f"{temporary}/")]
        mine = [line for line in under if line[0] != "content"]
        files = ["tensors.safetensors", "state.json", "manifest.json"]
        wanted = [(what, f"{temporary}/{name}") for name in files for what in ("open", "write", "fsync")]
        assert mine == [("mkdir", temporary), *wanted, ("fsync", temporary), ("rename", temporary)]
        renamed = trace.index(["rename", temporary, folder])
        assert trace[renamed + 1 : renamed + 3] == [["fsync", "checkpoints"], ["fsync", "."]]
    print(f"A4: {len(commits)} of {len(commits)} commits in order: files, manifest, folder, rename, folder above")
