"""Wrong architectures and trainers, one fault each: the promise that each breaks must catch it."""

from __future__ import annotations

import math
import random
import time
import unittest
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lamcore import Architecture, Decoding, LamcoreError, Trainer
from lamcore.errors import NUMERICAL_STOP
from lamcore.testing import ArchitectureContract, TrainerContract, check_architecture, check_trainer, promises, trainer
from lamcore.testing.component import ComponentContract
from lamcore.testing.models import IntentModel
from lamcore.testing.toy import Intents
from lamcore_transformer import Transformer
from lamcore_transformer.model import TransformerModel

WORDS = ["".join(random.Random(number).choices("abcdefghij", k=2 + number % 6)) for number in range(32)]
SHORT = [{"id": f"r{number}", "input": word, "target": word[::-1]} for number, word in enumerate(["", *WORDS[1:]])]

# Architectures: of labels ---------------------------------------------------------------------------------------


@dataclass
class RightIntents(Intents):
    """Tell intents as the toy does; a wrong twin has another model."""

    def build(self, tokenizer: Any, labels: Any) -> Any:
        return self.model(labels["intent"], self.width, self.dropout)

    model = IntentModel


def intents(model: type[IntentModel]) -> type[RightIntents]:
    """Return the architecture whose model is another."""
    return type(model.__name__, (RightIntents,), {"model": model, "__doc__": model.__doc__})


class DrawsFromNumpy(IntentModel):
    """Draw weights from numpy's shared random numbers."""

    def __init__(self, *given: Any):
        super().__init__(*given)
        self.head.weight.data = torch.from_numpy(np.random.randn(*self.head.weight.shape)).float()


class SeedsTorch(IntentModel):
    """Seed torch before building."""

    def __init__(self, *given: Any):
        torch.manual_seed(0)
        super().__init__(*given)


class SetsThreads(IntentModel):
    """Set the number of torch's threads."""

    def __init__(self, *given: Any):
        super().__init__(*given)
        torch.set_num_threads(3 - torch.get_num_threads() % 2)


class GrowsLate(IntentModel):
    """Make a weight at the first pass."""

    def forward(self, batch):
        if not hasattr(self, "bias"):
            self.bias = torch.nn.Parameter(torch.zeros(1))
        losses, counts = super().forward(batch)
        return losses + self.bias**2, counts


class Sizeless(IntentModel):
    """Give no size."""

    def encode(self, records):
        return [{k: v for k, v in example.items() if k != "size"} for example in super().encode(records)]


class LowersInPlace(IntentModel):
    """Lower the case of the records it is given."""

    def encode(self, records):
        for record in records:
            record["input"] = record["input"].swapcase()
        return super().encode(records)


class ScalesByBatch(IntentModel):
    """Encode relative to the longest record at hand."""

    def encode(self, records):
        longest = max(len(record["input"]) for record in records)
        return [{**example, "size": longest} for example in super().encode(records)]


class ReadsDomain(IntentModel):
    """Use a column that it does not name."""

    def encode(self, records):
        named = [{**record, "input": record["domain"] + record["input"]} for record in records]
        return super().encode(named)


class WantsLists(IntentModel):
    """Count on lists, which come back from disk as arrays."""

    def encode(self, records):
        return [{**example, "letters": example["letters"].tolist()} for example in super().encode(records)]

    def collate(self, examples):
        return super().collate([{**e, "letters": np.array((e["letters"] + [1])[:6])} for e in examples])


class MasksInCollate(IntentModel):
    """Mask letters at random in collate."""

    def collate(self, examples):
        batch = super().collate(examples)
        return {**batch, "letters": batch["letters"] * (torch.rand(batch["letters"].shape) > 0.1)}


class Averages(IntentModel):
    """Return the mean of the losses."""

    def forward(self, batch):
        losses, counts = super().forward(batch)
        return losses.mean(), counts


class LogOfNothing(IntentModel):
    """Take the logarithm of 0 for an empty input."""

    def forward(self, batch):
        losses, counts = super().forward(batch)
        return losses - 0 * torch.log((batch["letters"] % 64 != 32).sum(1)), counts


