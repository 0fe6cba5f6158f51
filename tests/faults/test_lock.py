"""A9: of two starts in one run folder one runs, and the other is told who does; a killed holder blocks no one."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import time

import pytest
from harness import DEADLINE, Child

from lamcore.errors import RUN_IN_USE
from lamcore.store import locked

SOON = 2.0
"""Most seconds until a start is refused."""


class Pipe:
    """Bytes from one process to another."""

    def __init__(self):
        self.read_end, self.write_end = os.pipe()

    def send(self, content):
        os.write(self.write_end, content)

    def take(self):
        """Wait for one byte."""
        assert select.select([self.read_end], [], [], DEADLINE)[0], "nothing came"
        return os.read(self.read_end, 1)

    def close(self):
        os.close(self.read_end)
        os.close(self.write_end)


def contend(folder, go, told, end):
    """Say that it is ready, wait for the start; hold the folder until told to end, or be refused; say how long."""
    told.send(b"r")
    go.take()
    began = time.monotonic()
    try:
        with locked(folder):
            told.send(b"h")
            end.take()
    finally:
        print("seconds", time.monotonic() - began, flush=True)


def race(folder, home, number):
    """Let two processes start at once; return the pid that held the folder, and the refused one's words."""
    pipes = go, told, end = Pipe(), Pipe(), Pipe()
    pair = [Child(lambda: contend(folder, *pipes), home / f"race-{number}-{place}.said") for place in (0, 1)]
    assert told.take() + told.take() == b"rr"
    go.send(b"gg")
    assert told.take() == b"h"
    began = time.monotonic()
    while not any(child.ends(0.01) for child in pair):
        assert time.monotonic() - began < DEADLINE
    loser, winner = sorted(pair, key=lambda child: not child.ends(0))
    end.send(b"e")
    assert (loser.wait(), winner.wait()) == (RUN_IN_USE, 0), loser.said + winner.said
    for pipe in pipes:
        pipe.close()
    return winner.pid, loser.said


def check_races(home, number):
    folder, slowest = home / "run", 0.0
    for case in range(number):
        if case % 5 == 1:  # after a holder that was killed: its name still stands in the folder
            kill_holder(folder, home)
        pid, said = race(folder, home, case)
        words = f"{folder} is in use by process {pid} on {socket.gethostname()}. Wait for it, or choose another."
        assert words in said, said
        slowest = max(slowest, float(re.findall(r"seconds (\S+)", said)[0]))
    assert slowest < SOON
    print(
        f"A9: in {number} of {number} races one start held the folder, the other ended with 4 and named pid and host;"
    )
    print(f"   the slowest refusal took {slowest:.3f} s")


def test_of_two_starts_one_holds_the_folder_and_the_other_names_it(tmp_path):
    check_races(tmp_path, 20)


@pytest.mark.full
def test_of_a_hundred_pairs_of_starts_one_each_holds_the_folder(tmp_path):
    check_races(tmp_path, 100)


def kill_holder(folder, home):
    """Have a process hold a folder and kill it."""
    pipes = go, told, _ = Pipe(), Pipe(), Pipe()
    go.send(b"g")
    child = Child(lambda: contend(folder, *pipes), home / "killed.said")
    assert told.take() + told.take() == b"rh"
    child.kill()
    assert child.wait() == -signal.SIGKILL
    for pipe in pipes:
        pipe.close()


def test_a_killed_holder_blocks_no_one(tmp_path):
    for _ in range(20):
        kill_holder(tmp_path / "run", tmp_path)
        assert (tmp_path / "run" / ".holder.json").exists()
        began = time.monotonic()
        with locked(tmp_path / "run"):
            assert time.monotonic() - began < SOON
    print("A9: 20 of 20 folders of killed holders were free at once")


@pytest.mark.full
def test_a_second_lam_ends_with_four_while_the_first_trains(tmp_path, site, write_plugin, process, run_lam, toy_run):
    """The first waits at its start; the second is refused, also as `resume`; killed, the first blocks no one."""
    code = "import signal, sys\nfrom lamcore import hookimpl\n\n@hookimpl\ndef on_start(run):\n"
    code += "    print('waits', file=sys.stderr, flush=True)\n    signal.pause()\n"
    holder = tmp_path / "holder"
    write_plugin(holder, "holds", code)
    words = ["train", *toy_run, f"hydra.run.dir={tmp_path / 'run'}"]
    env = {**os.environ, "PYTHONPATH": f"{holder}{os.pathsep}{site}", "LAMCORE_QUIET": "1"}
    with subprocess.Popen([*process, *words], cwd=tmp_path, env=env, stderr=subprocess.PIPE) as first:
        while b"waits" not in (line := first.stderr.readline()):
            assert line, "the first never started"
        for again in (words, ["resume", str(tmp_path / "run")]):
            second = run_lam(*again, cwd=tmp_path, site=site)
            told = f"{tmp_path / 'run'} is in use by process {first.pid} on {socket.gethostname()}."
            assert second.code == RUN_IN_USE and second.err.startswith(f"lam: {told}"), second.err
        first.kill()
    resumed = run_lam("resume", str(tmp_path / "run"), cwd=tmp_path, site=site)
    assert resumed.code == 0, resumed.err
    print("A9: `lam train` and `lam resume` beside a running `lam train` ended with 4; killed, it blocked no one")
