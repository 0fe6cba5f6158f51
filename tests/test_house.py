"""The rules of the house, held by reading the code: floors, size, hooks, plugins, configs, forbidden calls."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = sorted((ROOT / "lamcore").glob("*.py"))
PLUGINS = sorted(file.parent for file in (ROOT / "plugins").glob("*/pyproject.toml"))
MOST_LINES = 2500

FLOORS = [
    ["errors"],
    ["kinds", "hookspecs"],
    ["make"],
    ["plugins"],
    ["config"],  # up to here without torch and datasets
    ["store"],
    ["tokenizer", "decode", "scores"],
    ["tables"],
    ["prepare"],
    ["data"],
    ["model"],
    ["run"],
    ["init"],
    ["console"],
    ["answers"],
    ["commands"],
    ["cli"],
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
LIGHT = 4
"""The highest floor that must not import anything heavy."""
HEAVY = {"torch", "datasets", "pyarrow", "pandas", "numpy", "tokenizers", "ftfy", "datasketch", "sacrebleu", "rich"}


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def walk(node: ast.AST, into_functions: bool = True) -> Iterator[ast.AST]:
    """Give every node but those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if is_for_types(child) or (not into_functions and isinstance(child, (ast.FunctionDef, ast.Lambda))):
            continue
        yield child
        yield from walk(child, into_functions)


def imports(file: Path, into_functions: bool = True) -> set[str]:
    """Give the dotted names that a file imports when it runs."""
    names = set()
    for node in walk(tree(file), into_functions):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def within_the_core(names: set[str]) -> set[str]:
    """Give the files of the core among imported names."""
    parts = [name.split(".") for name in names if name.startswith("lamcore.")]
    return {part[1] for part in parts if part[1] in FLOOR}


# ---- the core


def test_every_file_of_the_core_has_a_floor():
    assert {file.stem for file in CORE} - {"__init__"} <= set(FLOOR)


@pytest.mark.parametrize("file", CORE, ids=lambda file: file.stem)
def test_a_file_of_the_core_imports_only_from_floors_below(file):
    if file.stem == "__init__":
        return
    upward = {name for name in within_the_core(imports(file)) if FLOOR[name] >= FLOOR[file.stem]}
    assert not upward, f"{file.name} is on floor {FLOOR[file.stem]} and imports {sorted(upward)}"


@pytest.mark.parametrize("name", [name for names in FLOORS[: LIGHT + 1] for name in names])
def test_a_low_floor_imports_nothing_heavy(name):
    assert not tops(imports(ROOT / "lamcore" / f"{name}.py")) & (HEAVY - {"rich"})


@pytest.mark.xfail(strict=True, reason="missed: the core has some 1,900 lines more, docs and blanks among them")
def test_the_core_has_at_most_2500_lines(capsys):
    lines = {file.name: len(file.read_text(encoding="utf-8").split("\n")) - 1 for file in CORE}
    with capsys.disabled():
        print(f"\nthe core has {sum(lines.values())} lines of at most {MOST_LINES}")
    assert sum(lines.values()) <= MOST_LINES, lines


@pytest.mark.parametrize("file", CORE, ids=lambda file: file.stem)
def test_every_file_of_the_core_says_what_it_is_for(file):
    assert ast.get_docstring(tree(file))


def test_the_core_imports_no_plugin():
    assert not [name for file in CORE for name in imports(file) if name.startswith("lamcore_")]


# ---- the hooks


def hooks() -> dict[str, ast.FunctionDef]:
    module = tree(ROOT / "lamcore" / "hookspecs.py")
    marked = (f for f in module.body if isinstance(f, ast.FunctionDef) and f.decorator_list)
    return {f.name: f for f in marked}


def arguments(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in function.args.args]


def shipped_hooks() -> dict[str, set[str]]:
    """Give {hook: arguments} that shipped plugins implement and really use."""
    used: dict[str, set[str]] = {}
    for file in (module for plugin in PLUGINS for module in plugin.glob("lamcore_*/__init__.py")):
        for function in tree(file).body:
            if isinstance(function, ast.FunctionDef) and "hookimpl" in map(ast.unparse, function.decorator_list):
                names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
                used.setdefault(function.name, set()).update(names & set(arguments(function)))
    return used


@pytest.mark.parametrize("name", hooks())
def test_a_hook_is_documented_with_each_argument(name):
    page = (ROOT / "docs" / "reference" / "hooks.md").read_text(encoding="utf-8")
    assert ast.get_docstring(hooks()[name])
    assert f"## {name}" in page
    assert all(f"| `{argument}` |" in page for argument in arguments(hooks()[name]))


@pytest.mark.parametrize("name", hooks())
def test_a_hook_and_each_argument_is_used_by_a_shipped_plugin(name):
    assert set(arguments(hooks()[name])) <= shipped_hooks().get(name, set())


# ---- the plugins


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def modules(plugin: Path) -> list[Path]:
    return sorted(plugin.glob("lamcore_*/**/*.py"))


