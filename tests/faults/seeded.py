"""Test the tests: put a fault into a copy of the tree, and see that at least one suite turns red.

    python tests/faults/seeded.py [NAME ...]

Each fault is a small change of text; the suites run as `make test` runs them. Prints n of 13."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ["lamcore", "plugins", "tests", "conf", "pyproject.toml"]
STORE, RUN, DATA, CONSOLE = (f"lamcore/{name}.py" for name in ("store", "run", "data", "console"))
RED = 1
"""What pytest ends with where tests failed."""


@dataclass
class Fault:
    """Changes of text, (file, what stands there, what to put), and the suites that should turn red."""

    name: str
    changes: list[tuple[str, str, str]]
    suites: list[str]


FAULTS = [
    Fault(
        "no fsync",
        [
            (
                STORE,
                "= rest[os.write(handle, rest) :]\n        os.fsync(handle)\n",
                "= rest[os.write(handle, rest) :]\n",
            ),
            (STORE, "    try:\n        os.fsync(handle)\n", "    try:\n        pass\n"),
        ],
        ["tests/faults/test_power.py"],
    ),
    Fault(
        "manifest before data",
        [
            (
                STORE,
                "                put(temporary / name, content)  # sums are taken meanwhile\n",
                "                pass\n",
            ),
            (
                STORE,
                "            sync(temporary)\n            os.rename(",
                "            for name, content in files.items():\n                put(temporary / name, content)\n"
                "            sync(temporary)\n            os.rename(",
            ),
        ],
        ["tests/faults/test_power.py"],
    ),
    Fault(
        "rename before manifest",
        [
            (
                STORE,
                "            put(temporary / MANIFEST,",
                "            os.rename(temporary, folder)\n            put(folder / MANIFEST,",
            ),
            (STORE, "            sync(temporary)\n            os.rename(temporary, folder)\n", ""),
        ],
        ["tests/faults/test_operations.py"],
    ),
    Fault(
        "no checksum",
        [(STORE, "if _entry(folder / Path(name).name) != entry:", "if not (folder / Path(name).name).exists():")],
        ["tests/faults/test_damage.py"],
    ),
    Fault(
        "in-place overwrite",
        [
            (
                STORE,
                '    temporary = folder.with_name(f".tmp-{os.getpid()}-{folder.name}")\n    with room(folder), Thr',
                "    temporary = folder\n    with room(folder), Thr",
            ),
            (
                STORE,
                "            os.rename(temporary, folder)\n        finally:\n            shutil.rmtree(",
                "        finally:\n            temporary or shutil.rmtree(",
            ),
        ],
        ["tests/faults/test_operations.py"],
    ),
    Fault(
        "no quarantine",
        [(RUN, "set_aside(bad).name", "bad.name")],
        ["tests/faults/test_damage.py"],
    ),
    Fault(
        "order by mtime",
        [
            (
                RUN,
                'return sorted(self._checkpoints.glob(f"{what}-*"))',
                'return sorted(self._checkpoints.glob(f"{what}-*"), key=lambda path: path.stat().st_mtime)',
            )
        ],
        ["tests/faults/test_damage.py"],
    ),
    Fault(
        "state of chance not saved",
        [("plugins/lamcore-trainers/lamcore_trainers/progress.py", '    torch.set_rng_state(chance["cpu"])\n', "")],
        ["tests/faults/test_kill.py"],
    ),
    Fault(
        "epoch not in the sampler",
        [(DATA, 'f"{self._recipe.seed}/{epoch}", self._part', 'f"{self._recipe.seed}", self._part')],
        ["tests/test_data.py"],
    ),
    Fault(
        "augmentation from the global generator",
        [(DATA, "random.Random(seed)", "random")],
        ["tests/faults/test_kill.py"],
    ),
    Fault(
        "unsafe load where the safe one fails",
        [
            (
                "lamcore/model.py",
                "        _fit(trained, files[WEIGHTS])\n",
                "        try:\n            _fit(trained, files[WEIGHTS])\n        except ValueError:\n"
                "            torch.load(folder / WEIGHTS, weights_only=False)\n",
            ),
        ],
        ["tests/test_commands.py::test_weights_that_are_no_safetensors_are_refused"],
    ),
    Fault(
        "markup=True",
        [
            (CONSOLE, "markup=False", "markup=True"),
            (
                CONSOLE,
                "print(Text(safe(text), style=style), soft_wrap=True)",
                "print(safe(text), style=style, soft_wrap=True)",
            ),
            (CONSOLE, "Text(safe(cell))", "safe(cell)"),
        ],
        ["tests/test_console.py"],
    ),
    Fault(
        "lock not taken",
        [(STORE, "            lock.acquire()\n", "            pass\n")],
        ["tests/test_store.py"],
    ),
]


def main(names: list[str]) -> int:
    """Try the faults of these names, or all; return 0 where each turned a suite red."""
    chosen = [fault for fault in FAULTS if not names or fault.name in names]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        copy(tree)
        suites = sorted({suite for fault in chosen for suite in fault.suites})
        ended, shown = suite_run(tree, suites, first_failure=False)
        if ended:
            print(f"The suites are red without any fault:\n{shown[-3000:]}")
            return 1
        caught = [fault.name for fault in chosen if try_fault(tree, fault)]
    print(f"Test the tests: {len(caught)} of {len(chosen)} seeded faults turned a suite red")
    return len(chosen) - len(caught)


def copy(tree: Path) -> None:
    """Copy what the suites need."""
    tree.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(ROOT / name, tree / name)


def changed(tree: Path, fault: Fault) -> dict[str, str]:
    """Return {path: text} of the files that a fault changes; fail where they no longer hold what it changes."""
    texts = {path: (tree / path).read_text(encoding="utf-8") for path, _, _ in fault.changes}
    for path, old, new in fault.changes:
        assert texts[path].count(old) == 1, f"{fault.name}: {path} holds this {texts[path].count(old)} times: {old!r}"
        texts[path] = texts[path].replace(old, new)
    return texts


def try_fault(tree: Path, fault: Fault) -> bool:
    """Say whether a fault turns one of its suites red; the tree is as before afterwards."""
    for path, text in changed(tree, fault).items():
        (tree / path).write_text(text, encoding="utf-8")
    ended, shown = suite_run(tree, fault.suites)
    for path, _, _ in fault.changes:
        shutil.copy(ROOT / path, tree / path)
    failed = re.findall(r"^(?:FAILED|ERROR) (.+)", shown, re.MULTILINE)
    print(
        f"{fault.name}: {'red, ' + failed[0] if ended == RED and failed else f'NOT CAUGHT (pytest {ended})'}",
        flush=True,
    )
    return ended == RED and bool(failed)


def suite_run(tree: Path, suites: list[str], first_failure: bool = True) -> tuple[int, str]:
    """Run suites on the code of a tree; return pytest's exit code and what it showed."""
    places = [tree, *sorted((tree / "plugins").iterdir())]
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(["-x"] if first_failure else []),
        *suites,
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    env = {**kept, "PYTHONPATH": os.pathsep.join(map(str, places)), "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(words, cwd=tree, env=env, capture_output=True, text=True, timeout=900)
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
