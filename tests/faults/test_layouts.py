"""A13: train, resume and predict work where only the run folder can be written, and without a home."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def obey_modes():
    """Have the next program obey the modes of files even where it runs as root."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
            os._exit(97)


def closed(folder):
    """Make a folder that can be read and not written."""
    folder.mkdir()
    folder.chmod(0o500)
    return folder


def layout(number, base):
    """Return a layout's name, the variables it sets (None: unset) and its working folder."""
    usual = {"HOME": None, "XDG_CACHE_HOME": None, "LAMCORE_CACHE": None, "TMPDIR": None, "HF_HOME": None}
    shut, here = closed(base / "shut"), base / "here"
    here.mkdir()
    (base / "file").write_text("no folder")
    layouts = [
        ("home can't be written", {"HOME": shut}, here),
        ("HOME is unset", {}, here),
        ("home is not there", {"HOME": shut / "nowhere"}, here),
        ("the user's cache can't be written", {"HOME": here, "XDG_CACHE_HOME": shut}, here),
        ("the user's cache is a file", {"HOME": here, "XDG_CACHE_HOME": base / "file"}, here),
        ("LAMCORE_CACHE can't be written", {"HOME": here, "LAMCORE_CACHE": shut}, here),
        ("the working folder can't be written", {"HOME": here}, shut),
        ("only the run folder can be written", {"HOME": shut, "TMPDIR": shut}, shut),
    ]
    name, variables, cwd = layouts[number]
    return name, {**usual, **variables}, cwd


CALLS = """
import json, sys
from lamcore.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["lam", *words]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            sys.exit(f"{words[0]} ended with {ended.code}")
"""
"""A process that calls `lam` several times: what takes long is imported once."""


def call(calls, variables, cwd, site, stdin):
    env = {key: value for key, value in os.environ.items() if key not in variables}
    env |= {key: str(value) for key, value in variables.items() if value is not None}
    env |= {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CALLS, json.dumps(calls)],
        cwd=cwd,
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=250,
        preexec_fn=obey_modes,
    )
    assert done.returncode != 97, "this root can't give up its rights"
    return done


def check(numbers, tmp_path, site, toy_run):
    for number in numbers:
        base = tmp_path / str(number)
        base.mkdir()
        name, variables, cwd = layout(number, base)
        run = base / "out" / "run"
        (base / "out").mkdir()
        train = ["train", *toy_run, "trainer.steps=4", f"hydra.run.dir={run}"]
        calls = [train, ["evaluate", str(run)], ["predict", str(run), "--json"]]
        done = call(calls, variables, cwd, site, json.dumps({"input": "red sun"}) + "\n")
        assert done.returncode == 0, (name, done.stderr)
        assert "target" in json.loads(done.stdout.splitlines()[-1]), done.stdout
        assert not list((base / "shut").iterdir())
        left = [path.name for path in base.iterdir() if path.name not in {"shut", "here", "file", "out"}]
        assert not left, (name, left)
    print(f"A13: train, evaluate and predict worked in {len(numbers)} of {len(numbers)} layouts")


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="a root that obeys modes is made with Linux's capabilities")
def test_a_closed_home_or_none_is_no_hindrance(tmp_path, site, toy_run):
    check([7], tmp_path, site, toy_run)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="a root that obeys modes is made with Linux's capabilities")
def test_eight_layouts_train_and_predict(tmp_path, site, toy_run):
    check(range(8), tmp_path, site, toy_run)


def test_the_modes_are_obeyed(tmp_path):
    """The suite would prove nothing if the closed folder could be written."""
    shut = closed(tmp_path / "shut")
    code = f"open({str(shut / 'x')!r}, 'w')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=obey_modes)
    assert done.returncode == 1 and "PermissionError" in done.stderr
    assert not Path(shut, "x").exists()
