"""The step `alignment`, with a small model that has learnt nothing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from lamcore import LamcoreError, Preprocessor, Record, load
from lamcore.prepare import key_of
from lamcore.testing.toy import records
from lamcore_filters import Alignment, Language
from lamcore_filters.alignment import _losses

TOY = [record for record in records(20) if record["input"].strip()]


@pytest.fixture(scope="module")
def step(tmp_path_factory: pytest.TempPathFactory) -> Alignment:
    return Alignment.example(tmp_path_factory.mktemp("alignment"))


def ids(rows: Any) -> list[str]:
    return [row["id"] for row in rows]


def test_the_score_is_the_runs_loss_in_nats_a_token(step):
    trained = load(step.run)
    for record, score in zip(TOY[:4], step.scores(TOY[:4]), strict=True):
        losses, counts = trained.model(trained.model.collate(trained.model.encode([record])))
        assert score == pytest.approx((losses / counts).detach().item(), rel=1e-5)


@dataclass
class Upper(Preprocessor):
    """Write the input in capitals."""

    def change(self, record: Record) -> Record | None:
        return {**record, "input": record["input"].upper()}


def test_records_go_down_the_steps_of_the_earlier_run_but_not_through_its_filters(step):
    trained = load(step.run)
    trained.parts.preprocessors = {"language": Language(), "upper": Upper()}
    record = {"id": "1", "input": "open the door", "target": "öffne die Tür"}
    assert _losses(trained, [record]) == step.scores([{**record, "input": "OPEN THE DOOR"}])


def test_less_likely_records_are_dropped_in_train_alone(step):
    scores = dict(zip(ids(TOY), step.scores(TOY), strict=True))
    middle = sorted(scores.values())[len(scores) // 2]
    strict = Alignment(run=step.run, threshold=middle)
    rows = Dataset.from_list(TOY)
    assert ids(strict.apply(rows, "train")) == [name for name, score in scores.items() if score < middle]
    for split in ("validation", "test", "predict"):
        assert strict.apply(rows, split) is rows


def test_an_empty_text_is_not_judged(step):
    assert step.scores([{"id": "1", "input": "a", "target": ""}, {"id": "2", "input": " ", "target": "b"}]) == [
        None,
        None,
    ]


def test_data_prepared_with_other_weights_has_another_key(step, tmp_path):
    other = Alignment.example(tmp_path)
    assert other.checksum == step.checksum and len(step.checksum) == 64
    manifest = Path(other.run) / "manifest.json"
    manifest.write_text(manifest.read_text().replace(step.checksum, "0" * 64))
    assert Alignment(run=other.run).checksum == "0" * 64
    assert key_of(Alignment(run=other.run)) != key_of(other)
    with pytest.raises(LamcoreError, match=f"alignment.run: .* does not hold the weights {step.checksum}"):
        other.scores(TOY)


def test_a_model_handed_on_without_the_earlier_run_still_predicts(step, tmp_path):
    gone = Alignment.example(tmp_path)
    shutil.rmtree(gone.run)
    again = Alignment(run=gone.run, checksum=gone.checksum)
    rows = Dataset.from_list(TOY)
    assert again.apply(rows, "predict") is rows


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(LamcoreError, match="is no run with a finished model and no model folder"):
        list(Alignment(run=str(tmp_path)).apply(Dataset.from_list(TOY), "train"))


def test_a_bound_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"threshold must be more than 0, not 0\.0"):
        Alignment(run="x", threshold=0.0)
