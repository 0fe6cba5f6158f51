"""Answering: records go down the steps, answers come back up them, and the model folder holds nothing that runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import lamcore
from lamcore import LamcoreError

STEPS = '''
from dataclasses import dataclass
from lamcore import Preprocessor, hookimpl


@dataclass
class Digits(Preprocessor):
    """Replace digits by letters; undo puts the record's own first digit back."""

    def change(self, record):
        return {**record, "input": "".join("cat" if c.isdigit() else c for c in record["input"])}

    def undo(self, answer, record):
        first = next((c for c in record["input"] if c.isdigit()), "")
        return {**answer, "target": answer["target"].replace("cat", first)}


@dataclass
class Drops(Preprocessor):
    """Drop long inputs."""

    def change(self, record):
        return record if len(record["input"]) < 12 else None


@dataclass
class Table(Preprocessor):
    """Deal with whole tables; at predict the split says so."""

    def apply(self, rows, split):
        for record in rows.to_list():
            yield {**record, "input": record["input"] + (" sea" if split == "predict" else "")}


@dataclass
class Tells(Preprocessor):
    """Write what stands in the target into the input."""

    def change(self, record):
        return {**record, "input": f"{record['input']} sea" if record["target"] == "" else record["input"]}


@hookimpl
def register_preprocessors(register):
    for name, cls in (("digits", Digits), ("drops", Drops), ("table", Table), ("tells", Tells)):
        register(name, cls)
'''


@pytest.fixture
def trained_with(toy, make_plugin, echo, tmp_path, monkeypatch):
    """Give trained_with(*steps): a loaded model that echoes, with steps around it."""
    make_plugin("steps", STEPS)
    monkeypatch.setenv("LAMCORE_QUIET", "1")

    def load(*steps):
        kept = [word for word in echo if not word.startswith(("trainer.steps", "metrics"))]
        words = [*kept, f"preprocessors=[{','.join(steps)}]", "trainer.steps=2", "metrics=[]"]
        return lamcore.load(lamcore.train(*words, folder=tmp_path / "run").folder)

    return load


def targets(answers):
    return [answer["target"] for answer in answers]


def test_an_answer_comes_back_up_through_its_own_record(trained_with):
    model = trained_with("digits")
    assert targets(model.predict(["dog 1", "2 sun 3", "moon"])) == ["dog 1", "2 sun 2", "moon"]


def test_no_record_is_dropped_where_an_answer_is_wanted(trained_with):
    assert targets(trained_with("drops").predict(["a sun", "sun sun sun sun", "sea"]))[1] == "sun sun sun sun"


def test_a_step_on_whole_tables_is_told_that_this_is_predict(trained_with):
    assert targets(trained_with("table").predict(["sun", "moon"])) == ["sun sea", "moon sea"]


def test_columns_that_the_model_fills_are_empty_texts(trained_with):
    assert targets(trained_with("tells").predict(["sun", {"input": "moon"}])) == ["sun sea", "moon sea"]


def test_inputs_may_be_any_iterable_and_are_not_changed(trained_with):
    model = trained_with()
    record = {"input": "sun", "other": [1]}
    assert targets(model.predict(record for _ in range(3))) == ["sun"] * 3
    assert record == {"input": "sun", "other": [1]} and model.predict([]) == []


def test_answers_stream_before_all_inputs_are_there(trained_with, monkeypatch):
    import lamcore.model

    monkeypatch.setattr(lamcore.model, "CHUNK", 2)
    read = []
    stream = trained_with().stream(read.append(n) or f"sun {'sea ' * (n % 2)}" for n in range(6))
    assert next(stream)["target"].startswith("sun") and read == [0, 1]
    assert len(list(stream)) == 5


def test_how_records_are_batched_changes_no_answer(trained_with):
    from lamcore import Decoding

    model = trained_with()
    texts = ["sun " * n + "moon" for n in (1, 30, 2, 17, 5, 1)]
    assert targets(model.predict(texts, Decoding(batch_tokens=1))) == texts
    assert targets(model.predict(texts, Decoding(batch_tokens=10_000))) == texts


def test_a_record_without_what_the_model_reads_is_named(trained_with):
    with pytest.raises(LamcoreError, match="^Record 'mine' lacks the column 'input', which the model reads.$"):
        trained_with().predict([{"id": "mine", "text": "x"}])


def test_a_transformer_answers_the_same_alone_and_in_a_batch(trained, toy):
    model = lamcore.load(trained)
    texts = ["cat dog", "moon", "sun sea tree red blue", "one", ""]
    together, alone = model.predict(texts), [model.predict([text])[0] for text in texts]
    assert targets(together) == targets(alone)
    assert [a["score"] for a in together] == pytest.approx([a["score"] for a in alone], rel=1e-5)


def test_the_weights_are_handed_on_as_they_were(trained, toy):
    from safetensors.torch import load_file

    model, kept = lamcore.load(trained).model, load_file(trained / "model" / "model.safetensors")
    state = model.state_dict()
    assert set(state) == set(kept) and all(torch.equal(state[name], kept[name]) for name in kept)
    assert not model.training


def test_the_model_folder_names_components_and_no_code(trained):
    text = (trained / "model" / "config.json").read_text()
    assert "_target_" not in text and "lamcore_" not in text
    assert json.loads(text)["decoding"]["max_length"] == 30
    assert {path.suffix for path in (trained / "model").iterdir()} == {".json", ".md", ".safetensors"}


def test_a_folder_that_is_none_is_told(tmp_path):
    with pytest.raises(LamcoreError, match="is no run with a finished model and no model folder") as error:
        lamcore.load(tmp_path)
    assert error.value.exit_code == 2
    with pytest.raises(LamcoreError):
        lamcore.load(Path("nowhere"))


def test_packed_tensors_are_what_safetensors_reads():
    from safetensors.torch import load

    from lamcore.model import DTYPES, packed

    kinds = [getattr(torch, name) for name in DTYPES]
    tensors = {str(kind): torch.tensor([0, 1, 1, 0, 1], dtype=kind) for kind in kinds}
    matrix = torch.arange(6.0).reshape(2, 3)
    tensors |= {"turned": matrix.T, "part": matrix[:, 1:], "same": matrix, "number": torch.tensor(0.5), 'é"': matrix}
    tensors |= {"nothing": torch.zeros(0, 4), "parameter": torch.nn.Parameter(matrix)}
    found = load(packed(tensors))
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
    assert load(packed({})) == {}
