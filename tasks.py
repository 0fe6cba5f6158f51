"""What a clone can do: demo, dev, test, test-full, lint, docs. Needs Python 3.11 or newer and nothing else.

The first call makes an environment in `.venv` (or in the folder that LAMCORE_VENV names) and fills it; a stamp makes
the next ones start at once. What to install is read from the pyproject files, so nothing is stated twice.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - older Pythons get this far and should be told
    sys.exit(
        "lamcore needs Python 3.11 or newer, and this is %d.%d: call it as python3.11 tasks.py ..., "  # noqa: UP031
        "or make PYTHON=python3.11 ..." % sys.version_info[:2]
    )

import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("LAMCORE_VENV") or ROOT / ".venv").absolute()
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = SCRIPTS / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "lamcore-stamp.json"  # written last: an environment without it is not finished
UNFINISHED = VENV / "lamcore-unfinished"  # there while pip works: found at a start, that pip was killed
ROOM = 3_000_000_000  # bytes of the third-party packages, torch's CPU build among them


# ---- the environment


def projects() -> list[Path]:
    """Return the folders of the core and of every plugin."""
    return [ROOT, *sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml"))]


def read(project: Path) -> dict:
    """Return the [project] table of a folder."""
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def needs(extras: list[str]) -> list[str]:
    """Return what to install from others: every dependency that is not ours, and the extras of the core."""
    tables = [read(project) for project in projects()]
    lists = [table.get("dependencies", []) for table in tables]
    lists += [tables[0]["optional-dependencies"][extra] for extra in extras]
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    return sorted({need for some in [*lists, backend] for need in some if not need.startswith("lamcore")})


def digest() -> str:
    """Return a text that changes with anything that decides what is installed, and where."""
    files = [ROOT / "constraints.txt", *(project / "pyproject.toml" for project in projects())]
    parts = [sys.version.encode(), str(ROOT).encode(), *(file.read_bytes() for file in files)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def stamp() -> dict:
    """Return what the last finished installation was, or nothing."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def environment(extras: list[str]) -> None:
    """Make the environment hold everything, or say what is missing and end."""
    old, now = stamp(), digest()
    if old.get("digest") == now and set(extras) <= set(old["extras"]) and PYTHON.exists():
        return
    began = time.monotonic()
    extras = sorted({*extras, *old.get("extras", [])})
    make_venv()
    STAMP.unlink(missing_ok=True)
    UNFINISHED.touch()
    # On Linux the package index answers `torch` with a CUDA build; where pip is told of a place that also offers
    # 2.13.0+cpu (PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS), it takes that one. Who wants another build installs it
    # into .venv by hand afterwards: nothing here replaces it while the version fits.
    size = " (torch among them: 1.3 GB or more, a minute or two)" if not old else ""
    pip("third-party packages", "-c", str(ROOT / "constraints.txt"), *needs(extras), note=size)
    ours = [read(project)["name"] for project in projects()]
    gone = sorted(set(old.get("ours", [])) - set(ours))
    if gone:  # a plugin that this branch does not have
        run([str(PYTHON), "-m", "pip", "uninstall", "-q", "-y", *gone])
    editables = [word for project in projects() for word in ("-e", str(project))]
    pip("lamcore and its plugins", "--no-build-isolation", "--no-deps", *editables)
    UNFINISHED.unlink()
    STAMP.write_text(json.dumps({"digest": now, "extras": extras, "ours": ours}), encoding="utf-8")
    say(f"environment ready in {time.monotonic() - began:.0f} s: {VENV}")


def make_venv() -> None:
    """Make an empty environment, unless a good one is there."""
    if PYTHON.exists() and not UNFINISHED.exists() and same_python():
        return
    if VENV.exists() and any(VENV.iterdir()):
        if VENV != ROOT / ".venv" and not (VENV / "pyvenv.cfg").exists():
            stop(f"LAMCORE_VENV names {VENV}, which holds other things: name an empty or new folder.")
        say(f"{VENV} is unfinished or of another Python: it is made anew")
        shutil.rmtree(VENV)
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        stop(
            "This Python has no venv and ensurepip. On Debian and Ubuntu: sudo apt install "
            f"python{sys.version_info[0]}.{sys.version_info[1]}-venv. Then try again."
        )
    VENV.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(VENV.parent).free
    if free < ROOM:
        stop(
            f"{VENV.parent} has {free / 1e9:.1f} GB free, and {ROOM / 1e9:.0f} GB are needed. "
            "Make room, or name a folder on another disk: LAMCORE_VENV=/big/venv."
        )
    say(f"making {VENV} (Python {sys.version.split()[0]})")
    if run([sys.executable, "-m", "venv", str(VENV)]):
        stop(f"The environment could not be made in {VENV}: the reason is above.")


