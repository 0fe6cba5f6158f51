"""A process of its own for one load: forked from this warm one, with limits, and an audit hook that remembers."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamcore import LamcoreError

HANG = 50.0
"""Seconds after which a child hangs; ten times what is promised."""
ROOM = 3 << 30
"""Bytes of addresses that a child may take beside those it was born with."""
EVENTS = {
    "pickle.find_class", "exec", "compile", "import", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn",
    "os.fork", "os.spawn", "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "ctypes.dlopen",
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate",
    "shutil.rmtree", "shutil.copyfile", "shutil.move", "marshal.loads", "marshal.load",
}  # fmt: skip
"""What no load does; `open` for writing beside them."""
_seen: list[str] = []
_armed = False


@dataclass
class Ended:
    """How a child ended: its exit code (negative: the signal), what it said, seconds, bytes it grew by, events."""

    code: int
    said: str = ""
    seconds: float = 0.0
    grown: int = 0
    events: list[str] = field(default_factory=list)

    @property
    def one_line(self) -> bool:
        """Whether it was refused as promised: code 2 or 5, one line that is not a trace."""
        return self.code in (2, 5) and self.said.count("\n") == 0 and len(self.said) > 20


def _hook(event: str, words: tuple[Any, ...]) -> None:
    if not _armed:
        return
    if event == "open":
        mode, flags = words[1], words[2]
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or (isinstance(mode, str) and set(mode) & set("wax+")):
            _seen.append(f"open {words[0]!r} for writing")
    elif event in EVENTS:
        _seen.append(f"{event} {words!r:.200}")


def jailed(*tries: Callable[[], Any], room: int = ROOM) -> list[Ended]:
    """Do things one after the other in one forked process and say how each ended; a LamcoreError is what `lam` makes
    of it. Where the process dies or hangs, what it was at and all that comes after count as dead."""
    told, tell = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _live(tries, tell, room)
    os.close(tell)
    text, until = b"", time.monotonic() + HANG
    while select.select([told], [], [], max(0.0, until - time.monotonic()))[0]:
        if not (part := os.read(told, 1 << 16)):
            break
        text, until = text + part, time.monotonic() + HANG
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(told)
    _, status = os.waitpid(pid, 0)
    found = [Ended(**json.loads(line)) for line in text.split(b"\n")[:-1]]
    dead = Ended(os.waitstatus_to_exitcode(status) or -signal.SIGKILL, "died")
    return found + [dead] * (len(tries) - len(found))


def _live(tries: tuple[Callable[[], Any], ...], tell: int, room: int) -> None:
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize") + room,) * 2)
        sys.addaudithook(_hook)
        with os.fdopen(tell, "w") as out:
            for do in tries:
                json.dump(_try(do), out)
                out.write("\n")
                out.flush()
    finally:
        os._exit(0)


def _try(do: Callable[[], Any]) -> dict[str, Any]:
    global _armed
    code, said, began, born = 0, "", time.monotonic(), _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far is now
    _seen.clear()
    try:
        _armed = True
        do()
    except LamcoreError as error:
        code, said = error.exit_code, str(error)
    except BaseException:
        _armed, code, said = False, 70, traceback.format_exc()
    _armed = False
    seconds, grown = time.monotonic() - began, _memory("VmHWM") - born
    return {"code": code, "said": said, "seconds": seconds, "grown": grown, "events": list(_seen)}


def _memory(what: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{what}:")[1].split()[0]) * 1024
