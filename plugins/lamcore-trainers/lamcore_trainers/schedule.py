"""The learning rate of an update and the number of updates in a time budget: plain arithmetic, no clock, no state."""

from __future__ import annotations

import math

from lamcore_trainers.supervised import Schedule, Supervised

MEASURE_FROM = 10
"""Updates before this one are slow (first allocations) and not measured."""
PLAN_AT = 50
"""The first update after which `minutes` may become a number of updates."""
PLAN_SHARE, PLAN_SECONDS = 0.05, 60.0
"""Share of the time budget that is measured before that, and the most seconds: fast updates are many in a moment."""
MARGIN = 0.03
"""Share of the time budget that is left for checkpoints and the other things that no one measures."""


def learning_rate(settings: Supervised, step: int, total: int, planned: int | None = 0, lowered: int = 0) -> float:
    """Return the rate of update `step` (the first is 1) in a training of `total` updates.

    `planned` is the update at which the total became known; None: it is not yet. `lowered` counts the plateaus."""
    if step < settings.warmup:
        return settings.lr * step / settings.warmup
    if settings.schedule is Schedule.plateau:
        return settings.lr * max(settings.min_lr, settings.plateau.factor**lowered)
    return settings.lr * max(settings.min_lr, _share(settings, step, total, planned))


def is_plateau(settings: Supervised, waited: int) -> bool:
    """Say whether the rate is to be lowered after `waited` validations without improvement.

    That is ReduceLROnPlateau of PyTorch (torch.optim.lr_scheduler) with mode by the monitor's direction, threshold 0
    and cooldown 0, but for what patience counts: there it is the validations that are borne, so one fewer."""
    return settings.schedule is Schedule.plateau and waited > 0 and waited % settings.plateau.patience == 0


def _share(settings: Supervised, step: int, total: int, planned: int | None) -> float:
    if settings.schedule is Schedule.constant:
        return 1.0
    if settings.schedule is Schedule.inverse_square_root:
        start = max(settings.warmup, 1)
        return math.sqrt(start / max(step, start))
    if planned is None:  # the end is unknown: wait at the peak
        return 1.0
    start = max(settings.warmup, planned)
    done = min(max(step - start, 0) / max(total - start, 1), 1.0)
    return settings.min_lr + (1 - settings.min_lr) * (1 + math.cos(math.pi * done)) / 2


def plan_is_due(settings: Supervised, step: int, spent: float) -> bool:
    """Say whether enough was measured, in `spent` seconds and `step` updates, to turn `minutes` into updates."""
    return step >= PLAN_AT and spent >= min(PLAN_SHARE * settings.minutes * 60, PLAN_SECONDS)


def planned_steps(settings: Supervised, step: int, spent: float, update: float, validation: float) -> int:
    """Return how many updates fit into `minutes`, of which `step` are done.

    All in seconds: `spent` so far, of one `update`, of one `validation`. A validation belongs to every
    `validate_every` updates and to the end, and one more to averaged weights.
    """
    left = settings.minutes * 60 * (1 - MARGIN) - spent - validation * (2 if settings.average else 1)
    more = left / (update + validation / settings.validate_every)
    planned = step + max(0, int(more))
    return min(planned, settings.steps) if settings.steps else planned
