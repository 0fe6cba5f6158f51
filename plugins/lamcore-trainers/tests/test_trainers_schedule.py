"""The learning rate, the plan of a time budget, and the settings that are refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lamcore_trainers.schedule import is_plateau, learning_rate, plan_is_due, planned_steps
from lamcore_trainers.supervised import Plateau, Schedule, Supervised


def rates(settings: Supervised, total: int, *steps: int) -> list[float]:
    return [round(learning_rate(settings, step, total), 9) for step in steps]


def test_the_warm_up_rises_in_a_straight_line_to_the_peak():
    settings = Supervised(lr=0.8, warmup=4, schedule=Schedule.constant)
    assert rates(settings, 0, 1, 2, 3, 4, 5, 900) == [0.2, 0.4, 0.6, 0.8, 0.8, 0.8]


def test_inverse_square_root_halves_at_four_times_the_warm_up():
    settings = Supervised(lr=1.0, warmup=100)
    assert rates(settings, 0, 50, 100, 400, 900, 10_000) == [0.5, 1.0, 0.5, 0.333333333, 0.1]


def test_cosine_is_half_way_down_in_the_middle_and_ends_at_the_share():
    settings = Supervised(lr=1.0, warmup=100, steps=300, schedule=Schedule.cosine, min_lr=0.1)
    # a quarter: 0.1 + 0.9 * (1 + cos 45 degrees) / 2
    assert rates(settings, 300, 100, 150, 200, 300, 400) == [1.0, 0.868198052, 0.55, 0.1, 0.1]


def test_inverse_square_root_does_not_fall_below_the_share():
    settings = Supervised(lr=2.0, warmup=100, min_lr=0.5)
    assert rates(settings, 0, 400, 401, 100_000) == [1.0, 1.0, 1.0]


def test_no_warm_up_begins_at_the_peak():
    settings = Supervised(lr=1.0, warmup=0, steps=2, schedule=Schedule.cosine)
    assert rates(settings, 2, 1, 2) == [0.5, 0.0]
    assert rates(Supervised(lr=1.0, warmup=0), 0, 1, 4) == [1.0, 0.5]


def test_a_plateau_multiplies_the_rate_by_its_factor_each_time_down_to_the_share():
    settings = Supervised(lr=1.0, warmup=4, schedule=Schedule.plateau, plateau=Plateau(factor=0.5), min_lr=0.2)
    assert learning_rate(settings, 2, 0, lowered=0) == 0.5  # the warm-up
    assert [learning_rate(settings, 900, 0, lowered=lowered) for lowered in range(4)] == [1.0, 0.5, 0.25, 0.2]


def test_the_rate_falls_after_patience_validations_without_improvement_and_after_as_many_again():
    settings = Supervised(schedule=Schedule.plateau, plateau=Plateau(patience=2))
    assert [waited for waited in range(8) if is_plateau(settings, waited)] == [2, 4, 6]
    assert not any(is_plateau(Supervised(), waited) for waited in range(8))


@pytest.mark.parametrize("schedule", Schedule)
def test_the_first_fifty_rates_do_not_depend_on_a_plan_that_is_not_made_yet(schedule):
    settings = Supervised(lr=1.0, warmup=8, minutes=5, schedule=schedule)
    before, after = (
        [learning_rate(settings, step, total, planned) for step in range(1, 51)]
        for total, planned in ((0, None), (4000, 50))
    )
    assert before == after


def test_cosine_with_minutes_waits_at_the_peak_until_the_plan_is_made():
    settings = Supervised(lr=1.0, warmup=10, minutes=5, schedule=Schedule.cosine)
    assert [round(learning_rate(settings, step, 150, 50), 9) for step in (10, 50, 100, 150)] == [1.0, 1.0, 0.5, 0.0]


def test_a_plan_is_made_after_fifty_updates_and_a_twentieth_of_the_budget_or_a_minute():
    settings = Supervised(minutes=10)
    assert not plan_is_due(settings, step=49, spent=300.0)
    assert not plan_is_due(settings, step=900, spent=29.9)
    assert plan_is_due(settings, step=50, spent=30.0)
    assert not plan_is_due(Supervised(minutes=600), step=900, spent=59.9)
    assert plan_is_due(Supervised(minutes=600), step=900, spent=60.0)


def test_a_plan_fills_the_budget_with_updates_and_validations():
    settings = Supervised(minutes=10, validate_every=100)
    # 600 s, 3 % left over: 582; 22 spent and 10 for the last validation leave 550; an update with its share of a
    # validation takes 0.4 + 10 / 100 s
    assert planned_steps(settings, step=50, spent=22.0, update=0.4, validation=10.0) == 50 + 1100


def test_a_plan_leaves_room_to_try_the_averaged_weights():
    settings = Supervised(minutes=10, validate_every=100, average=4)
    assert planned_steps(settings, step=50, spent=22.0, update=0.4, validation=10.0) == 50 + 1080


def test_a_plan_is_never_longer_than_steps_nor_shorter_than_what_is_done():
    assert planned_steps(Supervised(minutes=10, steps=200), step=50, spent=22.0, update=0.4, validation=10.0) == 200
    assert planned_steps(Supervised(minutes=0.1), step=50, spent=22.0, update=0.4, validation=10.0) == 50


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"lr": 0.0}, "lr must be more than 0, not 0.0"),
        ({"min_lr": 1.5}, "min_lr must be between 0 and 1 (a share of lr), not 1.5"),
        ({"batch_tokens": 0}, "batch_tokens must be 1 or more, not 0"),
        ({"warmup": -1}, "warmup must be 0 or more, not -1"),
        ({"betas": [0.9]}, "betas must be two numbers from 0 to below 1, not [0.9]"),
        ({"ema": 1.0}, "ema must be 0 (off) or a decay below 1, not 1.0"),
        ({"r_drop": -1.0}, "r_drop must be 0 or more, not -1.0"),
        ({"average": 1}, "average must be 0 (off) or 2 or more, not 1"),
        ({"patience": 0}, "nothing would end the training: set steps, minutes, patience or target"),
        ({"plateau": Plateau(factor=1.0)}, "plateau.factor must be between 0 and 1, not 1.0"),
        ({"plateau": Plateau(patience=0)}, "plateau.patience must be 1 or more, not 0"),
        (
            {"schedule": Schedule.plateau, "patience": 3},
            "patience must be more than plateau.patience (3), or 0, not 3: training would end before the rate falls",
        ),
        ({"schedule": Schedule.cosine}, "schedule cosine must know its end: set steps or minutes"),
    ],
)
def test_settings_out_of_range_are_refused(values, words):
    with pytest.raises(ValueError) as caught:
        Supervised(**values)
    assert str(caught.value) == words


def test_the_entry_module_imports_no_torch():
    code = "import lamcore_trainers, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
