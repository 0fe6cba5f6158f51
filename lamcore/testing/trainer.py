"""What a trainer promises."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamcore.errors import NUMERICAL_STOP, LamcoreError
from lamcore.kinds import Trainer
from lamcore.testing.component import ComponentContract
from lamcore.testing.contract import ensure
from lamcore.testing.state import seeded

if TYPE_CHECKING:
    from lamcore.testing.models import ToyRun, Watch

BATCH_TOKENS = 100
"""Most tokens in a batch of the toy task: so an epoch has several batches."""
MINUTES = 0.005
"""The time budget that is tried."""
SPARE = 4.0
"""Seconds beyond ten times that budget after which training is taken to go on for ever."""


class TrainerContract(ComponentContract):
    """What a trainer promises, tried on a toy task with real runs; its settings must end it within some seconds.

    Settings called `steps` (updates), `minutes` and `target` (value of the monitor) are held to what their names say.
    """

    kind = "trainer"
    component: Trainer

    def use(self) -> Any:
        """Train; return the weights and the log."""
        with self._folder() as folder:
            run = self._fit(folder)
            return [{name: weight.tolist() for name, weight in run.model.state_dict().items()}, run.lines()]

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="lamcore-check-") as folder:
            yield Path(folder)

    def _fit(self, folder: Path, watch: Watch | None = None, **settings: Any) -> ToyRun:
        """Train in a run folder, with other settings where some are given."""
        from lamcore.testing.models import Watch, fitted

        trainer: Any = self.component
        small = self._has(batch_tokens=min(trainer.batch_tokens, BATCH_TOKENS))
        return fitted(folder, dataclasses.replace(trainer, **small, **settings), watch or Watch())

    def _needs(self, setting: str) -> None:
        if setting not in {field.name for field in dataclasses.fields(self.component)}:  # type: ignore[arg-type]
            raise unittest.SkipTest(f"it has no setting {setting!r}")

    def _has(self, **settings: Any) -> dict[str, Any]:
        """Return those settings that the trainer has."""
        names = {field.name for field in dataclasses.fields(self.component)}  # type: ignore[arg-type]
        return {name: value for name, value in settings.items() if name in names}

    # ---- learning

    def test_it_learns_the_toy_task(self) -> None:
        """It at least halves the loss on held-out records of a task that is easily learnt."""
        from lamcore.testing.models import Watch, open_run, torch_seeded, validation_loss

        with self._folder() as folder:
            with torch_seeded(0):
                before = validation_loss(open_run(folder / "new", self.component, Watch()))
            after = validation_loss(self._fit(folder / "run"))
        ensure(after < before / 2, f"the validation loss went from {before:.4g} to {after:.4g}")

    def test_all_chance_is_from_torchs_seed(self) -> None:
        """Two runs of one seed end with the same weights and the same log, whatever other random numbers do."""
        with self._folder() as folder:
            with seeded(1):
                first = self._fit(folder / "first")
            with seeded(2):
                again = self._fit(folder / "again")
            self._same(first, again, what="another run of the same seed")

    def _same(self, one: ToyRun, other: ToyRun, what: str) -> None:
        """Fail unless two runs have the same weights, bit for bit, and the same log, times aside."""
        from lamcore.testing.models import same_weights, state_of

        ensure(same_weights(state_of(one.model), state_of(other.model)), f"{what} ended with other weights")
        lines, others = one.lines(), other.lines()
        ensure(len(lines) == len(others), f"{what} has {len(others)} lines in its log, not {len(lines)}")
        for line, twin in zip(lines, others, strict=True):
            ensure(line == twin, f"{what} logged {twin}, not {line}")

    def test_it_returns_with_the_best_weights(self) -> None:
        """At the end the model has the weights of the best validation, not those of the last update."""
        from lamcore.testing.models import Watch, same_weights, state_of

        watch = Watch(values=float)
        with self._folder() as folder:
            run = self._fit(folder, watch)
        ensure(watch.validated, "it validated nothing (`run.validate`)")
        last = state_of(run.model)
        if all(same_weights(watch.validated[0][2], weights) for _, _, weights in watch.validated):
            raise unittest.SkipTest("it validated one state of the weights only: give settings with more validations")
        ensure(same_weights(watch.validated[0][2], last), "it did not return with the weights that validated best")

    def test_weights_keep_their_names(self) -> None:
        """Afterwards the weights have the names and shapes of the architecture, free or frozen as before."""
        from lamcore.testing.models import Watch, open_run, torch_seeded

        def described(model: Any) -> dict[str, Any]:
            shapes = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
            return {**shapes, "free": [name for name, weight in model.named_parameters() if weight.requires_grad]}

        with self._folder() as folder:
            with torch_seeded(0):
                before = described(open_run(folder / "new", self.component, Watch()).model)
            after = described(self._fit(folder / "run").model)
        other = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        ensure(not other, f"afterwards {', '.join(other[:3])} are other weights")

    def test_it_leaves_held_out_tests_alone(self) -> None:
        """It looks at train and validation only."""
        from lamcore.testing.models import Watch

        watch = Watch()
        with self._folder() as folder:
            self._fit(folder, watch)
        seen = sorted({*watch.splits} - {"train", "validation"})
        ensure(not seen, f"it looked at the split {', '.join(seen)}")

    # ---- stopping and going on

    def test_an_interrupted_training_goes_on_bit_for_bit(self) -> None:
        """Asked to stop (`run.stopped` is "interrupted") it saves and returns; resumed it ends with the same bits."""
        from lamcore.testing.models import Watch

        with self._folder() as folder:
            whole = self._fit(folder / "whole")
            for passes in self._moments(whole.watch.passes):
                place = folder / f"from-{passes}"
                first = self._fit(place, Watch(stop_at=(passes, "interrupted")))
                late = first.watch.passes - passes
                ensure(late < self._update(), f"{late} training passes came after the stop")
                ensure(first.steps(), "it left no checkpoint when it was interrupted")
                again = self._fit(place)
                ensure(
                    again.watch.passes + first.watch.passes == whole.watch.passes,
                    "it left updates out, or did some twice",
                )
                self._same(whole, again, what=f"the training interrupted in pass {passes}")

    def _moments(self, passes: int) -> list[int]:
        ensure(passes > 1, f"it made {passes} training passes on the toy task")
        return sorted({max(1, passes // 5), max(1, passes // 2), passes - 1})

    def _update(self) -> int:
        """Return the most training passes of one update."""
        return int(getattr(self.component, "accumulation", 1))

    def test_a_crash_costs_time_only(self) -> None:
        """After a crash it goes on from its last checkpoint, or from the start, and ends with the same bits."""
        from lamcore.testing.models import Failure, Watch

        with self._folder() as folder:
            whole = self._fit(folder / "whole")
            for passes in self._moments(whole.watch.passes):
                place = folder / f"from-{passes}"
                try:
                    self._fit(place, Watch(fail_at=passes))
                except Failure:
                    self._same(whole, self._fit(place), what=f"the training that crashed in pass {passes}")
                else:
                    raise AssertionError(f"it swallowed the error of training pass {passes}")

    def test_every_checkpoint_can_be_gone_on_from(self) -> None:
        """From each of its checkpoints it ends with the same bits."""
        from lamcore.testing.models import Watch

        with self._folder() as folder:
            whole = self._fit(folder / "whole", Watch(copies=folder / "copies"))
            copies = sorted((folder / "copies").iterdir()) if (folder / "copies").exists() else []
            ensure(copies, "it made no checkpoint (`run.checkpoint`)")
            for copy in sorted({copies[0], copies[len(copies) // 2], copies[-1]}):
                self._same(whole, self._fit(copy), what=f"the training gone on with from save {copy.name}")

    def test_a_finished_training_stays_finished(self) -> None:
        """Called again in a run that it has ended, it trains no more and returns with the same weights."""
        from lamcore.testing.models import same_weights, state_of

        with self._folder() as folder:
            first, again = self._fit(folder), self._fit(folder)
            ensure(not again.watch.passes, f"{again.watch.passes} training passes came after the end")
            same = same_weights(state_of(first.model), state_of(again.model))
            ensure(same, "called again after the end it returned with other weights")

    def test_the_state_of_a_checkpoint_is_flat(self) -> None:
        """What it hands to `run.checkpoint` is {name: tensor, or plain JSON value with no tensor within}."""
        import torch

        from lamcore.testing.models import Watch

        watch = Watch()
        with self._folder() as folder:
            try:
                self._fit(folder, watch)
            except (TypeError, ValueError):
                ensure(watch.states, "it failed before its first checkpoint")
        ensure(watch.states, "it made no checkpoint (`run.checkpoint`)")
        for name, value in watch.states[-1].items():
            ensure(isinstance(name, str), f"{name!r} is no name")
            if not isinstance(value, torch.Tensor):
                try:
                    json.dumps(value, allow_nan=False)
                except (TypeError, ValueError) as error:
                    raise AssertionError(f"{name} is neither a tensor nor a plain value: {error}") from error

    def test_it_stops_when_asked(self) -> None:
        """After `run.stop(reason)` it ends with the update it is in, and returns with the best weights so far."""
        from lamcore.testing.models import Watch, same_weights, state_of

        with self._folder() as folder:
            whole = self._fit(folder / "whole").watch.passes
            watch = Watch(stop_at=(max(1, whole // 2), "enough"), values=float)
            run = self._fit(folder / "run", watch)
        late = watch.passes - max(1, whole // 2)
        ensure(late < self._update(), f"{late} training passes came after the stop")
        ensure(run.stopped == "enough", f"`run.stopped` is {run.stopped!r} and was 'enough'")
        best = watch.validated and same_weights(watch.validated[0][2], state_of(run.model))
        ensure(best, "it did not return with the weights that validated best")

    # ---- settings that trainers share

    def test_steps_are_updates(self) -> None:
        """With `steps` it makes that many updates, and its last checkpoint has that number."""
        self._needs("steps")
        with self._folder() as folder:
            run = self._fit(folder, steps=7, **self._has(minutes=0.0, warmup=2))
            made = run.watch.passes / self._update()
            ensure(made == 7, f"with steps=7 it made {made:g} updates")
            ensure(run.steps()[-1:] == [7], f"with steps=7 its checkpoints are {run.steps()}")

    def test_minutes_end_it(self) -> None:
        """With `minutes` it ends by itself; what it takes is held to ten times the budget, for a slow machine."""
        self._needs("minutes")
        from lamcore.testing.models import Watch

        watch = Watch(values=lambda number: 1 / (1 + number), deadline=MINUTES * 60 * 10 + SPARE)
        with self._folder() as folder:
            self._fit(folder, watch, minutes=MINUTES, **self._has(steps=0, patience=0))
        ensure(watch.passes > 1, f"it ended after {watch.passes} training passes")

    def test_a_target_ends_it(self) -> None:
        """With `target` it ends at the first validation that reaches it, and not before."""
        self._needs("target")
        from lamcore.testing.models import Watch

        watch = Watch(values=lambda number: 1 - number / 10)
        with self._folder() as folder:
            self._fit(folder, watch, target=0.85)
        if len(watch.validated) < 3:
            raise unittest.SkipTest("it validates less than three times: give settings with more validations")
        late = watch.passes - watch.validated[2][1]
        ensure(not late, f"{late} training passes came after the validation that reached the target")

    # ---- numbers

    def test_a_loss_that_is_no_number_does_no_harm(self) -> None:
        """A loss that is not finite ends it at once with exit code 3, or is left out; no checkpoint holds one."""
        import torch

        from lamcore.testing.models import Watch

        with self._folder() as folder:
            watch = Watch(nan_at=max(2, self._fit(folder / "whole").watch.passes // 2))
            try:
                self._fit(folder / "run", watch)
            except LamcoreError as error:
                ensure(error.exit_code == NUMERICAL_STOP, f"it ended with exit code {error.exit_code}: {error}")
                late = watch.passes - watch.nan_at
                ensure(late < self._update(), f"{late} training passes came after the loss that is no number")
        for saved in watch.states:
            tensors = [(name, value) for name, value in saved.items() if isinstance(value, torch.Tensor)]
            bad = [name for name, value in tensors if not torch.isfinite(value.double()).all()]
            ensure(not bad, f"a checkpoint holds {bad[0] if bad else ''} that is not finite")
