"""Learn from raw text: augmenters `denoise` and `masked`, preprocessors `autoencode` and `plain_text`.

Light: standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamcore import hookimpl
from lamcore_unsupervised.denoise import Denoise
from lamcore_unsupervised.masked import Masked
from lamcore_unsupervised.raw import Side, check_symbols
from lamcore_unsupervised.texts import Autoencode, PlainText

if TYPE_CHECKING:
    from lamcore.hookspecs import Register
    from lamcore.run import Run

__all__ = ["Autoencode", "Denoise", "Masked", "PlainText", "Side"]


@hookimpl
def register_augmenters(register: Register) -> None:
    """Offer what hides a text from a model."""
    register("denoise", Denoise)
    register("masked", Masked)


@hookimpl
def register_preprocessors(register: Register) -> None:
    """Offer what makes records of raw text."""
    register("autoencode", Autoencode)
    register("plain_text", PlainText)


@hookimpl
def on_model(run: Run, model: Any) -> None:
    """Refuse masks and sentinels that the run's vocabulary has no pieces for, before the first step."""
    steps = {f"augmenters.{label}": step for label, step in run.recipe.augmenters.items()}
    for label, one in run.recipe.preprocessors.items():
        if isinstance(one, Autoencode):
            steps[f"preprocessors.{label}.noise"] = one.noise or Denoise()
    for label, step in steps.items():
        if isinstance(step, Denoise | Masked):
            check_symbols(label, step.symbols, run.trained.tokenizer.values())