PUBLISHED = {
    "lamcore_actions.calls": "lamcore-actions",
    "lamcore_evenness.slices": "lamcore-evenness",
    "lamcore_files.readers": "lamcore-files",
    "lamcore_files.splits": "lamcore-files",
    "lamcore_trainers.loop": "lamcore-trainers",
    "lamcore_trainers.recompute": "lamcore-trainers",
    "lamcore_trainers.supervised": "lamcore-trainers",
}
"""Modules that plugins offer to all as ordinary dependencies: module -> distribution."""


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_imports_of_another_only_what_that_publishes(plugin):
    own = plugin.name.replace("-", "_")
    names = {name for file in modules(plugin) for name in imports(file) if name.startswith("lamcore_")}
    others = {name for name in names if name.split(".")[0] != own}
    used = {module for module in PUBLISHED if any(name == module or name.startswith(f"{module}.") for name in others)}
    assert not {name for name in others if not any(name.startswith(module) for module in used)}
    assert all(any(need.startswith(PUBLISHED[one]) for need in project(plugin)["dependencies"]) for one in used)


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_is_packaged_as_all_are(plugin):
    table, module = project(plugin), plugin.name.replace("-", "_")
    short = module.removeprefix("lamcore_")
    assert table["name"] == plugin.name
    assert table["version"] == project(ROOT)["version"]
    assert table["entry-points"] == {"lamcore": {short: module}}
    assert "lamcore>=0.1,<0.2" in table["dependencies"]
    assert table["requires-python"] == ">=3.11"
    assert table["license"] == "Apache-2.0"
    assert table["keywords"] == ["lamcore-plugin"]
    assert all((plugin / part).exists() for part in ("README.md", f"{module}/__init__.py", f"{module}/py.typed"))
    assert list(plugin.glob(f"tests/test_{short}*.py")) or list(plugin.glob("tests/test_*.py"))


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_an_extra_of_the_core_names_the_plugin(plugin):
    extras = project(ROOT)["optional-dependencies"]
    assert f"{plugin.name}>=0.1,<0.2" in [need for needs in extras.values() for need in needs]


def test_test_files_of_all_packages_have_different_names():
    files = [file.name for folder in (ROOT, *PLUGINS) for file in folder.glob("tests/test_*.py")]
    assert sorted(files) == sorted(set(files))


def test_loading_every_plugin_imports_nothing_heavy():
    code = (
        "import sys; from lamcore.plugins import load_plugins; r = load_plugins();"
        f"print(sorted(set({sorted(HEAVY)}) & set(sys.modules)),"
        "[(p.name, p.state, p.reason) for p in r.plugins if p.state in ('broken', 'clash')])"
    )
    variables = {**os.environ, "LAMCORE_PLUGINS": ",".join(plugin.name for plugin in PLUGINS)}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables)
    assert answer.stdout.strip() == "[] []", answer.stderr


def test_every_plugin_of_the_repository_is_installed():
    installed = {d.metadata["Name"] for d in importlib.metadata.distributions()}
    missing = {plugin.name for plugin in PLUGINS} - installed
    assert not missing, f"{sorted(missing)}: run python tasks.py dev"


# ---- configs


def yaml_files() -> list[Path]:
    folders = (ROOT / "conf", ROOT / "plugins", ROOT / "examples")
    return sorted(file for folder in folders for file in folder.rglob("*.yaml"))


@pytest.mark.parametrize("file", yaml_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_config_names_no_code(file):
    assert "_target_" not in file.read_text(encoding="utf-8")


def experiments() -> list[str]:
    folders = [ROOT / "conf", *(ROOT / "plugins").glob("*/lamcore_*/conf")]
    files = [(file, folder / "experiment") for folder in folders for file in (folder / "experiment").rglob("*.yaml")]
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file, folder in files)


@pytest.mark.parametrize("name", experiments())
def test_a_shipped_experiment_composes(name, tmp_path, monkeypatch):
    from lamcore.config import composed
    from lamcore.plugins import load_plugins

    monkeypatch.chdir(tmp_path)
    made = composed(load_plugins(), [f"experiment={name}"])
    assert made.values["architecture"]["name"]
    assert made.values["intended_use"] and made.values["limits"], "the model card would say: not stated"


# ---- what no code of ours may do

CODE = [*CORE, *(file for plugin in PLUGINS for file in modules(plugin))]
BANNED_NAMES = {"eval", "exec", "__import__", "print", "breakpoint"}
BANNED_METHODS = {
    "splitlines": "it cuts at form feeds and U+2028 too: split at \\n",
    "load_state_dict_from_url": "a download",
    "system": "use subprocess.run with a list",
    "full_load": "use yaml.safe_load",
    "unsafe_load": "use yaml.safe_load",
}
BANNED_CALLS = {"torch.load", "torch.save", "yaml.load", "os.popen"}
BANNED_IMPORTS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def forbidden(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    name = ast.unparse(node.func)
    for word in node.keywords:
        if word.arg in ("shell", "allow_pickle") and ast.unparse(word.value) != "False":
            return f"{word.arg}=True"
    if name in BANNED_NAMES | BANNED_CALLS:
        return name
    return name if isinstance(node.func, ast.Attribute) and node.func.attr in BANNED_METHODS else None


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_forbidden_call_or_import(file):
    found = [f"line {node.lineno}: {name}" for node in ast.walk(tree(file)) if (name := forbidden(node))]  # type: ignore[attr-defined]
    assert not found
    assert not tops(imports(file)) & BANNED_IMPORTS


@pytest.mark.parametrize(
    "text", ["eval('1')", "a.splitlines()", "torch.load(f)", "run('x', shell=True)", "np.load(f, allow_pickle=True)"]
)
def test_a_forbidden_call_is_seen(text):
    assert forbidden(ast.parse(text, mode="eval").body)


def test_the_pins_are_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split("\n")
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", pin) for pin in pins)
    assert len(pins) > 50
