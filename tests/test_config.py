"""Composing a run: what is refused, what comes first, where each value came from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

import lamcore
from lamcore import LamcoreError
from lamcore.config import composed, leaves
from lamcore.plugins import load_plugins, shipped_conf

CODE = '''
from dataclasses import dataclass, field
from enum import Enum

from lamcore import MISSING, Architecture, Augmenter, Metric, Preprocessor, Source, Trainer, hookimpl


class Speed(Enum):
    """How fast."""

    slow = "slow"
    fast = "fast"


@dataclass
class Rows(Source):
    """Rows."""

    file: str = MISSING
    """The file."""
    size: int = 10
    """How many."""

    def load(self):
        return {}


@dataclass
class Upper(Preprocessor):
    """Upper case."""

    times: int = 1
    """How often."""


@dataclass
class Lower(Preprocessor):
    """Lower case."""


@dataclass
class Noise(Augmenter):
    """Noise."""

    rate: float = 0.5
    """Share."""

    def __post_init__(self):
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate must be between 0 and 1, not {self.rate}")

    def apply(self, records, rng):
        return records


@dataclass
class Small(Architecture):
    """A small model."""

    width: int = 8
    """How wide."""
    speed: Speed = Speed.slow
    """How fast."""

    def build(self, tokenizer, labels):
        return None


@dataclass
class Brief(Trainer):
    """Train a little."""

    lr: float = 1e-3
    """Learning rate."""
    steps: int = 5
    """Updates."""

    def fit(self, run, model, data):
        pass


@dataclass
class Right(Metric):
    """Count right answers."""

    def score(self, sums):
        return {}


@hookimpl
def register_sources(register):
    register("rows", Rows)


@hookimpl
def register_preprocessors(register):
    register("upper", Upper)
    register("lower", Lower)


@hookimpl
def register_augmenters(register):
    register("noise", Noise)


@hookimpl
def register_architectures(register):
    register("small", Small)


@hookimpl
def register_trainers(register):
    register("brief", Brief)


@hookimpl
def register_metrics(register):
    register("right", Right)
'''
PARTS = ["source=rows", "architecture=small", "trainer=brief", "metrics=[right]"]
BASE = [*PARTS, "source.file=a.txt"]


@pytest.fixture
def compose(make_plugin, tmp_path, monkeypatch):
    """Give compose(*words) in an empty folder, with the plugin above and no other."""
    make_plugin("parts", CODE)
    monkeypatch.setenv("LAMCORE_PLUGINS", "parts,more,presets")
    monkeypatch.chdir(tmp_path)

    def made(*words: str, base: list[str] = BASE):
        chosen = {word.partition("=")[0] for word in words}
        return composed(load_plugins(), [*(word for word in base if word.partition("=")[0] not in chosen), *words])

    return made


@pytest.fixture
def refused(compose):
    """Give refused(*words): the error's one line."""

    def message(*words: str, base: list[str] = BASE) -> str:
        with pytest.raises(LamcoreError) as error:
            compose(*words, base=base)
        assert error.value.exit_code == 2
        assert "\n" not in str(error.value)
        return str(error.value)

    return message


