"""`lam overlap` finds held-out inputs that train holds, exactly or nearly, and scores a run without them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from click.testing import CliRunner

from lamcore import LamcoreError, Metric, Source
from lamcore.cli import SHOWN
from lamcore.kinds import Recipe
from lamcore_clean.overlap import command, report, seen_in, show

TRAIN = ["Turn on the light in the kitchen", "Straße ﬁne", "what will the weather be like tomorrow"]
TEST = ["TURN ON  the light in the kitchen ", "what will the weather be like today", "set an alarm", "strasse fine"]


@dataclass
class Given(Source):
    """Splits as they are given."""

    splits: dict[str, list[str]] = field(default_factory=dict)
    """Split -> inputs."""

    def load(self):
        given = self.splits.items()
        return {split: [{"id": f"{split}{n}", "input": t} for n, t in enumerate(texts)] for split, texts in given}


@dataclass
class Right(Metric):
    """Count right answers."""

    def count(self, answer, record):
        return {"right": answer["right"], "all": 1}

    def score(self, sums):
        return {"right": sums["right"] / sums["all"]}


def finished(folder, right=(1, 1, 0, 0)):
    """Write what a finished run answered; return its recipe."""
    lines = [{"id": f"test{n}", "input": text, "answer": {"right": one}} for n, (text, one) in
             enumerate(zip(TEST, right, strict=True))]  # fmt: skip
    (folder / "predictions-test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Recipe(Given({"train": TRAIN, "test": TEST}), None, None, metrics={"right": Right()},
                  cache=str(folder / "cache"))  # fmt: skip


def test_exact_and_near_ones_are_found_with_the_train_input_that_is_most_alike():
    seen = seen_in([{"input": text} for text in TRAIN], {"test": TEST, "new": TEST[2:3]}, 0.5)
    assert seen["new"] == {} and sorted(seen["test"]) == [0, 1, 3]
    assert seen["test"][0] == (1.0, TRAIN[0]) and seen["test"][3] == (1.0, TRAIN[1])
    share, text = seen["test"][1]
    assert text == TRAIN[2] and round(share, 2) == 0.76  # 29 runs of 38


def test_scores_are_told_with_and_without_what_was_seen(tmp_path, capsys):
    found = report(finished(tmp_path), tmp_path, 0.5)["test"]
    assert found["rows"] == 4 and [one["id"] for one in found["seen"]] == ["test0", "test1", "test3"]
    assert found["scores"]["right"]["value"] == 0.5 and found["unseen"]["right"]["value"] == 0.0
    show({"test": found})
    shown = capsys.readouterr().out
    assert "test: of 4 inputs 2 stand in train too and 1 nearly" in shown
    assert "1.00  TURN ON  the light in the kitchen   ~  Turn on the light in the kitchen" in shown
    assert "test without 3 seen" in shown


def test_a_split_that_train_shares_nothing_with_is_scored_once(tmp_path, capsys):
    recipe = finished(tmp_path)
    recipe.source.splits["train"] = ["something else altogether"]
    found = report(recipe, tmp_path, 0.5)
    assert found["test"]["seen"] == [] and found["test"]["scores"] == found["test"]["unseen"]
    show(found)
    assert "without" not in capsys.readouterr().out


def test_a_split_that_train_holds_as_a_whole_has_no_other_scores(tmp_path):
    recipe = finished(tmp_path)
    recipe.source.splits["train"] = TEST
    found = report(recipe, tmp_path, 0.9)["test"]
    assert len(found["seen"]) == 4 and found["unseen"] == {}


def test_answers_to_other_records_and_an_unfinished_run_are_refused(tmp_path):
    recipe = finished(tmp_path)
    recipe.source.splits["test"] = TEST[::-1]
    with pytest.raises(LamcoreError, match="answers other records than the source gives now. Use lam evaluate"):
        report(recipe, tmp_path, 0.5)
    (tmp_path / "predictions-test.jsonl").unlink()
    with pytest.raises(LamcoreError, match="has no predictions-test.jsonl: finish it by lam resume"):
        report(recipe, tmp_path, 0.5)


def test_records_without_an_input_overlap_nowhere():
    assert seen_in([{"image": [0.5]}], {"test": ["", "a"]}, 0.5) == {"test": {}}


@pytest.mark.parametrize("near", ["0", "1.5"])
def test_a_similarity_out_of_range_is_refused(near):
    ended = CliRunner().invoke(command, ["run", "--near", near], **SHOWN)
    assert ended.exit_code == 2 and "0<x<=1" in ended.output
