"""What numerals mean, and the contracts that all components keep."""

import random

import pytest
from lamcore_numerals import DigitsRight, Hesitate, Numerals, name

from lamcore.testing import AugmenterContract, MetricContract, SourceContract


class TestNumerals(SourceContract):
    component = Numerals(most=300)


class TestHesitate(AugmenterContract):
    component = Hesitate(rate=0.5)
    varies = ("input",)


class TestDigitsRight(MetricContract):
    component = DigitsRight()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety nine"),
        (207, "two hundred seven"),
        (3000, "three thousand"),
    ],
)
def test_a_number_has_its_name(number, text):
    assert name(number) == text


def test_every_number_stands_in_one_split():
    numbers = sorted(int(record["target"]) for rows in Numerals(most=500).load().values() for record in rows)
    assert numbers == list(range(500))


def test_a_rate_of_one_hesitates_before_every_word():
    assert Hesitate(rate=1).said("two hundred", random.Random(1)) == "er two er hundred"


def test_digits_count_at_their_place():
    assert DigitsRight().count({"target": "217"}, {"target": "207"}) == {"right": 2, "all": 3}
    assert DigitsRight().count({"target": "2077"}, {"target": "207"}) == {"right": 3, "all": 4}
