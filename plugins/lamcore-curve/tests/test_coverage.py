"""`lam coverage`: the curve, the threshold that is chosen, and the model that abstains."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lamcore import LamcoreError, load
from lamcore.commands import train
from lamcore.plugins import load_plugins
from lamcore_curve import coverage
from lamcore_curve.selective import Place, at, curves, plotted, shown, threshold

SURE = {"validation": [(0.9, 1), (0.8, 1), (0.8, 0), (0.5, 1), (0.1, 0)], "test": [(0.95, 0), (0.6, 1)]}
"""Split -> (probability, whether the answer is right)."""


@pytest.fixture
def run(tmp_path):
    for split, answers in SURE.items():
        rows = [
            {
                "id": f"{split}-{at}",
                "reference": {"intent": "on"},
                "answer": {"intent": "on" if right else "off", "probability": sure},
            }
            for at, (sure, right) in enumerate(answers)
        ]
        (tmp_path / f"predictions-{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_place_of_the_curve_gives_all_answers_that_are_as_sure(run):
    found = curves(run, None)
    assert list(found) == ["validation", "test"]
    assert found["validation"] == [
        Place("validation", 20.0, 100.0, 0.9, 1),
        Place("validation", 60.0, pytest.approx(200 / 3), 0.8, 3),
        Place("validation", 80.0, 75.0, 0.5, 4),
        Place("validation", 100.0, 60.0, 0.1, 5),
    ]


def test_the_threshold_answers_most_of_validation_and_is_told_for_each_split(run):
    found = curves(run, "intent")
    assert threshold(found, 0.7) == 0.5  # 60 % answered is 67 % right, 80 % answered 75 %
    assert threshold(found, 0.8) == 0.9
    assert at(found, 0.5) == [Place("validation", 80.0, 75.0, 0.5, 4), Place("test", 100.0, 50.0, 0.5, 2)]
    assert at(found, 0.99)[1] == Place("test", 0.0, 0.0, 0.99, 0)


def test_texts_are_compared_with_their_reference_and_may_have_a_score_alone(tmp_path):
    rows = [{"id": "a", "reference": "x", "answer": {"target": text, "score": -1.0}} for text in "xy"]
    (tmp_path / "predictions-validation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert curves(tmp_path, None) == {"validation": [Place("validation", 100.0, 50.0, -1.0, 2)]}


def test_the_table_shows_each_place_once_and_a_plot_its_ends():
    places = [Place("test", number / 10, 50.0, 1 - number / 1000, number) for number in range(1, 1001)]
    assert [place.coverage for place in shown(places)] == [100, 95, 90, 80, 70, 60, 50, 40, 30, 20, 10]
    assert shown(places[-1:]) == places[-1:]
    assert len(plotted(places)) == 500
    assert (plotted(places)[0], plotted(places)[-1]) == (places[0], places[-1])
    assert plotted(places[:3]) == places[:3]


def call(*words, code=0):
    done = CliRunner().invoke(coverage, [str(word) for word in words], obj=load_plugins())
    assert done.exit_code == code, done.output
    return done


def test_the_table_is_printed_and_a_plot_drawn(run):
    done = call(run, "--accuracy", "0.7", "--plot", run / "curve.svg", "--json")
    assert json.loads(done.output) == [
        {"split": "validation", "coverage": 80.0, "accuracy": 75.0, "threshold": 0.5, "answered": 4},
        {"split": "test", "coverage": 100.0, "accuracy": 50.0, "threshold": 0.5, "answered": 2},
    ]
    drawn = (run / "curve.svg").read_text(encoding="utf-8")
    assert "coverage: answered, in percent" in drawn
    assert ">validation</text>" in drawn


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--into", "x"], "--into needs --accuracy, by which the threshold is chosen."),
        (["--column", "intnt"], "'intnt'. Did you mean 'intent'?"),
        (["--plot", "curve.gif"], "--plot curve.gif: the name must end in .html, .svg, .png, .json."),
    ],
)
def test_what_is_wrong_is_named(run, words, told):
    assert told in str(call(run, *words, code=1).exception)


def test_an_accuracy_that_no_threshold_reaches_is_told_with_the_most(run):
    (run / "predictions-validation.jsonl").write_bytes((run / "predictions-test.jsonl").read_bytes())
    with pytest.raises(
        LamcoreError, match=r"--accuracy 0.7: .* on validation; the most is 0.5000, at 100.0 % answered"
    ):
        threshold(curves(run, None), 0.7)


def test_a_folder_without_answers_is_named(tmp_path):
    with pytest.raises(LamcoreError, match=r"has no predictions-SPLIT.jsonl: is it a run, and finished\?"):
        curves(tmp_path, None)


def test_the_model_that_is_written_abstains_under_the_threshold(tmp_path):
    rows = [{"input": f"{word} it {at}", "intent": word} for at in range(20) for word in ("open", "close")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ["source=jsonl", f"source.train={tmp_path / 'rows.jsonl'}", "source.split=[60,20,20]"]
    settings += ["architecture=classifier", "architecture.abstain=ask", "architecture.encoder.width=16"]
    settings += ["architecture.encoder.embedding=16", "architecture.encoder.feed_forward=16", "trainer=supervised"]
    settings += [
        "architecture.encoder.buckets=50",
        "tokenizer.kind=character",
        "trainer.steps=3",
        "metrics=[]",
        "device=cpu",
    ]
    trained = train(*settings, folder=tmp_path / "run")
    told = json.loads(call(trained.folder, "--accuracy", "0.1", "--into", tmp_path / "careful", "--json").output)
    least = told[0]["threshold"]
    before, after = (
        load(folder, "cpu").predict(["shut", "open it 3"]) for folder in (trained.folder, tmp_path / "careful")
    )
    assert [one["probability"] for one in before] == [one["probability"] for one in after]
    wanted = ["ask" if one["probability"] < least else one["intent"] for one in before]
    assert [one["intent"] for one in after] == wanted
    again = call(trained.folder, "--accuracy", "0.1", "--into", tmp_path / "careful", code=1)
    assert "careful is there already: name a new folder." in str(again.exception)
