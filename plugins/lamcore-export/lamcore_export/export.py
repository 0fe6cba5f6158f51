"""Write an export: read the run, make a folder under another name, compare its scores, then put it in place."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lamcore.errors import LamcoreError
from lamcore.model import TrainedModel, load_model
from lamcore.plugins import Registry
from lamcore.store import room, sync
from lamcore.tokenizer import files_of
from lamcore_export import to_ctranslate2, to_huggingface, to_llama, to_onnx, to_torch
from lamcore_export.net import Net, net_of
from lamcore_export.readme import readme

NEEDS = {
    "ctranslate2": ["ctranslate2"],
    "onnx": ["onnx", "onnxruntime", "onnxscript"],
    "huggingface": ["transformers"],
    "torch": [],
}
"""Kind -> the modules that it takes."""
WRITE: dict[str, Callable[..., float]] = {
    "ctranslate2": to_ctranslate2.write,
    "onnx": to_onnx.write,
    "huggingface": to_huggingface.write,
    "torch": to_torch.write,
}
TOLERANCE = 2e-3
"""Greatest difference of a score that is float32's own: scores are sums of hundreds of products, of size 10 or so."""


def export(registry: Registry, run: Path, kind: str, out: Path | None, int8: bool = False) -> tuple[Path, float]:
    """Export the model of a run's or a model's folder; return the new folder and the greatest difference of a score.

    Raise LamcoreError where the folder is there, the architecture does not fit, or a library lacks."""
    if lacking := [name for name in NEEDS[kind] if importlib.util.find_spec(name) is None]:
        raise LamcoreError(f"--to {kind} needs {', '.join(lacking)}: pip install 'lamcore-export[{kind}]'")
    if int8 and kind != "ctranslate2":
        raise LamcoreError(f"--int8 is for --to ctranslate2, not for {kind}.")
    folder = place(run, kind, out)
    trained = load_model(run, registry, torch.device("cpu"))
    causal = registry.name_of(trained.parts.architecture).rpartition(":")[2] == "causal_lm"
    if causal and kind != "huggingface":
        raise LamcoreError(f"--to {kind} is not for the architecture `causal_lm`: use --to huggingface.")
    net = None if causal else net_of(registry, run, trained)
    with whole(folder) as temporary:
        if net is None:
            difference = to_llama.write(temporary, trained)
        else:
            difference = WRITE[kind](temporary, net, trained, **({"int8": True} if int8 else {}))
        if not difference <= TOLERANCE:
            raise LamcoreError(f"{run} can't be exported to {kind}: scores would differ by {difference:.2g}.")
        if net is None:
            (temporary / "README.md").write_text(to_llama.readme(trained), encoding="utf-8")
        else:
            describe(temporary, kind, net, trained, int8)
    return folder, difference


def place(run: Path, kind: str, out: Path | None) -> Path:
    """Return the folder to make: never one that is there, and none within the model folder, which is handed on."""
    inner = run / "model"
    if out is None and not inner.is_dir():
        raise LamcoreError(
            f"{run} is no run with a finished model; to export a model folder say where to: --out FOLDER."
        )
    folder = out or run / "exports" / kind
    model = (inner if inner.is_dir() else run).resolve()
    if model in (folder.resolve(), *folder.resolve().parents):
        raise LamcoreError(
            f"{folder} lies in the model folder {model}, which takes no other files: choose another --out."
        )
    if folder.exists() or folder.is_symlink():
        raise LamcoreError(f"{folder} is there already: remove it, or choose another --out.")
    return folder


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Give a new folder of another name that takes this name when all went well, and else is removed."""
    temporary = folder.with_name(f".tmp-{os.getpid()}-{folder.name}")
    with room(folder):
        try:
            temporary.mkdir(parents=True)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise LamcoreError(f"{folder} can't be made: {error.strerror}.") from error
        try:
            yield temporary
            for path in temporary.rglob("*"):
                sync(path)
            sync(temporary)
            os.rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        sync(folder.parent)


def describe(folder: Path, kind: str, net: Net, trained: TrainedModel, int8: bool) -> None:
    """Put the tokenizers, where the library has no form of its own for them, and the README beside the weights."""
    if kind != "huggingface":
        for name, text in files_of(trained.tokenizer).items():
            (folder / name).write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(readme(kind, net, trained, int8), encoding="utf-8")
