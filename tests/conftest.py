"""What the tests share: plugins written on the spot, `lam` in this process or one of its own, one tiny trained run."""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

sys.path.append(str(Path(__file__).parent))
from warm import ask

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell's background: the processes of tests are to heed it
    signal.signal(signal.SIGINT, signal.default_int_handler)

SITE = "[lamcore]\n"
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
PROCESS = [sys.executable, "-c", "from lamcore.cli import main; main()"]

TOY = '''
"""A toy task: words to be written backwards, and a metric that wants them exact."""

from dataclasses import dataclass

import os
import signal

from lamcore import Architecture, Metric, Preprocessor, Source, hookimpl

WORDS = ["one", "two", "six", "ten", "red", "blue", "sun", "moon", "cat", "dog", "tree", "sea"]


def pairs(first, last):
    for number in range(first, last):
        words = [WORDS[(number * step + number // 7) % len(WORDS)] for step in (1, 3, 5)][: 2 + number % 2]
        words.append(WORDS[number // 12 % 12])
        yield {"input": " ".join(words), "target": " ".join(reversed(words))}


@dataclass
class Backwards(Source):
    """Give sentences and the same backwards."""

    train: int = 120
    """Train records."""
    held_out: int = 12
    """Records of validation and of test."""

    def load(self):
        ends = [0, self.train, self.train + self.held_out, self.train + 2 * self.held_out]
        return {split: pairs(a, b) for split, a, b in zip(("train", "validation", "test"), ends, ends[1:])}

    def fingerprint(self):
        return "1"


@dataclass
class Same(Metric):
    """Count answers that equal the target."""

    def count(self, answer, record):
        return {"right": answer["target"] == record["target"], "all": 1}

    def score(self, sums):
        return {"same": sums["right"] / sums["all"]}


@dataclass
class Echo(Architecture):
    """Answer with the input, after learning one number."""

    numbers: int = 4
    """How many numbers it has."""
    nan_at: int = 0
    """Forward call whose losses are not a number; 0 is none."""

    def build(self, tokenizer, labels):
        import numpy as np
        import torch

        class EchoModel(torch.nn.Module):
            calls = 0

            def __init__(inner):
                super().__init__()
                inner.weight = torch.nn.Parameter(torch.randn(self.numbers))

            def encode(inner, records):
                ids = tokenizer["input"].encode([record["input"] for record in records])
                return [{"ids": np.array([*one, 3], np.int32), "size": len(one) + 1} for one in ids]

            def collate(inner, examples):
                ids = [torch.tensor(np.asarray(example["ids"])) for example in examples]
                return {"ids": torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)}

            def forward(inner, batch):
                inner.calls += inner.training
                counts = (batch["ids"] > 0).sum(1)
                bad = float("nan") if inner.training and inner.calls == self.nan_at else 1.0
                return (inner.weight**2).sum() * counts * bad, counts

            def predict(inner, batch, decoding):
                ids = [one[: decoding.max_length] for one in batch["ids"].tolist()]
                return [{"target": text} for text in tokenizer["target"].decode(ids)]

        return EchoModel()


@dataclass
class Only(Preprocessor):
    """Keep short inputs; undo marks the answer."""

    most: int = 1000
    """Most characters."""
    mark: str = ""
    """What undo adds."""
    kill: str = ""
    """Signal to send to this process at the first record."""

    def change(self, record):
        if self.kill:
            os.kill(os.getpid(), getattr(signal, self.kill))
        return record if len(record["input"]) <= self.most else None

    def undo(self, answer, record):
        return {**answer, "target": answer["target"] + self.mark}


def maybe(event):
    """Send this process the signal that LAMCORE_TEST_SIGNAL asks for at an event, such as SIGKILL@log-5."""
    name, _, when = os.environ.get("LAMCORE_TEST_SIGNAL", "").partition("@")
    if name and when == event:
        os.kill(os.getpid(), getattr(signal, name))


@hookimpl
def on_start(run):
    maybe("start")


@hookimpl
def on_log(run, step, values):
    maybe(f"log-{step}" if "loss" in values else f"validated-{step}")


@hookimpl
def on_save(run, step):
    maybe(f"save-{step}")


@hookimpl
def register_sources(register):
    register("backwards", Backwards)


@hookimpl
def register_architectures(register):
    register("echo", Echo)


@hookimpl
def register_preprocessors(register):
    register("only", Only)


@hookimpl
def register_metrics(register):
    register("same", Same)
'''