def put(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


# What comes out --------------------------------------------------------------------------------------------------


def test_a_run_is_composed_from_words_alone(compose):
    values = compose("preprocessors=[lower,upper]", "preprocessors.upper.times=2", "seed=7").values
    assert values["source"] == {"name": "rows", "file": "a.txt", "size": 10}
    assert values["architecture"] == {"name": "small", "width": 8, "speed": "slow"}
    assert list(values["preprocessors"]) == ["lower", "upper"]
    assert values["preprocessors"]["upper"] == {"name": "upper", "times": 2}
    assert values["metrics"] == {"right": {"name": "right"}}
    assert values["seed"] == 7 and values["monitor"] == "loss" and values["decoding"]["beam"] == 1
    assert "hydra" not in values and all(type(value) in (dict, list, str, int, type(None)) for value in values.values())


def test_steps_stand_in_the_order_they_were_named(compose):
    assert list(compose("preprocessors=[upper,lower]").values["preprocessors"]) == ["upper", "lower"]


def test_one_component_is_used_twice_under_a_second_label(compose):
    values = compose("preprocessors=[upper,lower]", "+preprocessors.again={name: upper, times: 3}").values
    assert list(values["preprocessors"]) == ["upper", "lower", "again"]
    assert values["preprocessors"]["again"] == {"name": "upper", "times": 3}


def test_the_folder_of_a_run_bears_its_name_and_the_time(compose):
    assert compose("name=mine").folder.startswith("runs/mine/20")
    assert compose("hydra.run.dir=elsewhere").folder == "elsewhere"


def test_an_experiment_of_the_user_sets_several_things(compose):
    put(
        "conf/experiment/mine.yaml",
        "# @package _global_\ndefaults:\n  - override /preprocessors: [upper]\ntrainer:\n  lr: 0.5\nseed: 3\n",
    )
    values = compose("experiment=mine").values
    assert (values["trainer"]["lr"], values["seed"], list(values["preprocessors"])) == (0.5, 3, ["upper"])
    assert compose("experiment=mine", "seed=4").values["seed"] == 4


def test_a_preset_of_a_plugin_is_chosen_by_its_name(compose, make_plugin):
    preset = {"trainer/long.yaml": "defaults:\n  - brief\nsteps: 500\n", "decoding/wide.yaml": "beam: 9\n"}
    make_plugin("presets", "", conf=preset)
    values = compose("trainer=long", "decoding=wide").values
    assert values["trainer"] == {"name": "brief", "lr": 0.001, "steps": 500} and values["decoding"]["beam"] == 9


def test_beam_search_is_a_preset_of_the_core(compose):
    assert compose("decoding=beam").values["decoding"]["beam"] == 5


# The user's own files --------------------------------------------------------------------------------------------


def test_the_users_folder_comes_before_lamcores_and_a_plugins(compose, make_plugin):
    make_plugin(
        "presets", "", conf={"decoding/beam.yaml": "beam: 11\n", "trainer/mine.yaml": "name: brief\nlr: 11.0\n"}
    )
    assert compose("decoding=beam").values["decoding"]["beam"] == 5
    assert compose("trainer=mine").values["trainer"]["lr"] == 11.0
    put("conf/decoding/beam.yaml", "beam: 7\n")
    put("conf/trainer/mine.yaml", "name: brief\nlr: 7.0\n")
    assert compose("decoding=beam").values["decoding"]["beam"] == 7
    assert compose("trainer=mine").values["trainer"]["lr"] == 7.0


def test_a_folder_named_on_the_command_line_comes_before_all(compose):
    put("conf/decoding/beam.yaml", "beam: 7\n")
    put("other/decoding/beam.yaml", "beam: 8\n")
    assert compose("decoding=beam", "--config-dir", "other").values["decoding"]["beam"] == 8
    assert compose("decoding=beam", "--config-dir=other").values["decoding"]["beam"] == 8
    put("other/trainer/mine.yaml", "name: brief\nlr: 8.0\n")
    put("conf/trainer/yours.yaml", "name: brief\nlr: 7.0\n")
    assert compose("trainer=yours", "--config-dir", "other").values["trainer"]["lr"] == 7.0


def test_a_config_folder_that_is_not_there_is_refused(refused, tmp_path):
    assert refused("--config-dir", "nowhere") == f"--config-dir {tmp_path / 'nowhere'} is no folder."


def test_a_users_file_that_is_no_yaml_is_named(refused):
    put("conf/experiment/bad.yaml", "# @package _global_\nseed: [1\n")
    assert "bad.yaml" in refused("experiment=bad")


# Mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("architecture=smal", "No architecture is called 'smal'. Did you mean 'small'? Installed: small."),
        ("source=row", "No source is called 'row'. Did you mean 'rows'? Installed: rows."),
        ("trainer=x", "No trainer is called 'x'. Installed: brief."),
        ("metrics=[right,rihgt]", "No metric is called 'rihgt'. Did you mean 'right'? Installed: right."),
        ("preprocessors=[uper]", "No preprocessor is called 'uper'. Did you mean 'upper'? Installed: lower, upper."),
        ("augmenters=[noise,nois]", "No augmenter is called 'nois'. Did you mean 'noise'? Installed: noise."),
        ("trainer.name=brif", "No trainer is called 'brif'. Did you mean 'brief'? Installed: brief."),
        ("decoding=bean", "No decoding is called 'bean'. Did you mean 'beam'? There are: beam, greedy, sampling."),
        ("experiment=none", "No experiment is called 'none'."),
    ],
)
def test_a_misspelt_component_gets_the_nearest_name_and_the_list(refused, word, words):
    assert refused(word).startswith(words)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("architecture.widht=4", "No setting is called 'architecture.widht'. Did you mean 'architecture.width'?"),
        ("+architecture.widht=4", "No setting is called 'architecture.widht'. Did you mean 'architecture.width'?"),
        ("++architecture.widht=4", "No setting is called 'architecture.widht'. Did you mean 'architecture.width'?"),
        ("decoding.bean=4", "No setting is called 'decoding.bean'. Did you mean 'decoding.beam'?"),
        ("tokenizer.sise=4", "No setting is called 'tokenizer.sise'. Did you mean 'tokenizer.size'?"),
        ("sed=4", "No setting is called 'sed'. Did you mean 'seed'?"),
        ("+stepz=4", "No setting is called 'stepz'."),
        ("metric=[right]", "No setting is called 'metric'. Did you mean 'metrics'?"),
        ("archtecture=small", "No setting is called 'archtecture'. Did you mean 'architecture'?"),
        ("architecture.width=wide", "architecture.width must be a whole number, not 'wide'."),
        ("architecture.width=1.5", "architecture.width must be a whole number, not 1.5."),
        ("architecture.width=null", "architecture.width must be a whole number, not None."),
        ("architecture.speed=fats", "architecture.speed: No choice is called 'fats'. Did you mean 'fast'?"),
        ("trainer.lr=fast", "trainer.lr must be a number, not 'fast'."),
        ("source.file=7", "source.file must be text, not 7 (quote it: \"'7'\")."),
        ("seed=one", "seed must be a whole number, not 'one'."),
        ("name=a/b", "Recipe: name is part of a folder's: letters, digits, '.', '_' and '-' only, not 'a/b'"),
        ("decoding.beam=0", "decoding: beam, n_best, max_length and batch_tokens must be 1 or more"),
    ],
)
def test_a_misspelt_setting_or_a_wrong_value_is_refused_with_its_key(refused, word, words):
    assert refused(word).startswith(words)


