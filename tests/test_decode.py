from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
import torch

from lamcore import Decoding
from lamcore.decode import Hypothesis, constraint, limits, search

BOS, EOS = 2, 3


class Table:
    """A random model: the scores of the next token depend on the record and on all tokens so far."""

    def __init__(self, records: int, size: int, seed: int = 0, round_to: int | None = None):
        self.size, self.seed, self.round_to = size, seed, round_to
        self.rows = [(record, ()) for record in range(records)]
        self.widest = records

    def scores(self, record: int, prefix: tuple[int, ...]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(hash((self.seed, record, prefix)) % 2**31)
        scores = torch.randn(self.size, generator=generator, dtype=torch.float64) * 2
        return scores if self.round_to is None else (scores / 8).round(decimals=self.round_to)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        self.rows = [(record, (*prefix, t)) for (record, prefix), t in zip(self.rows, tokens.tolist(), strict=True)]
        self.widest = max(self.widest, len(self.rows))
        return torch.stack([self.scores(record, prefix) for record, prefix in self.rows])

    def select(self, rows: torch.Tensor, records: torch.Tensor | None) -> None:
        self.rows = [self.rows[row] for row in rows.tolist()]


def log_prob(table: Table, record: int, ids: tuple[int, ...]) -> float:
    prefix, total = (BOS,), 0.0
    for token in (*ids, EOS):
        total += torch.log_softmax(table.scores(record, prefix), 0)[token].item()
        prefix = (*prefix, token)
    return total


def exhaustive(table: Table, record: int, limit: int, exponent: float) -> list[Hypothesis]:
    """All answers of at most `limit` tokens, best first."""
    words = range(4, table.size)
    answers = [ids for length in range(limit + 1) for ids in itertools.product(words, repeat=length)]
    scored = [Hypothesis(list(i), log_prob(table, record, i) / ((6 + len(i)) / 6) ** exponent) for i in answers]
    return sorted(scored, key=lambda answer: -answer.score)


@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(6))
def test_a_beam_that_holds_everything_finds_the_best_answer_of_all(seed: int, exponent: float):
    limit = [1, 3, 4]
    found = search(Table(3, 7, seed), torch.tensor(limit), Decoding(beam=200, length_penalty=exponent))
    for record, answers in enumerate(found):
        expected = exhaustive(Table(3, 7, seed), record, limit[record], exponent)
        assert answers[0].ids == expected[0].ids
        assert answers[0].score == pytest.approx(expected[0].score, abs=1e-5)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_that_holds_everything_finds_the_n_best_answers_in_order(seed: int, exponent: float):
    decoding = Decoding(beam=200, n_best=7, length_penalty=exponent)
    found = search(Table(2, 7, seed), torch.tensor([3, 4]), decoding)
    for record, answers in enumerate(found):
        expected = exhaustive(Table(2, 7, seed), record, record + 3, exponent)[:7]
        assert [answer.ids for answer in answers] == [answer.ids for answer in expected]
        assert [a.score for a in answers] == pytest.approx([e.score for e in expected], abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_one_best_answer_is_the_first_of_many(seed: int):
    limit = torch.tensor([5, 5, 2, 7])
    one = search(Table(4, 9, seed), limit, Decoding(beam=4))
    many = search(Table(4, 9, seed), limit, Decoding(beam=4, n_best=4))
    assert [len(answers) for answers in one] == [1, 1, 1, 1]
    assert [answers[0] for answers in one] == [answers[0] for answers in many]


@pytest.mark.parametrize("seed", range(6))
def test_scores_of_a_narrow_beam_are_those_of_its_answers_and_descend(seed: int):
    found = search(Table(4, 9, seed), torch.tensor([5, 5, 2, 7]), Decoding(beam=3, n_best=3, length_penalty=0.7))
    for record, answers in enumerate(found):
        assert 1 <= len(answers) <= 3
        assert [a.score for a in answers] == sorted((a.score for a in answers), reverse=True)
        for answer in answers:
            penalty = ((6 + len(answer.ids)) / 6) ** 0.7
            total = log_prob(Table(4, 9, seed), record, tuple(answer.ids))
            assert answer.score == pytest.approx(total / penalty, abs=1e-5)


@pytest.mark.parametrize(("seed", "size"), [*zip(range(6), [12] * 6, strict=True), (0, 40_001)])
def test_greedy_takes_the_likeliest_token_each_time(seed: int, size: int):
    found = search(Table(5, size, seed), torch.tensor([8] * 5), Decoding(beam=1, length_penalty=0))
    for record, (answer,) in enumerate(found):
        table, ids = Table(5, size, seed), []
        while len(ids) < 8:
            scores = table.scores(record, (BOS, *ids))
            scores[:3] = -math.inf
            if scores.argmax() == EOS:
                break
            ids.append(int(scores.argmax()))
        assert answer.ids == ids
        assert answer.score == pytest.approx(log_prob(table, record, tuple(ids)), abs=1e-5)


def test_a_beam_over_many_tokens_looks_at_all_of_them():
    class Steep(Table):
        def scores(self, record: int, prefix: tuple[int, ...]) -> torch.Tensor:
            """Of one block the likeliest tokens, and one that is the very last."""
            scores = torch.zeros(self.size, dtype=torch.float64)
            scores[[9, 8, self.size - 1, 7, 6]] = torch.tensor([8.0, 7, 6, 5, 4], dtype=torch.float64)
            return scores

    (answers,) = search(Steep(1, 120_001), torch.tensor([1]), Decoding(beam=5, n_best=5))
    assert [answer.ids for answer in answers] == [[9], [8], [120_000], [7], [6]]


class Shifted(Table):
    """The table as seen from a batch that holds one record only."""

    def __init__(self, record: int, *settings: int):
        super().__init__(1, *settings)
        self.rows = [(record, ())]


@pytest.mark.parametrize(
    "decoding",
    [Decoding(), Decoding(beam=2), Decoding(beam=5, n_best=3), Decoding(temperature=1.5, top_p=0.9, n_best=2)],
    ids=["greedy", "beam", "n_best", "sampling"],
)
def test_an_answer_does_not_depend_on_its_neighbours(decoding: Decoding):
    limit = torch.tensor([9, 2, 6, 4, 9, 1])
    together = search(Table(6, 11, 5), limit, decoding, keys="abcdef")
    for record, key in enumerate("abcdef"):
        alone = search(Shifted(record, 11, 5), limit[record : record + 1], decoding, keys=[key])
        assert alone == [together[record]]


def test_a_beam_keeps_no_more_rows_than_it_says():
    table = Table(3, 50)
    search(table, torch.tensor([6, 6, 6]), Decoding(beam=4))
    assert table.widest == 12


class Flat(Table):
    def scores(self, record: int, prefix: tuple[int, ...]) -> torch.Tensor:
        """Everything is as likely as everything else, but ending comes last."""
        scores = torch.zeros(self.size, dtype=torch.float64)
        scores[EOS] = -1
        return scores


@pytest.mark.parametrize("size", [400, 120_000])
@pytest.mark.parametrize("beam", [1, 2, 3])
def test_ties_go_to_the_lowest_token(beam: int, size: int):
    (answers,) = search(Flat(1, size), torch.tensor([2]), Decoding(beam=beam, n_best=beam))
    assert [answer.ids for answer in answers] == [[4, 4], [4, 5], [4, 6]][:beam]


@pytest.mark.parametrize("seed", range(4))
def test_equal_scores_give_the_same_answers_in_every_batch(seed: int):
    limit = torch.tensor([4, 4, 4])
    together = search(Table(3, 30, seed, 1), limit, Decoding(beam=3))
    alone = [search(Shifted(r, 30, seed, 1), limit[:1], Decoding(beam=3))[0] for r in range(3)]
    assert together == alone


@pytest.mark.parametrize("beam", [1, 3])
def test_special_tokens_are_never_generated(beam: int):
    class Eager(Table):
        def scores(self, record: int, prefix: tuple[int, ...]) -> torch.Tensor:
            scores = super().scores(record, prefix)
            scores[:3] = 50
            return scores

    found = search(Eager(8, 9), torch.full((8,), 6), Decoding(beam=beam))
    assert all(token >= 4 for answers in found for answer in answers for token in answer.ids)


@pytest.mark.parametrize("beam", [1, 4])
def test_only_allowed_tokens_come(beam: int):
    def allowed(records: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Record 0 may say 5 only, record 1 says 6 first and then 7 or nothing."""
        mask = torch.zeros(len(records), 9, dtype=torch.bool)
        mask[records == 0, 5] = True
        mask[records == 1, 6 if ids.shape[1] == 0 else 7] = True
        mask[:, EOS] = ids.shape[1] > 0
        return mask

    first, second = search(Table(2, 9), torch.tensor([3, 3]), Decoding(beam=beam), allowed=allowed)
    assert all(answer.ids in ([5], [5, 5], [5, 5, 5]) for answer in first)
    assert all(answer.ids in ([6], [6, 7], [6, 7, 7]) for answer in second)


@pytest.mark.parametrize("beam", [1, 4])
def test_a_dead_end_is_an_answer_with_no_probability(beam: int):
    def nothing(records: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(records), 9, dtype=torch.bool)

    found = search(Table(2, 9), torch.tensor([3, 3]), Decoding(beam=beam), allowed=nothing)
    assert found == [[Hypothesis([], -math.inf)]] * 2


def chances(table: Table, ids: tuple[int, ...], limit: int, decoding: Decoding) -> float:
    """The probability that an answer is drawn: at each place temperature, then top_k, then top_p."""
    prefix, total = (BOS,), 1.0
    for place, token in enumerate((*ids, EOS)):
        scores = table.scores(0, prefix)
        scores[:3] = -math.inf
        shares = torch.softmax(scores / decoding.temperature, 0).tolist()
        ranked = sorted(range(table.size), key=lambda token: -shares[token])[: decoding.top_k or None]
        mass = sum(shares[token] for token in ranked)
        kept: list[int] = []
        while not kept or sum(shares[token] for token in kept) < decoding.top_p * mass - 1e-9:
            kept.append(ranked[len(kept)])
        if place < limit:  # where the end has to come it is not drawn
            total *= shares[token] / sum(shares[token] for token in kept) if token in kept else 0.0
        prefix = (*prefix, token)
    return total


@pytest.mark.parametrize(
    "settings", [{}, {"temperature": 0.5}, {"top_k": 3}, {"top_p": 0.7}, {"top_k": 4, "top_p": 0.8}]
)
def test_answers_are_drawn_as_often_as_they_are_likely(settings: dict):
    decoding = Decoding(**{"temperature": 1.0, "n_best": 3000, "length_penalty": 0.0} | settings)
    (answers,) = search(Table(1, 7, 3), torch.tensor([2]), decoding, keys=["a"])
    drawn = Counter(tuple(answer.ids) for answer in answers)
    every = [ids for length in range(3) for ids in itertools.product(range(4, 7), repeat=length)]
    expected = {ids: chances(Table(1, 7, 3), ids, 2, decoding) for ids in every}
    assert sum(expected.values()) == pytest.approx(1)
    for ids, share in expected.items():
        assert drawn[ids] / 3000 == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 3000))
    assert answers[0].score == pytest.approx(log_prob(Table(1, 7, 3), 0, tuple(answers[0].ids)), abs=1e-5)
    assert [a.score for a in answers] == sorted((a.score for a in answers), reverse=True)


def test_drawing_from_the_likeliest_token_alone_is_greedy_search():
    limit, keys = torch.tensor([8] * 5), range(5)
    greedy = search(Table(5, 12), limit, Decoding())
    assert search(Table(5, 12), limit, Decoding(temperature=3.0, top_k=1), keys=keys) == greedy
    assert search(Table(5, 12), limit, Decoding(temperature=3.0, top_p=1e-9), keys=keys) == greedy


def test_what_is_drawn_follows_from_seed_and_key():
    def drawn(seed: int, key: str) -> list[int]:
        return search(Table(1, 40), torch.tensor([20]), Decoding(temperature=1.0, seed=seed), keys=[key])[0][0].ids

    assert drawn(1, "a") == drawn(1, "a")
    assert len({tuple(drawn(seed, key)) for seed in (1, 2) for key in "ab"}) == 4


PREFIX = torch.tensor([[5, 6], [6, -1], [-1, -1]])
COUNTS = torch.tensor([[1, 0], [2, 1], [0, 0]])


def keeps(ids: list[int], record: int) -> bool:
    """Whether an answer begins with its prefix and holds 4 and 6 as often as it should."""
    prefix = [token for token in PREFIX[record].tolist() if token >= 0]
    counts = [max(count, prefix.count(symbol)) for symbol, count in zip((4, 6), COUNTS[record].tolist(), strict=True)]
    return ids[: len(prefix)] == prefix and [ids.count(4), ids.count(6)] == counts


@pytest.mark.parametrize("seed", range(4))
def test_prefixes_and_copies_leave_the_best_answers_that_keep_them(seed: int):
    limit = torch.tensor([4, 5, 3])
    allowed = constraint(limit, 8, EOS, PREFIX, torch.tensor([4, 6]), COUNTS)
    found = search(Table(3, 8, seed), limit, Decoding(beam=400, n_best=4), allowed=allowed)
    for record, answers in enumerate(found):
        every = exhaustive(Table(3, 8, seed), record, limit[record].item(), 1.0)
        expected = [answer for answer in every if keeps(answer.ids, record)][:4]
        assert [answer.ids for answer in answers] == [answer.ids for answer in expected]
        assert [a.score for a in answers] == pytest.approx([e.score for e in expected], abs=1e-5)


@pytest.mark.parametrize("decoding", [Decoding(), Decoding(beam=3), Decoding(temperature=2.0)], ids=str)
def test_symbols_to_copy_come_in_time_in_every_search(decoding: Decoding):
    limit = torch.tensor([4, 3, 5])
    allowed = constraint(limit, 30, EOS, PREFIX, torch.tensor([4, 6]), COUNTS)
    for seed in range(10):
        found = search(Table(3, 30, seed), limit, decoding, allowed=allowed, keys="abc")
        assert all(keeps(answers[0].ids, record) for record, answers in enumerate(found))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"beam": 0}, "1 or more"),
        ({"n_best": 2}, "n_best=2 needs a beam of as many"),
        ({"beam": 5, "temperature": 0.5}, "needs beam=1"),
        ({"temperature": -1}, "0 or more"),
        ({"top_p": 0}, "top_p more than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, words: str):
    with pytest.raises(ValueError, match=words):
        Decoding(**settings)


def test_limits_follow_the_input_and_the_most_tokens():
    lengths = torch.tensor([0, 3, 200])
    assert limits(lengths, Decoding(max_length=50, max_ratio=1.5)).tolist() == [10, 14, 50]
    assert limits(lengths, Decoding(max_length=50, max_ratio=0)).tolist() == [50, 50, 50]


@pytest.mark.parametrize("beam", [1, 3])
def test_no_records_give_no_answers(beam: int):
    assert search(Table(0, 9), torch.tensor([], dtype=torch.long), Decoding(beam=beam)) == []
