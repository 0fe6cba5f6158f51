import random

import pytest
from lamcore_shout import Shout

RECORDS = [{"id": str(number), "input": "turn on the light", "target": "mach das Licht an"} for number in range(100)]


def shouted(rate, seed=1):
    return [record["input"].isupper() for record in Shout(rate=rate).apply(RECORDS, random.Random(seed))]


def test_a_rate_of_one_shouts_every_input_and_no_target():
    assert Shout(rate=1).apply(RECORDS[:1], random.Random(1)) == [
        {"id": "0", "input": "TURN ON THE LIGHT", "target": "mach das Licht an"}
    ]


def test_a_rate_of_zero_shouts_none():
    assert not any(shouted(0))


def test_the_same_seed_shouts_the_same_records():
    assert shouted(0.5, seed=7) == shouted(0.5, seed=7) != shouted(0.5, seed=8)


def test_a_rate_above_one_is_refused():
    with pytest.raises(ValueError, match=r"rate must be between 0 and 1, not 1\.5"):
        Shout(rate=1.5)
