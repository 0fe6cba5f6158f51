"""The training loop of `supervised`, to be read from top to bottom."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lamcore_trainers.average import MovingAverage, mean_weights
from lamcore_trainers.meter import Meter, Update, enough_memory
from lamcore_trainers.muon import Muon
from lamcore_trainers.optimizer import AdamW, shrink, total_norm
from lamcore_trainers.progress import Clock, Progress, pack, plan, restore, time_update
from lamcore_trainers.r_drop import check_logits, divergence
from lamcore_trainers.schedule import learning_rate, plan_is_due
from lamcore_trainers.supervised import Optimizer, Precision, Supervised

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run

OPTIMIZERS = {Optimizer.adamw: AdamW, Optimizer.muon: Muon}
Batches = list[tuple[int, dict[str, Tensor]]]
"""The batches of one update, each with its epoch."""


def train(settings: Supervised, run: Run, model: nn.Module, data: Data) -> None:
    """Fit `model`; return with the best weights in it, or early when the run is interrupted."""
    if settings.r_drop:
        check_logits(model)
    with enough_memory(settings):
        progress = learn(settings, run, model, data)
        if progress.ended and run.stopped != "interrupted":
            run.load_best()
            if settings.average:
                try_average(run, model, progress.step)
            run.stop(progress.ended)


def learn(settings: Supervised, run: Run, model: nn.Module, data: Data) -> Progress:
    """Update the weights until there is a reason to stop.

    An interruption is obeyed after one update: a validation that is due then, or that it breaks off, comes first when
    the run is resumed."""
    optimizer, ema = OPTIMIZERS[settings.optimizer](settings, model, run.device), MovingAverage(model, settings.ema)
    progress = restore(settings, run, model, optimizer, ema)
    clock = Clock(progress.spent, run.device)
    meter = Meter(settings, progress, data, clock)
    stream = iter(data.train_batches(settings.batch_tokens, start=progress.step * settings.accumulation))
    model.train()

    while not progress.ended or is_due(settings, progress):
        if not is_due(settings, progress):
            batches: Batches = list(islice(stream, settings.accumulation))
            progress.step += 1
            rate = learning_rate(settings, progress.step, progress.total, progress.planned)

            losses, count = gradients(settings, model, batches, run.device)
            norm = shrink(optimizer.gradients(), count, settings.clip)
            rows, weights = [batch["rows"] for _, batch in batches], total_norm(optimizer.parameters.values())
            meter.add(Update(progress.step, batches[-1][0], rate, rows, losses, count, norm, weights))
            optimizer.step(rate)
            optimizer.zero_grad()
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


def gradients(
    settings: Supervised, model: nn.Module, batches: Batches, device: torch.device
) -> tuple[list[Tensor], Tensor]:
    """Add up the gradients of the summed losses of all batches; return each batch's losses and the count of items.

    Dividing by the count comes after the last batch, when it is known: so an update of several batches equals that
    of one large batch, whatever the lengths of their records.
    """
    kept, total = [], torch.zeros((), device=device)
    for _, given in batches:
        batch = {name: value.to(device, non_blocking=True) for name, value in given.items()}
        with autocast(device, settings.precision):
            losses, counts = model(batch)
        losses.float().sum().backward()
        if settings.r_drop:
            with autocast(device, settings.precision):
                apart = divergence(model, batch, counts)
            (settings.r_drop / 2 * apart).backward()
        kept.append(losses.detach())
        total += counts.detach().sum()
    return kept, torch.where(total > 0, total, 1.0)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Compute what allows it in half as many bits, where that was asked for."""
    return torch.autocast(device.type, torch.bfloat16) if precision is Precision.bf16 else nullcontext()


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
