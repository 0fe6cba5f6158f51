"""`supervised` on a toy task, with a real run and real data: every token has one right tag."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import time
from dataclasses import dataclass
from signal import SIGKILL

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lamcore import Architecture, LamcoreError, Source
from lamcore.data import Data
from lamcore.kinds import Recipe
from lamcore.model import ModelParts, TrainedModel
from lamcore.plugins import Registry
from lamcore.prepare import prepare
from lamcore.run import Run
from lamcore_trainers import Supervised
from lamcore_trainers.average import MovingAverage, mean_weights
from lamcore_trainers.learner import Share
from lamcore_trainers.meter import Meter, Update
from lamcore_trainers.optimizer import shrink
from lamcore_trainers.progress import Clock, Progress, plan, time_update
from lamcore_trainers.r_drop import divergence
from lamcore_trainers.supervised import Plateau, Precision, Schedule
from lamcore_trainers.workers import Workers

TOKENS, TAGS = 24, 5


def tags(tokens):
    return tokens * 7 % 11 % TAGS


@dataclass
class Numbers(Source):
    """300 records of one to six numbers to train on, 50 to validate."""

    def load(self):
        rng = random.Random(5)
        rows = [[rng.randint(1, TOKENS - 1) for _ in range(rng.randint(1, 6))] for _ in range(350)]
        records = [{"id": f"r{number}", "tokens": row} for number, row in enumerate(rows)]
        return {"train": records[:300], "validation": records[300:]}


@dataclass
class Tagging(Architecture):
    """Embedding, norm, dropout, linear."""

    dropout: float = 0.1
    reads = ("tokens",)
    answers = ()

    def build(self, tokenizer, labels):
        torch.manual_seed(3)
        return Tagger(self.dropout)


class Tagger(nn.Module):
    """Token 0 is padding."""

    def __init__(self, dropout):
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, 16)
        self.norm = nn.LayerNorm(16)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(16, TAGS)

    def encode(self, records):
        return [{"tokens": np.array(record["tokens"]), "size": len(record["tokens"])} for record in records]

    def collate(self, examples):
        tokens = [torch.tensor(example["tokens"], dtype=torch.long) for example in examples]
        return {"tokens": nn.utils.rnn.pad_sequence(tokens, batch_first=True)}

    def logits(self, batch):
        return self.scores(batch["tokens"])

    def scores(self, tokens):
        return self.head(self.dropout(self.norm(self.embedding(tokens))))  # (B, S, tags)

    def forward(self, batch):
        tokens = batch["tokens"]
        losses = nn.functional.cross_entropy(self.scores(tokens).mT, tags(tokens), reduction="none")
        return (losses * (tokens > 0)).sum(1), (tokens > 0).sum(1)


class Scripted(Run):
    """A run whose validations give the losses that are written down."""

    losses: list[float]

    def _loss(self, split):
        return self.losses.pop(0)


class Fixed(Data):
    """Data whose batches are the rows that are written down."""

    rows: list[range]

    def train_batches(self, tokens, start=0, rank=0, world=1):
        for rows in self.rows[start:]:
            examples = self.model.encode([self.ready["train"][row] for row in rows])
            yield 0, {**self.model.collate(examples), "rows": torch.tensor(rows)}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Return a function that opens a run in a folder, as `lam train` does, with a new model."""
    cache = tmp_path_factory.mktemp("cache")
    prepared = prepare(Recipe(Numbers(), Tagging(), Supervised()), cache)

    def open_run(folder, trainer, losses=None, dropout=0.1, rows=None):
        folder.mkdir(exist_ok=True)
        recipe = Recipe(Numbers(), Tagging(dropout), trainer)
        run = (Run if losses is None else Scripted)(folder, recipe, Registry(), torch.device("cpu"))
        run.losses = losses
        run.data = (Data if rows is None else Fixed)(recipe, prepared, cache)
        parts = ModelParts(recipe.architecture, recipe.preprocessors, recipe.decoding)
        run.trained = TrainedModel(parts, {}, {}, {}, run.device).build()
        run.data.bind(run.model, {}, {})
        run.data.rows, run.data.model = rows, run.model
        return run

    return open_run


