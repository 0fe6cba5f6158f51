"""Two runs side by side: what differs, and whether their scores do."""

from __future__ import annotations

import json
import random
import shutil

import pytest

from lamcore import Metric
from lamcore_author.diff import paired


@pytest.fixture(scope="module")
def runs(tmp_path_factory, site, run_lam, toy_run):
    """Give the folders of two small runs that differ in seed and steps."""
    base = tmp_path_factory.mktemp("diff")
    words = [word for word in toy_run if not word.startswith(("metrics=", "trainer.steps="))] + ["metrics=[same,chrf]"]
    for name, own in {"a": ["seed=1", "trainer.steps=12"], "b": ["seed=2", "trainer.steps=40"]}.items():
        done = run_lam("train", *words, *own, f"hydra.run.dir={base / name}", cwd=base, site=site)
        assert done.code == 0, done.err
    return base


def changed(runs, tmp_path, file, old, new):
    """Return a copy of run b in whose file a text stands in place of another."""
    copy = tmp_path / "copy"
    shutil.copytree(runs / "b", copy)
    text = (copy / file).read_text(encoding="utf-8")
    assert old in text
    (copy / file).write_text(text.replace(old, new), encoding="utf-8")
    return copy


def test_settings_environment_and_scores_stand_side_by_side(runs, toy, lam, tmp_path):
    other = changed(runs, tmp_path, "environment.json", '"torch": "', '"torch": "0')
    ended = lam("diff", str(runs / "a"), str(other), "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["config"] == [{"key": "seed", "a": 1, "b": 2}, {"key": "trainer.steps", "a": 12, "b": 40}]
    assert found["data"] == []
    assert [row["key"] for row in found["environment"]] == ["torch"]
    a, b = (json.loads((run / "scores.json").read_text()) for run in (runs / "a", runs / "b"))
    assert {(row["split"], row["metric"]) for row in found["scores"]} == {
        (split, metric) for split in ("validation", "test") for metric in ("same", "chrf")
    }
    for row in found["scores"]:
        one, two = (scores[row["split"]][row["metric"]]["value"] for scores in (a, b))
        assert (row["a"], row["b"], row["difference"]) == (one, two, two - one)
        assert row["low"] <= row["difference"] <= row["high"]


def test_a_run_is_no_better_than_itself(runs, toy, lam):
    ended = lam("diff", str(runs / "a"), str(runs / "a"))
    assert ended.code == 0, ended.err
    for part in ("config", "data", "environment"):
        assert f"{part}: the same" in ended.out
    rows = [line.split() for line in ended.out.split("\n") if line.startswith(("test", "validation"))]
    assert len(rows) == 4 and all(row[2] == row[3] and row[4] == "+0" and row[-1] == "1.000" for row in rows)


def test_scores_of_unlike_signatures_are_refused_by_the_metrics_name(runs, toy, lam, tmp_path):
    other = changed(runs, tmp_path, "scores.json", '"signature": "', '"signature": "another ')
    ended = lam("diff", str(runs / "a"), str(other))
    assert ended.code == 1
    assert "lam: The scores of same can't be compared: one is '' and the other 'another '." in ended.err
    assert "seed" in ended.out and "95 % interval" not in ended.out


def test_scores_of_unlike_records_are_refused(runs, toy, lam, tmp_path):
    other = changed(runs, tmp_path, "config.yaml", "held_out: 12", "held_out: 9")
    ended = lam("diff", str(runs / "a"), str(other), "--json")
    assert ended.code == 1
    assert "lam: The runs were tested on other records of validation" in ended.err
    assert json.loads(ended.out)["refused"].startswith("The runs were tested on other records")


def test_answers_to_other_records_are_refused(runs, toy, lam, tmp_path):
    other = changed(runs, tmp_path, "predictions-test.jsonl", '"id": "test-3"', '"id": "test-99"')
    ended = lam("diff", str(runs / "a"), str(other))
    assert ended.code == 1 and "predictions-test.jsonl answers other records than the source gives now." in ended.err


def test_a_folder_that_is_no_run_is_said_to_be_none(runs, toy, lam, tmp_path):
    ended = lam("diff", str(runs / "a"), str(tmp_path))
    assert ended.code == 2 and f"{tmp_path} is no run that can be compared: it has no config.yaml." in ended.err


class Right(Metric):
    """Count what is right."""

    def count(self, answer, record):
        return {"right": answer["target"] == record["target"], "all": 1}

    def score(self, sums):
        return {"right": sums["right"] / sums["all"]}


def test_the_paired_test_sees_what_separate_intervals_hide():
    records = [{"target": str(number)} for number in range(100)]
    good = [{"target": str(number) if number % 2 else "no"} for number in range(100)]
    better = [{"target": str(number) if number % 2 or number < 20 else "no"} for number in range(100)]
    found = paired("right", Right(), [good, better], records)["right"]
    assert (found["a"], found["b"]) == (0.5, 0.6) and found["difference"] == pytest.approx(0.1)
    assert found["low"] > 0 and found["p"] < 0.01  # 10 of 100 differ, all in one direction
    back = paired("right", Right(), [better, good], records)["right"]
    assert back["difference"] == -found["difference"] and back["p"] == found["p"]


def test_a_difference_in_one_record_of_four_proves_nothing():
    records = [{"target": str(number)} for number in range(4)]
    a = [{"target": "0"}, {"target": "1"}, {"target": "no"}, {"target": "no"}]
    b = [{"target": "0"}, {"target": "1"}, {"target": "2"}, {"target": "no"}]
    found = paired("right", Right(), [a, b], records)["right"]
    assert found["difference"] == 0.25
    assert found["p"] == pytest.approx(2 * (3 / 4) ** 4, abs=0.1)  # resamples without the third record, two-sided


@pytest.mark.full
def test_of_differences_that_are_chance_alone_about_one_in_twenty_is_called_real():
    chance, records = random.Random(1), [{"target": "yes"}] * 100
    systems = [[{"target": chance.choice(["yes", "no"])} for _ in records] for _ in range(400)]
    pairs = zip(systems[::2], systems[1::2], strict=True)
    called = sum(paired("right", Right(), pair, records)["right"]["p"] < 0.05 for pair in pairs)
    print(f"lam diff: {called} of 200 differences by chance alone have p < 0.05 (10 expected)")
    assert 2 <= called <= 20
