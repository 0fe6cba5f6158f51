"""What a trainer gets: validation, checkpoints, weights, stopping."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field

import pytest
import torch

from lamcore import Answer, Architecture, LamcoreError, Metric, Preprocessor, Source, Trainer
from lamcore import commands as module
from lamcore.commands import start
from lamcore.plugins import Component, Plugin, Registry

ROWS = {
    "train": [{"id": f"t{n}", "input": "ab"[: n % 2 + 1], "target": "x"} for n in range(6)],
    "validation": [{"id": "v0", "input": "a", "target": "right"}, {"id": "v1", "input": "b", "target": "wrong"}],
}


@dataclass
class Rows(Source):
    """Six rows."""

    def load(self):
        return ROWS


class Right(torch.nn.Module):
    """Answer "right", with a loss of its one number."""

    def __init__(self):
        super().__init__()
        self.number = torch.nn.Parameter(torch.tensor(3.0))
        self.tied = self.number

    def encode(self, records):
        return [{"length": len(record["input"]), "size": len(record["input"])} for record in records]

    def collate(self, examples):
        return {"length": torch.tensor([int(example["length"]) for example in examples])}

    def forward(self, batch):
        return self.number * batch["length"], batch["length"]

    def predict(self, batch, decoding):
        return [{"target": "right"} for _ in batch["length"]]


@dataclass
class Builds(Architecture):
    """Build it."""

    def build(self, tokenizer, labels):
        return Right()


@dataclass
class Does(Trainer):
    """Do what the test says."""

    def fit(self, run, model, data):
        DO[0](run, model, data)


@dataclass
class Same(Metric):
    """Count right answers, lower is better for the sake of the test."""

    direction = "lower"

    def count(self, answer, record):
        return {"right": answer["target"] == record["target"], "all": 1}

    def score(self, sums):
        return {"same": sums["right"] / sums["all"]}


@dataclass
class Peeks(Preprocessor):
    """Write the target into the input, and back from there."""

    seen: list[str] = field(default_factory=list, init=False)

    def change(self, record):
        SEEN.append(record["target"])
        return {**record, "input": record["input"] + record["target"]}

    def undo(self, answer: Answer, record) -> Answer:
        return answer


DO: list = [None]
SEEN: list[str] = []


@pytest.fixture
def fit(tmp_path, monkeypatch):
    """Give fit(function): run a training in which the trainer does function(run, model, data)."""
    monkeypatch.setenv("LAMCORE_QUIET", "1")
    registry, plugin = Registry(), Plugin("test", "test", "1")
    parts = {"source": Rows, "architecture": Builds, "trainer": Does, "metric": Same, "preprocessor": Peeks}
    registry.offers = [Component(kind, kind, cls, plugin) for kind, cls in parts.items()]

    def train(do, folder="run", **settings):
        DO[0] = do
        names = {kind: {"name": kind} for kind in ("source", "architecture", "trainer")}
        values = {**names, "tokenizer": {"kind": "character"}, "metrics": {"same": {"name": "metric"}}, "device": "cpu"}
        return start(registry, {**values, **settings}, {**values, **settings}, {}, tmp_path / folder)

    train.resume = lambda do, folder="run": (DO.__setitem__(0, do), module.resume(registry, tmp_path / folder))[1]
    return train


def checkpoints(tmp_path, what="step"):
    return sorted(path.name for path in (tmp_path / "run" / "checkpoints").glob(f"{what}-*"))


# Validation ------------------------------------------------------------------------------------------------------


def test_validation_gives_the_loss_per_item_and_leaves_the_model_training(fit):
    def do(run, model, data):
        model.train()
        assert run.validate(1) == {"loss": pytest.approx(3.0)}
        assert model.training
        with torch.no_grad():
            model.number.fill_(5.0)
        assert run.validate(2) == {"loss": pytest.approx(5.0)}

    fit(do)


def test_validation_gives_every_metric_where_one_is_the_monitor(fit):
    seen = {}
    fit(lambda run, model, data: seen.update(run.validate(1)), monitor="same")
    assert seen == {"loss": pytest.approx(3.0), "same": 0.5}


def test_a_validation_that_is_not_a_number_stops_with_three(fit):
    def do(run, model, data):
        with torch.no_grad():
            model.number.fill_(float("inf"))
        run.validate(7)

    words = "Validation at step 7: the loss is inf at records v0, v1: the model has diverged"
    with pytest.raises(LamcoreError, match=words) as error:
        fit(do)
    assert error.value.exit_code == 3


def test_better_follows_the_monitors_direction(fit):
    found = {}
    fit(lambda run, model, data: found.update(loss=run.better(1, 2)))
    fit(lambda run, model, data: found.update(same=run.better(1, 2), other=run.better(2, 1)), "b", monitor="same")
    assert found == {"loss": True, "same": True, "other": False}


def test_of_two_differences_that_nearer_to_zero_is_better(fit, monkeypatch):
    monkeypatch.setattr(Same, "differences", ("gap",))
    monkeypatch.setattr(Same, "score", lambda self, sums: {"same": sums["right"], "gap": -sums["right"]})
    found = []

    def do(run, model, data):
        found.extend([run.better(0.1, -0.2), run.better(-0.1, 0.2), run.better(-0.2, 0.1), run.better(0.1, 0.1)])

    fit(do, monitor="same.gap")
    assert found == [True, True, False, False]


def test_what_is_scored_is_answered_without_the_reference(fit):
    """Else scores were not those of `lam predict`, which has no reference to show."""
    SEEN.clear()

    def do(run, model, data):
        SEEN.clear()

    fit(do, preprocessors={"peek": {"name": "preprocessor"}})
    assert set(SEEN) <= {""}


# Checkpoints -----------------------------------------------------------------------------------------------------


def test_a_checkpoint_gives_back_what_it_was_given(fit, tmp_path):
    tensors = {
        "a/b.c": torch.arange(3),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "none": torch.zeros(0),
        "turned": torch.arange(6).reshape(2, 3).T,
    }
    plain = {"numbers": {"x": [1.5, None, True, "text", {"y": 2}]}, "empty": {}, "list": [], "whole": 3}
    fit(lambda run, model, data: run.checkpoint(4, {**tensors, **plain}))
    got = []
    shutil.rmtree(tmp_path / "run" / "model")
    fit.resume(lambda run, model, data: got.append(run.restore()))
    step, back = got[0]
    assert step == 4 and set(back) == {*tensors, *plain}
    assert all(torch.equal(back[name], tensors[name]) and back[name].dtype == tensors[name].dtype for name in tensors)
    assert {name: back[name] for name in plain} == plain


def test_a_tensor_that_is_seen_twice_is_kept_twice(fit, tmp_path):
    one = torch.arange(4.0)
    fit(lambda run, model, data: run.checkpoint(1, {"a": one, "b": one, "c": one[:2]}))
    shutil.rmtree(tmp_path / "run" / "model")
    got = []
    fit.resume(lambda run, model, data: got.append(run.restore()[1]))
    assert [got[0][name].tolist() for name in "abc"] == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1]]


def test_before_the_first_checkpoint_there_is_nothing_to_restore(fit):
    fit(lambda run, model, data: run.log(0, {"restored": run.restore() is None}))


def test_two_checkpoints_are_kept_and_the_weights_of_the_best(fit, tmp_path):
    def do(run, model, data):
        for step, loss in enumerate([5.0, 3.0, 4.0, 6.0], start=1):
            with torch.no_grad():
                model.number.fill_(loss)
            run.checkpoint(step, {}, {"loss": loss})
        assert run.best == (2, 3.0)
        run.load_best()
        assert model.number.item() == 3.0 and model.tied is model.number

    fit(do)
    assert checkpoints(tmp_path) == ["step-00000003", "step-00000004"]
    assert checkpoints(tmp_path, "best") == ["best-00000002"]


def test_the_best_is_known_again_after_a_restart(fit, tmp_path):
    fit(lambda run, model, data: [run.checkpoint(n, {}, {"loss": x}) for n, x in ((1, 2.0), (2, 1.0), (3, 4.0))])
    shutil.rmtree(tmp_path / "run" / "model")
    seen = []
    fit.resume(lambda run, model, data: (run.restore(), seen.append(run.best), run.load_best()))
    assert seen == [(2, 1.0)]


def test_the_best_of_the_checkpoint_before_is_there_when_the_newest_is_damaged(fit, tmp_path):
    def do(run, model, data):
        for step, loss in ((1, 5.0), (2, 3.0)):
            with torch.no_grad():
                model.number.fill_(loss)
            run.checkpoint(step, {}, {"loss": loss})

    fit(do)
    shutil.rmtree(tmp_path / "run" / "model")
    (tmp_path / "run" / "checkpoints" / "step-00000002" / "state.json").write_text("{}")
    seen = []
    fit.resume(lambda run, model, data: (run.restore(), run.load_best(), seen.append((run.best, model.number.item()))))
    assert seen == [((1, 5.0), 5.0)]


def test_the_log_goes_back_to_the_checkpoint_that_is_gone_on_from(fit, tmp_path):
    def do(run, model, data):
        run.log(1, {"loss": 1.0})
        run.checkpoint(1, {})
        run.log(2, {"loss": 2.0})

    fit(do)
    shutil.rmtree(tmp_path / "run" / "model")
    with (tmp_path / "run" / "log.jsonl").open("a") as file:
        file.write('{"torn')
    fit.resume(lambda run, model, data: (run.restore(), run.log(2, {"loss": 3.0})))
    found = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in found] == [(1, 1.0), (2, 3.0)]


def test_the_newest_checkpoint_is_chosen_by_its_step_and_not_by_the_clock(fit, tmp_path):
    import os

    fit(lambda run, model, data: [run.checkpoint(n, {"n": n}) for n in (9, 10)])
    shutil.rmtree(tmp_path / "run" / "model")
    os.utime(tmp_path / "run" / "checkpoints" / "step-00000010", (1, 1))
    seen = []
    fit.resume(lambda run, model, data: seen.append(run.restore()))
    assert seen == [(10, {"n": 10})]


def test_a_checkpoint_holds_no_number_that_is_none(fit):
    with pytest.raises(ValueError):
        fit(lambda run, model, data: run.checkpoint(1, {"loss": float("nan")}))


def test_the_number_of_threads_is_set_again(fit, tmp_path):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        fit(lambda run, model, data: run.checkpoint(1, {}))
        shutil.rmtree(tmp_path / "run" / "model")
        torch.set_num_threads(2)
        seen = []
        fit.resume(lambda run, model, data: (run.restore(), seen.append(torch.get_num_threads())))
        assert seen == [1]
    finally:
        torch.set_num_threads(before)


def test_weights_are_kept_for_averaging_until_they_are_dropped(fit):
    def do(run, model, data):
        for step in (1, 2):
            with torch.no_grad():
                model.number.fill_(step)
            run.save_weights(step)
        kept = run.weights()
        assert [step for step, _ in kept] == [1, 2]
        assert [float(run.load_weights(path)["number"]) for _, path in kept] == [1.0, 2.0]

    fit(do)


# Stopping --------------------------------------------------------------------------------------------------------


def test_the_first_reason_to_stop_stays(fit):
    def do(run, model, data):
        assert run.stopped is None
        run.stop("target")
        run.stop("patience")
        assert run.stopped == "target"

    fit(do)


def test_a_first_signal_asks_for_a_stop_and_a_second_one_ends_at_once(fit, tmp_path):
    import signal

    def do(run, model, data):
        signal.raise_signal(signal.SIGINT)
        assert run.stopped == "interrupted"
        run.checkpoint(1, {})
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("still here")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(do)
    assert signal.getsignal(signal.SIGINT) is before and checkpoints(tmp_path) == ["step-00000001"]


def test_a_run_in_another_thread_works_without_signals(fit):
    from threading import Thread

    done = []
    thread = Thread(target=lambda: done.append(fit(lambda run, model, data: None)))
    thread.start()
    thread.join()
    assert done[0].scores["validation"]["same"]["value"] == 0.5


def test_the_end_of_a_run_is_told_with_its_error(fit, monkeypatch):
    told = []
    monkeypatch.setattr(Registry, "notify", lambda self, hook, **words: told.append((hook, words.get("error"))))
    with pytest.raises(LamcoreError, match="no"):
        fit(lambda run, model, data: (_ for _ in ()).throw(LamcoreError("no")))
    assert [hook for hook, _ in told] == ["on_start", "on_data", "on_model", "on_rehearse", "on_finish"]
    assert str(told[-1][1]) == "no"


def test_a_device_that_is_not_there_is_told_before_anything_is_written(fit, tmp_path):
    with pytest.raises(LamcoreError, match="^device=cuda:77 can't be used here: "):
        fit(lambda run, model, data: None, device="cuda:77")
    with pytest.raises(LamcoreError, match="^device=toaster can't be used here: "):
        fit(lambda run, model, data: None, device="toaster")
    assert not (tmp_path / "run").exists()
