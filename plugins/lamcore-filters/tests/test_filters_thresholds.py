"""The verb `lam thresholds`, and the search behind it."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from lamcore import Preprocessor
from lamcore.cli import SHOWN
from lamcore.plugins import Registry, load_plugins
from lamcore_filters import Copies, LengthRatio, Numbers, command
from lamcore_filters.search import best, noise, preset

SOURCE = ["source=jsonl", "source.train=train.jsonl", "source.validation=validation.jsonl", "cache=cache"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with 200 pairs of four to nine words, a number in each."""
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdefghij", k=rng.randrange(3, 9))) for _ in range(300)]
    lines = []
    for number in range(210):
        count = rng.randrange(4, 10)
        texts = [" ".join(rng.choices(words, k=count)) + f" {rng.randrange(11, 99)}" for _ in range(2)]
        texts[1] = texts[1][:-2] + texts[0][-2:]
        lines.append(json.dumps({"id": f"r{number}", "input": texts[0], "target": texts[1]}))
    (tmp_path / "train.jsonl").write_text("\n".join(lines[:200]) + "\n")
    (tmp_path / "validation.jsonl").write_text("\n".join(lines[200:]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@cache
def registry() -> Registry:
    return load_plugins()


def called(*words: str) -> Any:
    return CliRunner().invoke(command, [*words, *SOURCE], obj=registry(), **SHOWN)


def test_a_preset_is_written_that_the_next_run_composes(here):
    steps = "preprocessors=[clean,length_ratio,numbers,copies]"
    answer = called(steps, "preprocessors.length_ratio.threshold=6", "--name", "mine")
    assert answer.exit_code == 0, answer.output
    assert 'Use it: lam train ... "preprocessors=[mine]"' in answer.output
    from lamcore.config import composed

    made = composed(registry(), [*SOURCE, "preprocessors=[mine]", "preprocessors.copies.lowercase=true"])
    steps = made.values["preprocessors"]
    assert list(steps) == ["clean", "length_ratio", "numbers", "copies"]
    assert 1 < steps["length_ratio"]["threshold"] <= 3  # the pairs are of equal length, the noise is a third of it
    assert steps["numbers"]["threshold"] > 0.5  # one digit of two is another
    assert steps["copies"] == {"name": "copies", "columns": ["input", "target"], "threshold": 0.9, "lowercase": True}
    assert made.origins["preprocessors.numbers.threshold"].startswith(f"{here}/conf/preprocessors/mine.yaml:")


def test_json_tells_what_each_threshold_drops_and_finds(here):
    answer = called("preprocessors=[length_ratio,numbers]", "--json", "--records", "50")
    told = json.loads(answer.output)
    assert told["file"].endswith("filtered.yaml") and told["records"] == 50 and told["seed"] == 1
    ratio, numbers = told["steps"]
    assert (ratio["step"], ratio["against"], ratio["before"]) == ("length_ratio", "cut", 3.0)
    assert ratio["drops"] == 0.0 and ratio["finds"]["cut"] == 1.0
    assert (numbers["step"], numbers["against"], numbers["before"]) == ("numbers", "digits", 0.5)
    assert numbers["drops"] == 0.0 and numbers["finds"]["digits"] == 1.0
    again = called("preprocessors=[length_ratio,numbers]", "--json", "--records", "50", "--force")
    assert again.output == answer.output


def test_records_without_a_target_are_no_help(here):
    (here / "train.jsonl").write_text('{"input": "a"}\n{"input": "b"}\n')
    answer = called("preprocessors=[numbers]")
    assert "train records with text in input and target: there are none" in str(answer.exception)
    assert not (here / "conf").exists()


def test_it_goes_into_the_config_folder_that_is_named(here):
    (here / "other").mkdir()
    told = json.loads(called("preprocessors=[numbers]", "--json", "--records=20", "--config-dir=other").output)
    assert told["file"] == f"{here}/other/preprocessors/filtered.yaml" and Path(told["file"]).is_file()


def test_a_preset_that_is_there_is_not_written_over_unasked(here):
    assert called("preprocessors=[numbers]").exit_code == 0
    before = (here / "conf/preprocessors/filtered.yaml").read_text()
    again = called("preprocessors=[copies]")
    assert "filtered.yaml exists: give --name another one, or --force" in str(again.exception)
    assert (here / "conf/preprocessors/filtered.yaml").read_text() == before


@pytest.mark.parametrize("name", ["clean", "../x", "a-b", ""])
def test_a_name_that_cannot_be_a_presets_is_refused(here, name):
    answer = called("preprocessors=[numbers]", f"--name={name}")
    assert "a preset's name is letters, digits and '_', and no preprocessor's" in str(answer.exception)
    assert not (here / "conf").exists()


def test_without_a_filter_the_ones_there_are_are_named(here):
    answer = called("preprocessors=[clean]")
    assert "None of the preprocessors has a threshold to find: name some of " in str(answer.exception)
    assert "length_ratio" in str(answer.exception) and "placeholder_match" not in str(answer.exception)
    assert not (here / "conf").exists()


class Marked(Preprocessor):
    """A filter of someone else's: its score stands in the record."""

    direction, against = "higher", "cut"

    def __init__(self, threshold: float):
        self.threshold = threshold


def groups(data: list[float | None], cut: list[float | None]) -> dict[str, list[float | None]]:
    return {"data": data, "cut": cut}


def test_the_threshold_lies_where_noise_found_less_data_dropped_is_greatest():
    # Ratios up to 1.5 are the data's, from 2 on the noise's, but for one record each.
    found = best(LengthRatio(), groups([1.0, 1.2, 1.4, 1.5, 4.0], [1.1, 2.5, 2.5, 2.6, 9.0]), 1.0)
    assert found == {"threshold": 2.0, "against": "cut", "drops": 0.2, "finds": {"cut": 0.8}}


def test_no_more_of_the_data_is_dropped_than_allowed():
    scores = groups([1.0, 1.0, 2.0, 2.0], [2.5, 2.5, 2.5, 2.5])
    assert best(LengthRatio(threshold=1.5), scores, 0.1)["threshold"] == 2.25
    assert best(LengthRatio(threshold=3.0), groups([5.0, 5.0, 1.0], [4.0, 4.0, 4.0]), 0.1)["threshold"] == 3.0


def test_what_is_not_judged_is_kept_and_counted():
    found = best(LengthRatio(), groups([None, 1.0], [None, 2.8]), 1.0)
    assert found == {"threshold": 1.9, "against": "cut", "drops": 0.0, "finds": {"cut": 0.5}}


def test_a_threshold_that_is_as_good_as_any_stays():
    assert best(LengthRatio(threshold=2.0), groups([1.0, 1.1], [3.0, 9.0]), 1.0)["threshold"] == 2.0
    assert best(LengthRatio(), groups([1.0, 1.1], []), 1.0)["threshold"] == 3.0
    assert best(LengthRatio(), groups([1.0], [1.0]), 1.0)["threshold"] == 3.0


def test_noise_is_made_of_the_records_themselves():
    sample = [{"id": str(n), "input": f"in {n}", "target": f"a b c d e f {n}", "domain": "x"} for n in range(1, 30)]
    made = noise(sample, random.Random(1))
    assert set(made) == {"shuffled", "copied", "swapped", "cut", "garbled", "script", "digits"}
    assert made["copied"][0] == {"id": "1", "input": "in 1", "target": "in 1", "domain": "x"}
    assert made["swapped"][0] == {"id": "1", "input": "a b c d e f 1", "target": "in 1", "domain": "x"}
    assert made["cut"][0]["target"] == "a b"
    assert sorted(r["target"] for r in made["shuffled"]) != [] and len(made["shuffled"]) >= 25
    assert all(Numbers(threshold=1.0).change(r) is None or "0" in r["target"] for r in made["digits"])
    assert noise([{"id": "1", "input": "a", "target": "b"}], random.Random(1))["digits"] == []


def test_a_preset_keeps_the_steps_in_order_and_says_what_was_found():
    steps = {"clean": {"name": "clean"}, "mine": {"name": "copies", "threshold": 0.9}}
    row = {"step": "mine", "threshold": 0.75, "drops": 0.01, "finds": {"copied": 1.0, "cut": 0.0}}
    text = preset(steps, {"records": 5000, "seed": 1, "steps": [row]})
    assert "# mine drops 1.0% of the data and finds 100% of copied, 0% of cut.\n" in text
    assert list(yaml.safe_load(text).items()) == [
        ("clean", {"name": "clean"}),
        ("mine", {"name": "copies", "threshold": 0.75}),
    ]
    assert steps["mine"]["threshold"] == 0.9


def test_a_filter_of_someone_elses_takes_part():
    from lamcore_filters.search import is_filter

    assert is_filter(Copies) and is_filter(Copies())
    assert not is_filter(Marked(0.5))  # it has no scores
