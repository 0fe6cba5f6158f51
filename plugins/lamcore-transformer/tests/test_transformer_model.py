from __future__ import annotations

import copy
import dataclasses
import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lamcore import Decoding, LamcoreError, Record
from lamcore_transformer import Activation, NormKind, Place, Positions, Transformer
from lamcore_transformer.model import TransformerModel

from .letters import LETTERS, Letters

ROWS: list[Record] = [
    {"id": "1", "input": "abcdefghijk", "target": "xy"},
    {"id": "2", "input": "b", "target": "abcdefgh"},
    {"id": "3", "input": "cde", "target": ""},
    {"id": "4", "input": "hello", "target": "olleh"},
]
EVERY = list(itertools.product(Activation, Place, NormKind, Positions))


def make(joint: bool = True, **settings: Any) -> TransformerModel:
    torch.manual_seed(4)
    small = {"layers": 2, "width": 16, "heads": 2, "feed_forward": 24, "max_length": 64}
    return Transformer(**(small | settings)).build({"input": LETTERS, "target": LETTERS if joint else Letters()}, {})


def batch_of(model: TransformerModel, rows: list[Record]) -> dict[str, torch.Tensor]:
    return model.collate(model.encode(rows))


@pytest.mark.parametrize(("activation", "place", "norm", "positions"), EVERY)
def test_every_parameter_learns(activation: Activation, place: Place, norm: NormKind, positions: Positions):
    model = make(activation=activation, place=place, norm=norm, positions=positions).train()
    losses, counts = model(batch_of(model, ROWS))
    assert losses.shape == counts.shape == (4,)
    assert torch.isfinite(losses).all()
    assert counts.tolist() == [3, 9, 1, 6]
    losses.sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())


@pytest.mark.parametrize(("place", "norm", "positions"), list(itertools.product(Place, NormKind, Positions)))
def test_neighbours_and_padding_change_nothing(place: Place, norm: NormKind, positions: Positions):
    model = make(place=place, norm=norm, positions=positions).eval()
    together, _ = model(batch_of(model, ROWS))
    alone = torch.cat([model(batch_of(model, [row]))[0] for row in ROWS])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    for beam in (1, 3):
        answers = model.predict(batch_of(model, ROWS), Decoding(beam=beam))
        for row, answer in zip(ROWS, answers, strict=True):
            (single,) = model.predict(batch_of(model, [row]), Decoding(beam=beam))
            assert answer["target"] == single["target"]
            assert answer["score"] == pytest.approx(single["score"], abs=1e-4)


def test_more_padding_changes_nothing():
    model = make().eval()
    batch = batch_of(model, ROWS)
    wider = {name: torch.nn.functional.pad(ids, (0, 8)) for name, ids in batch.items()}
    torch.testing.assert_close(model(batch)[0], model(wider)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("place", "positions"), list(itertools.product(Place, Positions)))
