"""What `lam doctor` finds: of metadata without importing, and of imports that no process survives."""

from __future__ import annotations

import json
import os
import sys

import pytest

from lamcore.testing.probe import STILL

PART = '''
from dataclasses import dataclass
from lamcore import Augmenter, hookimpl


@dataclass
class Louder(Augmenter):
    """Write louder."""

    def apply(self, records, rng):
        return records


@hookimpl
def register_augmenters(register):
    register("NAME", Louder)
'''

GUARDLESS = {
    "exit": ("import os\nos._exit(3)", "import", "the import ended the process with 3"),
    "abort": ("import os\nos.abort()", "import", "the import ended the process with SIGABRT"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "import", "the import ended the process with SIGSEGV"),
    "hang": (
        "import time\nwhile True:\n    time.sleep(1)",
        "import",
        "the process hangs in the import, for 9 seconds now: File ",
    ),
    "output": ("import os\nos.write(1, b'hello\\n')", "output", "its import writes to the screen: 'hello'"),
    "dtype": ("import torch\ntorch.set_default_dtype(torch.float64)", "state", "torch's default dtype"),
    "seed": ("import random\nrandom.seed(1)", "state", "its import changes random"),
    "threads": ("import torch\ntorch.set_num_threads(torch.get_num_threads() + 1)", "state", "torch's threads"),
    "folder": ("import os\nos.chdir('/')", "state", "its import changes the working folder"),
    "signals": (
        "import signal\nsignal.signal(signal.SIGTERM, lambda *_: None)",
        "state",
        "its import changes signal handlers",
    ),
}
"""Kind -> code of a plugin, and what and which words tell of it."""


def part(name: str) -> str:
    return PART.replace("NAME", name)


@pytest.fixture
def only(monkeypatch):
    """Give only(*names): let no plugin but these and the doctor be tried."""

    def limit(*names: str) -> None:
        monkeypatch.setenv("LAMCORE_PLUGINS", ",".join(["lamcore-author", *(f"lamcore-{name}" for name in names)]))

    return limit


@pytest.fixture
def diagnosed(lam):
    """Give diagnosed(): the exit code, and (plugin, what, problem) of each finding that is no note."""

    def call(*words: str):
        ended = lam("doctor", "--json", *words)
        findings = json.loads(ended.out)["findings"]
        return ended.code, [(f["plugin"], f["what"], f["problem"]) for f in findings if not f["note"]]

    return call


@pytest.mark.full
@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_what_cannot_be_guarded_in_one_process_is_found(write_plugin, run_lam, tmp_path):
    for name, (code, _, _) in GUARDLESS.items():
        write_plugin(tmp_path / "site", name, f"{code}\n{part(f'louder_{name}')}")
    write_plugin(tmp_path / "site", "good", part("louder"))
    names = ",".join(f"lamcore-{name}" for name in ("author", "good", *GUARDLESS))
    ended = run_lam("doctor", "--json", cwd=tmp_path, site=tmp_path / "site", warm="", LAMCORE_PLUGINS=names)
    assert ended.code == 1, ended.err
    findings = [f for f in json.loads(ended.out)["findings"] if not f["note"]]
    found = [
        name
        for name, (_, what, words) in GUARDLESS.items()
        if any(
            f["plugin"] == f"lamcore-{name}:{name}" and f["what"] == what and words in f["problem"] for f in findings
        )
    ]
    print(f"C2: {len(found)} of {len(GUARDLESS)} found, a hang after {STILL} s")
    assert found == list(GUARDLESS), findings
    assert STILL < 10
    assert not [f for f in findings if f["plugin"] in ("lamcore-good:good", "lamcore-author:author")]


def test_nothing_wrong_is_exit_code_0_and_a_table(make_plugin, lam, only):
    make_plugin("good", part("louder"))
    only("good")
    ended = lam("doctor")
    assert ended.code == 0
    row = next(line for line in ended.out.split("\n") if line.startswith("lamcore-good:good"))
    assert "augmenter: louder" in row and "ms" in row
    assert ended.out.endswith("2 plugins tried, nothing found wrong.\n")


def test_no_plugin_is_imported_by_the_doctor_itself(make_plugin, lam, only):
    make_plugin("one", part("louder"))
    only("one")
    assert lam("doctor").code == 0
    assert "lamcore_one" not in sys.modules


def test_two_plugins_of_one_component_clash(make_plugin, only, diagnosed):
    make_plugin("one", part("louder"))
    make_plugin("two", part("louder"))
    only("one", "two")
    code, ((plugin, what, problem),) = diagnosed()
    assert (code, plugin, what) == (1, "lamcore-one:one and lamcore-two:two", "name")
    assert problem.startswith("each offers the augmenter 'louder': write DISTRIBUTION:NAME in configs, or leave one")


def test_two_entry_points_of_one_name_clash(make_plugin, only, diagnosed, tmp_path):
    make_plugin("one", part("louder"))
    make_plugin("two", part("quieter"))
    entry = tmp_path / "site" / "lamcore_two-1.0.dist-info" / "entry_points.txt"
    entry.write_text("[lamcore]\none = lamcore_two\n")
    only("one", "two")
    code, ((plugin, what, problem),) = diagnosed()
    assert (code, plugin, what) == (1, "lamcore-one:one and lamcore-two:one", "name")
    assert problem == "each has an entry point 'one': --no-plugin one leaves out them all"


