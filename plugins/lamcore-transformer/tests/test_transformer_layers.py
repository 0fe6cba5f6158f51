from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lamcore_transformer import layers


def problem(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    hidden = torch.randn(1100, 6, dtype=dtype, requires_grad=True)
    weight = torch.randn(11, 6, dtype=dtype, requires_grad=True)
    return hidden, weight, torch.randint(0, 11, (1100,))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("even", [True, False])
def test_the_chunked_loss_is_cross_entropy(smoothing: float, even: bool):
    hidden, weight, target = problem()
    share = torch.full((1100,), 0.3).double() if even else torch.rand(1100, dtype=torch.float64)
    expected = F.cross_entropy(hidden @ weight.t(), target, ignore_index=0, label_smoothing=smoothing, reduction="none")
    expected_grads = torch.autograd.grad(expected @ share, (hidden, weight))
    losses = layers.chunked_loss(hidden, weight, target, smoothing)
    torch.testing.assert_close(losses, expected)
    torch.testing.assert_close(torch.autograd.grad(losses @ share, (hidden, weight)), expected_grads)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_the_chunked_loss_holds_in_float32_also_for_great_scores(scale: float):
    hidden, weight, target = problem(torch.float32)
    expected = F.cross_entropy((hidden * scale) @ weight.t(), target, ignore_index=0, reduction="none")
    torch.testing.assert_close(layers.chunked_loss(hidden * scale, weight, target, 0.0), expected, rtol=1e-5, atol=2e-4)


def test_gradcheck_of_the_chunked_loss():
    torch.manual_seed(0)
    hidden = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([1, 0, 6, 2, 2])
    assert torch.autograd.gradcheck(lambda h, w: layers.chunked_loss(h, w, target, 0.2), (hidden, weight))


def test_a_frozen_side_of_the_chunked_loss_gets_no_gradient():
    hidden, weight, target = problem()
    layers.chunked_loss(hidden, weight.detach(), target, 0.1).sum().backward()
    assert hidden.grad is not None
    with torch.no_grad():
        assert not layers.chunked_loss(hidden, weight, target, 0.1).requires_grad


def test_padding_alone_loses_nothing():
    hidden, weight, _ = problem()
    losses = layers.chunked_loss(hidden, weight, torch.zeros(1100, dtype=torch.long), 0.1)
    losses.sum().backward()
    assert losses.sum() == 0
    assert hidden.grad is not None and hidden.grad.abs().sum() == 0


def test_bfloat16_loses_as_much_as_float32_nearly():
    hidden, weight, target = problem(torch.float32)
    exact = layers.chunked_loss(hidden, weight, target, 0.1)
    rough = layers.chunked_loss(hidden.bfloat16(), weight.bfloat16(), target, 0.1)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.05
    exact_grad, rough_grad = (torch.autograd.grad(loss.sum(), weight)[0] for loss in (exact, rough))
    assert (rough_grad - exact_grad).norm() < 0.02 * exact_grad.norm()


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_that_of_torch(cross: bool, masked: bool):
    torch.manual_seed(1)
    own = torch.randn(2, 3, 3 * 8, dtype=torch.float64, requires_grad=True)
    other = torch.randn(2, 5, 2 * 8, dtype=torch.float64, requires_grad=True)
    mask = torch.zeros(2, 1, 1, 5 if cross else 3, dtype=torch.float64)
    mask[1, ..., -1] = -torch.inf
    mask = mask if masked else None

    query, key, value = own.unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
    if cross:
        key, value = other.unflatten(2, (2, 2, 4)).permute(2, 0, 3, 1, 4)
    expected = F.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).flatten(2)

    parts = layers.split_heads(own, 3, 2)
    mixed = layers.attend(parts[:1] if cross else parts, layers.split_heads(other, 2, 2) if cross else None, 2, mask)
    torch.testing.assert_close(mixed, expected)
    share = torch.randn_like(mixed)
    inputs = (own, other) if cross else (own,)
    expected_grads = torch.autograd.grad((expected * share).sum(), inputs)
    torch.testing.assert_close(torch.autograd.grad((mixed * share).sum(), inputs), expected_grads)


def test_dropout_of_attention_weights_is_in_the_gradient_as_in_the_answer():
    own = torch.randn(3, 2, 4, 2, dtype=torch.float64, requires_grad=True)

    def attend(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)
        return layers.attend(x, None, 2, None, 0.5)

    assert torch.autograd.gradcheck(attend, (own,))
    assert not torch.equal(attend(own), layers.attend(own, None, 2, None))


def test_dropout_keeps_the_share_and_the_mean():
    torch.manual_seed(0)
    dropped = layers.dropout(torch.ones(1000, 1001), 0.3, True)
    assert (dropped == 0).float().mean() == pytest.approx(77 / 256, abs=2e-3)
    assert dropped.mean() == pytest.approx(1, abs=3e-3)
    assert torch.equal(layers.dropout(dropped, 0.3, False), dropped)
    assert dropped.unique().tolist() == pytest.approx([0, 256 / 179])


def test_dropout_follows_the_seed_and_is_alike_in_every_byte():
    torch.manual_seed(7)
    first, second = (layers.keep_mask(torch.empty(4096, 8), 0.5) for _ in range(2))
    torch.manual_seed(7)
    assert torch.equal(layers.keep_mask(torch.empty(4096, 8), 0.5), first)
    assert not torch.equal(first, second)
    assert ((first > 0).float().mean(0) - 0.5).abs().max() < 0.05


def test_add_dropout_adds_what_dropout_leaves():
    x, residual = torch.randn(5, 7), torch.randn(5, 7)
    torch.manual_seed(2)
    expected = residual + layers.dropout(x, 0.4, True)
    torch.manual_seed(2)
    torch.testing.assert_close(layers.add_dropout(residual, x, 0.4, True), expected)


def test_rotated_products_depend_on_distance_only():
    query, key = torch.randn(2, 1, 8)
    turn = layers.rotary(20, 8, torch.device("cpu"))
    queries, keys = layers.rotate(query.expand(20, 8), turn), layers.rotate(key.expand(20, 8), turn)
    products = queries @ keys.t()
    torch.testing.assert_close(products[3, 1], products[17, 15])
    torch.testing.assert_close(products[4, 9], products[0, 5])


def test_sinusoids_are_those_of_the_paper():
    table = layers.sinusoids(4, 4, torch.device("cpu"))
    expected = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.841471, 0.0099998, 0.540302, 0.99995]])
    torch.testing.assert_close(table[:2], expected)
