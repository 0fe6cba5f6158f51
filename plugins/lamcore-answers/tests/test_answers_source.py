"""The source `run_answers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import lamcore
from lamcore import LamcoreError, Record, Source
from lamcore.testing.toy import Given
from lamcore_answers import RunAnswers
from lamcore_answers.example import write_model

PAIRS = [("open the door", "öffne die Tür"), ("close the window", "schließe das Fenster")]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Return the folder of a model that was never trained: its answers are odd, but always the same."""
    return write_model(tmp_path_factory.mktemp("run") / "model")


@pytest.fixture(scope="module")
def answers(run) -> dict[str, dict[str, Any]]:
    """Return what the model answers to either side."""
    asked = [text for pair in PAIRS for text in pair]
    return dict(zip(asked, lamcore.load(run, "cpu").predict(asked), strict=True))


def parallel(**more: Any) -> Given:
    records = [{"input": english, "target": german, **more} for english, german in PAIRS]
    return Given({"train": records, "validation": records[:1]})


def loaded(run: Path, source: Source, **settings: Any) -> dict[str, list[Record]]:
    made = RunAnswers(run=str(run), source=source, device="cpu", **settings)
    return {split: list(records) for split, records in made.load().items()}


def texts(records: list[Record]) -> list[tuple[str, str]]:
    return [(record["input"], record["target"]) for record in records]


def test_an_answer_becomes_the_target_and_names_its_parent(run, answers):
    splits = loaded(run, parallel())
    assert splits["train"] == [
        {"id": f"train-{at}/answer", "parent": f"train-{at}", "input": english, "target": answers[english]["target"]}
        for at, (english, _) in enumerate(PAIRS)
    ]
    assert splits["validation"] == [{"input": PAIRS[0][0], "target": PAIRS[0][1]}]


def test_swapped_the_answer_becomes_the_input_and_held_out_texts_turn_too(run, answers):
    splits = loaded(run, parallel(), swap=True)
    assert texts(splits["train"]) == [(answers[english]["target"], english) for english, _ in PAIRS]
    assert texts(splits["validation"]) == [(PAIRS[0][1], PAIRS[0][0])]


def test_the_other_column_can_be_answered(run, answers):
    splits = loaded(run, parallel(), column="target", swap=True)
    assert texts(splits["train"]) == [(answers[german]["target"], german) for _, german in PAIRS]
    assert texts(splits["validation"]) == [PAIRS[0]]


def test_a_tag_stands_before_the_input_of_answered_records_alone(run, answers):
    splits = loaded(run, parallel(), column="target", swap=True, tag="<BT>")
    assert texts(splits["train"]) == [(f"<BT> {answers[german]['target']}", german) for _, german in PAIRS]
    assert texts(splits["validation"]) == [PAIRS[0]]


@pytest.mark.parametrize(
    ("column", "swap", "expected"),
    [
        ("input", False, ("en", "de")),
        ("input", True, ("de", "en")),
        ("target", False, ("de", "en")),
        ("target", True, ("en", "de")),
    ],
)
def test_languages_go_with_their_texts(run, column, swap, expected):
    splits = loaded(run, parallel(input_lang="en", target_lang="de"), column=column, swap=swap)
    found = {(record["input_lang"], record["target_lang"]) for rows in splits.values() for record in rows}
    assert found == {expected}


def test_text_of_one_language_is_enough_and_its_held_out_splits_are_left_out(run, answers):
    alone = [{"input": english, "domain": "home"} for english, _ in PAIRS]
    splits = loaded(run, Given({"train": alone, "test": alone}), swap=True)
    assert list(splits) == ["train"]
    assert texts(splits["train"]) == [(answers[english]["target"], english) for english, _ in PAIRS]
    assert {record["domain"] for record in splits["train"]} == {"home"}


def test_references_to_the_old_target_are_dropped(run):
    record = {"id": "a", "input": PAIRS[0][0], "target": "x", "references": ["x", "y"]}
    assert "references" not in loaded(run, Given({"train": [record]}))["train"][0]


def test_answers_below_the_score_are_dropped(run, answers):
    scores = {english: answers[english]["score"] for english, _ in PAIRS}
    (kept,) = loaded(run, parallel(), keep_score=max(scores.values()))["train"]
    assert kept["input"] == max(scores, key=lambda english: scores[english])


def test_the_search_can_be_another_than_the_runs(run):
    short = loaded(run, parallel(), decoding={"max_length": 2})["train"]
    assert {len(record["target"]) for record in short} == {2}
    with pytest.raises(LamcoreError, match=r"No setting is called 'decoding\.beams'\. Did you mean 'decoding\.beam'"):
        loaded(run, parallel(), decoding={"beams": 2})


def test_chance_is_as_before(run):
    before = torch.get_rng_state()
    loaded(run, parallel())
    assert torch.equal(before, torch.get_rng_state())


def test_another_model_or_other_texts_change_the_fingerprint(run, tmp_path):
    def of(folder: Path, **given: Any) -> str | None:
        return RunAnswers(run=str(folder), source=Given(**given)).fingerprint()

    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "manifest.json").write_text("another", encoding="utf-8")
    assert of(run) == of(run) is not None
    assert len({of(run), of(tmp_path), of(run, mark="b"), of(run, splits={"train": []})}) == 4
    assert of(run, mark=None) is None


def test_what_can_not_be_answered_is_one_line_that_says_why(run, tmp_path):
    with pytest.raises(LamcoreError, match="is no run with a finished model and no model folder"):
        RunAnswers(run=str(tmp_path), source=parallel()).fingerprint()
    with pytest.raises(LamcoreError, match="Record 'train-0' of source.source has no text in 'target'"):
        loaded(run, Given({"train": [{"input": "a"}]}), column="target")
    with pytest.raises(LamcoreError, match=r"source\.source gives no split 'train', only: test"):
        loaded(run, Given({"test": [{"input": "a"}]}))
    with pytest.raises(LamcoreError, match=r"none of 2 answers of .* is kept: 0 are blank, the best score is -\d"):
        loaded(run, parallel(), keep_score=0.0)
    with pytest.raises(ValueError, match="column must be input or target, not 'text'"):
        RunAnswers(run="x", source=parallel(), column="text")
