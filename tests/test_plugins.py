"""Finding and guarding plugins: a broken one hides neither the others nor the command line nor its own name."""

from __future__ import annotations

import json
import sys

import pytest

from lamcore import LamcoreError, Source
from lamcore.plugins import load_plugins

GOOD = '''
from dataclasses import dataclass
from lamcore import Augmenter, hookimpl


@dataclass
class Louder(Augmenter):
    """Write louder."""

    rate: float = 0.1
    """Share of records."""

    def apply(self, records, rng):
        return [{**record, "input": record["input"].upper()} for record in records]


@hookimpl
def register_augmenters(register):
    register("louder", Louder)
'''

HEAD = "from dataclasses import dataclass\nfrom lamcore import Augmenter, Metric, Source, hookimpl\n"


def offer(body: str, kind: str = "augmenters", name: str = "broken_one") -> str:
    return f"{HEAD}\n{body}\n\n@hookimpl\ndef register_{kind}(register):\n    register({name!r}, Thing)\n"


BROKEN = {
    "an import that fails": ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
    "a syntax error": ("def f(:", "SyntaxError: invalid syntax"),
    "an exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "an exception": ("raise ValueError('first\\nsecond')", "ValueError: first second"),
    "an unknown hook": (
        "from lamcore import hookimpl\n@hookimpl\ndef register_augmentors(register): ...",
        "unknown hook 'register_augmentors'",
    ),
    "an unknown argument": (
        "from lamcore import hookimpl\n@hookimpl\ndef on_log(run, stop): ...",
        "Argument(s) {'stop'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "the wrong kind": (
        offer("@dataclass\nclass Thing(Metric):\n    'x'\n    def score(self, sums): ..."),
        "TypeError: 'broken_one' is no Augmenter",
    ),
    "no class": (offer("Thing = 5"), "TypeError: 'broken_one' is no Augmenter"),
    "no dataclass": (
        offer("class Thing(Augmenter):\n    'x'\n    def apply(self, records, rng): ..."),
        "TypeError: 'broken_one' is no dataclass: put @dataclass above class Thing",
    ),
    "an abstract class": (offer("@dataclass\nclass Thing(Augmenter):\n    'x'"), "TypeError: 'broken_one' lacks apply"),
    "a setting called name": (
        offer("@dataclass\nclass Thing(Augmenter):\n    'x'\n    name: str = ''\n    def apply(self, r, rng): ..."),
        "TypeError: 'broken_one' has a setting called 'name', which configs use for the component itself",
    ),
    "a bad name": (
        offer("@dataclass\nclass Thing(Augmenter):\n    'x'\n    def apply(self, r, rng): ...", name="Louder-2"),
        "ValueError: 'Louder-2' is no snake_case name",
    ),
    "a name twice": (
        GOOD + "    register('louder', Louder)\n",
        "ValueError: 'louder' is registered twice",
    ),
    "an error in the hook": (
        "from lamcore import hookimpl\n@hookimpl\ndef register_metrics(register):\n    1 / 0",
        "ZeroDivisionError: division by zero",
    ),
}


def the(registry, name):
    return next(plugin for plugin in registry.plugins if plugin.name == name)


def test_a_plugin_is_loaded_and_its_component_found(make_plugin):
    make_plugin("good", GOOD, version="2.3")
    registry = load_plugins()
    plugin = the(registry, "good")
    assert (plugin.state, plugin.reason, plugin.version, plugin.identity) == ("loaded", "", "2.3", "lamcore-good:good")
    assert registry.find("augmenter", "louder").__name__ == "Louder"
    assert registry.provided(plugin) == {"augmenter": ["louder"]}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_named_with_its_reason_and_hides_no_other(make_plugin, fault):
    code, reason = BROKEN[fault]
    make_plugin("aaa", code)
    make_plugin("zzz", GOOD.replace("louder", "louder_still"))
    registry = load_plugins()
    broken = the(registry, "aaa")
    assert broken.state == "broken" and reason in broken.reason and "\n" not in broken.reason
    assert registry.provided(broken) == {}
    assert the(registry, "zzz").state == "loaded"
    assert registry.find("augmenter", "louder_still").__name__ == "Louder"


def test_an_entry_point_without_its_attribute_is_a_broken_plugin(make_plugin, tmp_path):
    make_plugin("good", GOOD)
    (tmp_path / "site" / "lamcore_good-1.0.dist-info" / "entry_points.txt").write_text(
        "[lamcore]\ngood = lamcore_good:nothing\n"
    )
    plugin = the(load_plugins(), "good")
    assert plugin.state == "broken" and "has no attribute 'nothing'" in plugin.reason


