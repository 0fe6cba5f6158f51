"""lamcore: train Large Action Models from plugins, composed with Hydra configs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamcore.errors import LamcoreError
from lamcore.hookspecs import hookimpl
from lamcore.kinds import (
    MISSING,
    Answer,
    Architecture,
    Augmenter,
    Decoding,
    Example,
    Labels,
    Metric,
    Model,
    Preprocessor,
    Record,
    Source,
    Trainer,
)

if TYPE_CHECKING:
    from lamcore.commands import load as load
    from lamcore.commands import train as train

__version__ = "0.1.0"
__all__ = [
    "MISSING", "Answer", "Architecture", "Augmenter", "Decoding", "Example", "Labels", "LamcoreError",
    "Metric", "Model", "Preprocessor", "Record", "Source", "Trainer", "hookimpl",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import `train` and `load`, and torch with them, only when they are asked for."""
    if name in ("train", "load"):
        from lamcore import commands

        return getattr(commands, name)
    raise AttributeError(f"module 'lamcore' has no attribute {name!r}")