class CountsNothing(IntentModel):
    """Count from 0."""

    def forward(self, batch):
        losses, counts = super().forward(batch)
        return losses, counts - 1


class HasIdleWeight(IntentModel):
    """Have a layer that nothing goes through."""

    def __init__(self, *given: Any):
        super().__init__(*given)
        self.idle = torch.nn.Linear(2, 2)


class CentresBatch(IntentModel):
    """Take the mean of the batch away, in training and in evaluation."""

    def scores(self, letters):
        scores = super().scores(letters)
        return scores - scores.mean(0)


class AlwaysDropsOut(IntentModel):
    """Drop out in evaluation too."""

    def scores(self, letters):
        return self.head(F.dropout(self.embedding(letters), 0.5, training=True).sum(1))


class ShiftsInPlace(IntentModel):
    """Change the batch in forward."""

    def forward(self, batch):
        batch["letters"][:, -1] = 0
        return super().forward(batch)


class ForgetsOne(IntentModel):
    """Leave the last record unanswered."""

    def predict(self, batch, decoding):
        return super().predict(batch, decoding)[:-1]


class AnswersNumbers(IntentModel):
    """Answer with the number of the label."""

    def predict(self, batch, decoding):
        return [{"intent": self.labels[answer["intent"]]} for answer in super().predict(batch, decoding)]


class AnswersSorted(IntentModel):
    """Answer in the order of the scores."""

    def predict(self, batch, decoding):
        return sorted(super().predict(batch, decoding), key=lambda answer: answer["intent"])


class Peeks(IntentModel):
    """Answer with the reference."""

    def predict(self, batch, decoding):
        return [{"intent": list(self.labels)[number]} for number in batch["label"].tolist()]


class StaysInEvaluation(IntentModel):
    """Leave the model in evaluation mode."""

    def predict(self, batch, decoding):
        self.eval()
        return super().predict(batch, decoding)


class KeepsAside(IntentModel):
    """Keep numbers that matter where `state_dict` does not see them."""

    def __init__(self, *given: Any):
        super().__init__(*given)
        self.scale = float(torch.rand(()))

    def scores(self, letters):
        return super().scores(letters) * self.scale


class LearnsOneLabel(IntentModel):
    """Learn that all labels are the first."""

    def forward(self, batch):
        return super().forward({**batch, "label": 0 * batch["label"]})


# Architectures: of text -----------------------------------------------------------------------------------------


@dataclass
class RightWriter(Transformer):
    """A small Transformer; a wrong twin has another model."""

    layers: int = 1
    """Layers."""
    width: int = 32
    """Width."""
    heads: int = 2
    """Heads."""
    feed_forward: int = 64
    """Inner width."""

    def build(self, tokenizer: Any, labels: Any) -> Any:
        return self.model(self, tokenizer)

    model = TransformerModel


def writer(model: type[TransformerModel]) -> type[RightWriter]:
    """Return the architecture whose model is another."""
    return type(model.__name__, (RightWriter,), {"model": model, "__doc__": model.__doc__})


class ReadsPadding(TransformerModel):
    """Let the padding of the input be seen."""

    def _read(self, source):
        return super()._read(source)[0], None


class LosesPadding(TransformerModel):
    """Count the padding of the target as loss."""

    def forward(self, batch):
        scores = self.logits(batch).transpose(1, 2)
        return F.cross_entropy(scores, batch["target"], reduction="none").sum(1), (batch["target"] != 0).sum(1)


class SeesAhead(TransformerModel):
    """Let the decoder see the tokens that it is to write."""

    def _decode(self, target, memory, mask):
        before = F.pad(target[:, :-1], (1, 0), value=2)
        x, turn = self._embed(before, self.target_embedding, self.target_places)
        return self.decoder(x, memory, None, mask, turn)


class ForgetsItsPlace(TransformerModel):
    """Tell every token of a cached answer that it is the first."""

    def _positions(self, start, stop, places, device):
        return super()._positions(0 if stop == start + 1 else start, stop - start, places, device)


class WritesOn(TransformerModel):
    """Take no notice of the longest answer allowed."""

    def predict(self, batch, decoding):
        return super().predict(batch, Decoding(max_length=decoding.max_length + 5, max_ratio=0))


