"""C1: a broken plugin stops neither the others nor the command line, and is named in one line with its cause.

Each kind of breakage is an installed distribution beside a good one; each of four commands runs in a process forked
from one that has imported all that is heavy. A tenth of the cases runs once more as a real `lam`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="cases are forked from a warm process")

HEAD = """
import enum
from dataclasses import dataclass, field, make_dataclass
from lamcore import Augmenter, LamcoreError, Metric, hookimpl


@hookimpl
def register_augmenters(register):
    register("thing", Thing)


"""
CLASS = '@dataclass\nclass Thing(Augmenter):\n    """x"""\n    def apply(self, records, rng): return records\n'


def setting(line: str) -> str:
    """Return a plugin whose component has a setting."""
    return HEAD + CLASS + f"    {line}\n"


@dataclass
class Kind:
    """One way to be broken: a module (or a package's files), what its metadata say, and what lam must say."""

    says: str | None
    code: str | dict[str, str] = HEAD + CLASS
    entries: str | bytes = "[lamcore]\naaa = lamcore_aaa\n"
    metadata: str | None = "Metadata-Version: 2.1\nName: lamcore-aaa\nVersion: 1.0\n"
    named: str = "lamcore-aaa:aaa"
    commands: tuple[str, ...] = ("plugins", "train", "predict", "config")
    """Where lam says it."""


HOOK = "from lamcore import hookimpl\n@hookimpl\n"
KINDS = {
    "an import that fails": Kind("No module named 'nowhere'", "import nowhere"),
    "a syntax error": Kind("SyntaxError: invalid syntax", "def f(:"),
    "an exit": Kind("SystemExit: 3", "raise SystemExit(3)"),
    "an interrupt that nobody sent": Kind("KeyboardInterrupt", "raise KeyboardInterrupt"),
    "an error whose text fails": Kind(
        "Odd: it can't be said", "class Odd(BaseException):\n    def __str__(self): raise SystemExit\nraise Odd"
    ),
    "recursion": Kind("RecursionError: maximum recursion depth", "def f(): f()\nf()"),
    "a circular import": Kind(
        "cannot import name 'thing' from partially initialized module",
        {"__init__.py": "from .other import x\nthing = 1\n", "other.py": "from . import thing\nx = thing\n"},
    ),
    "no such attribute": Kind("has no attribute 'nothing'", entries="[lamcore]\naaa = lamcore_aaa:nothing\n"),
    "an entry point that names no module": Kind("'a b !' names no module", entries="[lamcore]\naaa = a b !\n"),
    "a malformed entry_points.txt": Kind(
        "its metadata can't be read", entries="[lamcore]\naaa\n", named="lamcore-aaa:?"
    ),
    "an entry_points.txt that is no UTF-8": Kind(
        "its metadata can't be read: UnicodeDecodeError",
        entries=b"[lamcore]\naaa = \xff\xfe\n",
        named="lamcore-aaa:?",
    ),
    "metadata without a name": Kind(
        "its metadata can't be read", metadata="Metadata-Version: 2.1\n", named="lamcore_aaa-1.0.dist-info:?"
    ),
    "no metadata at all": Kind("its metadata can't be read", metadata=None, named="lamcore_aaa-1.0.dist-info:?"),
    "an unknown hook": Kind("unknown hook 'on_nothing'", f"{HOOK}def on_nothing(run): ...\n"),
    "a wrong signature": Kind("{'stop'} are declared in the hookimpl", f"{HOOK}def on_log(run, stop): ...\n"),
    "a hook that is a generator": Kind("on_log must be a plain function", f"{HOOK}def on_log(run):\n    yield\n"),
    "no hook": Kind("it has no hook (is @hookimpl missing?)", "def on_log(run): ...\n"),
    "a module of the standard library": Kind("it has no hook", entries="[lamcore]\naaa = colorsys\n"),
    "an object with an odd file": Kind(
        "TypeError",
        f"class Odd:\n    __file__ = 5\nodd = Odd()\n{HOOK}def on_log(run): ...\n",
        "[lamcore]\naaa = lamcore_aaa:odd\n",
    ),
    "a plugin for another API": Kind("it is made for version 2 of the plugin API", f"lamcore_api = 2\n{HEAD}{CLASS}"),
    "register that raises": Kind("division by zero", f"{HOOK}def register_metrics(register):\n    1 / 0\n"),
    "register that returns junk": Kind(
        "register_metrics returned [5]", f"{HOOK}def register_metrics(register):\n    return [5]\n"
    ),
    "no dataclass": Kind("put @dataclass above class Thing", (HEAD + CLASS).replace("@dataclass\n", "")),
    "the wrong kind": Kind("'thing' is no Augmenter", HEAD + CLASS.replace("Augmenter", "Metric")),
    "an abstract class": Kind("'thing' lacks apply", (HEAD + CLASS).replace("def apply", "def applied")),
    "a setting called name": Kind("a setting called 'name'", setting("name: str = ''")),
    "a type that is not there": Kind("name 'Nowhere' is not defined", setting("rate: 'Nowhere' = 1")),
    "a default that no config can hold": Kind("of 'rate' that no config can hold", setting("rate: complex = 1j")),
    "a default that fails": Kind("ZeroDivisionError", setting("rate: list = field(default_factory=lambda: 1 / 0)")),
    "a default that refers": Kind("a default of 'rate' with '${' in it", setting("rate: str = '${unclosed'")),
    "a docstring that is no text": Kind("a docstring that is no text", HEAD + CLASS + "Thing.__doc__ = property(id)\n"),
    "the verb of another": Kind(
        "'train' is a verb of lamcore's own",
        f"import click\n{HOOK}def register_commands(register):\n    register('train', click.Command('train'))\n",
    ),
    "a name that is taken": Kind(
        "preprocessor 'only' is offered by lamcore-toy too",
        "from dataclasses import dataclass\nfrom lamcore import Preprocessor, hookimpl\n@dataclass\n"
        "class Only(Preprocessor):\n    'x'\n@hookimpl\ndef register_preprocessors(register): register('only', Only)\n",
    ),
    "a broken config named as another's component": Kind(
        "conf/source/backwards.yaml has the name of a component of lamcore-toy",
        {"__init__.py": HEAD + CLASS, "conf/source/backwards.yaml": "train: [1"},
    ),
    "a hook that fails": Kind(
        "on_start of plugin lamcore-aaa:aaa failed: ZeroDivisionError",
        f"{HOOK}def on_start(run):\n    1 / 0\n",
        commands=("train",),
    ),
    "a hook that exits": Kind(
        "on_log of plugin lamcore-aaa:aaa failed: SystemExit: 1",
        f"{HOOK}def on_log(run, step):\n    if step == 1: raise SystemExit(1)\n",
        commands=("train",),
    ),
    "a config that is no YAML": Kind(None, {"__init__.py": HEAD + CLASS, "conf/experiment/aaa.yaml": "train: [1"}),
    "a print at import": Kind(None, "print('hello')\n" + HEAD + CLASS),
    "no version": Kind(None, metadata="Metadata-Version: 2.1\nName: lamcore-aaa\n"),
    "a class without source": Kind(
        None,
        HEAD + "Thing = make_dataclass('Thing', [('rate', float, 1.0)], bases=(Augmenter,), namespace={'apply': id})\n",
    ),
}  # fmt: skip
"""None: nothing is to be said, and nothing may break."""


def install(kind: Kind, site: Path) -> Path:
    """Write the distribution of a kind into a new folder for sys.path."""
    info = site / "lamcore_aaa-1.0.dist-info"
    info.mkdir(parents=True)
    entries = kind.entries if isinstance(kind.entries, bytes) else kind.entries.encode()
    (info / "entry_points.txt").write_bytes(entries)
    if kind.metadata is not None:
        (info / "METADATA").write_text(kind.metadata)
    files = {"lamcore_aaa.py": kind.code} if isinstance(kind.code, str) else kind.code
    base = site if isinstance(kind.code, str) else site / "lamcore_aaa"
    for name, text in files.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(text)
    return site


@dataclass
class Ended:
    """How a forked `lam` ended."""

    code: int
    out: str
    err: str


def forked(folder: Path, sites: list[Path], *words: str) -> Ended:
    """Run `lam` in a fork of this process, in an empty working folder."""
    here = folder / "here"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True)
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            for number, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w", encoding="utf-8") for number in (1, 2))
            os.chdir(here)
            sys.path[:0] = [str(site) for site in sites]
            sys.argv = ["lam", *words]
            code = as_started()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Ended(code, *((folder / name).read_text(encoding="utf-8") for name in ("out", "err")))


