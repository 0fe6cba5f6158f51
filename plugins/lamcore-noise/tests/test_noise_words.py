"""What all augmenters share: words, shares, and what is never touched."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import pytest

from lamcore_noise import CaseNoise, DropWords, OcrNoise, SpeechNoise, SwapWords, Typos
from lamcore_noise.words import chosen, cut, is_free

ALL: list[Any] = [Typos, OcrNoise, SpeechNoise, DropWords, SwapWords, CaseNoise]
ICU = "{count, plural, one {# day left} other {# days left}}"
FIXED = [
    "{name}",
    ICU,
    "<0>",
    "<b>",
    '<a href="x y">',
    "42",
    "3.5",
    "https://a.b/c",
    "www.a.b",
    "me@a.b",
    "%s",
    "$name",
]
TEXT = "Turn on " + " some words ".join(FIXED) + " and the Lamp [%key:a b%] now"


def test_the_entry_module_imports_nothing_heavy():
    code = f"import sys; sys.path[:] = {sys.path}; import lamcore_noise"
    code += "; sys.exit(bool({'torch', 'datasets', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", [""]),
        ("a  b ", ["a", "", "b", ""]),
        (f"left: {ICU}!", ["left:", f"{ICU}!"]),
        ('<a href="x y">see</a> it', ['<a href="x y">see</a>', "it"]),
        ("[%key:a b%] {open { a}", ["[%key:a b%]", "{open", "{ a}"]),
        ("2 < 3 {", ["2", "<", "3", "{"]),
    ],
)
def test_text_is_cut_at_spaces_outside_placeholders_and_tags(text, words):
    assert cut(text) == words


def test_cut_words_are_the_text_again():
    rng = random.Random(5)
    for _ in range(3000):
        text = "".join(rng.choices([*"{}<> \n\t[%]ab", ICU, "<b>", "[%x%]"], k=rng.randrange(12)))
        assert " ".join(cut(text)) == text


def test_only_words_with_letters_are_free():
    assert [word for word in [*FIXED, "", "?", "word", "(don't)", "schön,", "x<0>"] if is_free(word, False)] == [
        "word",
        "(don't)",
        "schön,",
    ]
    assert all(is_free(word, True) for word in FIXED)
    assert not is_free(" ", True)


def test_numbers_are_chosen_at_their_rate():
    rng, counts = random.Random(1), Counter[int]()
    for _ in range(20_000):
        numbers = list(chosen(5, 0.3, rng))
        assert numbers == sorted(set(numbers))
        counts.update(numbers)
    assert all(0.285 < counts[number] / 20_000 < 0.315 for number in range(5))
    assert sorted(counts) == [0, 1, 2, 3, 4]


def test_numbers_are_chosen_independently():
    rng = random.Random(2)
    draws = [set(chosen(3, 0.4, rng)) for _ in range(20_000)]
    assert abs(sum({0, 1} <= draw for draw in draws) / 20_000 - 0.16) < 0.012
    assert abs(sum({0, 2} <= draw for draw in draws) / 20_000 - 0.16) < 0.012


@pytest.mark.parametrize(("rate", "expected"), [(0.0, []), (1.0, [0, 1, 2]), (1e-320, [])])
def test_rates_at_the_ends_need_no_chance(rate, expected):
    assert list(chosen(3, rate, random.Random(0))) == expected


def test_few_random_numbers_are_drawn():
    class Counting(random.Random):
        draws = 0

        def random(self) -> float:
            self.draws += 1
            return super().random()

    rng = Counting(1)
    found = len(list(chosen(100_000, 0.01, rng)))
    assert 800 < found < 1200
    assert rng.draws == found + 1


@pytest.mark.parametrize("cls", ALL)
def test_a_rate_of_zero_changes_nothing(cls):
    records = [{"id": "1", "input": TEXT}] * 20
    for settings in ({"rate": 0}, {"records": 0}):
        rng = random.Random(1)
        state = rng.getstate()
        assert cls(**settings).apply(records, rng) == records
        assert rng.getstate() == state


@pytest.mark.parametrize("cls", ALL)
def test_the_given_records_are_not_altered(cls):
    records = [{"id": str(n), "input": "Some words are here", "target": "Einige Wörter"} for n in range(50)]
    before = [dict(record) for record in records]
    new = cls(rate=0.9, records=1).apply(records, random.Random(1))
    assert records == before
    assert new is not records
    assert [r["input"] for r in new] != [r["input"] for r in records]
    assert [(r["id"], r["target"]) for r in new] == [(r["id"], r["target"]) for r in records]


@pytest.mark.parametrize("cls", ALL)
def test_noise_depends_on_the_generator_alone(cls):
    def noisy(seed: int) -> list[str]:
        records = [{"input": "Some words are here to be varied"} for _ in range(50)]
        return [r["input"] for r in cls(rate=0.5).apply(records, random.Random(seed))]

    random.seed(3)
    first = noisy(1)
    random.seed(4)
    assert first == noisy(1) != noisy(2)


@pytest.mark.parametrize("cls", ALL)
def test_what_is_fixed_stays_in_number_and_order(cls):
    step = cls(rate=0.7, records=1)
    kept = [word for word in cut(TEXT) if not is_free(word, False)]
    for seed in range(200):
        [new] = step.apply([{"input": TEXT}], random.Random(seed))
        assert [word for word in cut(new["input"]) if word in kept] == kept
        assert new["input"] != TEXT


@pytest.mark.parametrize("cls", ALL)
def test_everything_can_be_varied_when_asked(cls):
    records = [{"input": "{Name} <0> 42 {b} 17 <b> 23"}]
    news = [cls(rate=0.9, records=1, everything=True).apply(records, random.Random(n))[0] for n in range(20)]
    assert any(new != records[0] for new in news)
    assert cls(rate=0.9, records=1).apply(records, random.Random(1)) == records


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("everything", [False, True])
def test_no_text_becomes_empty(cls, everything):
    step = cls(rate=1, records=1, everything=everything)
    for text in ("a", " a ", "a b", "  ", "", "?", "{x}", "{x} y", "ab\ncd"):
        for seed in range(20):
            [new] = step.apply([{"input": text}], random.Random(seed))
            assert bool(new["input"].strip()) == bool(text.strip())


@pytest.mark.parametrize("cls", ALL)
def test_columns_can_be_chosen_and_absent_ones_are_passed_over(cls):
    record = {"input": "some words here", "target": "and some there", "context": None}
    [new] = cls(columns=["target", "context", "absent"], rate=1, records=1).apply([record], random.Random(1))
    assert new["target"] != record["target"]
    assert {**new, "target": record["target"]} == record


@pytest.mark.parametrize("cls", ALL)
def test_the_share_of_records_is_kept(cls):
    records = [{"input": "some words stand here"}] * 4000
    new = cls(rate=1, records=0.25).apply(records, random.Random(1))
    assert 900 < sum(one != other for one, other in zip(records, new, strict=True)) < 1100


@pytest.mark.parametrize("cls", ALL)
def test_shares_that_cannot_be_are_refused(cls):
    with pytest.raises(ValueError, match=r"rate must be between 0 and 1, not 1.5"):
        cls(rate=1.5)
    with pytest.raises(ValueError, match=r"records must be between 0 and 1, not -1"):
        cls(records=-1)


@pytest.mark.parametrize("piece", ["{", "{a ", "{ }", "<", "<a ", "[%", "{{}", "}"])
def test_hostile_braces_take_no_time(piece):
    start = time.process_time()
    DropWords(rate=0.5, records=1).apply([{"input": piece * 5000}], random.Random(1))
    assert time.process_time() - start < 1.0
