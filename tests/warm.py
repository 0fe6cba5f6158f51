"""A Python that has imported what takes long: a command is a fork of it, and begins in hundredths of a second.

`serve` forks a process for each request, with the words, folder, variables and standard files that it names; `ask`
sends one and returns how it ended. What Python decides before it comes to a program (flags, encodings, the seed of its
hashes, what is imported when) can't be seen so: tests of that start a Python of their own."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys

HEAVY = """datasets hydra.main lamcore.commands lamcore.config lamcore.console lamcore.testing.models pytest
safetensors.torch tokenizers torch torch._dynamo""".split()
"""What is imported beforehand, lamcore's own modules among it; plugins are not."""


def ask(place: str, main: str, words: list[str], files: tuple[int, int, int] = (0, 1, 2), **more: object) -> int:
    """Have the server at a socket run `main` (module:function) with `words` as sys.argv; return its exit code.

    A process that a signal ended has minus its number. The folder and the variables are this process's where `more`
    has no `folder` and `variables`; `first` is the first of its sys.path, `python` its sys.executable, and `site` a
    folder of packages that is read after the server's own."""
    wanted = {"main": main, "words": words, "folder": os.getcwd(), "variables": dict(os.environ), **more}
    message = json.dumps(wanted).encode()
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(place)
        socket.send_fds(link, [len(message).to_bytes(8, "big")], files)
        link.sendall(message)
        return int(link.makefile().read())


def serve(place: str) -> dict:
    """Answer requests until standard input ends; return, in a new process each, with what is wanted."""
    import gc
    import importlib

    for name in HEAVY:
        importlib.import_module(name)
    gc.freeze()  # or every fork would copy what its collector visits
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(place)
    listening.listen()
    os.write(1, b"ready\n")
    while 0 not in select.select([0, listening], [], [])[0]:
        link, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            return attend(link)
        link.close()
        reap(os.WNOHANG)
    reap(0)
    os._exit(0)


def reap(how: int) -> None:
    """Take leave of processes that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, how)[0]:
            pass


def attend(link: socket.socket) -> dict:
    """Return, in a new process, with what is wanted; in this one wait for its end and tell of it."""
    head, files, *_ = socket.recv_fds(link, 8, 3)
    with link.makefile("rb") as text:
        wanted = json.loads(text.read(int.from_bytes(head, "big")))
    child = os.fork()
    if child == 0:
        link.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        return wanted
    for file in files:
        os.close(file)
    ended = os.pidfd_open(child)
    if ended not in select.select([link, ended], [], [])[0]:  # who asked has gone
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        link.sendall(str(code).encode())
    os._exit(0)


def become(wanted: dict) -> None:
    """Make this process what one of its own would be, and run the program."""
    import importlib
    import site

    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["variables"])
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    own = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [wanted.get("first", ""), *own, *BASE]
    if "site" in wanted:
        site.addsitedir(wanted["site"])
    sys.executable = wanted.get("python", sys.executable)
    sys.argv = wanted["words"]
    module, _, function = wanted["main"].partition(":")
    if module == "pytest":  # it tells of plugins of its own that are imported already
        os.environ["PYTEST_ADDOPTS"] = "-W 'ignore:Module already imported'"
    sys.exit(getattr(importlib.import_module(module), function)())


BASE = [path for path in sys.path[1:] if path not in os.environ.get("PYTHONPATH", "").split(os.pathsep)]

if __name__ == "__main__":
    become(serve(sys.argv[1]))