def test_metadata_that_cannot_be_read_make_a_broken_plugin_and_hide_no_other(make_plugin, tmp_path):
    make_plugin("bad", GOOD)
    make_plugin("good", GOOD)
    (tmp_path / "site" / "lamcore_bad-1.0.dist-info" / "entry_points.txt").write_bytes(b"[lamcore]\nbad = \xff\xfe\n")
    registry = load_plugins()
    broken = [p for p in registry.plugins if p.distribution == "lamcore-bad"]
    assert [p.state for p in broken] == ["broken"] and "metadata" in broken[0].reason
    assert the(registry, "good").state == "loaded"


def test_a_fault_takes_back_all_that_the_plugin_offered(make_plugin):
    make_plugin("half", GOOD + "\n@hookimpl\ndef register_metrics(register):\n    register('x', Louder)\n")
    registry = load_plugins()
    assert the(registry, "half").state == "broken"
    assert "louder" not in registry.components["augmenter"]


def test_the_command_line_shows_a_broken_plugin_and_works_on(make_plugin, lam):
    make_plugin("aaa", "raise RuntimeError('\x1b[31mred')")
    make_plugin("good", GOOD)
    ended = lam("plugins")
    assert ended.code == 0
    row = next(line for line in ended.out.splitlines() if line.startswith("lamcore-aaa"))
    assert row.split()[:4] == ["lamcore-aaa", "aaa", "1.0", "broken"] and "RuntimeError: \\x1b[31mred" in row
    facts = {fact["distribution"]: fact for fact in json.loads(lam("plugins", "--json").out)}
    assert facts["lamcore-good"]["state"] == "loaded"
    assert facts["lamcore-good"]["provides"] == {"augmenter": ["louder"]}
    assert lam("list", "augmenter", "louder").code == 0


def test_an_error_for_an_unknown_name_tells_of_the_plugin_that_is_broken(make_plugin):
    make_plugin("aaa", "raise RuntimeError('no')")
    make_plugin("good", GOOD)
    with pytest.raises(LamcoreError) as error:
        load_plugins().find("augmenter", "lauder")
    assert str(error.value).startswith("No augmenter is called 'lauder'. Did you mean 'louder'? Installed: ")
    assert "(Plugin lamcore-aaa:aaa is broken: RuntimeError: no)" in str(error.value)


def test_two_plugins_of_one_name_clash_and_both_are_named(make_plugin):
    make_plugin("one", GOOD)
    make_plugin("two", GOOD)
    registry = load_plugins()
    assert (the(registry, "one").state, the(registry, "two").state) == ("clash", "clash")
    assert the(registry, "one").reason == "augmenter 'louder' is offered by lamcore-two too"
    assert the(registry, "two").reason == "augmenter 'louder' is offered by lamcore-one too"
    with pytest.raises(LamcoreError) as error:
        registry.find("augmenter", "louder")
    assert str(error.value) == (
        "Two plugins offer augmenter 'louder'. Write one of lamcore-one:louder and lamcore-two:louder, "
        "or block one plugin."
    )


def test_distribution_and_name_choose_between_two_plugins(make_plugin):
    make_plugin("one", GOOD)
    make_plugin("two", GOOD.replace("class Louder", "class Shouter").replace(", Louder)", ", Shouter)"))
    registry = load_plugins()
    assert registry.find("augmenter", "lamcore-one:louder").__name__ == "Louder"
    assert registry.find("augmenter", "lamcore-two:louder").__name__ == "Shouter"
    assert registry.name_of(registry.find("augmenter", "lamcore-two:louder")()) == "lamcore-two:louder"


def test_blocking_one_of_two_ends_the_clash(make_plugin):
    make_plugin("one", GOOD)
    make_plugin("two", GOOD)
    registry = load_plugins(block=["lamcore-two"])
    assert the(registry, "one").state == "loaded" and registry.find("augmenter", "louder")


@pytest.mark.parametrize("word", ["good", "lamcore-good", "lamcore-good:good"])
def test_a_blocked_plugin_is_not_imported(make_plugin, word):
    make_plugin("good", "import sys\nsys.exit('imported')")
    plugin = the(load_plugins(block=[word]), "good")
    assert (plugin.state, plugin.reason) == ("blocked", "named by --no-plugin")
    assert "lamcore_good" not in sys.modules


def test_the_variable_lists_the_only_plugins_that_are_imported(make_plugin, monkeypatch):
    make_plugin("good", GOOD)
    make_plugin("other", "import sys\nsys.exit('imported')")
    monkeypatch.setenv("LAMCORE_PLUGINS", "good, something-else")
    registry = load_plugins()
    assert the(registry, "good").state == "loaded"
    assert (the(registry, "other").state, the(registry, "other").reason) == ("blocked", "not listed in LAMCORE_PLUGINS")
    assert "lamcore_other" not in sys.modules


