"""Trainers for lamcore; this module is light, torch is imported when training begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamcore import hookimpl
from lamcore.hookspecs import Register
from lamcore_trainers.supervised import Supervised

if TYPE_CHECKING:
    from lamcore.run import Run

__all__ = ["Supervised"]


@hookimpl
def register_trainers(register: Register) -> None:
    """Offer `supervised`."""
    register("supervised", Supervised)


@hookimpl
def on_model(run: Run, model: Any) -> None:
    """Let layers be computed again on the way back where the trainer says so: the rehearsal does it too."""
    if getattr(run.recipe.trainer, "recompute", False):
        from lamcore_trainers.recompute import recompute

        recompute(model)