def fit(run, signal=None, error=None):
    """Train; in the forward pass numbered `signal`, the run is interrupted or an error is raised."""
    if signal:
        forward, passes = run.model.forward, itertools.count(1)

        def interrupted(batch):
            if run.model.training and next(passes) == signal:
                if error:
                    raise error
                run.stop("interrupted")
            return forward(batch)

        run.model.forward = interrupted
    torch.manual_seed(run.seed)
    run.recipe.trainer.fit(run, run.model, run.data)
    return run


def settings(**values):
    base = {"steps": 60, "lr": 0.02, "warmup": 5, "batch_tokens": 60, "validate_every": 20, "log_every": 7}
    return Supervised(**(base | values))


def lines(run):
    """Return the log without what a clock wrote."""
    read = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("time", "tokens_per_second", "seconds_left")} for line in read]


def validated(run):
    return [line["step"] for line in lines(run) if "validation" in line]


def checkpoints(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def state(run):
    """Return the newest checkpoint: plain values, and tensors as bytes."""
    newest = max((run.folder / "checkpoints").glob("step-*"))
    return json.loads((newest / "state.json").read_text())["state"], (newest / "tensors.safetensors").read_bytes()


def progress(run):
    return state(run)[0]["progress"]


def kept(run, name):
    return load_file(run.folder / "checkpoints" / name / "model.safetensors")


def same(model, weights):
    return all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


def test_the_toy_task_is_learnt_to_the_last_token(tmp_path, start):
    run = fit(start(tmp_path, settings(steps=300)))
    tokens = torch.arange(1, TOKENS)[None]
    assert torch.equal(run.model.eval().scores(tokens).argmax(-1), tags(tokens))
    assert run.best[1] < 0.05
    assert run.stopped == "steps"


@pytest.mark.parametrize("signals", [(1,), (20,), (33,), (19, 1, 1), (7, 13, 21), (60,)])
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tmp_path, start, signals):
    trainer = settings(accumulation=2, average=2, ema=0.9)
    whole = fit(start(tmp_path / "whole", trainer))
    done = 0
    for signal in signals:
        run = fit(start(tmp_path / "parts", trainer), signal=2 * signal)  # two forward passes an update
        done += signal
        assert run.stopped == "interrupted"
        assert progress(run)["step"] == done
    run = fit(start(tmp_path / "parts", trainer))
    assert state(run) == state(whole)
    assert same(run.model, whole.model.state_dict())
    assert lines(run) == lines(whole)


def test_a_killed_training_goes_on_from_its_last_checkpoint_to_the_same_weights(tmp_path, start):
    whole = fit(start(tmp_path / "whole", settings()))
    with pytest.raises(KeyboardInterrupt):
        fit(start(tmp_path / "killed", settings()), signal=55, error=KeyboardInterrupt())
    run = fit(start(tmp_path / "killed", settings()))
    assert state(run) == state(whole)
    assert lines(run) == lines(whole)
    assert same(run.model, whole.model.state_dict())


def test_a_finished_training_is_not_trained_again(tmp_path, start):
    whole = fit(start(tmp_path, settings()))
    before = lines(whole)
    again = fit(start(tmp_path, settings()), signal=1, error=AssertionError("trained again"))
    assert lines(again) == before
    assert same(again.model, whole.model.state_dict())


def test_an_interruption_is_heeded_within_the_update_it_comes_in(tmp_path, start):
    fit(start(tmp_path, settings()), signal=9)
    assert checkpoints(tmp_path) == ["step-00000009"]


def test_minutes_become_steps_once_and_a_resumed_training_keeps_them(tmp_path, start, monkeypatch):
    """The clock is read a fixed number of times, so that a clock which ticks when it is read gives a known plan.

    By hand, at 0.1 s a tick: most of updates 11 to 50 took 0.1 s, a validation 0.1 s, 7.4 s are spent. Of 30.3 s 3 %
    and the last validation are left over: 21.891 s for updates of 0.1 + 0.1 / 20 s.
    """
    trainer = settings(steps=0, minutes=0.505, schedule=Schedule.cosine)
    monkeypatch.setattr(time, "monotonic", itertools.count(0, 0.1).__next__)
    whole = fit(start(tmp_path / "whole", trainer))
    assert progress(whole)["step"] == progress(whole)["total"] == 50 + 208
    assert validated(whole) == [20, 40, 50, *range(60, 241, 20), 258]

    monkeypatch.setattr(time, "monotonic", itertools.count(0, 0.1).__next__)
    fit(start(tmp_path / "parts", trainer), signal=57)
    monkeypatch.setattr(time, "monotonic", itertools.count(7, 55.5).__next__)
    fit(start(tmp_path / "parts", trainer), signal=30)
    run = fit(start(tmp_path / "parts", trainer))
    assert state(run) == state(whole)
    assert lines(run) == lines(whole)


