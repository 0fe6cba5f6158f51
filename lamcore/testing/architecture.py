"""What an architecture promises."""

from __future__ import annotations

import copy
import tempfile
import unittest
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamcore.kinds import Architecture, Record
from lamcore.testing.component import ComponentContract
from lamcore.testing.contract import ensure
from lamcore.testing.state import CHANCE, changed, seeded, state
from lamcore.testing.toy import records

if TYPE_CHECKING:
    from lamcore.testing.models import Bench

CLOSE = 1e-4
"""How far losses may differ by rounding, relative and absolute."""


class ArchitectureContract(ComponentContract):
    """What an architecture promises. With settings of a small model the check takes seconds."""

    kind = "architecture"
    component: Architecture
    records: Sequence[Record] = records(32)
    """Train records; give your own where the model reads other columns, such as images and their labels."""
    tokenizer: Mapping[str, Any] = {"kind": "character"}
    """Settings of the tokenizer; it is learnt from the text columns among what the model reads."""
    updates: int = 400
    """Most updates to learn the records by heart."""
    rate: float = 5e-3
    """Peak learning rate (AdamW) of those updates."""

    def use(self) -> Any:
        """Build a model, and let it score and answer some records."""
        from lamcore.testing.models import torch_seeded

        bench = self._bench()
        with torch_seeded(1):
            return [bench.losses(bench.records[:8]).tolist(), bench.answers(bench.records[:8])]

    def given(self) -> dict[str, Any]:
        """Return the records and the tokenizer's settings."""
        return {"records": list(self.records), "tokenizer": dict(self.tokenizer)}

    def _bench(self, exact: bool = False, seed: int = 1) -> Bench:
        """Return a newly built model; skip where the records lack a column that it reads."""
        from lamcore.testing.models import bench

        needed = {*self.component.reads, *self.component.labels}
        if lacking := sorted(needed - {*self.records[0]}):
            raise unittest.SkipTest(f"the records lack {', '.join(lacking)}: give some (`records`, `example_records`)")
        return bench(self.component, self.records, self.tokenizer, exact, seed)

    # ---- building

    def test_building_draws_from_torchs_seed_alone(self) -> None:
        """The same torch seed builds the same weights; no other random numbers are drawn or seeded."""
        from lamcore.testing.models import same_weights, state_of

        first = state_of(self._bench().model)
        with seeded(7):
            before = state()
            again = state_of(self._bench().model)
            touched = [what for what in changed(before, state()) if what in CHANCE]
        ensure(not touched, f"building drew from, or seeded, {', '.join(touched)}")
        ensure(same_weights(first, again), "the same torch seed built other weights")

    def test_another_seed_builds_another_model(self) -> None:
        """Weights that are drawn follow torch's seed: building does not seed torch itself."""
        import torch

        after = []
        for seed in (1, 2):
            bench = self._bench(seed=seed)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                bench.trained.parts.architecture.build(bench.trained.tokenizer, bench.trained.labels)
                after.append(torch.get_rng_state())
        ensure(not torch.equal(*after), "after building under two seeds torch's random numbers are the same")

    def test_weights_keep_their_names(self) -> None:
        """Names, shapes and types of the weights are those of the built model, also after learning and answering."""
        bench = self._bench()
        before = {name: (weight.shape, weight.dtype) for name, weight in bench.model.state_dict().items()}
        bench.fit(1, self.rate)
        bench.answers(bench.records[:2], 4)
        after = {name: (weight.shape, weight.dtype) for name, weight in bench.model.state_dict().items()}
        other = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        ensure(not other, f"{', '.join(other[:3])} came, went or changed shape")

    # ---- records to tensors

    def test_an_example_has_a_size(self) -> None:
        """Each record gives one example, whose `size` is a whole number above 0, or as many of them each time."""
        import numpy as np

        bench = self._bench()
        examples = bench.encode(bench.records)
        ensure(len(examples) == len(bench.records), f"{len(bench.records)} records gave {len(examples)} examples")
        ensure(all("size" in example for example in examples), "an example has no `size`")
        sizes = [np.atleast_1d(example["size"]) for example in examples]
        whole = all(size.ndim == 1 and size.dtype.kind in "iu" and (size > 0).all() for size in sizes)
        ensure(whole, f"sizes must be whole numbers above 0, not {[size.tolist() for size in sizes][:3]}")
        ensure(len({size.shape for size in sizes}) == 1, "examples have different numbers of sizes")

    def test_encoding_leaves_records_alone(self) -> None:
        """`encode` changes neither the list nor the records that it is given."""
        bench = self._bench()
        given = copy.deepcopy(bench.records)
        bench.model.encode(given)
        ensure(given == bench.records, "encode changed a record that it was given")

    def test_an_example_does_not_depend_on_other_records(self) -> None:
        """A record is encoded the same alone, among others and again."""
        from lamcore.testing.models import equal

        bench = self._bench()
        together = bench.encode(bench.records)
        for record, example in zip(bench.records, together, strict=True):
            ensure(equal(bench.encode([record])[0], example), f"{record.get('id')!r} is encoded otherwise when alone")

    def test_it_reads_only_what_it_names(self) -> None:
        """`encode` needs no column but `id`, those in `reads`, `labels` and `answers`, and uses no other."""
        from lamcore.testing.models import equal

        bench, kind = self._bench(), self.component
        named = {"id", *kind.reads, *kind.labels, *kind.answers}
        fewer = [{name: value for name, value in record.items() if name in named} for record in bench.records]
        try:
            same = equal(dict(enumerate(bench.encode(fewer))), dict(enumerate(bench.encode(bench.records))))
        except KeyError as error:
            raise AssertionError(f"it reads the column {error}, which is not among its `reads`") from error
        ensure(same, "examples change with columns that are not among its `reads`")

    def test_examples_survive_the_disk(self) -> None:
        """Examples written to disk and read back as a run does give the same batch."""
        from lamcore.testing.models import equal

        bench = self._bench()
        with tempfile.TemporaryDirectory() as folder:
            read = bench.model.collate(bench.from_disk(Path(folder)))
        ensure(equal(read, bench.batch(bench.records)), "examples read back from disk give another batch")

    def test_collating_draws_nothing_at_random(self) -> None:
        """The same examples give the same tensors, and no random number is drawn: it runs in a thread of its own."""
        import torch

        from lamcore.testing.models import equal

        bench = self._bench()
        examples = bench.encode(bench.records)
        with seeded(3):
            before = state()
            batch = bench.model.collate(copy.deepcopy(examples))
            touched = [what for what in changed(before, state()) if what in CHANCE]
        ensure(not touched, f"collate drew from {', '.join(touched)}")
        strange = [name for name, value in batch.items() if not isinstance(value, torch.Tensor)]
        ensure(not strange, f"{', '.join(map(str, strange))} of the batch is no tensor")
        ensure(equal(batch, bench.model.collate(examples)), "the same examples gave another batch")

    # ---- learning

    def test_losses_and_counts_are_one_a_record(self) -> None:
        """`forward` returns losses (B,) and counts (B,), in training and in evaluation, for one record and for many."""
        bench = self._bench()
        for size in (1, len(bench.records)):
            for mode in (True, False):
                losses, counts = bench.model.train(mode)(bench.batch(bench.records[:size]))
                shapes = f"{tuple(losses.shape)} and {tuple(counts.shape)}"
                ensure(losses.shape == counts.shape == (size,), f"{size} records gave losses and counts {shapes}")

    def test_losses_are_finite(self) -> None:
        """Every loss is a finite number, also of an empty text and a single record."""
        import torch

        bench = self._bench()
        for batch in (bench.records, *([record] for record in bench.records)):
            for record, loss in zip(batch, bench.losses(batch), strict=True):
                ensure(torch.isfinite(loss), f"the loss of {record.get('id')!r} is {float(loss)}")

    def test_counts_are_positive(self) -> None:
        """Every count is above 0: what a record's loss is the sum of, such as its tokens."""
        bench = self._bench()
        counts = bench.model(bench.batch(bench.records))[1]
        ensure((counts > 0).all(), f"counts are {sorted(set(counts.tolist()))[:3]}, and must be above 0")

    def test_gradient_reaches_every_parameter(self) -> None:
        """The loss of all records gives each parameter that is to learn a finite gradient that is not all zero."""
        import torch

        bench = self._bench()
        bench.model.train()(bench.batch(bench.records))[0].sum().backward()
        learning = [(name, weight) for name, weight in bench.model.named_parameters() if weight.requires_grad]
        dead = [name for name, weight in learning if weight.grad is None or not weight.grad.abs().sum() > 0]
        ensure(not dead, f"no gradient reaches {', '.join(dead[:3])}")
        bad = [name for name, weight in learning if not torch.isfinite(weight.grad).all()]
        ensure(not bad, f"the gradient of {', '.join(bad[:3])} is not finite")

    def test_a_loss_does_not_depend_on_neighbours_or_padding(self) -> None:
        """In evaluation a record's loss is the same alone, beside longer and shorter ones and in any order."""
        import torch

        bench = self._bench()
        together = bench.losses(bench.records)
        alone = torch.cat([bench.losses([record]) for record in bench.records])
        backward = bench.losses(bench.records[::-1]).flip(0)
        for what, other in (("alone", alone), ("in another order", backward)):
            worst = int((together - other).abs().argmax())
            shown = f"{together[worst]:.5g} together and {other[worst]:.5g} {what}"
            same = torch.allclose(together, other, rtol=CLOSE, atol=CLOSE)
            ensure(same, f"the loss of {bench.records[worst].get('id')!r} is {shown}")

    def test_evaluation_is_not_random(self) -> None:
        """In evaluation the same batch gives the same losses, whatever torch's seed."""
        import torch

        from lamcore.testing.models import torch_seeded

        bench, losses = self._bench(), []
        for seed in (1, 2):
            with torch_seeded(seed):
                losses.append(bench.losses(bench.records))
        ensure(torch.equal(*losses), "two passes in evaluation gave different losses: is dropout still on?")

    def test_a_pass_leaves_its_batch_alone(self) -> None:
        """Neither `forward` nor `predict` changes the tensors of the batch that it is given."""
        from lamcore.testing.models import Decoding, equal

        bench = self._bench()
        batch, before = bench.batch(bench.records), bench.batch(bench.records)
        bench.model.train()(batch)
        bench.model.eval().predict(batch, Decoding(max_length=4))
        ensure(equal(batch, before), "the batch is another after forward and predict")

    # ---- answering

    def test_it_answers_each_record_with_its_columns(self) -> None:
        """There is one answer a record, with all columns of `answers`, each of the type that the records have there."""
        bench = self._bench()
        answers = bench.answers(bench.blank(bench.records))
        ensure(len(answers) == len(bench.records), f"{len(bench.records)} records got {len(answers)} answers")
        for column in self.component.answers:
            ensure(all(column in answer for answer in answers), f"an answer lacks the column {column!r}")
            wanted, found = type(bench.records[0].get(column, answers[0][column])), type(answers[0][column])
            ensure(found is wanted, f"{column} of an answer is of type {found.__name__}, not {wanted.__name__}")

    def test_an_answer_does_not_depend_on_neighbours_or_padding(self) -> None:
        """A record gets the same answer alone, beside longer and shorter ones and in any order."""
        from lamcore.testing.models import alike

        bench = self._bench()
        bench.fit(20, self.rate)
        together = bench.answers(bench.records)
        alone = [bench.answers([record])[0] for record in bench.records]
        backward = bench.answers(bench.records[::-1])[::-1]
        for what, others in (("alone", alone), ("in another order", backward)):
            for record, one, other in zip(bench.records, together, others, strict=True):
                ensure(alike(one, other), f"{record.get('id')!r} is answered {one!r}, but {what} {other!r}")

    def test_an_answer_does_not_depend_on_the_reference(self) -> None:
        """With its answer columns empty, as at `predict`, a record gets the same answer."""
        from lamcore.testing.models import alike

        bench = self._bench()
        bench.fit(20, self.rate)
        known, blank = bench.answers(bench.records), bench.answers(bench.blank(bench.records))
        for record, one, other in zip(bench.records, known, blank, strict=True):
            ensure(alike(one, other), f"{record.get('id')!r} is answered {one!r}, but {other!r} without its reference")

    def test_answering_changes_nothing(self) -> None:
        """`predict` leaves weights and mode (training or evaluation) as they were, and answers the same again."""
        from lamcore.testing.models import Decoding, alike, same_weights, state_of, torch_seeded

        bench = self._bench()
        batch, before = bench.batch(bench.records), state_of(bench.model)
        answers: list[Any] = []
        for mode in (True, False, False):
            bench.model.train(mode)
            with torch_seeded(len(answers)):
                answers.append(bench.model.predict(batch, Decoding(max_length=8)))
            ensure(bench.model.training is mode, f"predict left training={not mode}, and it was {mode}")
        ensure(same_weights(before, state_of(bench.model)), "predict changed weights")
        for again in answers[1:]:
            ensure(all(map(alike, answers[0], again)), "the same batch was answered otherwise the next time")

    def test_an_answer_is_no_longer_than_allowed(self) -> None:
        """An answer that is written token by token has at most `decoding.max_length` tokens."""
        bench, column = self._written()
        for length in (1, 3):
            longest = max(len(answer[column]) for answer in bench.answers(bench.records, length))
            ensure(longest <= length, f"an answer has {longest} tokens, and max_length is {length}")

    def test_cached_decoding_equals_uncached(self) -> None:
        """Each token that greedy search writes scores best when the whole answer so far is read anew (`logits`)."""
        bench, column = self._written()
        if not hasattr(bench.model, "logits"):
            raise unittest.SkipTest("the model has no `logits` to compare with")
        bench.fit(40, self.rate)
        tokenizer = bench.trained.tokenizer[column]
        never = [tokenizer.pad, tokenizer.unk, tokenizer.bos]
        for record, answer in zip(bench.records, bench.answers(bench.records), strict=True):
            (ids,) = tokenizer.encode([answer[column]])
            scores = bench.logits({**record, column: answer[column]})[0]
            ensure(scores.ndim == 2, f"logits must be (B, T, V), not of {scores.ndim + 1} dimensions")
            scores[:, never] = -float("inf")
            for place, token in enumerate([*ids, tokenizer.eos][:12]):
                best = int(scores[place].argmax())
                near = scores[place, token] >= scores[place, best] - 1e-3
                ensure(near, f"{record.get('id')!r}: token {place} is {token}, and without the cache {best}")

    def _written(self) -> tuple[Bench, str]:
        """Return a model whose tokenizer can read its answers back, and the column; skip where it writes no text."""
        bench = self._bench(exact=True)
        written = [column for column in self.component.answers if column in bench.trained.tokenizer]
        if not written:
            raise unittest.SkipTest("it writes no text token by token")
        return bench, written[0]

    # ---- the whole

    def test_saving_and_loading_changes_nothing(self) -> None:
        """Saved to a model folder and loaded again it has the same weights, losses and answers."""
        import torch

        from lamcore.testing.models import same_weights, state_of, torch_seeded

        bench = self._bench()
        with tempfile.TemporaryDirectory() as folder, torch_seeded(2):
            bench.shake()
            again = bench.reloaded(Path(folder))
            same = same_weights(state_of(bench.model), state_of(again.model))
            ensure(same, "the loaded model has other weights")
            losses = bench.losses(bench.records), again.losses(bench.records)
            ensure(torch.equal(*losses), "the loaded model has other losses: is something no parameter and no buffer?")
            answers = [one.trained.predict(bench.blank(bench.records[:8])) for one in (bench, again)]
            ensure(answers[0] == answers[1], "the loaded model answers otherwise")

    def test_it_learns_its_own_records_by_heart(self) -> None:
        """After at most `updates` updates it answers every one of its own train records as they say."""
        from lamcore.testing.models import torch_seeded

        if not self.component.answers:
            raise unittest.SkipTest("it answers nothing (`answers` is empty)")
        bench = self._bench()
        with torch_seeded(1):
            bench.fit(self.updates, self.rate, until_right=True)
        right = bench.right()
        ensure(right == len(bench.records), f"it answers {right} of {len(bench.records)} after {self.updates} updates")
