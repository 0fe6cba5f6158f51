"""One plugin of each kind, made by `lam new`: it is linted, built, installed, tested, checked and trained with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamcore.kinds import KINDS
from lamcore.plugins import load_plugins
from lamcore_author import new

NAMES = {kind: f"made-{kind}" for kind in KINDS}
QUICK = ["source", "preprocessor", "augmenter", "metric"]
SLOW = ["architecture", "trainer"]
"""Kinds whose contract takes some ten seconds; in the short form their own tests try it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Give the folder in which one plugin of each kind was made."""
    folder = tmp_path_factory.mktemp("made")
    registry = load_plugins()
    for kind, name in NAMES.items():
        new.make_plugin(registry, name, kind, folder)
    return folder


@pytest.fixture(scope="module")
def call(made, tmp_path_factory, make_environment):
    """Give call(program, *words, cwd=): run a program where all six are installed, from wheels, and what is here."""
    scripts = make_environment(tmp_path_factory.mktemp("environment"))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "LAMCORE_P"))}
    env |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "LAMCORE_QUIET": "1", "COLUMNS": "200"}

    def call(program: str, *words: str, cwd: Path = made) -> str:
        command = [str(scripts / "python"), str(scripts / program), *words]
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=110)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    sources = [f"./lamcore-{name}" for name in NAMES.values()]
    call("pip", "wheel", *quiet, "--no-build-isolation", "--wheel-dir", "wheels", *sources)
    wheels = sorted(str(file) for file in (made / "wheels").glob("*.whl"))
    assert len(wheels) == len(NAMES)
    call("pip", "install", *quiet, *wheels)
    return call


def test_a_plugin_of_each_kind_is_made(made):
    assert sorted(path.name for path in made.iterdir() if path.name != "wheels") == sorted(
        f"lamcore-{name}" for name in NAMES.values()
    )
    files = {
        path.relative_to(made / "lamcore-made-trainer").as_posix() for path in made.glob("lamcore-made-trainer/**/*")
    }
    assert {
        ".github/workflows/test.yml", ".gitignore", "LICENSE", "README.md", "example.tsv", "pyproject.toml",
        "lamcore_made_trainer/__init__.py", "lamcore_made_trainer/loop.py", "lamcore_made_trainer/py.typed",
        "tests/test_plugin.py",
    } <= files  # fmt: skip


@pytest.mark.parametrize("name", [*NAMES.values(), "q", "abcdefghij-klmnopqrst-uvwxyz01"])
def test_ruff_finds_nothing(made, name, tmp_path):
    kinds = {made_of: kind for kind, made_of in NAMES.items()}
    plugins = [made / f"lamcore-{name}"] if name in kinds else []
    if not plugins:  # names of other lengths break lines elsewhere
        for kind in KINDS:
            (tmp_path / kind).mkdir()
            plugins.append(new.make_plugin(load_plugins(), name, kind, tmp_path / kind))
    for plugin in plugins:
        for words in (["ruff", "check", "--no-cache", "."], ["ruff", "format", "--no-cache", "--check", "."]):
            done = subprocess.run(
                [sys.executable, "-m", *words], cwd=plugin, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "kinds", [QUICK, *[pytest.param([kind], marks=pytest.mark.full) for kind in SLOW]], ids=lambda kinds: kinds[0]
)
def test_their_own_tests_pass(call, made, kinds):
    words = ["-q", "-c", os.devnull, "-p", "no:cacheprovider", "--import-mode=importlib"]
    folders = [str(made / f"lamcore-{NAMES[kind]}" / "tests") for kind in kinds]
    shown = call("pytest", *words, "--rootdir", str(made), *folders)
    print(f"A2: the tests of a new {', '.join(kinds)}: {shown.strip().split(chr(10))[-1]}")
    assert " passed" in shown


def check(call, kind: str) -> int:
    found = json.loads(call("lam", "check", "--json", NAMES[kind]))
    assert {of for of, *_ in (one.values() for one in found)} == {"package", f"{kind} made_{kind}"}
    return sum(not one["problem"] and not one["skipped"] for one in found)


def test_lam_check_finds_every_promise_kept(call):
    held = {kind: check(call, kind) for kind in QUICK}
    print(f"A2: promises that new plugins keep: {held}; 0 broken")
    assert min(held.values()) >= 25


@pytest.mark.full
@pytest.mark.parametrize("kind", SLOW)
def test_lam_check_finds_every_promise_of_a_large_contract_kept(call, kind):
    held = check(call, kind)
    print(f"A2: promises that a new {kind} keeps: {held}; 0 broken")
    assert held >= 25


def test_all_six_are_loaded_and_train_together(call, tmp_path):
    facts = {fact["distribution"]: fact for fact in json.loads(call("lam", "plugins", "--json"))}
    made = {kind: facts[f"lamcore-{name}"] for kind, name in NAMES.items()}
    assert {kind: fact["state"] for kind, fact in made.items()} == dict.fromkeys(KINDS, "loaded")
    assert made["metric"]["provides"] == {"metric": ["made_metric"]}
    words = [f"{kind}=made_{kind}" for kind in ("source", "architecture", "trainer")]
    words += [f"{kind}s=[made_{kind}]" for kind in ("preprocessor", "augmenter", "metric")]
    words += ["trainer.steps=200", "tokenizer.size=80", "device=cpu", f"hydra.run.dir={tmp_path / 'run'}"]
    call("lam", "train", *words, cwd=tmp_path)
    score = json.loads((tmp_path / "run" / "scores.json").read_text())["test"]["made_metric"]["value"]
    print(f"A2: six of six new plugins composed in one run; test score {score:.2f}")
    assert score > 0.9  # chance is 0.1
    asked = call("lam", "predict", str(tmp_path / "run"), "light  off in the garage", cwd=tmp_path)
    assert asked == "light off\n"


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_s_words_make_a_run(call, made, kind):
    readme = (made / f"lamcore-{NAMES[kind]}" / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in readme.split("\n") if line.startswith("lam train ")]
    shown = call("lam", "config", "--json", *line.split()[2:], cwd=made / f"lamcore-{NAMES[kind]}")
    assert f"made_{kind}" in json.dumps(json.loads(shown))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tsv", "--kind", "source"], "lamcore-files offers the source 'tsv' already: choose another name."),
        (["noise", "--kind", "source"], "lamcore-noise is installed already: choose another name, or uninstall it."),
        (["augmenter", "--kind", "augmenter"], "'Augmenter' is a word of lamcore's: choose another name."),
        (["Loud", "--kind", "metric"], "'Loud' can't be a plugin's name."),
        (["../loud", "--kind", "metric"], "'../loud' can't be a plugin's name."),
        (["l" * 31, "--kind", "metric"], "can't be a plugin's name."),
        (["loud", "--kind", "noise"], "'noise' is not one of 'source', 'preprocessor',"),
        (["loud"], "Missing option '--kind'."),
    ],
)
def test_what_can_t_be_is_refused_in_one_line(lam, words, message):
    ended = lam("new", "plugin", *words)
    assert (ended.code, ended.out) == (2, "") and message in ended.err and ended.err.count("\n") == 1
    assert not list(Path().iterdir())


def test_a_folder_that_is_there_is_left_alone(lam):
    Path("lamcore-loud").mkdir()
    Path("lamcore-loud/kept").touch()
    ended = lam("new", "plugin", "lamcore-loud", "--kind", "augmenter")
    assert ended.err == "lam: lamcore-loud is here already: choose another name, or move it away.\n" and ended.code == 2
    assert [path.as_posix() for path in Path().rglob("*")] == ["lamcore-loud", "lamcore-loud/kept"]


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    written = []

    def write_text(path, *words, **named):
        written.append(path)
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        return original(path, *words, **named)

    original = Path.write_text
    monkeypatch.setattr(Path, "write_text", write_text)
    with pytest.raises(Exception, match="lamcore-loud can't be made: No space left on device"):
        new.make_plugin(load_plugins(), "loud", "metric", tmp_path)
    assert len(written) == 4 and not list(tmp_path.iterdir())


def test_it_says_what_to_do_next(lam):
    ended = lam("new", "plugin", "very-loud", "--kind", "augmenter")
    assert ended.out == (
        "lamcore-very-loud is a plugin with the augmenter very_loud. Next:\n"
        'cd lamcore-very-loud\npip install -e ".[dev]"\npytest\nlam check lamcore-very-loud\n'
    )
    assert oct(Path("lamcore-very-loud").stat().st_mode)[-3:] == oct(Path().stat().st_mode)[-3:]
