"""Wrong packages, one fault each: the promise that each breaks must catch it."""

from __future__ import annotations

import importlib
import unittest
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lamcore.testing import ContractError, PackageContract, check_package, package_outcomes, promises

CODE = '''
"""A plugin with one augmenter and one verb."""

from dataclasses import dataclass

import click

from lamcore import Augmenter, hookimpl


@dataclass
class Twice(Augmenter):
    """Say a word of the input twice."""

    columns: str = "input"
    """Column to vary."""

    def apply(self, records, rng):
        return [self.varied(record, rng) for record in records]

    def varied(self, record, rng):
        words = record["input"].split(" ")
        at = rng.randrange(len(words))
        return {**record, "input": " ".join([*words[: at + 1], *words[at:]])}


@click.command()
@click.option("--loud", is_flag=True, help="Say it loudly.")
def say(loud):
    """Say hello."""


@hookimpl
def register_augmenters(register):
    register("NAME_twice", Twice)


@hookimpl
def register_commands(register):
    register("NAME_say", say)
'''

METADATA = {
    "Metadata-Version": "2.4",
    "Name": "lamcore-NAME",
    "Version": "1.0",
    "Summary": "Twice.",
    "Requires-Python": ">=3.11",
    "License-Expression": "MIT",
    "Requires-Dist": "lamcore>=0.1,<0.2",
}
PRESET = {"augmenters/often.yaml": "often:\n  name: NAME_twice\n  columns: input\n"}


@dataclass
class Wrong:
    """A fault: what is put before and after the code, what the metadata and the configs say instead."""

    promise: str
    before: str = ""
    after: str = ""
    replace: tuple[str, str] = ("", "")
    metadata: dict[str, str] = field(default_factory=dict)
    readme: str = "# Twice"
    conf: dict[str, str] = field(default_factory=lambda: PRESET)
    entry: str = "NAME"


LIGHT, QUIET, SAME = "it imports quickly", "its import prints nothing", "its import changes nothing"
OUTSIDE, CONFIGS, WHOLE = "its import touches nothing outside", "its configs are sound", "its metadata is whole"
RANGE, LOADS, VERBS = "it requires a range of lamcore", "it loads", "its verbs say what they do"

