"""Export to ONNX: encoder and decoder step, for onnxruntime in any language."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lamcore.model import TrainedModel
from lamcore_export.net import Net
from lamcore_export.to_torch import NAMES, Call, difference, programs


def write(folder: Path, net: Net, trained: TrainedModel) -> float:
    """Write encoder.onnx and decoder.onnx; return how far their scores are from the model's."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of libraries that are not needed
    for name, (module, inputs, shapes) in programs(net).items():
        given, made = NAMES[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter about itself
            torch.onnx.export(
                module,
                inputs,
                folder / f"{name}.onnx",
                input_names=given,
                output_names=made,
                dynamic_shapes=shapes,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    encoder, decoder = (call(folder / f"{name}.onnx") for name in NAMES)
    return difference(encoder, decoder, net, trained)


def call(file: Path) -> Call:
    """Return a program as a function from tensors to tensors."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def run(*inputs: Tensor) -> Any:
        arrays = {name: one.numpy() for name, one in zip(names, inputs, strict=True)}
        return [torch.from_numpy(one) for one in session.run(None, arrays)]

    return run
