"""More from little: source `template`, augmenter `thesaurus`, preprocessor `curriculum`.

Light: datasets and numpy are imported when they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamcore import hookimpl
from lamcore_augment.curriculum import Curriculum, Easy
from lamcore_augment.template import Template
from lamcore_augment.thesaurus import Thesaurus

if TYPE_CHECKING:
    from lamcore.hookspecs import Register

__all__ = ["Curriculum", "Easy", "Template", "Thesaurus"]


@hookimpl
def register_sources(register: Register) -> None:
    """Offer sentences from templates."""
    register("template", Template)


@hookimpl
def register_augmenters(register: Register) -> None:
    """Offer paraphrase by a thesaurus."""
    register("thesaurus", Thesaurus)


@hookimpl
def register_preprocessors(register: Register) -> None:
    """Offer the curriculum."""
    register("curriculum", Curriculum)