def test_a_value_out_of_range_is_refused_with_the_label_of_its_component(refused):
    assert refused("augmenters=[noise]", "augmenters.noise.rate=2") == (
        "augmenters.noise: rate must be between 0 and 1, not 2.0"
    )


def test_a_setting_that_must_be_set_says_what_it_is(refused):
    assert refused(base=PARTS) == "source.file must be set: The file."


def test_a_run_without_source_is_told_to_choose_one(refused):
    words = refused(base=PARTS[1:])
    assert "source" in words and "rows" in words


def test_a_word_that_is_no_override_is_refused(refused):
    assert "trainer.lr" in refused("trainer.lr")
    assert "[1,2" in refused("trainer.lr=[1,2")


def test_an_interpolation_to_nothing_is_refused(refused):
    assert "nothing" in refused("source.file=${nothing}")


def test_a_variable_of_the_environment_that_is_not_set_is_named(refused):
    assert "LAMCORE_TEST_UNSET" in refused("source.file=${oc.env:LAMCORE_TEST_UNSET}")


@pytest.mark.parametrize("key", ["_target_", "()"])
@pytest.mark.parametrize("where", ["+source.KEY=os.system", "+KEY=os.system", "+hydra.KEY=os.system"])
def test_no_override_names_code(refused, key, where):
    word = where.replace("KEY", key if key != "()" else "'()'")
    assert "names code" in refused(word) or "()" in refused(word)


@pytest.mark.parametrize("key", ["_target_", "()"])
def test_no_file_names_code_however_deep(refused, key):
    put("conf/experiment/evil.yaml", f"# @package _global_\ntrainer:\n  lr:\n    - a: {{'{key}': os.system}}\n")
    assert refused("experiment=evil") == (
        f"trainer.lr[0].a.{key} names code (os.system). A config names components: NAME must be installed."
    )


def test_no_file_names_code_under_hydra(refused):
    put("conf/hydra/launcher/evil.yaml", "_target_: os.system\n")
    assert "hydra.launcher._target_ names code (os.system)" in refused("hydra/launcher=evil")
    put(
        "conf/hydra/job_logging/evil.yaml", "version: 1\nhandlers:\n  x:\n    class: subprocess.Popen\n    args: [id]\n"
    )
    assert "hydra.job_logging.handlers.x.class names code (subprocess.Popen)" in refused("hydra/job_logging=evil")
    put("conf/hydra/job_logging/call.yaml", "version: 1\nhandlers:\n  x:\n    (): subprocess.Popen\n")
    assert "hydra.job_logging.handlers.x.() names code (subprocess.Popen)" in refused("hydra/job_logging=call")


def test_a_list_given_twice_is_refused_and_not_merged_in_silence(refused):
    assert refused("metrics=[right]", "metrics=[]") == (
        "metrics is set twice (metrics=[right] and metrics=[]): name all in one list."
    )
    assert refused("+preprocessors=[upper]") == (
        "+preprocessors=[upper] would be dropped: write preprocessors=[...] with all that you want."
    )


