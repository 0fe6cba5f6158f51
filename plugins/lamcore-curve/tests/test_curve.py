"""`lam curve`: what it reads of runs, and what it draws."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from lamcore import LamcoreError
from lamcore.config import composed
from lamcore.plugins import load_plugins
from lamcore.testing import check_package
from lamcore_curve import best, command
from lamcore_curve.points import points
from lamcore_curve.preset import best_of


def write_run(folder: Path, records: int, bleu: float, losses: list[float], **trainer: object) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"monitor": "loss", "trainer": trainer}))
    (folder / "preparation.json").write_text(json.dumps({"steps": [{"step": "source", "rows": {"train": records}}]}))
    score = {"value": bleu, "low": bleu - 1, "high": bleu + 1, "signature": ""}
    (folder / "scores.json").write_text(json.dumps({"validation": {"bleu": score}, "test": {"bleu": score}}))
    log = [{"step": 10 * at, "validation": {"loss": loss}} for at, loss in enumerate(losses, 1)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [{"step": 5, "loss": 9}, *log]))
    return folder


@pytest.fixture
def runs(tmp_path) -> list[Path]:
    large = write_run(tmp_path / "large", 1000, 30.0, [3.0, 2.0], lr=0.1, name="x")
    return [large, write_run(tmp_path / "small", 100, 20.0, [4.0], lr=0.2, name="y")]


def test_over_steps_each_validation_of_each_run_is_a_point(runs):
    found = [(point.run, point.x, point.score, point.y) for point in points(runs, "step", None, "validation")]
    assert found == [("large", 10, "loss", 3.0), ("large", 20, "loss", 2.0), ("small", 10, "loss", 4.0)]


def test_over_records_each_run_is_a_point_with_its_interval_in_order(runs):
    found = [(point.run, point.x, point.y, point.low, point.high) for point in points(runs, "records", None, "test")]
    assert found == [("small", 100, 20.0, 19.0, 21.0), ("large", 1000, 30.0, 29.0, 31.0)]


def test_over_a_setting_its_values_are_the_axis(runs):
    assert [(point.x, point.y) for point in points(runs, "trainer.lr", "bleu", "test")] == [(0.1, 30.0), (0.2, 20.0)]


@pytest.mark.parametrize(
    ("over", "name", "split", "told"),
    [
        ("records", "blue", "test", "No score is called 'blue'. Did you mean 'bleu'?"),
        ("records", None, "tset", "No split is called 'tset'. Did you mean 'test'?"),
        ("step", "bleu", "validation", "validations is called 'bleu'. Known: loss."),
        ("trainer.lrr", None, "test", "config.yaml has no setting trainer.lrr."),
        ("trainer.name", None, "test", "trainer.name is 'x', and a curve needs numbers."),
    ],
)
def test_what_is_not_there_is_named(runs, over, name, split, told):
    with pytest.raises(LamcoreError) as caught:
        points(runs, over, name, split)
    assert told in str(caught.value)


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(LamcoreError, match=r"config.yaml is not there: is .* a run, and finished\?"):
        points([tmp_path], "step", None, "validation")


def test_the_table_is_printed_and_a_plot_opens_offline(runs, tmp_path):
    file = tmp_path / "curve.html"
    words = [*map(str, runs), "--over", "records", "--split", "test", "--plot", str(file), "--json"]
    done = CliRunner().invoke(command, words)
    assert json.loads(done.output) == [
        {"run": "small", "records": "100", "bleu": "20", "95 % interval": "19.00 to 21.00"},
        {"run": "large", "records": "1,000", "bleu": "30", "95 % interval": "29.00 to 31.00"},
    ]
    text = file.read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="https?:', text)
    assert '"y": 30.0' in text or '"y":30.0' in text


def test_an_svg_shows_the_axes(runs, tmp_path):
    file = tmp_path / "curve.svg"
    assert CliRunner().invoke(command, [*map(str, runs), "--plot", str(file)]).exit_code == 0
    text = file.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert ">step</text>" in text
    assert ">loss</text>" in text


def test_a_file_of_another_kind_is_refused(runs, tmp_path):
    done = CliRunner().invoke(command, [*map(str, runs), "--plot", str(tmp_path / "curve.gif")])
    assert "the name must end in .html, .svg, .png, .json." in str(done.exception)


def test_the_best_run_becomes_an_experiment_that_composes_to_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["source=jsonl", "source.train=[a.jsonl]", "architecture=transformer", "architecture.width=32"]
    words += ["trainer=supervised", "trainer.steps=5", "preprocessors=[clean,normalise]", "metrics=[chrf]"]
    registry = load_plugins()
    made = composed(registry, words)
    runs = [write_run(tmp_path / name, 1, bleu, [5.0]) for name, bleu in (("a", 10.0), ("b", 12.0))]
    (runs[1] / "config.yaml").write_text(yaml.safe_dump(made.written, sort_keys=False))
    done = CliRunner().invoke(best, [*map(str, runs), "--into", "conf/experiment/best.yaml", "--score", "bleu"])
    assert f"{runs[1]} is the best of 2: bleu 12 on validation" in done.output
    assert composed(registry, ["experiment=best"]).values == made.values


def test_the_best_by_loss_is_the_lowest(runs):
    assert best_of(runs, None) == (runs[0], "loss", 2.0)


def test_the_package_keeps_its_promises():
    assert {what for what, _ in check_package("lamcore-curve")} == {"package"}
