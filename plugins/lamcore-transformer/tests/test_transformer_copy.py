"""The copy option: the pointer-generator's formula, its search, and what it is for, names that training never saw."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
import torch
from torch import Tensor

from lamcore import Decoding, LamcoreError, Record
from lamcore.model import ModelParts, TrainedModel
from lamcore_transformer import Place, Positions, Transformer
from lamcore_transformer.copy import Copier
from lamcore_transformer.model import TransformerModel

from .letters import LETTERS, Letters

ROWS: list[Record] = [
    {"id": "1", "input": "abcdefghijk", "target": "xy"},
    {"id": "2", "input": "b", "target": "abcdefgh"},
    {"id": "3", "input": "cde", "target": ""},
    {"id": "4", "input": "hello", "target": "olleh"},
]


def make(**settings: Any) -> TransformerModel:
    torch.manual_seed(4)
    small: dict[str, Any] = {"layers": 2, "width": 16, "heads": 2, "feed_forward": 24, "max_length": 64, "copy": True}
    return Transformer(**(small | settings)).build({"input": LETTERS, "target": LETTERS}, {})


def batch_of(model: TransformerModel, rows: list[Record]) -> dict[str, Tensor]:
    return model.collate(model.encode(rows))


def plain_losses(
    copier: Copier, hidden: Tensor, memory: Tensor, source: Tensor, weight: Tensor, target: Tensor, smoothing: float
) -> Tensor:
    """Return the loss as the formula has it, one token after the other."""
    losses = torch.zeros(target.shape, dtype=hidden.dtype)
    for b, t in (target != 0).nonzero().tolist():
        vocabulary = (weight @ hidden[b, t]).softmax(0)
        places = (source[b] != 0).nonzero()[:, 0]
        keys = memory[b, places] @ copier.key.weight.T + copier.key.bias
        query = copier.query.weight @ hidden[b, t] + copier.query.bias
        attention = (keys @ query / hidden.shape[-1] ** 0.5).softmax(0)
        gate = torch.sigmoid(copier.generate.weight[0] @ hidden[b, t] + copier.generate.bias[0])
        copied = sum(
            (a for a, s in zip(attention, source[b, places], strict=True) if s == target[b, t]), torch.tensor(0.0)
        )
        p = gate * vocabulary[target[b, t]] + (1 - gate) * copied
        losses[b, t] = -(1 - smoothing) * p.log() - smoothing * vocabulary.log().mean()
    return losses


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_and_gradients_are_those_of_the_formula(smoothing: float):
    torch.manual_seed(1)
    copier = Copier(8, pad=0).double()
    inputs = [torch.randn(shape, dtype=torch.double, requires_grad=True) for shape in ((3, 4, 8), (3, 5, 8), (12, 8))]
    hidden, memory, weight = inputs
    source = torch.tensor([[4, 5, 6, 4, 3], [7, 3, 0, 0, 0], [8, 9, 8, 3, 0]])
    target = torch.tensor([[4, 6, 11, 3], [7, 3, 0, 0], [9, 8, 8, 3]])
    shares = torch.rand(3, 4, dtype=torch.double)
    learnt = [*inputs, *copier.parameters()]
    found = copier.losses(hidden, memory, source, weight, target, smoothing)
    wanted = plain_losses(copier, hidden, memory, source, weight, target, smoothing)
    torch.testing.assert_close(found, wanted)
    for one, other in zip(
        torch.autograd.grad((found * shares).sum(), learnt),
        torch.autograd.grad((wanted * shares).sum(), learnt),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_a_token_that_can_only_be_copied_or_only_be_generated_has_finite_gradients():
    copier = Copier(4, pad=0)
    torch.nn.init.constant_(copier.generate.bias, -200.0)  # nothing is generated
    hidden = torch.ones(1, 2, 4, requires_grad=True)
    weight = torch.ones(9, 4, requires_grad=True)
    memory, source, target = torch.ones(1, 2, 4), torch.tensor([[5, 3]]), torch.tensor([[5, 8]])
    losses = copier.losses(hidden, memory, source, weight, target, 0.0)
    losses.sum().backward()
    assert torch.isfinite(losses).all() and torch.isfinite(hidden.grad).all() and torch.isfinite(weight.grad).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_every_parameter_learns_and_padding_changes_nothing(smoothing: float):
    model = make(label_smoothing=smoothing).train()
    model(batch_of(model, ROWS))[0].sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())
    model.eval()
    together, counts = model(batch_of(model, ROWS))
    alone = torch.cat([model(batch_of(model, [row]))[0] for row in ROWS])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    assert counts.tolist() == [3, 9, 1, 6]


def test_logits_are_log_probabilities_that_the_losses_are_made_of():
    model = make().eval()
    batch = batch_of(model, ROWS)
    scores, target = model.logits(batch), batch["target"]
    torch.testing.assert_close(scores.exp().sum(-1), torch.ones(target.shape), rtol=1e-4, atol=1e-4)
    each = -scores.gather(2, target[:, :, None])[:, :, 0] * (target != 0)
    torch.testing.assert_close(each.sum(1), model(batch)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("decoding", [{}, {"beam": 4}, {"beam": 3, "n_best": 2}], ids=str)
@pytest.mark.parametrize(("place", "positions"), [(Place.pre, Positions.rotary), (Place.post, Positions.sinusoidal)])
def test_cached_decoding_scores_as_the_whole_model_does(place: Place, positions: Positions, decoding: dict[str, int]):
    model = make(place=place, positions=positions, max_length=100).eval()
    answers = model.predict(batch_of(model, ROWS), Decoding(**decoding, length_penalty=0, max_length=40, max_ratio=30))
    rows = [row | {"target": answer["target"]} for row, answer in zip(ROWS, answers, strict=True)]
    losses, _ = model(batch_of(model, rows))
    torch.testing.assert_close(-losses, torch.tensor([a["score"] for a in answers]), rtol=1e-4, atol=1e-4)


def three(given: str, records: list[Record], tokenizer: Any, limits: Tensor) -> Any:
    """The rule that an answer is three of the letters given, and no more."""
    letters = [ids[0] for ids in tokenizer.encode(list(given))]

    def allowed(rows: Tensor, written: Tensor) -> Tensor:
        mask = torch.zeros(len(written), tokenizer.size, dtype=torch.bool)
        mask[:, letters if written.shape[1] < 3 else tokenizer.eos] = True
        return mask

    return allowed


@pytest.mark.parametrize("beam", [1, 3])
def test_a_model_that_copies_keeps_to_a_constraint_and_its_scores_are_the_whole_models(beam: int):
    parts = ModelParts(Transformer(copy=True), {}, Decoding())
    empty, cpu, both = {"target": ""}, torch.device("cpu"), {"input": LETTERS, "target": LETTERS}
    model = make().eval()
    trained = TrainedModel(parts, both, {}, empty, cpu, model, constraints={"three": three})
    rows = [row["input"] for row in ROWS]
    decoding = Decoding(beam=beam, length_penalty=0, max_ratio=0)
    free = trained.predict(rows, decoding)
    held = trained.predict(rows, dataclasses.replace(decoding, constrain="three:elz"))
    assert [answer["target"] for answer in free] != [answer["target"] for answer in held]
    assert [len(answer["target"]) for answer in held] == [3, 3, 3, 3]
    assert {letter for answer in held for letter in answer["target"]} <= set("elz")
    asked = [row | {"target": answer["target"]} for row, answer in zip(ROWS, held, strict=True)]
    torch.testing.assert_close(
        -model(batch_of(model, asked))[0], torch.tensor([answer["score"] for answer in held]), rtol=1e-4, atol=1e-4
    )


def test_two_vocabularies_are_refused_in_one_line():
    with pytest.raises(LamcoreError) as refused:
        Transformer(layers=1, width=8, heads=2, copy=True).build({"input": LETTERS, "target": Letters()}, {})  # type: ignore[dict-item]
    assert (
        str(refused.value) == "architecture.copy=true needs one vocabulary for input and target: tokenizer.joint=true."
    )


class Numbers:
    """A tokenizer of words that are their own ids."""

    pad, unk, bos, eos = 0, 1, 2, 3
    size = 300

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [[int(word) for word in text.split()] for text in texts]

    def decode(self, rows: list[list[int]]) -> list[str]:
        return [" ".join(map(str, row)) for row in rows]


def commands(chance: random.Random, names: range, many: int) -> list[Record]:
    """Return a verb (4 to 6), perhaps a filler (9), and a name; the answer says the name first."""
    rows = []
    for number in range(many):
        verb, name, filler = chance.choice("456"), chance.choice(names), chance.choice(("", "9"))
        rows.append({"id": str(number), "input": f"{verb} {filler} {name}", "target": f"{name} {verb}"})
    return rows


@pytest.mark.parametrize(
    ("copy", "least", "most"), [(True, 0.95, 1.0), pytest.param(False, 0.0, 0.3, marks=pytest.mark.full)]
)
def test_names_that_training_never_saw_are_answered_by_a_model_that_copies_alone(copy: bool, least: float, most: float):
    torch.manual_seed(3)
    numbers: Any = Numbers()
    settings = Transformer(layers=1, width=64, heads=4, feed_forward=64, label_smoothing=0.0, copy=copy)
    model = settings.build({"input": numbers, "target": numbers}, {}).train()
    optimizer, chance = torch.optim.Adam(model.parameters(), lr=5e-3), random.Random(1)
    for _ in range(120):
        losses, counts = model(batch_of(model, commands(chance, range(10, 200), 32)))
        optimizer.zero_grad()
        (losses.sum() / counts.sum()).backward()
        optimizer.step()
    for names, low, high in ((range(10, 200), 0.95, 1.0), (range(200, 300), least, most)):
        rows = commands(chance, names, 200)
        answers = model.predict(batch_of(model, rows), Decoding())
        right = sum(answer["target"] == row["target"] for answer, row in zip(answers, rows, strict=True)) / len(rows)
        assert low <= right <= high