def test_a_name_that_two_plugins_offer_is_refused_and_the_long_name_chooses(compose, refused, make_plugin):
    make_plugin("more", CODE)
    assert "Two plugins offer" in refused() and "lamcore-more:" in refused()


def test_the_long_name_chooses_between_two_plugins(make_plugin, compose):
    make_plugin(
        "more",
        CODE.replace("width: int = 8", "depth: int = 9").split("@hookimpl\ndef register_sources")[0]
        + "@hookimpl\ndef register_architectures(register):\n    register('small', Small)\n",
    )
    for name, settings in (("lamcore-parts:small", {"width"}), ("lamcore-more:small", {"depth"})):
        values = compose(f"architecture={name}").values["architecture"]
        assert values["name"] == name and settings <= set(values)


# Where values come from ------------------------------------------------------------------------------------------


def test_each_value_knows_the_file_plugin_or_override_that_set_it(compose):
    put("conf/experiment/mine.yaml", "# @package _global_\ntrainer:\n  steps: 9\n")
    origins = compose("experiment=mine", "architecture.width=16").origins
    assert origins["architecture.width"] == "override architecture.width=16"
    assert origins["architecture.speed"] == "default of lamcore-parts:parts 1.0"
    assert origins["trainer.steps"] == f"{Path('conf/experiment/mine.yaml').absolute()}:3"
    assert origins["trainer.lr"] == "default of lamcore-parts:parts 1.0"
    assert origins["metrics.right.name"] == "default of lamcore-parts:parts 1.0"
    assert origins["decoding.beam"] == origins["seed"] == f"default of lamcore {lamcore.__version__}"


def test_an_override_of_a_whole_table_is_the_origin_of_all_in_it(compose):
    origins = compose("preprocessors=[upper]", "+preprocessors.again={name: upper, times: 3}").origins
    made = compose("preprocessors=[upper]", "+preprocessors.again={name: upper, times: 3}")
    keys = [key for key, _ in leaves(made.values) if key.startswith("preprocessors.again")]
    assert keys == ["preprocessors.again.name", "preprocessors.again.times"]
    assert {origins[key] for key in keys} == {"override +preprocessors.again={name: upper, times: 3}"}


def test_why_shows_an_origin_for_every_value(make_plugin, lam, monkeypatch):
    make_plugin("parts", CODE)
    monkeypatch.setenv("LAMCORE_PLUGINS", "parts,inspect")
    facts = json.loads(lam("config", *BASE, "seed=5", "preprocessors=[upper]", "--why", "--json").out)
    found = {fact["key"]: (fact["value"], fact["from"]) for fact in facts}
    assert found["seed"] == (5, "override seed=5")
    assert found["source.file"] == ("a.txt", "override source.file=a.txt")
    assert found["trainer.lr"] == (0.001, "default of lamcore-parts:parts 1.0")
    assert found["preprocessors.upper.times"][1] == "default of lamcore-parts:parts 1.0"
    table = lam("config", "--why", *BASE, "seed=5").out
    assert ["seed", "5", "override", "seed=5"] in [line.split() for line in table.splitlines()]


def test_why_of_a_key_shows_what_is_under_it_alone(make_plugin, lam, monkeypatch):
    make_plugin("parts", CODE)
    monkeypatch.setenv("LAMCORE_PLUGINS", "parts,inspect")
    facts = json.loads(lam("config", "--why", "trainer", *BASE, "--json").out)
    assert {fact["key"].partition(".")[0] for fact in facts} == {"trainer"}
    said = lam("config", "--why", "trainr", *BASE)
    assert said.code == 2 and "'trainer'" in said.err


def test_a_distribution_that_an_experiment_requires_is_looked_for_before_its_components_are(compose):
    put(
        "conf/experiment/mine.yaml",
        "# @package _global_\ndefaults: [{override /architecture: from_afar}]\n"
        "requires: ['lamcore-afar>=2', 'torch<1', 'pytest', \"nothing; python_version < '3'\"]\n",
    )
    with pytest.raises(LamcoreError) as told:
        compose("experiment=mine")
    assert "conf/experiment/mine.yaml: requires lamcore-afar>=2 (not installed), torch<1 (installed: 2" in str(
        told.value
    )
    assert str(told.value).endswith("pip install 'lamcore-afar>=2' 'torch<1'")


