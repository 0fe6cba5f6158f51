"""A translation of the toy task of `lamcore.testing`, for those who check the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamcore_unsupervised.translation import Translate, UnsupervisedTranslation

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run


@dataclass
class ToyTranslation(UnsupervisedTranslation):
    """The other language's texts have a mark at the end."""

    def translate(self, run: Run, model: Any, data: Data) -> Translate:
        """Return what puts the mark there."""
        return lambda records, update: [{**record, "input": f"{record['input']}!"} for record in records]
