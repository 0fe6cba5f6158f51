"""C3, C4, C5: names that clash, plugins of another API, deprecations, what is imported, who sent an interrupt."""

from __future__ import annotations

import ast
import inspect
import json
import os
import random
import re
import subprocess
import sys

import pytest

from lamcore import LamcoreError, hookspecs
from lamcore.cli import lam as group
from lamcore.plugins import VERBS, load_plugins

ORDERS, SEED = 20, 3
LOUDER = '''
from dataclasses import dataclass
from lamcore import Augmenter, hookimpl


@dataclass
class Louder(Augmenter):
    """Write louder."""

    def apply(self, records, rng):
        return records


@hookimpl
def register_augmenters(register):
    register("louder", Louder)
'''
HOOK = "from lamcore import hookimpl\n@hookimpl\n"
SPECS = {name: spec for name, spec in vars(hookspecs).items() if hasattr(spec, "lamcore_spec")}


def the(registry, name):
    return next(plugin for plugin in registry.plugins if plugin.name == name)


# ---- C3


def test_a_name_of_two_plugins_is_refused_with_both_named_in_any_order_of_installation(tmp_path, write_plugin):
    places = {name: tmp_path / name for name in ("one", "two", "six")}
    for name, place in places.items():
        write_plugin(place, name, LOUDER if name != "six" else LOUDER.replace("louder", "other"))
    code = (
        "import sys, json\nfrom lamcore.plugins import load_plugins\n"
        "answers = []\nfor places in json.loads(sys.argv[1]):\n"
        "    before = list(sys.path)\n    sys.path[:0] = places\n    registry = load_plugins()\n"
        "    states = {p.name: [p.state, p.reason] for p in registry.plugins if p.name in ('one', 'two', 'six')}\n"
        "    try: registry.find('augmenter', 'louder')\n    except Exception as error: states['error'] = str(error)\n"
        "    states['long'] = [registry.find('augmenter', f'lamcore-{n}:louder').__module__ for n in ('one', 'two')]\n"
        "    answers.append(states)\n    sys.path[:] = before\n"
        "    for name in ('one', 'two', 'six'): sys.modules.pop(f'lamcore_{name}', None)\n"
        "print(json.dumps(answers))"
    )
    rng = random.Random(SEED)
    orders = [[str(place) for place in rng.sample(list(places.values()), 3)] for _ in range(ORDERS)]
    done = subprocess.run([sys.executable, "-c", code, json.dumps(orders)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    expected = {
        "one": ["clash", "augmenter 'louder' is offered by lamcore-two too"],
        "two": ["clash", "augmenter 'louder' is offered by lamcore-one too"],
        "six": ["loaded", ""],
        "error": "Two plugins offer augmenter 'louder'. Write one of lamcore-one:louder and lamcore-two:louder, "
        "or block one plugin.",
        "long": ["lamcore_one", "lamcore_two"],
    }
    print(f"\nC3: {answers.count(expected)} of {ORDERS} orders refused, both named (seed {SEED})")
    assert answers == [expected] * ORDERS


def test_a_plugin_may_offer_no_verb_of_the_core():
    assert set(VERBS) == set(group.commands)


def test_a_distribution_that_offers_a_name_twice_is_broken(make_plugin, tmp_path):
    make_plugin("one", LOUDER)
    (tmp_path / "site" / "again_one.py").write_text(LOUDER)
    (tmp_path / "site" / "lamcore_one-1.0.dist-info" / "entry_points.txt").write_text(
        "[lamcore]\none = lamcore_one\ntwo = again_one\n"
    )
    registry = load_plugins()
    assert the(registry, "one").state == "loaded"
    assert the(registry, "two").reason == "ValueError: 'louder' is registered twice by lamcore-one"


# ---- C4 and deprecations


@pytest.mark.parametrize("made_for", [0, 2, "1", None])
def test_a_plugin_made_for_another_api_is_refused_in_one_line(make_plugin, made_for):
    make_plugin("old", f"lamcore_api = {made_for!r}\n{HOOK}def on_gone(run): ...\n")
    plugin = the(load_plugins(), "old")
    assert plugin.state == "broken" and plugin.reason == (
        f"it is made for version {made_for!r} of the plugin API, this lamcore has 1: "
        "install a lamcore-old or a lamcore that fits the other"
    )


def test_a_plugin_that_states_this_api_or_none_is_loaded(make_plugin):
    make_plugin("states", f"lamcore_api = {hookspecs.API}\n{LOUDER}")
    make_plugin("silent", LOUDER.replace("louder", "quieter"))
    registry = load_plugins()
    assert (the(registry, "states").state, the(registry, "silent").state) == ("loaded", "loaded")


@pytest.mark.parametrize("name", SPECS)
def test_a_hook_says_since_which_version_it_is_there(name):
    assert re.search(r"Since \d+\.\d+\.", inspect.getdoc(SPECS[name]))
    later = re.findall(r"`(\w+)` since", inspect.getdoc(SPECS[name]))
    assert set(later) <= set(inspect.signature(SPECS[name]).parameters)


@pytest.mark.parametrize("name", SPECS)
def test_a_deprecation_names_its_hook(name):
    options = SPECS[name].lamcore_spec
    warnings = [options["warn_on_impl"], *(options["warn_on_impl_args"] or {}).values()]
    assert all(name in str(warning) for warning in warnings if warning)


@pytest.mark.parametrize(
    "options",
    [
        {"warn_on_impl": DeprecationWarning("on_save goes in 0.3: use on_finish")},
        {"warn_on_impl_args": {"path": DeprecationWarning("path of on_save goes in 0.3: use run.folder")}},
    ],
    ids=["a hook", "an argument"],
)
def test_what_is_deprecated_warns_in_one_line_and_still_works(make_plugin, monkeypatch, caplog, options):
    def on_save(run, step, path): ...

    monkeypatch.setattr(hookspecs, "on_save", hookspecs.hookspec(on_save, **options))
    make_plugin("user", f"{HOOK}def on_save(path, run):\n    run.append(path)\n")
    make_plugin("other", f"{HOOK}def on_finish(run): ...\n")
    registry, seen = load_plugins(), []
    told = [record.getMessage() for record in caplog.records if "goes in 0.3" in record.getMessage()]
    told = [line for line in told if "lamcore-user" in line or "lamcore-other" in line]
    (warning,) = [w for w in (options.get("warn_on_impl"), *options.get("warn_on_impl_args", {}).values()) if w]
    assert told == [f"plugin lamcore-user:user: {warning}"]
    registry.notify("on_save", run=seen, step=1, path="here")
    assert seen == ["here"]


# ---- C5


@pytest.mark.parametrize("limited", ["LAMCORE_PLUGINS", "--no-plugin"])
def test_nothing_but_what_is_listed_is_imported(tmp_path, write_plugin, limited):
    names = [f"p{number}" for number in range(8)]
    for name in names:
        write_plugin(tmp_path, name, LOUDER.replace("louder", name))
    wanted = names[::2]
    code = (
        "import re, sys\nseen = []\n"
        "def note(event, given):\n    if event == 'exec': seen.append(getattr(given[0], 'co_filename', ''))\n"
        "sys.addaudithook(note)\n"
        "from lamcore.plugins import load_plugins\n"
        "load_plugins(sys.argv[1:])\n"
        "print(*sorted({part for name in seen for part in re.split(r'[/.\\\\]', name) if part.startswith('lamcore_')}))"
    )
    block = [] if limited == "LAMCORE_PLUGINS" else [f"lamcore-{name}" for name in names if name not in wanted]
    only = {"LAMCORE_PLUGINS": ",".join(wanted)} if limited == "LAMCORE_PLUGINS" else {}
    variables = {**os.environ, "PYTHONPATH": str(tmp_path), **only}
    done = subprocess.run([sys.executable, "-c", code, *block], env=variables, capture_output=True, text=True)
    mine = [name for name in done.stdout.split() if re.fullmatch(r"lamcore_p\d", name)]
    assert mine == [f"lamcore_{name}" for name in wanted], done.stderr
    if limited == "LAMCORE_PLUGINS":
        assert done.stdout.split() == mine


# ---- interrupts


INTERRUPTED = (
    "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n    while True: pass\nexcept {caught}: pass\n"
)


@pytest.mark.skipif(os.name == "nt", reason="signals of one's own are another thing there")
@pytest.mark.parametrize("caught", ["ZeroDivisionError", "BaseException"])
def test_an_interrupt_that_the_user_sent_while_a_plugin_loads_ends_lam(tmp_path, write_plugin, run_lam, caught):
    write_plugin(tmp_path / "site", "slow", INTERRUPTED.format(caught=caught) + LOUDER)
    ended = run_lam("plugins", cwd=tmp_path, site=tmp_path / "site", warm="")
    assert (ended.code, ended.out, ended.err) == (75, "", "lam: Interrupted.\n")


def test_the_handler_of_interrupts_is_put_back(make_plugin):
    import signal

    before = signal.getsignal(signal.SIGINT)
    make_plugin("rude", "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + LOUDER)
    load_plugins()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_list_of_hooks_is_the_one_in_the_file():
    tree = ast.parse(inspect.getsource(hookspecs))
    marked = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    assert list(SPECS) == marked


def test_a_clash_is_told_where_it_is_met(make_plugin, caplog):
    make_plugin("one", LOUDER)
    make_plugin("two", LOUDER)
    with pytest.raises(LamcoreError, match="Two plugins offer"):
        load_plugins().find("augmenter", "louder")
    assert "plugin lamcore-one:one is clash: augmenter 'louder' is offered by lamcore-two too" in caplog.text