def test_a_training_interrupted_before_its_plan_keeps_the_seconds_it_measured(tmp_path, start):
    trainer = settings(steps=0, minutes=0.02)
    before = progress(fit(start(tmp_path, trainer), signal=30))
    assert before["planned"] is None and len(before["updates"]) == 20
    assert before["spent"] > sum(before["updates"]) > 0
    after = progress(fit(start(tmp_path, trainer), signal=19))
    assert after["planned"] is None and after["updates"][:20] == before["updates"] and len(after["updates"]) == 39
    done = progress(fit(start(tmp_path, trainer)))
    assert done["planned"] >= 50 and done["spent"] > after["spent"] and done["updates"] == []


class Guess(nn.Module):
    """Gives the scores that are written down, one after another."""

    def __init__(self, *scores):
        super().__init__()
        self.scores = iter(scores)

    def logits(self, batch):
        return next(self.scores)


def test_r_drop_is_half_the_sum_of_both_divergences_over_items_without_padding():
    one = torch.tensor([[[0.5, 0.5], [0.5, 0.5]], [[0.8, 0.2], [0.1, 0.9]]]).log()
    two = torch.tensor([[[0.5, 0.5], [0.9, 0.1]], [[0.2, 0.8], [0.9, 0.1]]]).log() + 3.0
    # by hand: 0 for equal scores; (0.5 log(5/9) + 0.5 log 5 + 0.9 log(9/5) + 0.1 log(1/5)) / 2 = 0.4394449;
    # 0.6 log 4 = 0.8317766; the last place is padding
    apart = divergence(Guess(one, two), {}, torch.tensor([2, 1]))
    assert apart.item() == pytest.approx(0.4394449 + 0.8317766, rel=1e-5)


def test_r_drop_makes_passes_with_other_dropout_agree_and_still_learns(tmp_path, start):
    def apart(run):
        model = run.model.train()
        batch = next(run.data.train_batches(600))[1]
        torch.manual_seed(2)
        _, counts = model(batch)
        return (divergence(model, batch, counts) / counts.sum()).item()

    free = fit(start(tmp_path / "free", settings(steps=150), dropout=0.3))
    held = fit(start(tmp_path / "held", settings(steps=150, r_drop=10.0), dropout=0.3))
    assert apart(held) < 0.7 * apart(free)
    assert held.best[1] < 0.8


def test_r_drop_without_logits_is_refused_before_training(tmp_path, start):
    run = start(tmp_path, settings(r_drop=5.0))
    run.trained.model = nn.Linear(1, 1)
    with pytest.raises(LamcoreError, match="compares a model's logits, and Linear has none"):
        fit(run)


