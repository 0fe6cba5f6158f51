"""The decoder-only model: what it learns from segments, how it packs, and that a cached search is the whole model's."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from lamcore import Decoding, LamcoreError, Record
from lamcore.testing import ArchitectureContract
from lamcore_transformer import CausalLm, layers
from lamcore_transformer.causal_lm import CausalLmModel

from .letters import LETTERS, Letters


class FewLetters(Letters):
    """A tokenizer of a and b alone, for exhaustive search."""

    size = 6


ROWS: list[Record] = [
    {"id": "1", "input": "abcdefghijk", "target": "xy"},
    {"id": "2", "input": "b", "target": "abcdefgh"},
    {"id": "3", "input": "cde", "target": ""},
    {"id": "4", "input": "hello", "target": "olleh"},
    {"id": "5", "input": "", "target": "z"},
]
TALK: list[Record] = [
    {"id": "t", "input": "", "target": "", "segments": [
        {"text": "sys", "train": False}, {"text": "ask", "train": False}, {"text": "yes", "train": True},
        {"text": "more", "train": False}, {"text": "no", "train": True}, {"text": "bye", "train": False},
    ]},
    {"id": "u", "input": "", "target": "", "segments": [{"text": "q", "train": False}, {"text": "r", "train": True}]},
]  # fmt: skip
X = -1


def make(tokenizer: Any = LETTERS, **settings: Any) -> CausalLmModel:
    torch.manual_seed(4)
    small = {"layers": 2, "width": 16, "heads": 4, "key_value_heads": 2, "feed_forward": 24, "max_length": 64}
    return CausalLm(**(small | settings)).build({"input": tokenizer, "target": tokenizer}, {})


def batch_of(model: CausalLmModel, rows: list[Record]) -> dict[str, torch.Tensor]:
    return model.collate(model.encode(rows))


def row_of(segments: list[tuple[str, bool]], **settings: Any) -> tuple[list[int], list[int], list[int]]:
    """Return tokens, labels and prompt of one record of segments."""
    parts = [{"text": text, "train": train} for text, train in segments]
    (example,) = make(**settings).encode([{"id": "x", "input": "", "target": "", "segments": parts}])
    return tuple(example[name].tolist() for name in ("tokens", "labels", "prompt"))  # type: ignore[return-value]


@pytest.mark.full
class TestCausalLmContract(ArchitectureContract):
    """Tried in this process; the test of the package tries all else."""

    component = CausalLm(layers=1, width=64, feed_forward=128, dropout=0.0, tie=False)
    test_another_process_gives_the_same: Any = None


# ------------------------------------------------------------------------------------------------ what is learnt


def test_input_and_target_are_read_as_two_segments_with_a_mark_between():
    (example,) = make().encode([{"id": "1", "input": "ab", "target": "cd"}])
    assert example["tokens"].tolist() == [2, 4, 5, 2, 6, 7]
    assert example["labels"].tolist() == [X, X, X, 6, 7, 3]
    assert example["prompt"].tolist() == [2, 4, 5, 2]
    assert example["size"] == 6


def test_trained_segments_and_their_end_are_learnt_and_nothing_else():
    tokens, labels, prompt = row_of([("ab", False), ("c", True), ("de", False), ("f", True), ("gh", False)])
    assert tokens == [2, 4, 5, 6, 7, 8, 9]  # what follows the last trained segment is no part of it
    assert labels == [X, X, 6, 3, X, 9, 3]  # an end after each run of trained segments, which is never read
    assert prompt == [2, 4, 5, 6, 7, 8]


def test_segments_that_stand_side_by_side_are_one_run():
    assert row_of([("a", False), ("b", True), ("c", True)]) == ([2, 4, 5, 6], [X, 5, 6, 3], [2, 4])
    assert row_of([("a", False), ("b", True), ("", False), ("c", True)]) == row_of(
        [("a", False), ("b", True), ("c", True)]
    )


def test_an_answer_that_is_to_come_is_an_empty_trained_segment():
    assert row_of([("ab", False), ("", True)]) == ([2, 4, 5], [X, X, 3], [2, 4, 5])


def test_the_prompt_of_a_later_turn_begins_with_what_an_earlier_one_read():
    first, _, _ = row_of([("ab", False), ("c", True)])
    _, _, prompt = row_of([("ab", False), ("c", True), ("de", False), ("f", True)])
    assert prompt[: len(first)] == first


def test_the_mask_comes_from_segments_and_not_from_text():
    _, labels, _ = row_of([("yes", False), ("yes", True), ("yes", False), ("yes", True)])
    assert [label for label in labels if label != X] == [28, 8, 22, 3, 28, 8, 22, 3]


def test_truncation_cuts_the_oldest_untrained_text_and_never_an_answer():
    long = "abcdefgh"
    tokens, labels, prompt = row_of([(long, False), ("xy", True), (long, False), ("z", True)], max_length=16)
    assert LETTERS.decode([tokens]) == ["efgh" + "xy" + long + "z"]
    assert LETTERS.decode([[label for label in labels if label != X]]) == ["xyz"]
    assert len(tokens) == 16
    assert LETTERS.decode([prompt]) == ["fgh" + "xy" + long]
    tokens, _, _ = row_of([(long, False), ("x" * 6, True), (long, False), ("z", True)], max_length=12)
    assert LETTERS.decode([tokens]) == ["xxxxxx" + "efgh" + "z"]
    tokens, labels, _ = row_of([("a", True), (long, False), ("xxxxxx", True)], max_length=9)
    assert LETTERS.decode([tokens]) == ["a" + "h" + "xxxxxx"]  # where one stays to learn the end of the first answer
    assert labels[1:3] == [3, 27]


def test_a_prompt_leaves_an_eighth_of_the_places_to_its_answer_whatever_that_is():
    for answer in ("", "z", "zzzzzzzz"):
        _, _, prompt = row_of([("abcdefghijklmnopqrst", False), (answer, True)], max_length=16)
        assert LETTERS.decode([prompt]) == ["hijklmnopqrst"]
        assert len(prompt) == 14


def test_an_answer_that_does_not_fit_is_refused_by_the_name_of_its_record():
    with pytest.raises(LamcoreError, match="Record 'x': what it trains takes 10 tokens, and architecture.max_len"):
        row_of([("abc", False), ("abcdefghi", True)], max_length=8)


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        ([{"text": "a", "train": False}], "Record '7': none of its segments is trained; where an answer is to come"),
        ([{"text": "a"}], r"Record '7': segments\[0\] must be {text, train}, .* not {'text': 'a'}"),
        ([{"text": None, "train": True}], r"Record '7': segments\[0\] must be"),
    ],
)
def test_segments_that_say_nothing_are_refused(segments: list[Any], words: str):
    with pytest.raises(LamcoreError, match=words):
        make().encode([{"id": "7", "input": "", "target": "", "segments": segments}])


def test_two_vocabularies_are_refused():
    with pytest.raises(LamcoreError, match="set tokenizer.joint=true"):
        CausalLm().build({"input": LETTERS, "target": Letters()}, {})  # type: ignore[dict-item]


# ------------------------------------------------------------------------------------------------------- packing


def test_a_batch_is_one_row_without_padding():
    model = make()
    batch = batch_of(model, ROWS)
    assert batch["tokens"].shape == (sum(len(row["input"]) + len(row["target"]) + 2 for row in ROWS),)
    losses, counts = model(batch)
    assert losses.shape == counts.shape == (5,)
    assert counts.tolist() == [3, 9, 1, 6, 2]


@pytest.mark.parametrize("heads", [(4, 1), (4, 2), (4, 4)])
def test_packed_losses_and_gradients_equal_those_of_records_alone(heads: tuple[int, int]):
    model = make(heads=heads[0], key_value_heads=heads[1], dropout=0.0).double().train()
    rows, weights = [*ROWS, *TALK], list(model.parameters())
    together, counts = model(batch_of(model, rows))
    alone = [model(batch_of(model, [row])) for row in rows]
    torch.testing.assert_close(together, torch.cat([loss for loss, _ in alone]), rtol=0, atol=1e-6)
    assert counts.tolist() == [int(count) for _, count in alone]
    packed = torch.autograd.grad(together.sum(), weights)
    summed = torch.autograd.grad(sum(loss.sum() for loss, _ in alone), weights)
    for one, other in zip(packed, summed, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_it_computes_what_its_equations_say():
    """Written out without packing, grouping or cache: rms norms, rotary halves, causal softmax, swiglu."""
    model = make(tie=False, dropout=0.0).double().eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    (example,) = model.encode(TALK[:1])
    tokens = torch.from_numpy(example["tokens"]).long()
    T, d = len(tokens), 4
    angles = torch.arange(T)[:, None] * 10_000.0 ** (-torch.arange(0, d, 2) / d)

    def turned(x: torch.Tensor) -> torch.Tensor:
        a, b = x[..., : d // 2], x[..., d // 2 :]
        return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1)

    def norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * weight

    x = model.embedding.weight[tokens]
    for layer in model.layers:
        parts = (norm(x, layer.around_attention.norm.weight) @ layer.attention.inward.weight.T).view(T, 8, d)
        heads = []
        for head in range(4):
            query, key, value = turned(parts[:, head]), turned(parts[:, 4 + head // 2]), parts[:, 6 + head // 2]
            scores = (query @ key.T / math.sqrt(d)).masked_fill(torch.ones(T, T).triu(1).bool(), -math.inf)
            heads.append(scores.softmax(-1) @ value)
        x = x + torch.cat(heads, 1) @ layer.attention.outward.weight.T
        gate, up = (norm(x, layer.around_feed_forward.norm.weight) @ layer.feed_forward.inward.weight.T).chunk(2, 1)
        x = x + (gate * gate.sigmoid() * up) @ layer.feed_forward.outward.weight.T
    places = [place for place, label in enumerate(example["labels"]) if label != X]
    expected = (norm(x, model.last.weight) @ model.output.weight.T)[places]
    torch.testing.assert_close(model.logits(batch_of(model, TALK))[0], expected, rtol=0, atol=1e-6)


def test_the_loss_is_the_cross_entropy_of_the_logits():
    model = make(dropout=0.0)
    batch = batch_of(model, [*ROWS, *TALK])
    (losses, counts), scores = model(batch), model.logits(batch)
    labels = iter(batch["labels"].tolist())
    for loss, count, places in zip(losses, counts.tolist(), scores, strict=True):
        wanted = torch.tensor([next(labels) for _ in range(count)])
        torch.testing.assert_close(loss, F.cross_entropy(places[:count], wanted, reduction="sum"))


def test_every_parameter_learns_and_none_is_a_bias():
    model = make(tie=False).train()
    model(batch_of(model, ROWS))[0].sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())
    assert not [name for name, _ in model.named_parameters() if "bias" in name]


def test_an_rms_norm_has_the_slopes_of_torchs():
    ours, theirs = layers.RmsNorm(6, eps=1e-6).double(), torch.nn.RMSNorm(6, eps=1e-6).double()
    torch.nn.init.normal_(ours.weight)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(ours(x), theirs(x))
    assert torch.autograd.gradcheck(ours, x)
    found, wanted = (torch.autograd.grad(norm(x).pow(3).sum(), [x, norm.weight]) for norm in (ours, theirs))
    torch.testing.assert_close(found, wanted)


def test_bfloat16_learns_and_answers():
    exact = make(dropout=0.0).train()
    batch = batch_of(exact, ROWS)
    expected = exact(batch)[0]
    with torch.autocast("cpu", torch.bfloat16):
        losses, _ = exact(batch)
    losses.sum().backward()
    rough = copy.deepcopy(exact).bfloat16()
    torch.testing.assert_close(losses, expected, rtol=0.05, atol=0.2)
    torch.testing.assert_close(rough(batch)[0], expected, rtol=0.05, atol=0.2)
    assert len(rough.predict(batch, Decoding(beam=2))) == 5


# ----------------------------------------------------------------------------------------------------- answering


def test_cached_greedy_search_takes_what_uncached_logits_say():
    model = make().eval()
    answers = model.predict(batch_of(model, ROWS), Decoding(max_length=40, max_ratio=0))  # outgrows the cache
    for row, answer in zip(ROWS, answers, strict=True):
        text = ""
        for _ in range(40):
            scores = model.logits(batch_of(model, [row | {"target": text}]))[0, len(text)]
            scores[:3] = -torch.inf
            if scores.argmax() == LETTERS.eos:
                break
            text += LETTERS.decode([[int(scores.argmax())]])[0]
        assert answer["target"] == text


@pytest.mark.parametrize("beam", [1, 4])
def test_a_search_scores_as_the_whole_model_does(beam: int):
    model = make(heads=2, key_value_heads=1).eval()
    decoding = Decoding(beam=beam, n_best=beam, length_penalty=0, max_length=36, max_ratio=0)
    for row, best in zip(ROWS, model.predict(batch_of(model, ROWS), decoding), strict=True):
        for answer in best.get("alternatives", [best]):
            loss, _ = model(batch_of(model, [row | {"target": answer["target"]}]))
            assert answer["score"] == pytest.approx(-loss.item(), abs=1e-4)


@pytest.mark.parametrize("inputs", [["ab", "", "bbab"], ["ab", "ba"]])
def test_a_wide_beam_finds_what_exhaustive_search_finds(inputs: list[str]):
    model = make(FewLetters(), tie=False).double().eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    rows = [{"id": text, "input": text, "target": ""} for text in inputs]
    every = ["".join(letters) for length in range(4) for letters in itertools.product("ab", repeat=length)]
    answers = model.predict(batch_of(model, rows), Decoding(beam=16, n_best=3, length_penalty=1, max_length=3))
    for row, answer in zip(rows, answers, strict=True):
        losses, counts = model(batch_of(model, [row | {"target": text} for text in every]))
        scores = (-losses / ((5 + counts) / 6)).tolist()
        ranked = sorted(zip(scores, every, strict=True), reverse=True)[:3]
        assert [one["target"] for one in answer["alternatives"]] == [text for _, text in ranked]
        assert [one["score"] for one in answer["alternatives"]] == pytest.approx([score for score, _ in ranked])


@pytest.mark.parametrize(
    "decoding", [Decoding(), Decoding(beam=3, n_best=2), Decoding(temperature=1.0, n_best=2)], ids=str
)
def test_answers_begin_with_the_prefix_and_copy_what_is_to_be_copied(decoding: Decoding):
    model = make().eval()
    decoding = dataclasses.replace(decoding, copy=["l", "e"], max_ratio=0, max_length=12)
    rows = [row | {"prefix": prefix} for row, prefix in zip(ROWS, ["xyz", None, "c", "lol", ""], strict=True)]
    together = model.predict(batch_of(model, rows), decoding)
    for row, answer in zip(rows, together, strict=True):
        assert answer["target"].startswith(row["prefix"] or "")
        assert [answer["target"].count(one) for one in "le"] == [row["input"].count(one) for one in "le"]
        (alone,) = model.predict(batch_of(model, [row]), decoding)
        assert alone["target"] == answer["target"]
        assert len(answer.get("alternatives", [])) == (decoding.n_best if decoding.n_best > 1 else 0)


def test_the_answer_of_segments_is_the_last_trained_run():
    model = make().eval()
    blank = copy.deepcopy(TALK)
    blank[0]["segments"][4]["text"] = blank[1]["segments"][1]["text"] = ""
    known, asked = (model.predict(batch_of(model, rows), Decoding(beam=2)) for rows in (TALK, blank))
    assert known == asked


def test_prompt_and_answer_have_at_most_max_length_tokens():
    model = make(max_length=12).eval()
    answers = model.predict(batch_of(model, ROWS), Decoding(max_length=50, max_ratio=0))
    prompts = [len(example["prompt"]) for example in model.encode(ROWS)]
    assert prompts == [11, 3, 5, 7, 2]
    assert all(len(answer["target"]) <= 12 - length for answer, length in zip(answers, prompts, strict=True))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 30, "heads": 4}, "width must be heads times an even number, but 30 is not with 4"),
        ({"heads": 4, "key_value_heads": 3}, "heads must be a multiple of key_value_heads, not 4 of 3"),
        ({"key_value_heads": 0}, "key_value_heads must be 1 or more, not 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and less than 1, not 1.0"),
        ({"max_length": 4}, "max_length must be from 8 to 131072, not 4"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        CausalLm(**settings)
