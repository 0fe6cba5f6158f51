"""The training loop of `supervised`, to be read from top to bottom.

`train` is for other trainers too, which give it a run, a model, data and a clock that do what those of lamcore do.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import torch
from torch import nn

from lamcore_trainers.average import MovingAverage, mean_weights
from lamcore_trainers.meter import Meter, Update, enough_memory
from lamcore_trainers.muon import Muon
from lamcore_trainers.optimizer import AdamW, shrink, total_norm
from lamcore_trainers.progress import Clock, Progress, pack, plan, restore, time_update
from lamcore_trainers.r_drop import check_logits
from lamcore_trainers.recompute import recompute
from lamcore_trainers.schedule import is_plateau, learning_rate, plan_is_due
from lamcore_trainers.supervised import Optimizer, Supervised
from lamcore_trainers.tuning import Tuning, share_of, tuned
from lamcore_trainers.workers import Workers

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run

OPTIMIZERS = {Optimizer.adamw: AdamW, Optimizer.muon: Muon}


def train(
    settings: Supervised,
    run: Run,
    model: nn.Module,
    data: Data,
    make_clock: Callable[[float, torch.device], Clock] = Clock,
) -> None:
    """Fit `model`; return with the best weights in it, or early when the run is interrupted."""
    if settings.r_drop:
        check_logits(model)
    if settings.recompute:
        recompute(model)
    with enough_memory(settings), tuned(settings, model) as tuning:
        progress = learn(settings, run, model, data, tuning, make_clock)
        if progress.ended and run.stopped != "interrupted":
            run.load_best()
            if settings.average:
                try_average(run, model, progress.step)
            run.stop(progress.ended)


def learn(
    settings: Supervised,
    run: Run,
    model: nn.Module,
    data: Data,
    tuning: Tuning,
    make_clock: Callable[[float, torch.device], Clock],
) -> Progress:
    """Update the weights until there is a reason to stop.

    An interruption is obeyed after one update: a validation that is due then, or that it breaks off, comes first when
    the run is resumed."""
    optimizer = OPTIMIZERS[settings.optimizer](settings, model, tuning.parameters, run.device)
    ema = MovingAverage(model, settings.ema)
    progress = restore(settings, run, model, optimizer, ema)
    if progress.step == 0 and (settings.only or settings.lora.rank):
        run.log(0, share_of(tuning, model))
    clock = make_clock(progress.spent, run.device)
    meter = Meter(settings, progress, data, clock)
    model.train()
    with closing(Workers(settings, run, model, tuning.parameters, data, progress.step)) as workers:
        while not progress.ended or is_due(settings, progress):
            if not is_due(settings, progress):
                progress.step += 1
                update(settings, progress, workers, optimizer, meter)
                tuning.merge()
                ema.update(progress.step)

                if progress.step % settings.log_every == 0:
                    run.log(progress.step, meter.line())
                if progress.planned is None:
                    time_update(progress, clock.read())
                progress.ended = run.stopped if run.stopped not in (None, "interrupted") else None
                if progress.step == progress.total:
                    progress.ended = "steps"

            due = is_due(settings, progress)
            if due or run.stopped == "interrupted":
                meter.check()
                # as it is before the validation: that may break off
                state = pack(progress, model, optimizer, ema, run.device)
                scores = {}
                if due and run.stopped != "interrupted":
                    with ema.shown():
                        scores = validate(settings, run, progress, clock, meter)
                if scores:
                    state = pack(progress, model, optimizer, ema, run.device)
                with ema.shown():  # the best weights are those that were validated
                    run.checkpoint(progress.step, state, scores)
            if run.stopped == "interrupted":
                break
    return progress


def update(settings: Supervised, progress: Progress, workers: Workers, optimizer: AdamW | Muon, meter: Meter) -> None:
    """Update the weights once by the mean loss of an item, and tell the meter of it."""
    rate = learning_rate(settings, progress.step, progress.total, progress.planned, progress.lowered)
    shares = workers.learn(progress.step)
    items = torch.stack([share.items for share in shares]).sum()
    items = torch.where(items > 0, items, 1.0)
    norm = shrink(optimizer.gradients(), items, settings.clip)
    weights = total_norm(optimizer.parameters.values())
    meter.add(Update(progress.step, rate, shares, items, norm, weights))
    optimizer.step(rate)
    optimizer.zero_grad()


def is_due(settings: Supervised, progress: Progress) -> bool:
    """Say whether a validation is still to do: every so many updates, at the end, and for the plan of a time budget."""
    planning = progress.planned is None and plan_is_due(settings, progress.step, progress.spent)
    due = planning or progress.ended is not None or progress.step % settings.validate_every == 0
    return due and progress.validated < progress.step


def validate(settings: Supervised, run: Run, progress: Progress, clock: Clock, meter: Meter) -> dict[str, float]:
    """Score the weights as they are, and decide whether this was the last time; {} where it was broken off."""
    before = clock.read()
    scores = run.validate(progress.step)
    if not scores:
        return {}
    value = scores[run.monitor]
    improved = run.best is None or run.better(value, run.best[1])
    progress.waited = 0 if improved else progress.waited + 1
    progress.lowered += is_plateau(settings, progress.waited)
    progress.validated = progress.step
    if settings.target is not None and not run.better(settings.target, value):
        progress.ended = "target"
    elif settings.patience and progress.waited >= settings.patience:
        progress.ended = progress.ended or "patience"
    if settings.average:
        keep_weights(run, progress.step, settings.average)

    seconds = clock.read() - before
    meter.leave_out(seconds)
    if progress.planned is None:
        progress.validating += seconds
        progress.validations += 1
        plan(settings, progress, clock.read())
        if progress.step == progress.total:  # the plan leaves no time for more
            progress.ended = progress.ended or "steps"
    return scores


def keep_weights(run: Run, step: int, number: int) -> None:
    """Keep the weights of this moment and of the `number - 1` before it."""
    run.save_weights(step)
    for _, path in run.weights()[:-number]:
        run.drop_weights(path)


def try_average(run: Run, model: nn.Module, step: int) -> None:
    """Take the mean of the weights that were kept into `model`, where it validates better than the best."""
    saved = run.weights()
    if len(saved) < 2 or run.best is None:
        return
    model.load_state_dict(mean_weights(run.load_weights(path) for _, path in saved))
    scores = run.validate(step)
    if not scores:
        return
    value = scores[run.monitor]
    better = run.better(value, run.best[1])
    if not better:
        run.load_best()
    run.log(step, {"averaged": len(saved), "average_score": value, "average_kept": better})