WRONG_ARCHITECTURES: dict[type[Architecture], str] = {
    intents(SetsThreads): "its work leaves the process alone",
    intents(DrawsFromNumpy): "building draws from torchs seed alone",
    intents(SeedsTorch): "another seed builds another model",
    intents(GrowsLate): "weights keep their names",
    intents(Sizeless): "an example has a size",
    intents(LowersInPlace): "encoding leaves records alone",
    intents(ScalesByBatch): "an example does not depend on other records",
    intents(ReadsDomain): "it reads only what it names",
    intents(WantsLists): "examples survive the disk",
    intents(MasksInCollate): "collating draws nothing at random",
    intents(Averages): "losses and counts are one a record",
    intents(LogOfNothing): "losses are finite",
    intents(CountsNothing): "counts are positive",
    intents(HasIdleWeight): "gradient reaches every parameter",
    intents(CentresBatch): "a loss does not depend on neighbours or padding",
    writer(ReadsPadding): "a loss does not depend on neighbours or padding",
    writer(LosesPadding): "a loss does not depend on neighbours or padding",
    intents(AlwaysDropsOut): "evaluation is not random",
    intents(ShiftsInPlace): "a pass leaves its batch alone",
    intents(ForgetsOne): "it answers each record with its columns",
    intents(AnswersNumbers): "it answers each record with its columns",
    intents(AnswersSorted): "an answer does not depend on neighbours or padding",
    intents(Peeks): "an answer does not depend on the reference",
    intents(StaysInEvaluation): "answering changes nothing",
    writer(WritesOn): "an answer is no longer than allowed",
    writer(ForgetsItsPlace): "cached decoding equals uncached",
    writer(SeesAhead): "cached decoding equals uncached",
    intents(KeepsAside): "saving and loading changes nothing",
    intents(LearnsOneLabel): "it learns its own records by heart",
}

# Trainers -------------------------------------------------------------------------------------------------------


@dataclass
class RightTrainer(Trainer):
    """Train in a plain loop."""

    steps: int = 40
    """Most updates; 0 is no limit."""
    minutes: float = 0.0
    """Time budget; 0 is none."""
    target: float | None = None
    """Value of the monitor at which training ends."""
    every: int = 8
    """Updates between validations."""
    batch_tokens: int = 400
    """Most tokens in a batch."""

    def fit(self, run, model, data):
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        step, ended = self.begin(run, model, optimizer)
        stream, began = iter(data.train_batches(self.batch_tokens, start=step)), time.monotonic()
        model.train()
        while not ended:
            loss = self.loss(model, next(stream)[1])
            step += 1
            before = self.state(step, None, model, optimizer) if self.saves_early(step) else None
            self.update(model, optimizer, loss)
            if step % 4 == 0:
                run.log(step, {"loss": loss})
            ended, scores = self.end(run, step, began), {}
            if ended or step % self.every == 0:
                scores = run.validate(step)
                ended = ended or self.reached(run, scores)
            if scores or self.interrupted(run):
                run.checkpoint(step, before or self.state(step, ended, model, optimizer), scores)
            if self.interrupted(run):
                return
        self.finish(run)
        run.stop(ended)

    def begin(self, run, model, optimizer):
        found = run.restore()
        if not found:
            return 0, None
        step, state = found
        named = [key.split("/") for key in state if "/" in key]
        model.load_state_dict({name: state[f"model/{name}"] for group, name in named if group == "model"})
        self.load(optimizer, {key: state[f"optimizer/{key}"] for group, key in named if group == "optimizer"})
        torch.set_rng_state(state["random"])
        return step, state["ended"]

    def load(self, optimizer, tensors):
        for number, weight in enumerate(optimizer.param_groups[0]["params"]):
            kept = {
                name: tensor for key, tensor in tensors.items() for at, name in [key.split(".")] if int(at) == number
            }
            if kept:
                optimizer.state[weight] = kept

    def state(self, step, ended, model, optimizer):
        moments = {
            f"optimizer/{number}.{name}": value.clone()
            for number, weight in enumerate(optimizer.param_groups[0]["params"])
            for name, value in optimizer.state[weight].items()
        }
        weights = {f"model/{name}": weight.clone() for name, weight in model.state_dict().items()}
        return {**moments, **weights, "random": torch.get_rng_state(), "ended": ended}

    def loss(self, model, batch):
        losses, counts = model(batch)
        loss = losses.sum() / counts.sum()
        if not loss.isfinite():
            raise LamcoreError("The loss is not finite.", NUMERICAL_STOP)
        loss.backward()
        return loss.item()

    def saves_early(self, step):
        return False

    def update(self, model, optimizer, loss):
        optimizer.step()
        optimizer.zero_grad()

    def interrupted(self, run):
        return run.stopped == "interrupted"

    def end(self, run, step, began):
        late = self.minutes and time.monotonic() - began > self.minutes * 60
        asked = run.stopped if run.stopped != "interrupted" else None
        return asked or ("steps" if step == self.steps else "minutes" if late else None)

    def reached(self, run, scores):
        value = scores[run.monitor]
        return "target" if self.target is not None and not run.better(self.target, value) else None

    def finish(self, run):
        run.load_best()