RUN = """name=toy source=backwards metrics=[same] architecture=transformer architecture.layers=1
architecture.width=32 architecture.heads=2 architecture.feed_forward=64 tokenizer.kind=character trainer=supervised
trainer.steps=12 trainer.warmup=4 trainer.lr=3e-3 trainer.batch_tokens=400 trainer.validate_every=4 trainer.log_every=2
device=cpu decoding.max_length=30""".split()
"""The words of a run of seconds."""

ECHO = """name=echo source=backwards metrics=[same] architecture=echo tokenizer.kind=character trainer=supervised
trainer.steps=6 trainer.warmup=0 trainer.batch_tokens=400 trainer.validate_every=2 trainer.log_every=1 trainer.clip=0
device=cpu""".split()
"""The words of a run whose model answers with its input."""


def _write_plugin(site: Path, name: str, code: str, version: str = "1.0", conf: dict[str, str] | None = None) -> Path:
    """Write an installed-looking plugin into a folder for sys.path; return the file of its code."""
    info = site / f"lamcore_{name}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lamcore-{name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"{SITE}{name} = lamcore_{name}\n")
    file = site / f"lamcore_{name}" / "__init__.py" if conf else site / f"lamcore_{name}.py"
    for path, text in {file: code, **{file.parent / "conf" / p: t for p, t in (conf or {}).items()}}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return file


@dataclass
class Ended:
    """How a call of `lam` ended."""

    code: int
    out: str
    err: str


def _run(
    main: str,
    command: list[str],
    *words: str,
    warm: str,
    cwd: Path,
    site: Path | None = None,
    stdin: str = "",
    **env: str,
) -> Ended:
    """Run a program in a process of its own, with the plugins of a folder beside those installed.

    The process is a fork of the one at the socket `warm`, which begins at `main`; without one, Python starts anew."""
    places = [str(site)] if site else []
    path = {"PYTHONPATH": os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])])}
    variables = {**os.environ, "COLUMNS": "200", **path, **env}
    with contextlib.ExitStack() as stack:
        given, out, err = (stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(3))
        given.write(stdin)
        given.seek(0)
        if warm:
            files = given.fileno(), out.fileno(), err.fileno()
            code = ask(warm, main, [main, *words], files, folder=str(cwd), variables=variables)
        else:
            files = {"stdin": given, "stdout": out, "stderr": err}
            code = subprocess.run([*command, *words], cwd=cwd, env=variables, timeout=250, **files).returncode
        out.seek(0)
        err.seek(0)
        return Ended(code, out.read(), err.read())


