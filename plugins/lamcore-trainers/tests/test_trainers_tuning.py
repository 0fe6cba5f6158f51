"""Training a part of a model: parameters that are named, and low-rank changes of matrices."""
# ruff: noqa: F811 - the fixture `start` is another file's

from __future__ import annotations

import pytest
import torch
from torch import nn

from lamcore import LamcoreError
from lamcore_trainers import Supervised
from lamcore_trainers.supervised import Lora, Optimizer
from lamcore_trainers.tuning import tuned

from .test_trainers_supervised import fit, kept, lines, same, settings, start, state  # noqa: F401

ONE = Lora(rank=1, alpha=2.0)


def before(run):
    return {name: p.detach().clone() for name, p in run.model.named_parameters()}


def changed(run, old):
    return [name for name, p in run.model.named_parameters() if not torch.equal(p, old[name])]


def explicit(x, change):
    """Return what Hu et al. 2021 (equation 3) compute: W0 x + s B A x."""
    return x @ change.base.T + change.scale * (x @ change.down.T @ change.up.T)


def test_the_merged_matrix_and_its_gradients_are_those_of_the_paper():
    torch.manual_seed(1)
    model, x = nn.Sequential(nn.Linear(12, 9, bias=False)), torch.randn(7, 12)
    with tuned(Supervised(steps=1, lora=Lora(rank=2, alpha=6.0)), model) as tuning:
        (change,) = tuning.changed
        assert (change.scale, change.down.shape, change.up.shape) == (3.0, (2, 12), (9, 2))
        assert torch.equal(model(x), explicit(x, change))  # B is 0
        nn.init.normal_(change.up)
        tuning.merge()
        torch.testing.assert_close(model(x), explicit(x, change), rtol=0, atol=1e-5)
        for part in x.split([3, 4]):
            model(part).square().sum().backward()
        wanted = torch.autograd.grad(explicit(x, change).square().sum(), [change.down, change.up])
        assert model[0].weight.grad is None
        for p, grad in zip((change.down, change.up), wanted, strict=True):
            torch.testing.assert_close(p.grad, grad, rtol=1e-5, atol=1e-4)
    assert not model[0].weight._post_accumulate_grad_hooks


def test_lora_changes_a_matrix_by_its_rank_and_nothing_else(tmp_path, start):
    run = start(tmp_path, settings(lora=ONE))
    old = before(run)
    fit(run)
    assert changed(run, old) == ["head.weight"]
    assert torch.linalg.matrix_rank(run.model.head.weight - old["head.weight"], atol=1e-5) == 1
    assert lines(run)[0] == {"step": 0, "trained": 21, "parameters": 501, "trained_percent": 4.19}
    losses = [line["loss"] for line in lines(run) if "loss" in line]
    assert losses[-1] < losses[0]


def test_the_weights_that_are_kept_are_merged_and_named_as_ever(tmp_path, start):
    run = fit(start(tmp_path, settings(lora=ONE, only=["norm"], ema=0.5, average=2)))
    names = {"embedding.weight", "norm.weight", "norm.bias", "head.weight", "head.bias"}
    assert {*run.model.state_dict()} == names and all(p.requires_grad for p in run.model.parameters())
    best = kept(run, f"best-{run.best[0]:08d}")
    assert {*best} == names and all({*kept(run, path.name)} == names for _, path in run.weights())
    run.load_best()
    assert same(run.model, best)


def test_what_is_not_named_stays_as_it_is_to_the_last_bit(tmp_path, start):
    run = start(tmp_path, settings(only=["^norm", "bias$"]))
    old = before(run)
    fit(run)
    assert changed(run, old) == ["norm.weight", "norm.bias", "head.bias"]
    assert lines(run)[0] == {"step": 0, "trained": 37, "parameters": 501, "trained_percent": 7.39}
    assert all(p.requires_grad for p in run.model.parameters())
    assert not any("embedding" in name for name in state(run)[0])


def test_with_lora_what_is_named_is_trained_whole_beside_it(tmp_path, start):
    run = start(tmp_path, settings(lora=ONE, only=["embedding"]))
    old = before(run)
    fit(run)
    assert changed(run, old) == ["embedding.weight", "head.weight"]
    model = nn.Sequential(nn.Linear(12, 9), nn.Linear(9, 12))
    with tuned(Supervised(steps=1, lora=ONE, only=["1"]), model) as tuning:
        assert [*tuning.parameters] == ["1.weight", "1.bias", "0.weight.lora_a", "0.weight.lora_b"]


def test_a_matrix_that_is_smaller_than_its_change_is_trained_whole(tmp_path, start):
    run = start(tmp_path, settings(lora=Lora(rank=4)))
    old = before(run)
    fit(run)
    assert changed(run, old) == ["head.weight"] and lines(run)[0]["trained"] == 80
    assert torch.linalg.matrix_rank(run.model.head.weight - old["head.weight"], atol=1e-5) == 5


@pytest.mark.parametrize(
    "values",
    [
        {"lora": ONE},
        {"only": ["head"]},
        {"lora": ONE, "only": ["norm", "embedding"], "workers": 2, "ema": 0.9, "average": 2},
        pytest.param({"lora": ONE, "only": ["embedding"], "optimizer": Optimizer.muon}, marks=pytest.mark.full),
    ],
    ids=["lora", "only", "both, with workers and averages", "muon"],
)
def test_a_resumed_training_of_a_part_equals_an_uninterrupted_one_bit_for_bit(tmp_path, start, values):
    trainer = settings(**values, steps=30)
    whole = fit(start(tmp_path / "whole", trainer))
    for done in (1, 22):
        fit(start(tmp_path / "parts", trainer), signal=done)
    run = fit(start(tmp_path / "parts", trainer))
    assert state(run) == state(whole)
    assert same(run.model, whole.model.state_dict())
    assert lines(run) == lines(whole)


def test_two_workers_learn_the_change_that_two_accumulated_batches_do(tmp_path, start):
    values = {"steps": 20, "lora": ONE, "only": ["norm"]}
    alone = fit(start(tmp_path / "alone", settings(**values, accumulation=2), dropout=0.0))
    shared = fit(start(tmp_path / "shared", settings(**values, workers=2), dropout=0.0))
    for a, b in zip(alone.model.parameters(), shared.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"only": ["nrom"]}, r"trainer\.only: 'nrom' is found in no name; names begin with embedding\.weight, head"),
        ({"lora": Lora(rank=1, modules=["hand"])}, r"lora\.modules: 'hand' is found in no name; names begin with head"),
    ],
)
def test_a_regex_that_is_found_nowhere_is_refused_before_training(tmp_path, start, values, told):
    run = start(tmp_path, settings(**values))
    with pytest.raises(LamcoreError, match=told):
        fit(run)
    assert all(p.requires_grad for p in run.model.parameters()) and not (tmp_path / "log.jsonl").exists()


def test_a_model_without_linear_modules_has_nothing_that_lora_could_change():
    told = "this model has none: set trainer.lora.rank=0"
    with pytest.raises(LamcoreError, match=told), tuned(Supervised(steps=1, lora=ONE), nn.Embedding(3, 2)):
        pass


def test_what_is_no_regex_is_refused():
    with pytest.raises(ValueError, match=r"must be regexes, and '\(' is none: missing \), unterminated"):
        Supervised(only=["("])
