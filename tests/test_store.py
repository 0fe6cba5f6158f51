"""Folders that are whole or absent, whatever happens on the way."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lamcore import LamcoreError
from lamcore.store import commit, locked, put, remove, room, set_aside, sweep, verified, write

FILES = {"a.txt": b"alpha", "b.txt": b"beta"}
OPERATIONS = ["mkdir", "open", "write", "fsync", "rename"]


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".tmp-")]


def test_a_committed_folder_holds_its_files_and_their_checksums(tmp_path):
    folder = commit(tmp_path / "deep" / "x", FILES)
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "b.txt", "manifest.json"]
    assert verified(folder) == folder
    assert json.loads((folder / "manifest.json").read_text())["files"]["a.txt"] == {
        "bytes": 5,
        "sha256": "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8",
    }


def test_a_commit_onto_a_folder_that_is_there_takes_its_place(tmp_path):
    commit(tmp_path / "x", FILES)
    commit(tmp_path / "x", {"a.txt": b"other"})
    verified(tmp_path / "x")
    assert (tmp_path / "x" / "a.txt").read_text() == "other" and not hidden(tmp_path)
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["a.txt", "manifest.json"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_commit_that_fails_at_any_operation_leaves_all_or_nothing(tmp_path, monkeypatch, operation, code):
    """Fail the first, the second, ... call of an operation, until a commit goes through."""
    real, failed = getattr(os, operation), 0
    for number in range(1, 30):
        calls = 0

        def flaky(*words, **options):
            nonlocal calls
            calls += 1
            if calls == number:  # noqa: B023 - used within this turn of the loop only
                raise OSError(code, os.strerror(code))
            return real(*words, **options)

        folder = tmp_path / f"try-{number}"
        with monkeypatch.context() as patch:
            patch.setattr(os, operation, flaky)
            try:
                commit(folder, FILES)
            except LamcoreError as error:
                assert error.exit_code == 6 and os.strerror(code) in str(error) and str(tmp_path) in str(error)
                failed += 1
        if folder.exists():
            verified(folder)
        assert not hidden(tmp_path)
        if calls < number:
            break
    assert failed >= 1 and (tmp_path / f"try-{number}" / "a.txt").read_text() == "alpha"


def test_an_error_in_the_middle_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        commit(tmp_path / "x", {**FILES, "c.txt": "no bytes"})
    assert list(tmp_path.iterdir()) == []


def test_a_file_too_large_for_the_system_ends_with_six_and_leaves_nothing(tmp_path):
    """A real error of the kernel: EFBIG under a limit on file sizes."""
    code = f"""
        import resource, signal
        from pathlib import Path
        from lamcore import LamcoreError
        from lamcore.store import commit, write
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        here = Path({str(tmp_path)!r})
        write(here / "kept.txt", "old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        for do in (
            lambda: commit(here / "x", {{"a": bytes(20_000)}}),
            lambda: write(here / "kept.txt", "n" * 20_000),
        ):
            try:
                do()
            except LamcoreError as error:
                print(error.exit_code, error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and all(line.startswith(f"6 {tmp_path}: File too large.") for line in lines), done.stderr
    assert (tmp_path / "kept.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_full_disk_is_told_as_one(tmp_path):
    """A real error of the kernel: ENOSPC of the device that is always full."""
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with (
        pytest.raises(LamcoreError, match="No space left on device. Free some space, then go on.") as error,
        room(tmp_path / "x"),
    ):
        put(Path("/dev/full"), b"x")
    assert error.value.exit_code == 6


def test_another_error_of_the_system_is_no_full_disk(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(os, "write", refused)
    with pytest.raises(PermissionError):
        commit(tmp_path / "x", FILES)
    assert list(tmp_path.iterdir()) == []


def test_a_file_grows_by_what_is_put_at_its_end(tmp_path):
    put(tmp_path / "a", b"one")
    put(tmp_path / "a", b" two", os.O_APPEND)
    assert (tmp_path / "a").read_bytes() == b"one two"
    put(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_writing_a_file_replaces_it_whole(tmp_path):
    write(tmp_path / "a.txt", "one")
    write(tmp_path / "a.txt", "two\nü")
    assert (tmp_path / "a.txt").read_bytes() == "two\nü".encode() and not hidden(tmp_path)


def damage(name, change):
    def do(folder):
        path = folder / name
        change(path)

    return do


@pytest.mark.parametrize(
    "harm",
    [
        damage("a.txt", lambda path: path.write_text("alphb")),
        damage("a.txt", lambda path: path.write_text("alph")),
        damage("b.txt", lambda path: path.unlink()),
        damage("manifest.json", lambda path: path.unlink()),
        damage("manifest.json", lambda path: path.write_text("{")),
        damage("manifest.json", lambda path: path.write_text("[]")),
        damage("manifest.json", lambda path: path.write_text("{}")),
        damage("manifest.json", lambda path: path.write_bytes(b"\xff\xfe")),
    ],
    ids=["changed", "cut", "gone", "no manifest", "torn manifest", "a list", "empty manifest", "no text"],
)
def test_damage_is_found(tmp_path, harm):
    folder = commit(tmp_path / "x", FILES)
    verified(folder)
    harm(folder)
    with pytest.raises(LamcoreError, match="is damaged") as error:
        verified(folder)
    assert error.value.exit_code == 5 and str(folder) in str(error.value)


def test_a_manifest_reads_no_file_outside_its_folder(tmp_path):
    folder = commit(tmp_path / "x", FILES)
    (tmp_path / "a.txt").write_text("alpha")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "a.txt").unlink()
    manifest["files"]["../a.txt"] = manifest["files"].pop("a.txt")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(LamcoreError, match="is damaged"):
        verified(folder)


def test_what_is_set_aside_frees_its_name_and_loses_nothing(tmp_path):
    for number in range(3):
        aside = set_aside(commit(tmp_path / "step-1", FILES))
        assert aside.name == f"damaged-{number}-step-1" and (aside / "a.txt").read_text() == "alpha"
    assert not (tmp_path / "step-1").exists()


def test_removing_a_folder_that_is_not_there_is_no_error(tmp_path):
    folder = commit(tmp_path / "x", FILES)
    remove(folder)
    remove(folder)
    assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_is_swept_and_nothing_else(tmp_path):
    (tmp_path / ".tmp-1-x").mkdir()
    (tmp_path / ".tmp-1-a.txt").write_text("half")
    commit(tmp_path / "x", FILES)
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_taking_the_lock_sweeps_what_a_crash_left_among_the_checkpoints_too(tmp_path):
    (tmp_path / "checkpoints" / ".tmp-1-step-00000004").mkdir(parents=True)
    with locked(tmp_path):
        assert list((tmp_path / "checkpoints").iterdir()) == []


HOLD = """
import sys
from pathlib import Path
from lamcore.store import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Give a process that holds the lock until it is told to end."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_ends_with_four_and_names_the_first(tmp_path, holder):
    with pytest.raises(LamcoreError) as error, locked(tmp_path / "run"):
        pass
    assert error.value.exit_code == 4
    assert str(error.value).startswith(f"{tmp_path / 'run'} is in use by process {holder.pid} on ")


def test_a_killed_holder_blocks_nobody(tmp_path, holder):
    holder.kill()
    holder.wait()
    with locked(tmp_path / "run"):
        assert json.loads((tmp_path / "run" / ".holder.json").read_text())["pid"] == os.getpid()
    assert not (tmp_path / "run" / ".holder.json").exists()


def test_the_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(ValueError), locked(tmp_path / "run"):
        raise ValueError
    with locked(tmp_path / "run"):
        pass