@pytest.mark.parametrize("clip", [0.0, 0.1])
def test_two_accumulated_batches_equal_the_one_batch_of_both(tmp_path, start, clip):
    values = {"steps": 3, "warmup": 0, "clip": clip}
    halves = [range(0, 8), range(8, 11), range(11, 30), range(30, 32), range(32, 35), range(35, 60)]
    wholes = [range(0, 11), range(11, 32), range(32, 60)]
    one = fit(start(tmp_path / "one", settings(**values), dropout=0.0, rows=wholes))
    two = fit(start(tmp_path / "two", settings(**values, accumulation=2), dropout=0.0, rows=halves))
    for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def test_two_workers_equal_two_accumulated_batches_in_one_process(tmp_path, start):
    values = {"steps": 20, "log_every": 1, "ema": 0.9}
    alone = fit(start(tmp_path / "alone", settings(**values, accumulation=2), dropout=0.0))
    shared = fit(start(tmp_path / "shared", settings(**values, workers=2), dropout=0.0))
    for a, b in zip(alone.model.parameters(), shared.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    assert [line.get("loss") for line in lines(shared)] == pytest.approx([line.get("loss") for line in lines(alone)])
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("signals", [(1,), (19, 1, 13)])
def test_a_resumed_training_of_three_workers_equals_an_uninterrupted_one_bit_for_bit(tmp_path, start, signals):
    trainer = settings(workers=3, accumulation=2, steps=40)
    whole = fit(start(tmp_path / "whole", trainer, dropout=0.3))
    for done in signals:
        fit(start(tmp_path / "parts", trainer, dropout=0.3), signal=2 * done)
    run = fit(start(tmp_path / "parts", trainer, dropout=0.3))
    assert state(run) == state(whole)
    assert lines(run) == lines(whole)


def test_workers_draw_other_dropout_each_and_at_each_update(tmp_path, start):
    """The same rows, again and again: equal losses would be equal masks."""
    run = start(tmp_path, settings(steps=8, lr=1e-12, workers=2, log_every=1, clip=0.0), dropout=0.5)
    run.data.__class__, run.data.rows, run.data.model = Fixed, [range(40)] * 8, run.model
    shares, learn = [], Workers.learn
    try:
        Workers.learn = lambda self, step: shares.append(learn(self, step)) or shares[-1]
        fit(run)
    finally:
        Workers.learn = learn
    assert len({float(share.losses.sum()) for pair in shares for share in pair}) == 16


def test_a_worker_that_is_killed_ends_the_training_with_one_line(tmp_path, start):
    run, killed = start(tmp_path, settings(workers=2)), []

    def kill(*, step, values, **_):
        if not killed and step == 28:
            (other,) = multiprocessing.active_children()
            os.kill(other.pid, SIGKILL)
            killed.append(other.pid)

    run.notify = lambda hook, **values: kill(**values) if hook == "on_log" else None
    with pytest.raises(LamcoreError, match="A worker \\(process \\d+\\) was ended from outside"):
        fit(run)
    assert killed and multiprocessing.active_children() == []
    assert checkpoints(tmp_path)[-1] == "step-00000020"


@pytest.mark.parametrize(
    ("error", "told", "code"),
    [
        (LamcoreError("This record is wrong.", 3), r"^This record is wrong\.$", 3),
        (MemoryError(), "set trainer.batch_tokens to 30 and trainer.accumulation to 2", 6),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "set trainer.batch_tokens to 30", 6),
    ],
)
def test_what_goes_wrong_in_a_worker_is_said_by_the_first_process(tmp_path, start, capfd, error, told, code):
    run, first = start(tmp_path, settings(workers=2)), os.getpid()
    forward = run.model.forward

    def right_or_wrong(batch):
        if os.getpid() != first:
            raise error
        return forward(batch)

    run.model.forward = right_or_wrong
    with pytest.raises(LamcoreError, match=told) as caught:
        fit(run)
    assert caught.value.exit_code == code
    assert capfd.readouterr().err == ""


def test_what_goes_wrong_in_the_first_process_is_said_once(tmp_path, start, capfd):
    """The other worker is in the middle of its share, and finds nobody to give it to."""
    run, first = start(tmp_path, settings(workers=2)), os.getpid()
    forward = run.model.forward

    def slow_or_wrong(batch):
        if os.getpid() == first:
            raise LamcoreError("This is wrong.")
        time.sleep(0.3)
        return forward(batch)

    run.model.forward = slow_or_wrong
    with pytest.raises(LamcoreError, match=r"This is wrong\."):
        fit(run)
    assert multiprocessing.active_children() == []
    assert capfd.readouterr().err == ""


def test_workers_are_for_a_cpu(tmp_path, start):
    run = start(tmp_path, settings(workers=2))
    run.device = torch.device("cuda")
    with pytest.raises(
        LamcoreError, match="trainer.workers shares a CPU among processes; on cuda set trainer.workers=1"
    ):
        Workers(run.recipe.trainer, run, run.model, {}, run.data, 0)


def test_the_first_update_is_adams_on_the_mean_loss_of_all_tokens(tmp_path, start):
    """With bias correction it is -lr * g / (|g| + eps), beside the decay of matrices."""
    trainer = settings(steps=1, warmup=0, schedule=Schedule.constant, weight_decay=0.5, clip=0.0, eps=1e-4)
    run = start(tmp_path, trainer, dropout=0.0, rows=[range(0, 5)])
    before = Tagging(dropout=0.0).build({}, {})
    _, batch = next(run.data.train_batches(60))
    losses, counts = before(batch)
    (losses.sum() / counts.sum()).backward()
    fit(run)
    for (name, p), after in zip(before.named_parameters(), run.model.parameters(), strict=True):
        decay = 0.5 if name in ("embedding.weight", "head.weight") else 0.0
        expected = p * (1 - 0.02 * decay) - 0.02 * p.grad / (p.grad.abs() + 1e-4)
        torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("clip", "after"), [(0.0, [0.6, 0.8]), (2.0, [0.6, 0.8]), (0.5, [0.3, 0.4])])