def test_cached_decoding_scores_as_the_whole_model_does(place: Place, positions: Positions):
    model = make(place=place, positions=positions, max_length=100, activation=Activation.swiglu).eval()
    for beam in (1, 4):
        decoding = Decoding(beam=beam, length_penalty=0, max_length=40, max_ratio=30)  # outgrows the cache
        answers = model.predict(batch_of(model, ROWS), decoding)
        rows = [row | {"target": answer["target"]} for row, answer in zip(ROWS, answers, strict=True)]
        losses, _ = model(batch_of(model, rows))
        torch.testing.assert_close(-losses, torch.tensor([a["score"] for a in answers]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "decoding", [Decoding(), Decoding(beam=3, n_best=2), Decoding(temperature=1.0, n_best=2)], ids=str
)
def test_answers_begin_with_the_prefix_and_copy_what_is_to_be_copied(decoding: Decoding):
    model = make().eval()
    decoding = dataclasses.replace(decoding, copy=["l", "e"], max_ratio=0, max_length=12)
    rows = [row | {"prefix": prefix} for row, prefix in zip(ROWS, ["xyz", None, "c", "lol"], strict=True)]
    together = model.predict(batch_of(model, rows), decoding)
    for row, answer in zip(rows, together, strict=True):
        assert answer["target"].startswith(row["prefix"] or "")
        assert [answer["target"].count(one) for one in "le"] == [row["input"].count(one) for one in "le"]
        (alone,) = model.predict(batch_of(model, [row]), decoding)
        assert alone["target"] == answer["target"]
        assert answer.get("alternatives", [answer])[0] == {"target": answer["target"], "score": answer["score"]}
        assert len(answer.get("alternatives", [])) == (decoding.n_best if decoding.n_best > 1 else 0)


def test_a_prefix_has_room_beyond_the_limit_of_the_answer():
    model = make().eval()
    rows = [{"id": "1", "input": "a", "target": "", "prefix": "abcdefghijklmnopqrstuvw"}]
    (answer,) = model.predict(batch_of(model, rows), Decoding(max_length=2))
    assert answer["target"].startswith(rows[0]["prefix"])
    assert len(answer["target"]) <= len(rows[0]["prefix"]) + 2


def test_a_copy_that_is_no_single_piece_is_refused():
    model = make().eval()
    with pytest.raises(LamcoreError, match="decoding.copy: 'ab' is no single piece of the vocabulary"):
        model.predict(batch_of(model, ROWS), Decoding(copy=["ab"]))


def test_a_prefix_that_the_vocabulary_lacks_is_refused():
    class Poor(Letters):
        def encode(self, texts: list[str]) -> list[list[int]]:
            return [[1 if i > 28 else i for i in ids] for ids in super().encode(texts)]

    model = Transformer(layers=1, width=8, heads=2).build({"input": LETTERS, "target": Poor()}, {})
    with pytest.raises(LamcoreError, match="Record '7': the prefix 'xyz' holds characters"):
        model.encode([{"id": "7", "input": "a", "target": "b", "prefix": "xyz"}])


def test_greedy_decoding_takes_what_logits_say():
    model = make().eval()
    (answer,) = model.predict(batch_of(model, ROWS[:1]), Decoding(max_length=6))
    text = ""
    for _ in range(6):
        scores = model.logits(batch_of(model, [ROWS[0] | {"target": text}]))[0, len(text)]
        scores[:3] = -torch.inf
        if scores.argmax() == LETTERS.eos:
            break
        text += LETTERS.decode([[int(scores.argmax())]])[0]
    assert answer["target"] == text


def test_the_loss_is_the_cross_entropy_of_the_logits():
    model = make(dropout=0.0, label_smoothing=0.1).train()
    batch = batch_of(model, ROWS)
    scores, target = model.logits(batch).transpose(1, 2), batch["target"]
    expected = torch.nn.functional.cross_entropy(scores, target, ignore_index=0, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(model(batch)[0], expected.sum(1))
    plain = torch.nn.functional.cross_entropy(scores, target, ignore_index=0, reduction="none")
    torch.testing.assert_close(model.eval()(batch)[0], plain.sum(1))


def test_records_may_weigh_differently():
    model = make(dropout=0.0).train()
    batch, share = batch_of(model, ROWS), torch.tensor([0.1, 2.0, 0.7, 1.3])
    together = torch.autograd.grad(model(batch)[0] @ share, list(model.parameters()))
    alone = [torch.autograd.grad(model(batch_of(model, [row]))[0].sum(), list(model.parameters())) for row in ROWS]
    for i, grad in enumerate(together):
        torch.testing.assert_close(grad, sum(g[i] * s for g, s in zip(alone, share, strict=True)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("joint", "tie"), list(itertools.product([True, False], [True, False])))
def test_weights_go_to_safetensors_and_back(joint: bool, tie: bool, tmp_path: Path):
    safetensors = pytest.importorskip("safetensors.torch")
    model = make(joint, tie=tie).eval()
    assert (model.source_embedding is None) == (joint and tie)
    assert (model.output is None) == tie
    safetensors.save_file(model.state_dict(), tmp_path / "model.safetensors")
    with torch.device("meta"):
        other = make(joint, tie=tie).eval()
    other.load_state_dict(safetensors.load_file(tmp_path / "model.safetensors"), assign=True)
    batch = batch_of(model, ROWS)
    assert torch.equal(model(batch)[0], other(batch)[0])


def test_memorises_32_records_and_answers_them():
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 7))) for _ in range(32)]
    rows = [{"id": word, "input": word, "target": word[::-1]} for word in words]
    model = make(width=32, heads=4, feed_forward=64, dropout=0.0, label_smoothing=0.05).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    batch = batch_of(model, rows)
    for _ in range(120):
        losses, counts = model(batch)
        (losses.sum() / counts.sum()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    for beam in (1, 4):
        answers = model.predict(batch, Decoding(beam=beam))
        assert [answer["target"] for answer in answers] == [row["target"] for row in rows]
    assert model.training


def test_the_same_seed_gives_the_same_losses():
    model = make().train()
    batch, losses = batch_of(model, ROWS), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(model(batch)[0].tolist())
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("place", Place)
def test_bfloat16_learns_and_answers(place: Place):
    exact = make(place=place, dropout=0.0).train()
    batch = batch_of(exact, ROWS)
    expected = exact(batch)[0]
    with torch.autocast("cpu", torch.bfloat16):
        losses, _ = exact(batch)
    losses.sum().backward()
    rough = copy.deepcopy(exact).bfloat16()
    torch.testing.assert_close(losses, expected, rtol=0.05, atol=0.2)
    torch.testing.assert_close(rough(batch)[0], expected, rtol=0.05, atol=0.2)
    rough(batch)[0].sum().backward()
    assert len(rough.predict(batch, Decoding(beam=2))) == 4


def test_examples_end_with_the_end_mark_and_are_cut_with_one_warning(caplog):
    model = make(max_length=4)
    (example,) = model.encode([{"id": "1", "input": "abcdef", "target": "ab"}])
    model.encode([{"id": "2", "input": "abcdef", "target": "abc"}])
    (warning,) = caplog.messages
    assert warning.startswith("the input of record '1' is cut to 3 pieces")
    assert example["source"].tolist() == [4, 5, 6, 3]
    assert example["target"].tolist() == [4, 5, 3]
    assert example["source"].dtype == np.int32
    assert example["size"] == (4, 3)


def test_answers_end_where_the_positions_end():
    model = make(positions=Positions.learned, max_length=5).eval()
    answers = model.predict(batch_of(model, ROWS), Decoding(max_length=50))
    assert all(len(answer["target"]) <= 4 for answer in answers)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 30, "heads": 4}, "width must be a multiple of heads, but 30 is not one of 4"),
        ({"layers": 0}, "layers must be 1 or more, not 0"),
        ({"decoder_layers": 0}, "decoder_layers must be 1 or more, or null, not 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and less than 1, not 1.0"),
        ({"label_smoothing": -0.1}, "label_smoothing must be at least 0 and less than 1, not -0.1"),
        ({"width": 12, "heads": 4, "positions": Positions.rotary}, "rotary positions need an even width a head, not 3"),
        ({"max_length": 1}, "max_length must be 2 or more, not 1"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        Transformer(**settings)


def test_it_reads_input_and_target_and_answers_target():
    assert (tuple(Transformer.reads), tuple(Transformer.answers)) == (("input", "target"), ("target",))


def test_the_decoder_may_have_another_depth():
    model = make(layers=3, decoder_layers=1)
    assert (len(model.encoder.layers), len(model.decoder.layers)) == (3, 1)


def test_an_adapter_changes_nothing_until_it_has_learnt():
    plain, adapted = make().eval(), make(adapter=3).eval()
    lacking = adapted.load_state_dict(plain.state_dict(), strict=False)
    assert len(lacking.missing_keys) == 2 * 2 * 4 and not lacking.unexpected_keys
    batch = batch_of(plain, ROWS)
    assert torch.equal(plain.logits(batch), adapted.logits(batch))
    assert plain.predict(batch, Decoding(beam=2)) == adapted.predict(batch, Decoding(beam=2))
    adapted(batch)[0].sum().backward()
    slopes = {name: weight.grad for name, weight in adapted.named_parameters() if name.endswith("adapter.up.weight")}
    assert len(slopes) == 4 and all(slope is not None and slope.abs().sum() > 0 for slope in slopes.values())
    torch.nn.init.normal_(adapted.decoder.layers[-1].feed_forward.adapter.up.weight)
    assert not torch.allclose(plain.logits(batch), adapted.logits(batch))
