"""The exercise: the stub fails clearly, the solution passes, wrong solutions are caught, a read-only cache will do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COURSE = Path(__file__).resolve().parent.parent / "examples" / "course"
CAUGHT = {
    "wrong_padding": ["test_padding_weighs_nothing", "test_a_loss_does_not_depend_on_neighbours_or_padding"],
    "wrong_axis": [
        "test_a_query_takes",
        "test_a_loss_does_not_depend_on_neighbours_or_padding",
        "test_it_learns_to_look",
    ],
    "wrong_mean": ["test_a_query_takes", "test_gradient_reaches_every_parameter", "test_it_learns_to_look_up"],
}


def exercise(folder: Path, attempt: str = "") -> Path:
    """Copy the exercise, with the `attend` of an attempt put into the student's file."""
    place = folder / "attention"
    shutil.copytree(COURSE / "attention", place, ignore=shutil.ignore_patterns("__pycache__", "runs", "outputs"))
    if attempt:
        stub = (place / "lamfile.py").read_text(encoding="utf-8")
        solved = (COURSE / "teacher" / "attention" / f"{attempt}.py").read_text(encoding="utf-8")
        before, rest = stub.split("def attend", 1)
        after = rest[rest.index("@dataclass") :]
        text = f"{before}{solved[solved.index('def attend') :]}\n\n{after}"
        (place / "lamfile.py").write_text(text, encoding="utf-8")
    return place


@pytest.fixture
def tried(run_pytest):
    """Give tried(place, *words): run the exercise's tests and return what pytest prints."""

    def call(place: Path, *words: str, **variables: str) -> str:
        ended = run_pytest(*words_of(place), *words, ".", cwd=place, **variables)
        return ended.out + ended.err

    return call


def words_of(place: Path) -> list[str]:
    return ["-q", "-c", os.devnull, "--rootdir", str(place), "-p", "no:cacheprovider"]


def test_the_stub_fails_with_the_name_of_the_exercise(tried, tmp_path):
    shown = tried(exercise(tmp_path), "-k", "query or look_up or neighbour")
    assert "NotImplementedError: Exercise 1.1" in shown and " passed" not in shown.split("\n")[-2]


@pytest.mark.full
def test_the_solution_passes_every_test(tried, tmp_path):
    last = tried(exercise(tmp_path, "solution")).strip().split("\n")[-1]
    assert " passed" in last and "failed" not in last and "error" not in last


@pytest.mark.full
@pytest.mark.parametrize("attempt", CAUGHT)
def test_a_wrong_solution_is_caught(attempt, tried, tmp_path):
    words = ["-k", "query or padding or neighbour or gradient or look_up"]
    failed = [line for line in tried(exercise(tmp_path, attempt), *words).split("\n") if line.startswith("FAILED")]
    assert all(any(name in line for line in failed) for name in CAUGHT[attempt]), failed


@pytest.mark.full
@pytest.mark.skipif(os.name == "nt", reason="folders have no such permissions there")
def test_it_works_from_a_shared_cache_that_cannot_be_written(tried, tmp_path):
    before = ()
    if os.geteuid() == 0:  # whom no permission stops, unless that right is laid down
        if not shutil.which("setpriv"):
            pytest.skip("a superuser can write everywhere, and there is no setpriv")
        before = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    place, shared = exercise(tmp_path, "solution"), tmp_path / "shared"
    first = tried(place, "-k", "query or padding or neighbour or look_up", COURSE_CACHE=str(shared))
    assert "passed" in first and "failed" not in first, first
    held = sorted(path.name for path in shared.iterdir())
    assert any(name.startswith("raw-") for name in held)
    shared.chmod(0o555)
    for folder in shared.iterdir():
        folder.chmod(0o555 if folder.is_dir() else 0o444)
    try:
        words = ("-k", "look_up", f"--basetemp={tmp_path / 'second'}")
        command = [*before, sys.executable, "-m", "pytest", *words_of(place), *words, "."]
        env = {**os.environ, "COURSE_CACHE": str(shared), "LAMCORE_CACHE": "/dev/null"}
        done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, timeout=110)
        second = done.stdout + done.stderr
    finally:
        for path in (shared, *shared.iterdir()):
            path.chmod(0o755)
    assert "1 passed" in second, second
    assert sorted(path.name for path in shared.iterdir()) == held
    made = next((tmp_path / "second").rglob("run/cache"))
    assert {path.name for path in made.iterdir() if path.is_symlink()} >= {
        name for name in held if name.startswith("raw-") and "." not in name
    }