def as_started() -> int:
    """Run `lam` as a fresh process would, and return its exit code."""
    import logging

    from lamcore import cli

    logging.getLogger().handlers.clear()
    cli.options = cli.Options()
    try:
        cli.main()
    except SystemExit as error:
        return int(error.code or 0)
    return 98


@pytest.fixture(scope="module")
def commands(tmp_path_factory, site, echo):
    """Give the commands, after importing what is heavy and training a run to predict with."""
    import lamcore.commands
    import lamcore.config  # noqa: F401

    folder = tmp_path_factory.mktemp("commands")
    words = [word for word in echo if not word.startswith("trainer.steps")] + ["trainer.steps=2"]
    run = folder / "run"
    done = forked(folder, [site], "--quiet", "train", *words, f"hydra.run.dir={run}")
    assert done.code == 0, done.err
    return {
        "plugins": ["plugins", "--json"],
        "train": ["--quiet", "train", *words, "hydra.run.dir=run"],
        "predict": ["predict", str(run), "one two"],
        "config": ["config", *words],
    }


def works(command: str, ended: Ended) -> str:
    """Say what a command did wrong, beside a broken plugin."""
    if ended.code:
        return f"ended with {ended.code}"
    if command == "plugins":
        states = {fact["distribution"]: fact["state"] for fact in json.loads(ended.out)}
        return "" if states["lamcore-toy"] in ("loaded", "clash") else f"toy is {states['lamcore-toy']}"
    expected = {"predict": "one two\n", "config": "name: backwards", "train": "same"}[command]
    return "" if expected in ended.out else f"printed {ended.out!r}"