def test_no_plugin_on_the_command_line_blocks_it_wherever_it_stands(make_plugin, lam):
    make_plugin("good", GOOD)
    for words in (("--no-plugin", "good", "plugins", "--json"), ("plugins", "--json", "--no-plugin=lamcore-good")):
        facts = {fact["name"]: fact for fact in json.loads(lam(*words).out)}
        assert facts["good"]["state"] == "blocked"
    ended = lam("list", "augmenter", "louder", "--no-plugin", "good")
    assert ended.code == 2 and "(Plugin lamcore-good:good is blocked: named by --no-plugin)" in ended.err


def test_a_lamfile_is_a_plugin_and_its_verbs_say_so(lam, tmp_path):
    (tmp_path / "here" / "lamfile.py").write_text(GOOD)
    ended = lam("list", "augmenter", "louder")
    assert ended.code == 0 and "augmenter louder (lamfile.py )" in ended.out
    assert ended.err == "lam: using lamfile.py of this folder as a plugin\n"


def test_predict_and_evaluate_read_no_lamfile_that_merely_lies_there(lam, tmp_path):
    (tmp_path / "here" / "lamfile.py").write_text("raise SystemExit('imported')")
    for verb in ("predict", "evaluate"):
        ended = lam(verb, ".", *(["x"] if verb == "predict" else []))
        assert ended.code == 2 and "lamfile" not in ended.err


def test_a_lamfile_by_another_name_is_read_where_it_is_named(lam, tmp_path):
    (tmp_path / "mine.py").write_text(GOOD)
    assert lam("list", "augmenter", "louder", "--lamfile", str(tmp_path / "mine.py")).code == 0
    ended = lam("plugins", "--json", f"--lamfile={tmp_path / 'none.py'}")
    assert json.loads(ended.out)[-1]["state"] == "broken" and "none.py is no Python file" in ended.out


def test_a_lamfile_hides_no_module_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "json", json)
    (tmp_path / "json.py").write_text(GOOD)
    load_plugins(lamfile=tmp_path / "json.py")
    assert sys.modules["json"] is json


def test_a_hook_that_fails_leaves_the_others_and_the_run_alone(make_plugin, caplog):
    make_plugin("aaa", "from lamcore import hookimpl\n@hookimpl\ndef on_log(run, step, values):\n    1 / 0\n")
    make_plugin("zzz", "from lamcore import hookimpl\n@hookimpl\ndef on_log(run, values):\n    run.append(values)\n")
    run: list[dict[str, int]] = []
    load_plugins().notify("on_log", run=run, step=3, values={"loss": 1})
    assert run == [{"loss": 1}]
    assert "on_log of plugin lamcore-aaa:aaa failed: ZeroDivisionError: division by zero" in caplog.text


def test_a_hook_may_stop_the_run_with_an_error_for_the_user(make_plugin):
    code = "from lamcore import LamcoreError, hookimpl\n@hookimpl\ndef on_start(run):\n    raise LamcoreError('no', 1)"
    make_plugin("strict", code)
    with pytest.raises(LamcoreError, match="^no$"):
        load_plugins().notify("on_start", run=None)


def test_what_a_plugin_prints_at_import_does_not_spoil_json(make_plugin, lam):
    make_plugin("noisy", "print('hello')\n" + GOOD)
    ended = lam("plugins", "--json")
    assert "lamcore-noisy" in {fact["distribution"] for fact in json.loads(ended.out)} and ended.err == "hello\n"


def test_plugins_are_sorted_whatever_the_order_of_the_path(make_plugin):
    for name in ("zzz", "aaa", "mmm"):
        make_plugin(name, "")
    identities = [plugin.identity for plugin in load_plugins().plugins]
    assert identities == sorted(identities) and "lamcore-mmm:mmm" in identities


def test_a_name_counts_for_its_own_kind_only(make_plugin):
    make_plugin("good", GOOD)
    registry = load_plugins()
    with pytest.raises(LamcoreError, match="No source is called 'louder'"):
        registry.find("source", "louder")


def test_a_plugin_that_exits_while_it_is_imported_leaves_lam_alone(tmp_path, write_plugin, run_lam):
    write_plugin(tmp_path / "site", "aaa", "import sys\nsys.exit(9)")
    ended = run_lam("plugins", cwd=tmp_path, site=tmp_path / "site", warm="")
    assert ended.code == 0 and "SystemExit: 9" in ended.out


def test_every_contract_is_abstract():
    with pytest.raises(TypeError):
        Source()