class SetsTorchsThreads(RightTrainer):
    """Set the number of torch's threads."""

    def begin(self, *given):
        torch.set_num_threads(3 - torch.get_num_threads() % 2)
        return super().begin(*given)


class Climbs(RightTrainer):
    """Go up where it should go down."""

    def update(self, model, optimizer, loss):
        for weight in model.parameters():
            weight.grad.neg_()
        super().update(model, optimizer, loss)


class AddsNoise(RightTrainer):
    """Draw from the random numbers that all code shares."""

    def update(self, model, optimizer, loss):
        model.head.bias.grad.add_(random.random())
        super().update(model, optimizer, loss)


class ReturnsWithTheLast(RightTrainer):
    """Return with the weights of the last update."""

    def finish(self, run):
        pass


class LeavesAnAdapter(RightTrainer):
    """Leave a part in the model that was for training only."""

    def finish(self, run):
        super().finish(run)
        run.model.adapter = torch.nn.Linear(2, 2)


class Freezes(RightTrainer):
    """Leave weights frozen."""

    def finish(self, run):
        super().finish(run)
        run.model.embedding.weight.requires_grad_(False)


class LooksAtTest(RightTrainer):
    """Look at the test split."""

    def finish(self, run):
        super().finish(run)
        next(iter(run.data.batches("test", 100)))


class ForgetsMoments(RightTrainer):
    """Begin the optimizer's averages anew."""

    def load(self, optimizer, tensors):
        pass


class ForgetsChance(RightTrainer):
    """Leave torch's random numbers as they are."""

    def begin(self, *given):
        chance = torch.get_rng_state()
        begun = super().begin(*given)
        torch.set_rng_state(chance)
        return begun


class BeginsBatchesAnew(RightTrainer):
    """Take the batches from the first one on."""

    def fit(self, run, model, data):
        batches = data.train_batches
        data.train_batches = lambda tokens, start: batches(tokens)
        super().fit(run, model, data)


class WorksOn(RightTrainer):
    """Take no notice of an interruption."""

    def interrupted(self, run):
        return False


class NotesItsStep(RightTrainer):
    """Keep the number of updates in a file, which no checkpoint takes back."""

    def begin(self, run, model, optimizer):
        self.note = run.folder / "step.txt"
        step, ended = super().begin(run, model, optimizer)
        return (int(self.note.read_text()) if self.note.exists() else step), ended

    def end(self, run, step, began):
        self.note.write_text(str(step))
        return super().end(run, step, began)


class SavesBeforeItsUpdate(RightTrainer):
    """Save the weights as they were before the update of that step."""

    def saves_early(self, step):
        return step % self.every == 0


class ForgetsItsEnd(RightTrainer):
    """Train a little more when called again."""

    def begin(self, *given):
        return super().begin(*given)[0], None

    def end(self, run, step, began):
        return super().end(run, step, began) or ("steps" if step > self.steps else None)


class NestsItsState(RightTrainer):
    """Put tensors within a value of the state."""

    def state(self, step, ended, model, optimizer):
        return {**super().state(step, ended, model, optimizer), "schedule": {"rate": torch.ones(1)}}


class IsDeaf(RightTrainer):
    """Take no notice of `run.stop`."""

    def end(self, run, step, began):
        return "steps" if step == self.steps else None