def test_requirements_are_kept_and_an_override_is_checked_too(compose):
    assert compose("requires=['pytest>=1']").values["requires"] == ["pytest>=1"]
    with pytest.raises(LamcoreError, match="^requires: 'a b' is no requirement"):
        compose("requires=['a b']")


@pytest.mark.parametrize("folder", ["text", pytest.param("", marks=pytest.mark.full)])
def test_no_shipped_experiment_has_a_value_of_unknown_origin(folder, monkeypatch):
    monkeypatch.setenv("MULTI30K", "x")
    registry = load_plugins()
    for file in (shipped_conf() / "experiment" / folder).rglob("*.yaml"):
        made = composed(registry, [f"experiment={file.relative_to(shipped_conf() / 'experiment').with_suffix('')}"])
        assert set(made.origins) == {key for key, _ in leaves(made.written)}
        assert "not known" not in made.origins.values()


def test_config_prints_yaml_that_composes_to_itself(make_plugin, lam, monkeypatch):
    make_plugin("parts", CODE)
    monkeypatch.setenv("LAMCORE_PLUGINS", "parts,inspect")
    ended = lam("config", *BASE, "seed=5")
    assert ended.code == 0 and yaml.safe_load(ended.out)["seed"] == 5
    assert yaml.safe_load(ended.out) == json.loads(lam("config", "--json", *BASE, "seed=5").out)


# The environment -------------------------------------------------------------------------------------------------


def test_what_comes_from_the_environment_is_kept_as_it_was_written(compose, monkeypatch):
    monkeypatch.setenv("LAMCORE_TEST_PLACE", "secret")
    made = compose("source.file=${oc.env:LAMCORE_TEST_PLACE}/a.txt", "name=x", "monitor=${name}")
    assert made.values["source"]["file"] == "secret/a.txt"
    assert made.written["source"]["file"] == "${oc.env:LAMCORE_TEST_PLACE}/a.txt"
    assert made.values["monitor"] == made.written["monitor"] == "x"
    assert "secret" not in json.dumps([made.written, made.origins])


def test_what_points_at_a_value_of_the_environment_does_not_write_it_out_either(compose, monkeypatch):
    monkeypatch.setenv("LAMCORE_TEST_PLACE", "secret")
    made = compose("source.file=${oc.env:LAMCORE_TEST_PLACE}/a.txt", "cache=${source.file}.cache")
    assert made.values["cache"] == "secret/a.txt.cache"
    assert "secret" not in json.dumps(made.written)


# Around it -------------------------------------------------------------------------------------------------------


def test_nothing_stays_in_hydras_global_state(compose, refused):
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    def state():
        found = Plugins.instance().discover(SearchPathPlugin)
        return set(ConfigStore.instance().repo), [p.__name__ for p in found], GlobalHydra.instance().is_initialized()

    before = state()
    compose()
    refused("seed=x")
    refused("architecture=x")
    assert state() == before and before[2] is False
    assert "source" not in before[0] and "HYDRA_FULL_ERROR" not in os.environ


def test_a_plugin_that_went_is_gone_from_the_configs_too(compose, refused, make_plugin, monkeypatch):
    compose()
    make_plugin("more", CODE.replace('"rows"', '"columns"'))
    monkeypatch.setenv("LAMCORE_PLUGINS", "more")
    assert refused().startswith("No source is called 'rows'.")
    assert compose("source=columns").values["source"]["name"] == "columns"


def test_a_sweep_is_checked_by_the_first_of_its_values(compose, refused):
    assert compose("trainer.lr=0.1,0.2", "--multirun").values["trainer"]["lr"] == 0.1
    assert refused("trainer.lr=x,0.2", "--multirun") == "trainer.lr must be a number, not 'x'. (override trainer.lr=x)"
    assert compose("seed=range(3,6)", "-m").values["seed"] == 3


def test_a_mistake_in_a_config_is_told_before_torch_is_imported(tmp_path, run_lam, write_plugin, process):
    import subprocess
    import sys

    write_plugin(tmp_path / "site", "parts", CODE)
    code = (
        "import sys\nsys.argv = ['lam', *sys.argv[1:]]\nfrom lamcore.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        "    print(end.code, sorted({'torch', 'datasets', 'pyarrow', 'numpy'} & set(sys.modules)))\n"
    )
    for words in (["train", *BASE, "architecture.widht=4"], ["config", *BASE]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "LAMCORE_PLUGINS": "parts,inspect"},
            capture_output=True,
            text=True,
        )
        assert done.stdout.splitlines()[-1] == f"{2 if words[0] == 'train' else 0} []", done.stderr