@pytest.fixture(scope="session")
def warm(request):
    """Give the socket of a Python that has imported all that is heavy; "" in the long form, which starts it anew."""
    if request.config.option.markexpr != "not full" or not hasattr(os, "pidfd_open"):
        yield ""
        return
    variables = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory(prefix="lam-") as folder:  # a socket's path must be short
        words = [sys.executable, str(Path(__file__).with_name("warm.py")), f"{folder}/socket"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(words, env=variables, **pipes) as server:
            assert server.stdout.readline() == b"ready\n"
            yield words[-1]
            server.stdin.close()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep what tests prepare out of the user's cache; wide tables, so that no cell is folded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMCORE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("COLUMNS", "200")
        patch.delenv("LAMCORE_PLUGINS", raising=False)
        yield


@contextlib.contextmanager
def signals_put_back():
    """Put back the handlers that `lam` sets for its process."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _own_signals():
    """Have no test change what a signal does in the next one."""
    with signals_put_back():
        yield


@pytest.fixture(scope="session")
def write_plugin():
    """Give write_plugin(folder, name, code), for processes that get the folder as `site`."""
    return _write_plugin


@pytest.fixture(scope="session")
def run_lam(warm):
    """Give run_lam(*words, cwd=, site=): call `lam` in a process of its own; with warm="" Python starts anew."""
    return functools.partial(_run, "lamcore.cli:main", PROCESS, warm=warm)


@pytest.fixture(scope="session")
def run_pytest(warm):
    """Give run_pytest(*words, cwd=, site=): call pytest in a process of its own."""
    return functools.partial(_run, "pytest:main", [sys.executable, "-m", "pytest"], warm=warm)


PROGRAMS = {"lam": "lamcore.cli:main", "pip": "pip._internal.cli.main:main", "pytest": "pytest:main"}
STARTED = "#!{0}\nimport sys\nfrom {1} import {2}\nsys.exit({2}())\n"
"""A program as pip makes it."""
ASKED = """#!{0} -IS
import sys
sys.path.append({folder!r})
from warm import ask
sys.exit(ask({warm!r}, {main!r}, sys.argv, **{where!r}))
"""
"""The same as a fork of a warm Python."""


@pytest.fixture(scope="session")
def make_environment(warm):
    """Give make_environment(folder): make one with all that this has; return where lam, pip, pytest lie."""

    def make(folder: Path) -> Path:
        venv.create(folder, with_pip=False)
        scripts = folder / ("Scripts" if os.name == "nt" else "bin")
        inside = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
        outside = [path for path in sys.path if path.endswith("-packages")]
        Path(inside, "outer.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in outside))
        for name, main in PROGRAMS.items():
            if warm and name != "pip":
                where = {"first": str(scripts), "site": inside, "python": str(scripts / "python")}
                own = {"folder": str(Path(__file__).parent), "warm": warm, "main": main, "where": where}
                text = ASKED.format(sys.executable, **own)
            else:
                text = STARTED.format(scripts / "python", *main.split(":"))
            (scripts / name).write_text(text)
            (scripts / name).chmod(0o755)
        return scripts

    return make


@pytest.fixture(scope="session")
def process():
    """Give the words that start `lam` in a process."""
    return PROCESS


@pytest.fixture(scope="session")
def toy_run():
    """Give the words of a toy run."""
    return RUN


@pytest.fixture(scope="session")
def echo():
    """Give the words of a run that costs next to nothing."""
    return ECHO


@pytest.fixture
def make_plugin(tmp_path, monkeypatch):
    """Give make_plugin(name, code): from then on the plugin `lamcore-NAME` is installed, until the test ends."""
    site, made = tmp_path / "site", []
    monkeypatch.syspath_prepend(str(site))

    def make(name: str, code: str = "", version: str = "1.0", conf: dict[str, str] | None = None) -> Path:
        file = _write_plugin(site, name, code, version, conf)
        made.append(f"lamcore_{name}")
        importlib.invalidate_caches()
        return file

    yield make
    for name in made:
        for module in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
            del sys.modules[module]


@pytest.fixture
def toy(make_plugin):
    """Install the toy task."""
    return make_plugin("toy", TOY)


@pytest.fixture
def lam(monkeypatch, capsys, tmp_path):
    """Give lam(*words): call the command line in this process, in an empty working folder `here`."""
    from lamcore import cli

    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def call(*words: str) -> Ended:
        monkeypatch.setattr(cli, "options", cli.Options())
        monkeypatch.setattr(sys, "argv", ["lam", *words])
        monkeypatch.setenv("LAMCORE_QUIET", "1")
        level = logging.getLogger("lamcore").level
        try:
            with signals_put_back(), pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            logging.getLogger("lamcore").setLevel(level)
        shown = capsys.readouterr()
        return Ended(int(ended.value.code or 0), shown.out, shown.err)

    return call


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Give a folder that holds the toy plugin, for processes."""
    folder = tmp_path_factory.mktemp("site")
    _write_plugin(folder, "toy", TOY)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory, run_lam):
    """Give the folder of one finished toy run, trained once for all workers; never write into it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, site = base / "trained" / "run", base / "trained" / "site"
    with FileLock(base / "trained.lock"):
        if not (base / "trained" / "out.txt").exists():
            shutil.rmtree(base / "trained", ignore_errors=True)
            _write_plugin(site, "toy", TOY)
            cache = {"LAMCORE_CACHE": str(base / "trained" / "cache")}
            done = run_lam("train", *RUN, f"hydra.run.dir={folder}", cwd=base / "trained", site=site, **cache)
            assert done.code == 0, done.err
            (base / "trained" / "out.txt").write_text(done.out, encoding="utf-8")
    return folder