def test_clipping_measures_the_gradient_of_the_loss_per_item(clip, after):
    grads = [torch.tensor([3.0]), torch.tensor([4.0])]  # of a loss summed over five items
    assert shrink(grads, torch.tensor(5.0), clip).item() == pytest.approx(1.0)
    assert torch.cat(grads).tolist() == pytest.approx(after, rel=1e-5)


def test_a_plan_takes_the_median_update_without_validations_and_disturbances():
    progress, now = Progress(), 0.0
    for step in range(1, 51):
        progress.step = step
        now += 100.0 if step in (3, 17, 40) else 0.2  # the slow start and two disturbances
        time_update(progress, now)
        if step % 5 == 0:
            now += 10.0
            progress.validated, progress.validating, progress.validations = step, 2.0 * step, step // 5
            plan(settings(steps=0, minutes=20, validate_every=5), progress, now)
    assert progress.planned == 50
    # 1200 s less 3 %, 409.4 of them gone and 10 for the last validation: updates of 0.2 + 10 / 5 s
    assert progress.total == 50 + int((1164 - now - 10) / 2.2) == 50 + 338


def test_training_ends_when_the_monitor_reaches_the_target(tmp_path, start):
    run = fit(start(tmp_path, settings(target=0.5), losses=[0.9, 0.5, 0.1]))
    assert validated(run) == [20, 40]
    assert run.stopped == "target"


def test_training_ends_after_as_many_validations_without_improvement_as_patience(tmp_path, start):
    losses = [0.9, 0.8, 0.85, 0.7, 0.7, 0.75, 0.1]
    run = fit(start(tmp_path, settings(steps=0, patience=2), losses=losses))
    assert validated(run) == [20, 40, 60, 80, 100, 120]
    assert run.best == (80, 0.7)
    assert run.stopped == "patience"


PLATEAUS = {"schedule": Schedule.plateau, "plateau": Plateau(0.5, 2), "steps": 160, "warmup": 0, "log_every": 10}
UP_AND_DOWN = [0.9, 0.95, 0.92, 0.8, 0.85, 0.8, 0.81, 0.82]


def test_the_rate_is_halved_when_two_validations_were_no_better_than_the_best(tmp_path, start):
    run = fit(start(tmp_path, settings(**PLATEAUS), losses=[*UP_AND_DOWN]))
    rates = {line["step"]: line["learning_rate"] for line in lines(run) if "learning_rate" in line}
    assert [rates[step] for step in (60, 70, 120, 130, 160)] == pytest.approx([0.02, 0.01, 0.01, 0.005, 0.005])
    assert progress(run)["lowered"] == 3


def test_a_training_resumed_between_plateaus_equals_an_uninterrupted_one_bit_for_bit(tmp_path, start):
    whole = fit(start(tmp_path / "whole", settings(**PLATEAUS), losses=[*UP_AND_DOWN]))
    fit(start(tmp_path / "parts", settings(**PLATEAUS), losses=UP_AND_DOWN[:4]), signal=95)
    run = fit(start(tmp_path / "parts", settings(**PLATEAUS), losses=UP_AND_DOWN[4:]))
    assert state(run) == state(whole)
    assert lines(run) == lines(whole)


def test_layers_can_be_recomputed_only_where_there_are_some(tmp_path, start):
    with pytest.raises(LamcoreError, match=r"layers in a torch.nn.ModuleList, and this model has none: set trainer"):
        fit(start(tmp_path, settings(recompute=True)))


def test_the_best_weights_are_left_in_the_model(tmp_path, start):
    at_40 = fit(start(tmp_path / "short", settings(), losses=[0.9, 0.3]), signal=40).model.state_dict()
    run = fit(start(tmp_path / "long", settings(), losses=[0.9, 0.3, 0.8]))
    assert run.best == (40, 0.3)
    assert same(run.model, at_40)


