"""A5 and A10: a damaged checkpoint is found and the one before it used; no clock decides which is the newest."""

from __future__ import annotations

import os
import random
import shutil
import time

import pytest
from disk import crash
from harness import Child, ended, go, state, tell_restored

from lamcore.errors import DAMAGED
from lamcore.run import Run

SEED = 50
DAY = 86_400


def stopped_after(bench, step):
    """Return a run that was killed right after it saved a step."""
    folder = bench.new()
    child = Child(lambda: (_kill_on_save(step), go(folder, bench.values)), folder.with_suffix(".said"))
    assert child.wait() == -9, child.said
    return folder


def _kill_on_save(step):
    notify = Run.notify

    def killing(run, hook, **arguments):
        if hook == "on_save" and arguments["step"] == step:
            crash()
        notify(run, hook, **arguments)

    Run.notify = killing


def flip(path, other, rng):
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def truncate(path, other, rng):
    os.truncate(path, rng.randrange(path.stat().st_size))


def miss(path, other, rng):
    path.unlink()


def swap(path, other, rng):
    shutil.copy(other, path)


def change(path, other, rng):
    path.write_bytes(rng.randbytes(path.stat().st_size))


def replace_whole(path, other, rng):
    shutil.rmtree(path.parent)
    shutil.copytree(other.parent, path.parent)


def empty_whole(path, other, rng):
    for file in path.parent.iterdir():
        file.unlink()


FILES = ["tensors.safetensors", "state.json", "manifest.json"]
HARMS = [(harm, name) for harm in (flip, truncate, miss, swap, change) for name in FILES]
HARMS += [(flip, name) for name in FILES] + [(replace_whole, FILES[0]), (empty_whole, FILES[0])]


def go_on(bench, folder, clock=0):
    child = Child(lambda: (_set_clock(clock), tell_restored(), go(folder, bench.values)), folder.with_suffix(".said"))
    return child.wait(), child.said


def check_damaged(bench, number):
    rng = random.Random(SEED)
    bases = {step: stopped_after(bench, step) for step in (4, 8)}
    assert (bases[4] / "checkpoints" / "best-00000004").exists()
    for case in range(number):
        step = 4 if case % 10 == 9 else 8
        harm, name = HARMS[case % len(HARMS)]
        folder = bench.new()
        shutil.copytree(bases[step], folder)
        newest, before = (folder / "checkpoints" / f"step-{one:08d}" for one in (step, step - 2))
        if step == 4:  # the best weights belong to this checkpoint: they are part of it
            newest, before = (one.with_name(one.name.replace("step", "best")) for one in (newest, before))
            name = "model.safetensors"
            harm = (flip, truncate, miss, swap)[case // 10 % 4]
        harm(newest / name, before / name, rng)
        what = f"{harm.__name__} of {newest.name}/{name}"
        code, said = go_on(bench, folder)
        assert code == 0, f"{what}: {said}"
        assert "damaged" in said and f"set aside as damaged-0-step-{step:08d}" in said, f"{what}: {said}"
        assert f"went on from {step - 2}\n" in said, f"{what}: {said}"
        assert (folder / "checkpoints" / f"damaged-0-step-{step:08d}").is_dir()
        bench.same(folder)
    print(f"A5: {number} of {number} damaged checkpoints found, told and set aside; the runs ended bitwise equal")


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_used(bench):
    check_damaged(bench, 25)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_hundred_damaged_checkpoints_are_set_aside(bench):
    check_damaged(bench, 110)


def test_where_every_checkpoint_is_damaged_the_run_ends_with_five_and_nothing_is_lost(bench):
    folder = stopped_after(bench, 8)
    for path in (folder / "checkpoints").glob("step-*/tensors.safetensors"):
        flip(path, None, random.Random(SEED))
    before = state(folder)
    for _ in range(2):  # it does not begin anew by itself the second time either
        code, said = go_on(bench, folder)
        assert code == DAMAGED and len(said.splitlines()) == 1 and "no checkpoint that is whole" in said
        assert state(folder) == before


def check_clock(bench, number):
    rng = random.Random(SEED)
    for case in range(number):
        step = rng.choice([4, 6, 8, 10])
        folder = stopped_after(bench, step)
        for path in [folder, *folder.rglob("*")]:
            moment = time.time() + rng.uniform(-DAY, DAY)
            os.utime(path, (moment, moment))
        code, said = go_on(bench, folder, clock=DAY if case % 2 else -DAY)
        assert code == 0 and f"went on from {step}\n" in said, said
        bench.same(folder)
    print(f"A10: {number} of {number} runs with shuffled file times and a clock a day off went on from the newest step")


def _set_clock(shift):
    real = time.time
    time.time = lambda: real() + shift


def test_no_clock_decides_which_checkpoint_is_the_newest(bench):
    check_clock(bench, 4)


@pytest.mark.full
def test_twenty_wrong_clocks_change_nothing(bench):
    check_clock(bench, 20)


def test_a_clock_that_jumps_by_a_day_within_a_run_changes_nothing(bench):
    def jumping(optimizer, *words):
        real_step(optimizer, *words)
        _set_clock(-DAY)

    from lamcore_trainers.optimizer import AdamW

    real_step, folder = AdamW.step, bench.new()
    said = folder.with_suffix(".said")
    assert ended(lambda: (setattr(AdamW, "step", jumping), go(folder, bench.values)), said) == 0
    bench.same(folder)


def test_a_damaged_checkpoint_that_is_not_the_newest_is_of_no_consequence(bench):
    for name in FILES:
        folder = stopped_after(bench, 8)
        (folder / "checkpoints" / "step-00000006" / name).write_bytes(b"")
        code, said = go_on(bench, folder)
        assert code == 0 and "went on from 8\n" in said and "damaged" not in said, said
        bench.same(folder)


def test_lost_best_weights_that_every_checkpoint_needs_end_with_five_and_nothing_is_set_aside(bench):
    folder = stopped_after(bench, 8)
    shutil.rmtree(folder / "checkpoints" / "best-00000004")
    code, said = go_on(bench, folder)
    assert code == DAMAGED and "best-00000004" in said and not list(folder.glob("checkpoints/damaged-*"))