def said(kind: Kind, command: str, ended: Ended) -> str:
    """Say what is wrong with what was said of the broken plugin."""
    lines = [line for line in ended.err.split("\n") if kind.named in line]
    if kind.says is None or command not in kind.commands:
        return f"said {lines}" if lines else ""
    return "" if len(lines) == 1 and kind.says in lines[0] and "Traceback" not in ended.err else f"said {ended.err!r}"


def run_all(cases, commands, folder, site):
    wrong = []
    for number, (name, command) in enumerate(cases):
        place = install(KINDS[name], folder / f"site-{number}")
        ended = forked(folder, [place, site], *commands[command])
        if problem := works(command, ended) or said(KINDS[name], command, ended):
            wrong.append(f"{name}, lam {command}: {problem}")
    kinds = len({name for name, _ in cases})
    print(f"\nC1: {len(cases) - len(wrong)} of {len(cases)} broken starts went on ({kinds} kinds of breakage)")
    assert not wrong, "\n".join(wrong)


def test_a_broken_plugin_stops_no_command_and_is_named_in_one_line(commands, tmp_path, site):
    order = ["plugins", "predict", "config", "plugins", "train"]
    cases = [(name, order[number % 5]) for number, name in enumerate(KINDS) if number % 3 == 1]
    run_all(cases, commands, tmp_path, site)


@pytest.mark.full
def test_every_kind_of_breakage_leaves_every_command_alone(commands, tmp_path, site):
    run_all([(name, command) for name in KINDS for command in commands], commands, tmp_path, site)


@pytest.mark.parametrize(
    "name", ["an exit", "an interrupt that nobody sent", "a malformed entry_points.txt", "no hook"]
)
def test_a_real_lam_goes_on_beside_a_broken_plugin(name, tmp_path, site, run_lam):
    kind = KINDS[name]
    place = install(kind, tmp_path / "broken")
    ended = run_lam("plugins", "--json", cwd=tmp_path, site=place, warm="", PYTHONPATH=f"{place}{os.pathsep}{site}")
    assert not works("plugins", ended) and not said(kind, "plugins", ended)
