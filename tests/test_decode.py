from __future__ import annotations

import itertools
import math

import pytest
import torch

from lamcore import Decoding
from lamcore.decode import Hypothesis, limits, search

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


@pytest.mark.parametrize("seed", range(6))
def test_scores_of_a_narrow_beam_are_those_of_its_answers_and_descend(seed: int):
    found = search(Table(4, 9, seed), torch.tensor([5, 5, 2, 7]), Decoding(beam=3, length_penalty=0.7))
    for record, answers in enumerate(found):
        assert 1 <= len(answers) <= 3
        assert [a.score for a in answers] == sorted((a.score for a in answers), reverse=True)
        for answer in answers:
            penalty = ((6 + len(answer.ids)) / 6) ** 0.7
            total = log_prob(Table(4, 9, seed), record, tuple(answer.ids))
            assert answer.score == pytest.approx(total / penalty, abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_greedy_takes_the_likeliest_token_each_time(seed: int):
    found = search(Table(5, 12, seed), torch.tensor([8] * 5), Decoding(beam=1, length_penalty=0))
    for record, (answer,) in enumerate(found):
        table, ids = Table(5, 12, seed), []
        while len(ids) < 8:
            scores = table.scores(record, (BOS, *ids))
            scores[:3] = -math.inf
            if scores.argmax() == EOS:
                break
            ids.append(int(scores.argmax()))
        assert answer.ids == ids
        assert answer.score == pytest.approx(log_prob(table, record, tuple(ids)), abs=1e-5)


class Shifted(Table):
    """The table as seen from a batch that holds one record only."""

    def __init__(self, record: int, *settings: int):
        super().__init__(1, *settings)
        self.rows = [(record, ())]


@pytest.mark.parametrize("beam", [1, 2, 5])
def test_an_answer_does_not_depend_on_its_neighbours(beam: int):
    limit = torch.tensor([9, 2, 6, 4, 9, 1])
    together = search(Table(6, 11, 5), limit, Decoding(beam=beam))
    alone = [search(Shifted(record, 11, 5), limit[record : record + 1], Decoding(beam=beam))[0] for record in range(6)]
    assert together == alone


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


@pytest.mark.parametrize("beam", [1, 2, 3])
def test_ties_go_to_the_lowest_token(beam: int):
    (answers,) = search(Flat(1, 400), torch.tensor([2]), Decoding(beam=beam))
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


def test_limits_follow_the_input_and_the_most_tokens():
    lengths = torch.tensor([0, 3, 200])
    assert limits(lengths, Decoding(max_length=50, max_ratio=1.5)).tolist() == [10, 14, 50]
    assert limits(lengths, Decoding(max_length=50, max_ratio=0)).tolist() == [50, 50, 50]


@pytest.mark.parametrize("beam", [1, 3])
def test_no_records_give_no_answers(beam: int):
    assert search(Table(0, 9), torch.tensor([], dtype=torch.long), Decoding(beam=beam)) == []
