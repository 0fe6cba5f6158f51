"""The distance to a teacher, against numbers worked out by hand and those of trl."""

from __future__ import annotations

from math import log

import pytest
import torch

from lamcore_distill.teaching import divergence, taught

EVEN, THREE_TO_ONE = [0.0, 0.0], [log(3), 0.0]


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (1.0, 0.130812),  # 3/4 ln(3/4 : 1/2) + 1/4 ln(1/4 : 1/2)
        (2.0, 0.036341),  # softened, the teacher has 0.633975 and 0.366025
    ],
)
def test_an_item_costs_the_divergence_of_the_student_from_the_teacher(temperature, expected):
    apart = divergence(torch.tensor([[EVEN]]), torch.tensor([[THREE_TO_ONE]]), torch.tensor([1]), temperature)
    assert apart.tolist() == pytest.approx([expected], abs=1e-6)


def test_a_record_sums_its_items_and_leaves_padding_out():
    student = torch.tensor([[EVEN, EVEN, THREE_TO_ONE], [EVEN, [9.0, 0.0], [9.0, 0.0]]])
    teacher = torch.tensor([[THREE_TO_ONE, THREE_TO_ONE, THREE_TO_ONE], [THREE_TO_ONE, EVEN, EVEN]])
    apart = divergence(student, teacher, torch.tensor([3, 1]), 1.0)
    assert apart.tolist() == pytest.approx([2 * 0.130812, 0.130812], abs=1e-6)


@pytest.mark.parametrize(("temperature", "expected"), [(1.0, [1.443206, 1.735973]), (2.0, [0.393505, 0.60355])])
def test_a_record_costs_what_trl_gives(temperature, expected):
    """GKDTrainer.generalized_jsd_loss(student, teacher, labels, beta=0, reduction="sum") of trl 1.16.0, by record."""
    first = [[0.5, -1.0, 2.0, 0.1], [1.5, 0.3, -0.7, 0.0], [0.2, 0.2, 0.9, -2.0]]
    second = [[-1.2, 0.8, 0.4, 0.6], [0.0, 0.0, 0.0, 1.0], [2.2, -0.4, 1.1, 0.3]]
    of_first = [[1.0, -0.5, 1.5, 0.0], [0.0, 2.0, -1.0, 0.5], [-0.3, 0.7, 0.1, 0.4]]
    of_second = [[0.9, 0.1, -1.1, 2.0], [1.0, 0.0, 3.0, -1.0], [0.6, 0.6, 0.6, -0.6]]
    student, teacher = torch.tensor([first, second]), torch.tensor([of_first, of_second])
    apart = divergence(student, teacher, torch.tensor([3, 2]), temperature)
    assert apart.tolist() == pytest.approx(expected, abs=1e-5)


class Table(torch.nn.Module):
    """A model of one item a record: its scores are a table's rows, its own loss is 5."""

    def __init__(self, rows):
        super().__init__()
        self.table = torch.nn.Parameter(torch.tensor(rows))

    def logits(self, batch):
        return self.table[batch["rows"]][:, None]

    def forward(self, batch):
        return self.table[batch["rows"]].sum(1) * 0 + 5, torch.ones_like(batch["rows"])


def test_in_training_the_loss_is_shared_between_the_model_and_the_teacher_and_in_validation_it_is_the_models():
    model, teacher, batch = Table([EVEN, EVEN]), Table([THREE_TO_ONE, EVEN]), {"rows": torch.tensor([0, 1])}
    with taught(model, teacher, weight=0.25, temperature=2.0):
        losses, counts = model(batch)
        assert losses.tolist() == pytest.approx([0.75 * 5 + 0.25 * 4 * 0.036341, 0.75 * 5], abs=1e-5)
        assert counts.tolist() == [1, 1]
        losses.sum().backward()
        assert model.table.grad is not None and teacher.table.grad is None
        assert model.eval()(batch)[0].tolist() == [5, 5]
    assert model.train()(batch)[0].tolist() == [5, 5]
