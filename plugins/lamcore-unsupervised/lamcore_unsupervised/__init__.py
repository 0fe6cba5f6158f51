"""Learn from what nobody labelled: augmenters `denoise` and `masked`, preprocessors `autoencode` and `plain_text`,
trainers `consistency` and `unsupervised_translation`.

Light: standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamcore import hookimpl
from lamcore_unsupervised.consistency import Consistency
from lamcore_unsupervised.denoise import Denoise
from lamcore_unsupervised.masked import Masked
from lamcore_unsupervised.raw import Side, check_symbols
from lamcore_unsupervised.texts import Autoencode, PlainText
from lamcore_unsupervised.translation import UnsupervisedTranslation

if TYPE_CHECKING:
    from lamcore.hookspecs import Register
    from lamcore.run import Run

__all__ = ["Autoencode", "Consistency", "Denoise", "Masked", "PlainText", "Side", "UnsupervisedTranslation"]


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
def register_trainers(register: Register) -> None:
    """Offer ways to learn from records without an answer, and from texts of two languages."""
    register("consistency", Consistency)
    register("unsupervised_translation", UnsupervisedTranslation)


@hookimpl
def on_model(run: Run, model: Any) -> None:
    """Refuse masks and sentinels that the run's vocabulary has no pieces for, before the first step."""
    steps = {f"augmenters.{label}": step for label, step in run.recipe.augmenters.items()}
    for label, one in run.recipe.preprocessors.items():
        if isinstance(one, Autoencode):
            steps[f"preprocessors.{label}.noise"] = one.noise or Denoise()
    if isinstance(run.recipe.trainer, Consistency):
        steps["trainer.noise"] = run.recipe.trainer.noise
    for label, step in steps.items():
        if isinstance(step, Denoise | Masked):
            check_symbols(label, step.symbols, run.trained.tokenizer.values())
