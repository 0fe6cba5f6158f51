"""Trainers for lamcore; this module is light, torch is imported when training begins."""

from __future__ import annotations

from lamcore import hookimpl
from lamcore.hookspecs import Register
from lamcore_trainers.supervised import Supervised

__all__ = ["Supervised"]


@hookimpl
def register_trainers(register: Register) -> None:
    """Offer `supervised`."""
    register("supervised", Supervised)
