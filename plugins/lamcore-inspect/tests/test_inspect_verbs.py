"""The verbs that look at what is there."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click
import pytest
import yaml
from click.testing import CliRunner

from lamcore import Augmenter, LamcoreError
from lamcore.cli import SHOWN
from lamcore.plugins import Component, Plugin, Registry, load_plugins
from lamcore_inspect import comment, config_, list_


@dataclass
class Louder(Augmenter):
    """Shout a few words."""

    rate: float = 0.1
    """Share of words that are shouted."""

    def apply(self, records, rng):
        return records


@pytest.fixture
def registry():
    made = Registry()
    made.offers = [Component("augmenter", "louder", Louder, Plugin("lamcore-loud", "loud", "1.2"))]
    return made


def run(command, registry, *words):
    done = CliRunner().invoke(command, words, obj=registry, catch_exceptions=False, **SHOWN)
    assert done.exit_code == 0
    return done.output


def test_list_names_each_component_with_its_plugin(registry):
    facts = json.loads(run(list_, registry, "augmenters", "--json"))
    assert facts == [{"kind": "augmenter", "name": "louder", "plugin": "lamcore-loud", "summary": "Shout a few words."}]


def test_list_of_another_kind_leaves_it_out(registry):
    assert json.loads(run(list_, registry, "metric", "--json")) == []


def test_a_component_is_shown_with_every_setting(registry):
    shown = run(list_, registry, "augmenter", "louder")
    assert "augmenter louder (lamcore-loud 1.2)" in shown and "Shout a few words." in shown
    assert [word for word in shown.split() if word in ("rate", "number", "0.1")] == ["rate", "number", "0.1"]


def test_the_settings_as_json(registry):
    (setting,) = json.loads(run(list_, registry, "augmenter", "louder", "--json"))
    assert (setting["name"], setting["default"], setting["required"]) == ("rate", 0.1, False)
    assert setting["help"] == "Share of words that are shouted."


def test_an_unknown_kind_is_told_with_those_there_are(registry):
    with pytest.raises(LamcoreError, match="No kind is called 'metrik'. Did you mean 'metric'?"):
        run(list_, registry, "metrik")


def test_an_experiment_of_the_working_folder_is_listed_with_its_first_comment(registry, tmp_path, monkeypatch):
    folder = tmp_path / "conf" / "experiment" / "mine"
    folder.mkdir(parents=True)
    (folder / "small.yaml").write_text("# @package _global_\n# A small one.\nseed: 3\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    facts = json.loads(run(list_, registry, "experiment", "--json"))
    assert {"kind": "experiment", "name": "mine/small", "plugin": "", "summary": "A small one."} in facts
    assert comment(folder / "small.yaml") == "A small one."


def test_config_refuses_what_train_would_refuse():
    with pytest.raises(LamcoreError, match="No setting is called 'architecture.widht'"):
        run(config_, load_plugins(), "experiment=translation/home_assistant", "architecture.widht=4")


def test_config_shows_yaml_json_and_where_each_value_comes_from():
    made = load_plugins()
    words = ("experiment=translation/home_assistant", "seed=7")
    assert yaml.safe_load(run(config_, made, *words))["seed"] == 7
    assert json.loads(run(config_, made, *words, "--json"))["seed"] == 7
    why = {fact["key"]: fact for fact in json.loads(run(config_, made, *words, "--why", "--json"))}
    assert why["seed"] == {"key": "seed", "value": 7, "from": "override seed=7"}


def test_both_verbs_are_offered_to_lam():
    assert {"config", "list"} <= set(load_plugins().commands)


def test_a_verb_of_two_plugins_stands_under_both_their_names_and_under_no_short_one(registry):
    one, two = click.Command("look"), click.Command("look")
    plugins = [Plugin("lamcore-a", "a", "1"), Plugin("lamcore-b", "b", "1")]
    registry.offers = [Component("command", "look", made, p) for made, p in zip((one, two), plugins, strict=True)]
    registry.mark_clashes()
    assert registry.commands == {"lamcore-a:look": one, "lamcore-b:look": two}
    assert [plugin.state for plugin in plugins] == ["clash", "clash"]