def test_the_average_of_the_last_weights_is_kept_where_it_is_better(tmp_path, start):
    run = fit(start(tmp_path, settings(average=2), losses=[0.9, 0.3, 0.8, 0.2]))
    assert validated(run) == [20, 40, 60, 60]
    assert [name for name in checkpoints(tmp_path) if "weights" in name] == ["weights-00000040", "weights-00000060"]
    one, two = kept(run, "weights-00000040"), kept(run, "weights-00000060")
    for name, tensor in run.model.state_dict().items():
        torch.testing.assert_close(tensor, (one[name] + two[name]) / 2, rtol=0, atol=1e-7)


def test_the_average_of_the_last_weights_is_dropped_where_it_is_worse(tmp_path, start):
    run = fit(start(tmp_path, settings(average=2), losses=[0.9, 0.3, 0.8, 0.4]))
    assert same(run.model, kept(run, "best-00000040"))
    assert lines(run)[-1] == {"step": 60, "averaged": 2, "average_score": 0.4, "average_kept": False}


def test_a_moving_average_takes_little_of_each_update_and_less_as_they_become_many():
    model = nn.Linear(1, 1, bias=False)
    ema = MovingAverage(model, 0.5)
    for step, value, mean in ((1, 11.0, 9.0), (2, 1.0, 3.0), (8, 5.0, 4.0), (9, 0.0, 2.0)):
        if step == 1:
            ema.weights["weight"].fill_(0.0)  # 2/11 of it, then 3/12, and from 9/18 on the decay of 0.5
        nn.init.constant_(model.weight, value)
        ema.update(step)
        assert ema.weights["weight"].item() == pytest.approx(mean)


def test_the_moving_average_is_what_is_validated_and_kept_and_training_goes_on_without_it(tmp_path, start):
    plain = fit(start(tmp_path / "plain", settings(steps=40)))
    run = start(tmp_path / "ema", settings(steps=40, ema=0.9))
    seen = []
    validate = run.validate
    run.validate = lambda step: (seen.append(run.model.head.weight.clone()), validate(step))[1]
    fit(run)
    tensors = load_file(run.folder / "checkpoints" / "step-00000040" / "tensors.safetensors")
    trained = load_file(plain.folder / "checkpoints" / "step-00000040" / "tensors.safetensors")
    assert torch.equal(tensors["model/head.weight"], trained["model/head.weight"])
    assert torch.equal(seen[1], tensors["ema/head.weight"])
    assert not torch.equal(seen[1], tensors["model/head.weight"])
    assert run.best[0] == 40 and torch.equal(run.model.head.weight, seen[1])


def test_a_mean_of_weights_keeps_their_types():
    one = {"w": torch.tensor([1.0, 2.0]), "seen": torch.tensor(3), "half": torch.tensor([1.0], dtype=torch.bfloat16)}
    two = {"w": torch.tensor([4.0, 2.0]), "seen": torch.tensor(5), "half": torch.tensor([2.0], dtype=torch.bfloat16)}
    mean = mean_weights([one, two])
    assert mean["w"].tolist() == [2.5, 2.0] and mean["seen"].item() == 5
    assert mean["half"].item() == 1.5 and mean["half"].dtype == torch.bfloat16


def poison(run, where, step):
    """Put a NaN into an update: into the loss of the batch's second record, or into every gradient."""
    forward, passes = run.model.forward, itertools.count(1)

    def poisoned(batch):
        losses, counts = forward(batch)
        if run.model.training and next(passes) == step:
            if where == "gradient":
                losses.register_hook(lambda grad: grad * torch.nan)
            else:
                losses = losses * torch.where(torch.arange(len(losses)) == 1, torch.nan, 1.0)
        return losses, counts

    run.model.forward = poisoned
    with pytest.raises(LamcoreError) as caught:
        fit(run)
    assert caught.value.exit_code == 3
    _, batch = next(run.data.train_batches(60, start=step - 1))
    return str(caught.value), run.data.names(batch)


def test_a_loss_that_is_not_finite_stops_and_names_the_record(tmp_path, start):
    run = start(tmp_path, settings())
    message, names = poison(run, "loss", 27)
    assert message == (
        f"Update 27: the loss is nan, at records {names[1]}. Look at these records, or try a smaller trainer.lr "
        "(0.02 now), a longer trainer.warmup (5). The last good checkpoint is kept."
    )
    assert checkpoints(tmp_path) == ["best-00000020", "step-00000020"]
    assert all(p.isfinite().all() for p in run.model.parameters())