def same_python() -> bool:
    """Say whether the environment runs, on the Python that is asking."""
    asked = [str(PYTHON), "-c", "import sys, pip; print(sys.version)"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.strip() == sys.version.strip()


# What pip says -> what to do about it; the first that fits.
ADVICE = [
    (r"No space left|not enough space|Errno 28", "The disk is full: make room and try again."),
    (r"Permission denied|Access is denied|Errno 13", f"{VENV} can't be written: see who owns it."),
    (
        r"Temporary failure|NewConnectionError|NameResolution|Max retries|timed? ?out|ConnectionError|ConnectionReset"
        r"|ProxyError|SSLError|from versions: none",
        "The package registry was not reached: check the network (or proxy) and try again; what was fetched is kept.",
    ),
    (
        r"command '?\S*(gcc|cc|clang|cl\.exe)\S*'? failed|Microsoft Visual C\+\+"
        r"|No such file or directory: '?(gcc|cc|c\+\+)"
        r"|Unable to find a compiler|Failed (to build|building wheel)",
        "A package had to be compiled and that failed: use a Python for which it is offered ready-made "
        "(3.11 to 3.13), or install a C compiler (Debian: sudo apt install build-essential).",
    ),
    (
        r"No matching distribution|Requires-Python|ResolutionImpossible",
        "The package registry was not reached, or has nothing that fits this Python "
        f"({sys.version.split()[0]}): check the network, then try Python 3.11, 3.12 or 3.13.",
    ),
]


def pip(what: str, *words: str, note: str = "") -> None:
    """Install, showing pip's progress; say what to do when that fails."""
    say(f"installing {what}{note}")
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *words]
    if what.startswith("third") and sys.stdout.isatty():
        command.remove("--quiet")
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", cwd=ROOT) as process:
        errors = []
        for line in process.stderr or ():
            errors.append(line)
            print(line, end="", file=sys.stderr, flush=True)
    if process.returncode:
        UNFINISHED.unlink(missing_ok=True)  # pip ended by itself and left things whole
        advice = (advice for words, advice in ADVICE if re.search(words, "".join(errors)))
        stop(f"Installing {what} failed. " + next(advice, "The reason is above; python tasks.py dev tries again."))


# ---- running things


def run(command: list[str], **variables: str) -> int:
    """Run with this terminal and return the exit code; signals are the child's to answer."""
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **path(), **variables})
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:
            pass  # the child got it too: it saves and ends, and we wait for that


def path() -> dict[str, str]:
    """Return the variables that put the environment's programs first."""
    return {"PATH": os.pathsep.join([str(SCRIPTS), os.environ.get("PATH", "")]), "VIRTUAL_ENV": str(VENV)}


def program(name: str) -> str:
    """Return the path of a program of the environment."""
    return str(SCRIPTS / (f"{name}.exe" if os.name == "nt" else name))


def say(text: str) -> None:
    """Say what is being done."""
    print(f"[lamcore] {text}", file=sys.stderr, flush=True)


def stop(text: str) -> None:
    """End with one line."""
    sys.exit(f"[lamcore] {text}")


# ---- the verbs


def demo(words: list[str]) -> int:
    """Train, test and try a translator on real data, in minutes."""
    environment([])
    code = run([program("lam"), "train", "experiment=translation/home_assistant", *words])
    if code == 0:
        say("Next, from sentences to tool calls, four minutes: lam train experiment=actions/home")
    return code


def dev(words: list[str]) -> int:
    """Only make the environment, with what tests, checks and pages need."""
    environment(["dev", "docs"])
    return 0


def test(words: list[str]) -> int:
    """Run the tests (words go to pytest)."""
    environment(["dev"])
    return pytest(*words)


def test_full(words: list[str]) -> int:
    """Run the tests, the long forms of the suites too."""
    environment(["dev"])
    return pytest("-m", "full or not full", "--timeout=3600", *words)


def pytest(*words: str) -> int:
    """Run pytest in two processes of one thread each; files stay together, until one process has nothing left to do."""
    command = [str(PYTHON), "-m", "pytest", "-n", "2", "--dist", "worksteal", *words]
    return run(command, OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")


def lint(words: list[str]) -> int:
    """Run ruff, its format check and mypy."""
    environment(["dev"])
    packages = ["lamcore", *(str(folder) for folder in sorted(ROOT.glob("plugins/*/lamcore_*")))]
    checks = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy", *packages])
    return max([run([str(PYTHON), "-m", *check]) for check in checks])


def docs(words: list[str]) -> int:
    """Write the reference pages from the code and build the site into site/."""
    environment(["docs"])
    return run([str(PYTHON), "docs/make_reference.py"]) or run([program("zensical"), "build", "--strict", *words])


VERBS = {"demo": demo, "dev": dev, "test": test, "test-full": test_full, "lint": lint, "docs": docs}


def main(words: list[str]) -> int:
    """Do the verb."""
    if not words or words[0] not in VERBS:
        print("python tasks.py VERB [words for it]\n")
        print("\n".join(f"  {name:<10} {verb.__doc__}" for name, verb in VERBS.items()))
        return 0 if not words or words[0] in ("-h", "--help", "help") else 2
    return VERBS[words[0]](words[1:])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
