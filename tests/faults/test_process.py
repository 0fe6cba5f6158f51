"""A1 once more, as a user meets it: `lam train` as a process of its own, killed, on a real disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from harness import TIMES

MEMORY = {"tmpfs", "ramfs"}


@pytest.fixture
def disk_folder(tmp_path, request):
    """Give a new folder on a file system that is not in memory."""
    for place in (tmp_path, request.config.rootpath / ".faults"):
        place.mkdir(exist_ok=True)
        if file_system(place) not in MEMORY:
            yield place
            break
    else:
        pytest.skip("needs a disk")
    shutil.rmtree(request.config.rootpath / ".faults", ignore_errors=True)


def file_system(folder):
    """Return the type of the file system that a folder lies on."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    return max((mount for mount in mounts if folder.is_relative_to(mount[0])), key=lambda mount: len(mount[0]))[1]


def comparable(run):
    """Return what two equal runs share: model, tensors of checkpoints, scores, predictions, the log but for times."""
    patterns = ["model/*", "checkpoints/*/*.safetensors", "scores.json", "predictions-*"]
    kept = [path for pattern in patterns for path in run.glob(pattern)]
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    log = [{key: value for key, value in line.items() if key not in TIMES} for line in lines]
    return {"log": log, **{str(path.relative_to(run)): path.read_bytes() for path in kept}}


KILLS = ["start", "log-2", "log-4", "validated-4", "save-4", "log-6", "validated-8", "save-8", "log-10", "log-12"]


@pytest.mark.full
@pytest.mark.timeout(900)
def test_ten_killed_processes_go_on_bit_for_bit(disk_folder, run_lam, site, toy_run, trained):
    env = {"LAMCORE_CACHE": str(disk_folder / "cache"), "OMP_NUM_THREADS": str(threads(trained))}
    wanted = comparable(trained)
    for event in KILLS:
        run, words = disk_folder / event, [f"hydra.run.dir={disk_folder / event}"]
        killed = run_lam(
            "train", *toy_run, *words, cwd=disk_folder, site=site, LAMCORE_TEST_SIGNAL=f"SIGKILL@{event}", **env
        )
        assert killed.code == -9, f"{event}: {killed.err}"
        resumed = run_lam("resume", str(run), cwd=disk_folder, site=site, **env)
        assert resumed.code == 0, f"{event}: {resumed.err}"
        assert comparable(run) == wanted, event
    place = file_system(disk_folder)
    print(f"A1: {len(KILLS)} of {len(KILLS)} `lam train` killed by SIGKILL on {place} ended bitwise equal")


def threads(run):
    """Return the number of threads that a run was made with."""
    return json.loads(next(run.glob("checkpoints/step-*/state.json")).read_text())["threads"]