WRONG = {
    "imports_numpy": Wrong(LIGHT, before="import numpy\n"),
    "fails": Wrong(LIGHT, before="import no_such_module\n"),
    "leaves": Wrong(LIGHT, before="import os\nos._exit(3)\n"),
    "prints": Wrong(QUIET, before="print('hello')\n"),
    "warns": Wrong(QUIET, before="import sys\nsys.stderr.write('old Python')\n"),
    "sets_environment": Wrong(SAME, before="import os\nos.environ['OMP_NUM_THREADS'] = '7'\n"),
    "seeds": Wrong(SAME, before="import random\nrandom.seed(0)\n"),
    "changes_folder": Wrong(SAME, before="import os\nos.chdir('/')\n"),
    "catches_signals": Wrong(SAME, before="import signal\nsignal.signal(signal.SIGTERM, lambda *_: None)\n"),
    "puts_a_folder_first": Wrong(SAME, before="import sys\nsys.path.insert(0, '/nowhere')\n"),
    "starts_a_thread": Wrong(
        SAME,
        before="import threading, time\nthreading.Thread(target=time.sleep, args=(5,), daemon=True).start()\n",
    ),
    "logs_all": Wrong(SAME, before="import logging\nlogging.basicConfig(level=10)\n"),
    "sets_dtype": Wrong(SAME, before="import torch\ntorch.set_default_dtype(torch.float64)\n"),
    "writes": Wrong(OUTSIDE, before="open('cache.txt', 'w').close()\n"),
    "asks_the_network": Wrong(
        OUTSIDE,
        before="import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9), 0.1)\nexcept OSError:\n    pass\n",
    ),
    "starts_a_process": Wrong(OUTSIDE, before="import subprocess\nsubprocess.run(['true'])\n"),
    "no_licence": Wrong("it has a licence", metadata={"License-Expression": ""}),
    "no_readme": Wrong("it has a readme", readme=""),
    "any_python": Wrong(WHOLE, metadata={"Requires-Python": ""}),
    "other_python": Wrong(WHOLE, metadata={"Requires-Python": "<3"}),
    "no_summary": Wrong(WHOLE, metadata={"Summary": ""}),
    "odd_version": Wrong(WHOLE, metadata={"Version": "new"}),
    "needs_nothing": Wrong(RANGE, metadata={"Requires-Dist": "click"}),
    "needs_any_lamcore": Wrong(RANGE, metadata={"Requires-Dist": "lamcore>=0.1"}),
    "needs_another_lamcore": Wrong(RANGE, metadata={"Requires-Dist": "lamcore>=7,<8"}),
    "other_api": Wrong(LOADS, after="lamcore_api = 99\n"),
    "odd_entry": Wrong("it is installed with an entry point", entry="NAME-two"),
    "offers_nothing": Wrong(LOADS, replace=("@hookimpl", "")),
    "offers_no_dataclass": Wrong(LOADS, replace=("@dataclass", "")),
    "clashes": Wrong(LOADS, replace=('"NAME_twice"', '"typos"')),
    "names_python": Wrong(CONFIGS, conf={"augmenters/often.yaml": "_target_: os.system\n"}),
    "unknown_setting": Wrong(CONFIGS, conf={"augmenters/often.yaml": "NAME_twice:\n  rate: 2\n"}),
    "no_label": Wrong(CONFIGS, conf={"augmenters/often.yaml": "name: NAME_twice\ncolumns: input\n"}),
    "no_yaml": Wrong(CONFIGS, conf={"augmenters/often.yaml": "name: [\n"}),
    "broken_experiment": Wrong(
        CONFIGS,
        conf={"experiment/NAME/small.yaml": "# @package _global_\ndefaults:\n  - override /trainer: no_such\n"},
    ),
    "silent_verb": Wrong(VERBS, replace=('"""Say hello."""', "pass")),
    "silent_option": Wrong(VERBS, replace=(', help="Say it loudly."', "")),
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Give install(name, wrong): from then on `lamcore-NAME` is installed; returns the distribution's name."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def write(path: str, text: str, name: str) -> None:
        file = site / path.replace("NAME", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("NAME", name), encoding="utf-8")

    def make(name: str, wrong: Wrong) -> str:
        fields = {key: value for key, value in {**METADATA, **wrong.metadata}.items() if value}
        head = "".join(f"{key}: {value}\n" for key, value in fields.items())
        write("lamcore_NAME-1.0.dist-info/METADATA", f"{head}\n{wrong.readme}\n", name)
        write("lamcore_NAME-1.0.dist-info/entry_points.txt", f"[lamcore]\n{wrong.entry} = lamcore_NAME\n", name)
        code = CODE.replace(*wrong.replace) if wrong.replace[0] else CODE
        write("lamcore_NAME/__init__.py", wrong.before + code + wrong.after, name)
        for path, text in wrong.conf.items():
            write(f"lamcore_NAME/conf/{path}", text, name)
        importlib.invalidate_caches()
        return f"lamcore-{name.replace('_', '-')}"

    return make


def is_caught(distribution: str, promise: str) -> bool:
    tried: Any = PackageContract()
    tried.distribution = distribution
    try:
        getattr(tried, f"test_{promise.replace(' ', '_')}")()
    except unittest.SkipTest:
        return False
    except Exception:
        return True
    return False


def test_every_wrong_package_is_caught_by_the_promise_that_it_breaks(install, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    uncaught = []
    for name, wrong in WRONG.items():
        distribution = install(f"wrong_{name}", wrong)
        if not is_caught(distribution, wrong.promise):
            uncaught.append(name)
        for file in Path(tmp_path, "site").glob(f"lamcore_wrong_{name}-1.0.dist-info/*"):
            file.unlink()  # uninstalled, so that no other is loaded with it
    print(f"A.1: {len(WRONG) - len(uncaught)} of {len(WRONG)} wrong packages caught")
    assert not uncaught


def test_every_promise_of_a_package_has_a_wrong_one_that_breaks_it():
    named = {name.removeprefix("test_").replace("_", " ") for name in promises(PackageContract)}
    assert named == {wrong.promise for wrong in WRONG.values()}


def test_the_right_twin_keeps_every_promise(install):
    rows = check_package(install("twin", Wrong("")))
    assert {what for what, _ in rows} == {"package", "augmenter twin_twice"}
    assert not [(what, one.promise) for what, one in rows if one.skipped]


def test_what_a_package_provides_is_held_to_its_contract(install):
    wrong = Wrong("", replace=('    """Column to vary."""\n', ""))
    with pytest.raises(ContractError, match=r"augmenter bare_twice: every setting is typed.*: columns has no string"):
        check_package(install("bare", wrong))


def test_a_component_that_must_be_set_needs_an_example(install):
    wrong = Wrong("", replace=('columns: str = "input"', "columns: str = '???'"))
    rows = package_outcomes(install("needy", wrong))
    [problem] = [one.problem for what, one in rows if what == "augmenter needy_twice"]
    assert problem == "columns must be set: give the class an `example(folder)`"


def test_an_example_is_what_is_tried(install):
    example = "    @classmethod\n    def example(cls, folder):\n        return cls(columns='input')\n\n    def apply"
    wrong = Wrong("", replace=("    def apply", example))
    assert check_package(install("shown", wrong))


def test_records_of_its_own_are_what_it_is_tried_on(install):
    rows = "[{'id': str(number), 'caption': f'a {number}'} for number in range(9)]"
    example = f"    @classmethod\n    def example_records(cls):\n        return {rows}\n\n    def apply"
    code = CODE.replace('"input"', '"caption"').replace("    def apply", example)
    wrong = Wrong("", replace=(CODE, code))
    assert check_package(install("captions", wrong))


def test_a_package_that_is_not_installed_says_so():
    with pytest.raises(ContractError, match="lamcore-absent"):
        check_package("lamcore-absent")
