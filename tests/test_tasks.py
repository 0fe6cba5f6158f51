from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def tasks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tasks", ROOT / "tasks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tasks.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, env={"PATH": "", **variables})


def test_without_a_verb_it_lists_the_verbs():
    answer = call()
    assert answer.returncode == 0
    assert re.findall(r"^  (\S+)", answer.stdout, re.M) == ["demo", "dev", "test", "test-full", "lint", "docs"]


def test_an_unknown_verb_ends_with_2():
    assert call("tset").returncode == 2


def test_an_old_python_is_told_so(tasks):
    text = (ROOT / "tasks.py").read_text(encoding="utf-8")
    guard = text[text.index("import sys") : text.index("import hashlib")].replace("sys.version_info", "(3, 10)")
    answer = subprocess.run([sys.executable, "-c", guard], capture_output=True, text=True)
    assert answer.returncode == 1
    assert "needs Python 3.11 or newer, and this is 3.10" in answer.stderr


def test_what_is_installed_is_read_from_the_pyprojects(tasks):
    needs = tasks.needs(["dev"])
    assert any(need.startswith("torch") for need in needs)
    assert any(need.startswith("pytest") for need in needs)
    assert any(need.startswith("hatchling") for need in needs)
    assert not any(need.startswith(("lamcore", "zensical")) for need in needs)


def test_a_folder_with_other_things_is_never_made_an_environment(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    answer = call("dev", LAMCORE_VENV=str(tmp_path))
    assert answer.returncode == 1
    assert "holds other things" in answer.stderr
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


def test_a_full_disk_is_said_before_anything_is_installed(tasks, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tasks, "VENV", tmp_path / "venv")
    monkeypatch.setattr(tasks, "PYTHON", tmp_path / "venv" / "python")
    monkeypatch.setattr(tasks, "ROOM", 10**18)
    with pytest.raises(SystemExit, match=r"GB free, and 1000000000 GB are needed"):
        tasks.make_venv()
    assert not (tmp_path / "venv").exists()


def test_a_valid_stamp_means_nothing_to_do(tasks, tmp_path, monkeypatch):
    for name, path in {"VENV": "", "STAMP": "stamp", "PYTHON": "python"}.items():
        monkeypatch.setattr(tasks, name, tmp_path / path)
    (tmp_path / "python").touch()
    (tmp_path / "stamp").write_text(json.dumps({"digest": tasks.digest(), "extras": ["dev"]}))
    tasks.environment(["dev"])
    with pytest.raises(SystemExit):  # the pages need more: it would install, into a folder that is no environment
        tasks.environment(["docs"])


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'",
            "registry was not reached",
        ),
        ("ERROR: Could not find a version that satisfies the requirement x (from versions: none)", "registry was not"),
        ("error: command 'gcc' failed: No such file or directory", "install a C compiler"),
        ("error: Microsoft Visual C++ 14.0 or greater is required.", "install a C compiler"),
        ("ERROR: No matching distribution found for torch==2.13.0", "nothing that fits this Python"),
    ],
)
def test_what_pip_says_leads_to_what_to_do(tasks, words, advice):
    assert advice in next(text for pattern, text in tasks.ADVICE if re.search(pattern, words))


def test_the_exit_code_of_what_runs_is_passed_on(tasks):
    assert tasks.run([sys.executable, "-c", "raise SystemExit(75)"]) == 75


@pytest.mark.skipif(sys.platform == "win32", reason="signals end a process in another way there")
def test_a_process_that_a_signal_ends_gives_128_and_more(tasks):
    assert tasks.run([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]) == 137