def test_a_gradient_that_is_not_finite_stops_and_names_the_batch(tmp_path, start):
    run = start(tmp_path, settings(clip=0.0))
    message, names = poison(run, "gradient", 3)
    where = f"{', '.join(names[:5])} and {len(names) - 5} more"
    assert message.startswith(f"Update 3: the gradient's norm is nan, at records {where}. Look at these records")
    assert "trainer.clip=1" in message
    assert all(p.isfinite().all() for p in run.model.parameters())


def test_numbers_that_are_looked_at_together_still_name_the_first_bad_update(start, tmp_path):
    """So it is on a GPU, where looking at every update would make it wait."""
    run = start(tmp_path, settings(), rows=[range(0, 3)])
    meter = Meter(settings(), Progress(), run.data, Clock(0.0, torch.device("cpu")))
    meter.eager, one = False, torch.tensor(1.0)
    for step, loss in ((1, 6.0), (2, float("inf")), (3, float("nan"))):
        share = Share(torch.tensor(0), torch.tensor([7, 8, 9]), torch.tensor([1.0, 2.0, loss]), torch.tensor(5.0))
        meter.add(Update(step, 0.1, [share], share.items, one, one))
    with pytest.raises(LamcoreError, match="Update 2: the loss is inf, at records r9"):
        meter.check()
    assert meter.progress.loss == 9.0 and meter.progress.count == 5.0


def test_a_monitor_that_is_not_finite_stops_before_a_checkpoint(tmp_path, start):
    with pytest.raises(LamcoreError) as caught:
        fit(start(tmp_path, settings(), losses=[0.5, float("nan")]))
    assert caught.value.exit_code == 3
    assert checkpoints(tmp_path) == ["best-00000020", "step-00000020"]


def test_a_batch_too_large_for_memory_is_one_line_that_says_what_to_do(tmp_path, start):
    run = start(tmp_path, settings())
    run.model.forward = lambda batch: torch.empty(1 << 60)
    with pytest.raises(LamcoreError, match=r"set trainer.batch_tokens to 30 and trainer.accumulation to 2") as caught:
        fit(run)
    assert caught.value.exit_code == 6


def test_other_errors_keep_their_own_words(tmp_path, start):
    run = start(tmp_path, settings())
    run.model.forward = lambda batch: torch.ones(2) @ torch.ones(3)
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        fit(run)


def test_the_log_tells_the_loss_of_all_tokens_since_the_last_line(tmp_path, start):
    rows = [range(0, 8), range(8, 11), range(11, 30), range(30, 32)]
    run = start(tmp_path, settings(steps=4, log_every=2), dropout=0.0, rows=rows)
    losses, counts = [0.0, 0.0], [0, 0]
    forward, passes = run.model.forward, itertools.count()

    def noted(batch):
        result = forward(batch)
        if run.model.training:
            place = next(passes) // 2
            losses[place] += result[0].sum().item()
            counts[place] += int(result[1].sum())
        return result

    run.model.forward = noted
    fit(run)
    first, second, _ = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert first["loss"] == pytest.approx(losses[0] / counts[0], rel=1e-6)
    assert second["loss"] == pytest.approx(losses[1] / counts[1], rel=1e-6)
    told = {"loss", "learning_rate", "grad_norm", "epoch", "steps", "tokens_per_second", "seconds_left"}
    assert first.keys() == {"step", "time", *told}
    assert (first["step"], first["learning_rate"], first["steps"]) == (2, pytest.approx(0.008), 4)
    assert second["seconds_left"] == 0


def test_half_precision_learns_too_and_keeps_whole_weights(tmp_path, start):
    run = fit(start(tmp_path, settings(steps=300, precision=Precision.bf16)))
    assert run.best[1] < 0.05
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}


def test_a_stop_by_someone_else_validates_and_ends(tmp_path, start):
    run = start(tmp_path, settings())
    log = run.log
    run.log = lambda step, values: (log(step, values), run.stop("enough") if step == 28 else None)
    fit(run)
    assert validated(run) == [20, 28]
    assert progress(run)["ended"] == run.stopped == "enough"
