"""The learning rate of an update and the number of updates in a time budget: plain arithmetic, no clock, no state."""

from __future__ import annotations

import math

from lamcore_trainers.supervised import Schedule, Supervised

MEASURE_FROM = 10
"""Updates before this one are slow (first allocations) and not measured."""
PLAN_AT = 50
"""The update after which `minutes` becomes a number of updates."""
MARGIN = 0.03
"""Share of the time budget that is left for checkpoints and the other things that no one measures."""


def learning_rate(settings: Supervised, step: int, total: int) -> float:
    """Return the rate of update `step` (the first is 1) in a training of `total` updates (0: not known)."""
    if step < settings.warmup:
        return settings.lr * step / settings.warmup
    return settings.lr * max(settings.min_lr, _share(settings, step, total))


def _share(settings: Supervised, step: int, total: int) -> float:
    if settings.schedule is Schedule.constant:
        return 1.0
    if settings.schedule is Schedule.inverse_square_root:
        start = max(settings.warmup, 1)
        return math.sqrt(start / max(step, start))
    # With `minutes` the end is unknown before PLAN_AT, so that a shorter warm-up waits there at the peak.
    start = max(settings.warmup, PLAN_AT) if settings.minutes else settings.warmup
    done = min(max(step - start, 0) / max(total - start, 1), 1.0)
    return settings.min_lr + (1 - settings.min_lr) * (1 + math.cos(math.pi * done)) / 2


def planned_steps(settings: Supervised, spent: float, update: float, validation: float) -> int:
    """Return how many updates fit into `minutes`, of which PLAN_AT are done.

    All in seconds: `spent` so far, of one `update`, of one `validation`. A validation belongs to every
    `validate_every` updates and to the end, and one more to averaged weights.
    """
    left = settings.minutes * 60 * (1 - MARGIN) - spent - validation * (2 if settings.average else 1)
    more = left / (update + validation / settings.validate_every)
    planned = PLAN_AT + max(0, int(more))
    return min(planned, settings.steps) if settings.steps else planned