def test_a_config_file_that_another_shadows_is_found(make_plugin, only, diagnosed, lam, tmp_path):
    same = {"experiment/small.yaml": "seed: 1\n"}
    make_plugin("one", part("louder"), conf={**same, "experiment/mine.yaml": "seed: 1\n"})
    make_plugin("two", part("quieter"), conf={**same, "decoding/beam.yaml": "beam: 3\n"})
    (tmp_path / "here" / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "here" / "conf" / "experiment" / "mine.yaml").write_text("seed: 2\n")
    only("one", "two")
    assert diagnosed() == (
        1,
        [
            ("lamcore-two:two", "config", "conf/decoding/beam.yaml is not read, as lamcore has one of that name"),
            (
                "lamcore-two:two",
                "config",
                "conf/experiment/small.yaml is not read, as lamcore-one:one has one of that name",
            ),
        ],
    )
    told = "note: lamcore-one:one: conf/experiment/mine.yaml is not read, as your folder conf/ has one of that name"
    assert told in lam("doctor").out


def test_a_config_file_named_as_another_plugins_component_is_found(make_plugin, only, diagnosed):
    make_plugin("one", part("louder"))
    make_plugin("two", part("quieter"), conf={"augmenters/louder.yaml": "rate: 1\n"})
    only("one", "two")
    problem = "conf/augmenters/louder.yaml has the name of a component of lamcore-one:one: its conf/ is left out"
    assert diagnosed() == (1, [("lamcore-two:two", "config", problem)])


def test_ranges_that_do_not_fit_what_is_installed_are_found(make_plugin, only, diagnosed, tmp_path):
    make_plugin("one", part("louder"))
    needs = ["lamcore>=7", "click>=1", "nowhere-at-all>=2", 'not-here; extra == "more"']
    metadata = "Metadata-Version: 2.1\nName: lamcore-one\nVersion: 1.0\nRequires-Python: <3\n"
    lines = "".join(f"Requires-Dist: {need}\n" for need in needs)
    (tmp_path / "site" / "lamcore_one-1.0.dist-info" / "METADATA").write_text(metadata + lines)
    only("one")
    code, found = diagnosed()
    assert code == 1 and {(plugin, what) for plugin, what, _ in found} == {("lamcore-one", "version")}
    python, ours, missing = (problem for _, _, problem in found)
    assert python.startswith("it requires Python <3, and this is 3.")
    assert ours.startswith("it requires lamcore>=7, and lamcore 0.")
    assert missing == "it requires nowhere-at-all>=2, which is not installed: pip install 'nowhere-at-all>=2'"


def test_requirements_that_cannot_be_read_are_found(make_plugin, only, diagnosed, tmp_path):
    make_plugin("one", part("louder"))
    metadata = tmp_path / "site" / "lamcore_one-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: >>>\n")
    only("one")
    code, ((plugin, what, problem),) = diagnosed()
    assert (code, plugin, what) == (1, "lamcore-one", "metadata") and "InvalidRequirement" in problem


def test_metadata_that_cannot_be_read_are_found(make_plugin, only, diagnosed, tmp_path):
    make_plugin("bad", part("louder"))
    (tmp_path / "site" / "lamcore_bad-1.0.dist-info" / "entry_points.txt").write_bytes(b"[lamcore]\nbad = \xff\xfe\n")
    only("bad")
    code, ((plugin, what, problem),) = diagnosed()
    assert (code, plugin, what) == (1, "lamcore-bad:?", "metadata") and "its metadata can't be read" in problem


def test_a_plugin_for_another_api_is_found(make_plugin, only, diagnosed):
    make_plugin("one", f"lamcore_api = 99\n{part('louder')}")
    only("one")
    code, ((plugin, what, problem),) = diagnosed()
    assert (code, plugin, what) == (1, "lamcore-one:one", "interface")
    assert "it is made for version 99 of the plugin API" in problem


def test_a_blocked_plugin_is_named_and_not_tried(make_plugin, only, lam):
    make_plugin("one", "import os\nos._exit(1)")
    only("one")
    ended = lam("doctor", "--no-plugin", "one")
    assert ended.code == 0 and "note: lamcore-one:one: it is left out: named by --no-plugin" in ended.out


def test_heavy_imports_and_what_reaches_outside_are_found(make_plugin, only, diagnosed):
    code = "import os, numpy\nos.environ['MINE'] = '1'\nopen('left.txt', 'w').close()\n"
    make_plugin("one", code + part("louder"))
    only("one")
    ended, found = diagnosed()
    assert ended == 1
    assert [(what, problem) for _, what, problem in found] == [
        ("heavy", "its import imports numpy: import them inside the method that needs them"),
        ("state", "its import changes the environment"),
        ("files", "its import reaches outside: open left.txt"),
    ]


@pytest.mark.full
def test_a_process_that_goes_on_after_the_import_is_found(make_plugin, only, diagnosed):
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"
    make_plugin("one", code + part("louder"))
    only("one")
    ended, ((_, what, problem),) = diagnosed()
    assert (ended, what) == (1, "import") and problem.startswith("the process hangs after the import, for 9 s")
