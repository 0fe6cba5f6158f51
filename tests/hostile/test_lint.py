"""No code of ours reads a pickle, runs a text, builds what a config names, or cuts lines where nobody sees it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {
    "eval",
    "exec",
    "__import__",
    "compile",
    "torch.load",
    "torch.save",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "yaml.load_all",
    "os.system",
    "os.popen",
}
NAMES = {"instantiate", "get_class", "get_method", "get_object", "trust_remote_code"}
"""Names that stand nowhere: called, imported, as an attribute or as a keyword."""
SWITCHES = {"shell", "allow_pickle", "trust_remote_code"}
WORDS = ("trust_remote_code", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
TORCH, YAML = {"load", "save"}, {"load", "unsafe_load", "full_load", "load_all", "Loader", "UnsafeLoader", "FullLoader"}


def files() -> list[Path]:
    """Return the code that users run: not the tests, which do attack."""
    found = [ROOT / "tasks.py", *(ROOT / "docs").glob("*.py")]
    for folder in ("lamcore", "plugins", "examples"):
        found += (ROOT / folder).rglob("*.py")
    return sorted(file for file in found if "tests" not in file.relative_to(ROOT).parts)


def banned(code: str) -> list[str]:
    """Return what a text of Python does that none of ours may."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names if one.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            names, module = {one.name for one in node.names}, node.module or ""
            found += [module] * (module.partition(".")[0] in MODULES)
            found += sorted(names & NAMES)
            found += sorted(names & TORCH) if module == "torch" or module.startswith("torch.serial") else []
            found += sorted(names & YAML) if module == "yaml" else []
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            found += [name] * (name in CALLS or name.rpartition(".")[2] in NAMES)
            switched = {one.arg for one in node.keywords if ast.unparse(one.value) != "False"}
            found += sorted(str(one) for one in switched & SWITCHES)
            found += ["import_module(name)"] * (
                name.endswith("import_module") and not isinstance(node.args[0], ast.Constant)
            )
        elif isinstance(node, ast.Attribute):
            found += [node.attr] * (node.attr in {"splitlines", "find_class", *NAMES})
            found += [ast.unparse(node)] * (ast.unparse(node) in CALLS)
        elif isinstance(node, ast.Constant) and node.value in WORDS:
            found.append(str(node.value))
    return found


KNOWN = {("lamcore/testing/probe.py", "import_module(name)")}  # the doctor imports what it examines
"""What is allowed: (file, what)."""


def test_no_code_of_ours_does_what_is_banned():
    found = {(file.relative_to(ROOT).as_posix(), what) for file in files() for what in banned(file.read_text("utf-8"))}
    print(f"\nLint: {len(files())} files, {len(found - KNOWN)} banned names")
    assert found - KNOWN == set()
    assert len(files()) > 40 and not KNOWN - found


PLANTED = [
    "import pickle",
    "import dill as d",
    "from joblib import load",
    "import marshal",
    "from pickle import loads",
    "def f():\n    import cloudpickle",
    "torch.load(f)",
    "torch.load(f, weights_only=True)",
    "torch.save(x, f)",
    "from torch import load",
    "yaml.load(f, Loader=yaml.SafeLoader)",
    "from yaml import load",
    "from yaml import UnsafeLoader",
    "hydra.utils.instantiate(c)",
    "from hydra.utils import instantiate as make",
    "instantiate(c)",
    "hydra.utils.get_class('x')",
    "from hydra.utils import get_method",
    "f(trust_remote_code=True)",
    "f(**{'trust_remote_code': True})",
    "subprocess.run('x', shell=True)",
    "subprocess.run('x', shell=yes)",
    "eval('1')",
    "exec(x)",
    "__import__(name)",
    "compile(x, 'f', 'exec')",
    "os.system('x')",
    "os.popen('x')",
    "text.splitlines()",
    "cut = str.splitlines",
    "np.load(f, allow_pickle=True)",
    "importlib.import_module(name)",
    "read = torch.load",
    "os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] = '1'",
]
HARMLESS = [
    "yaml.safe_load(f)",
    "re.compile('x')",
    "model.eval()",
    "safetensors.torch.load(data)",
    "json.load(f)",
    "subprocess.run(['x'], shell=False)",
    "np.load(f, allow_pickle=False)",
    "text.split('\\n')",
    "load(data)",
    "importlib.import_module('torch')",
]


@pytest.mark.parametrize("code", PLANTED)
def test_what_is_banned_is_seen(code):
    assert banned(code)


@pytest.mark.parametrize("code", HARMLESS)
def test_what_is_harmless_is_not(code):
    assert not banned(code)