class StepsOnceMore(RightTrainer):
    """Make one update more."""

    def end(self, run, step, began):
        return super().end(run, step - 1, began) if step > 1 else None


class HasNoWatch(RightTrainer):
    """Take no notice of `minutes`."""

    def end(self, run, step, began):
        return super().end(run, step, math.inf)


class WantsMore(RightTrainer):
    """Take no notice of `target`."""

    def reached(self, run, scores):
        return None


class BelievesAnything(RightTrainer):
    """Go on with a loss that is no number."""

    def loss(self, model, batch):
        losses, counts = model(batch)
        (losses.sum() / counts.sum()).backward()
        return 0.0


WRONG_TRAINERS: dict[type[Trainer], str] = {
    SetsTorchsThreads: "its work leaves the process alone",
    Climbs: "it learns the toy task",
    AddsNoise: "all chance is from torchs seed",
    ReturnsWithTheLast: "it returns with the best weights",
    LeavesAnAdapter: "weights keep their names",
    Freezes: "weights keep their names",
    LooksAtTest: "it leaves held out tests alone",
    ForgetsMoments: "an interrupted training goes on bit for bit",
    ForgetsChance: "an interrupted training goes on bit for bit",
    BeginsBatchesAnew: "an interrupted training goes on bit for bit",
    WorksOn: "an interrupted training goes on bit for bit",
    NotesItsStep: "a crash costs time only",
    SavesBeforeItsUpdate: "every checkpoint can be gone on from",
    ForgetsItsEnd: "a finished training stays finished",
    NestsItsState: "the state of a checkpoint is flat",
    IsDeaf: "it stops when asked",
    StepsOnceMore: "steps are updates",
    HasNoWatch: "minutes end it",
    WantsMore: "a target ends it",
    BelievesAnything: "a loss that is no number does no harm",
}

# ------------------------------------------------------------------------------------------------------------------


def problem(contract: type[ComponentContract], cls: type, promise: str) -> str:
    """Return what the promise says of a component; "" where it finds nothing wrong."""
    tried: Any = contract()
    tried.component = cls()
    if issubclass(cls, RightWriter):
        tried.records = SHORT
    try:
        getattr(tried, f"test_{promise.replace(' ', '_')}")()
    except unittest.SkipTest:
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize(
    ("contract", "wrong", "what"),
    [
        (ArchitectureContract, WRONG_ARCHITECTURES, "architectures"),
        (TrainerContract, WRONG_TRAINERS, "trainers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_wrong_component_is_caught_by_the_promise_that_it_breaks(contract, wrong, what, monkeypatch):
    monkeypatch.setattr(trainer, "SPARE", 0.0)
    threads, uncaught = torch.get_num_threads(), []
    for cls, promise in wrong.items():
        found = problem(contract, cls, promise)
        torch.set_num_threads(threads)
        print(f"  {cls.__name__}: {promise}: {found}")
        if not found:
            uncaught.append(cls.__name__)
    print(f"A.1: {len(wrong) - len(uncaught)} of {len(wrong)} wrong {what} caught")
    assert not uncaught


@pytest.mark.full
def test_the_right_architectures_keep_every_promise():
    only_text = {"an answer is no longer than allowed", "cached decoding equals uncached"}
    assert {one.promise for one in check_architecture(RightIntents()) if one.skipped} == only_text
    assert not [one.promise for one in check_architecture(RightWriter(), records=SHORT) if one.skipped]


@pytest.mark.full
def test_the_right_trainer_keeps_every_promise():
    assert not [one.promise for one in check_trainer(RightTrainer()) if one.skipped]


@pytest.mark.parametrize(
    ("contract", "wrong"), [(ArchitectureContract, WRONG_ARCHITECTURES), (TrainerContract, WRONG_TRAINERS)]
)
def test_every_promise_of_a_kind_has_a_wrong_component_that_breaks_it(contract, wrong):
    own = {name.removeprefix("test_").replace("_", " ") for name in promises(contract)}
    shared = {name.removeprefix("test_").replace("_", " ") for name in promises(ComponentContract)}
    assert own - shared <= set(wrong.values()) <= own
