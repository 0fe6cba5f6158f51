"""Export to CTranslate2, straight into its model specification."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tokenizers
import torch
from torch import Tensor

from lamcore.model import TrainedModel
from lamcore.tokenizer import Tokenizer
from lamcore_export.net import EOS, EPSILON, PAD, Net, furthest, sample

if TYPE_CHECKING:
    from ctranslate2.specs import TransformerSpec


def write(folder: Path, net: Net, trained: TrainedModel, int8: bool = False) -> float:
    """Write a model folder of CTranslate2; return how far its scores are from the model's, before weights are rounded.

    Rounded weights give other scores by design, so the equality is that of the same net in float32."""
    columns = [pieces(trained.tokenizer[column]) for column in ("input", "target")]
    save(folder, net, columns, int8=False)
    found = difference(folder, net, trained, columns)
    if int8:
        save(folder, net, columns, int8=True)
    return found


def save(folder: Path, net: Net, columns: list[list[str]], int8: bool) -> None:
    """Write the net and the vocabularies of its two sides."""
    made = spec(net, int8)
    made.register_source_vocabulary(columns[0])
    made.register_target_vocabulary(columns[1])
    made.config.add_source_eos = True
    made.config.layer_norm_epsilon = EPSILON[net.settings.norm.value]
    made.validate()
    made.optimize()  # ties what is equal; weights are rounded already
    made.save(str(folder))


def pieces(tokenizer: Tokenizer) -> list[str]:
    """Return the text of each id."""
    inner = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    return [str(inner.id_to_token(number)) for number in range(tokenizer.size)]


def spec(net: Net, int8: bool) -> TransformerSpec:
    """Return the specification of a net, filled with its weights."""
    from ctranslate2 import specs
    from ctranslate2.specs.common_spec import Activation

    s = net.settings
    kinds = {"relu": Activation.RELU, "gelu": Activation.GELU, "silu": Activation.SWISH, "swiglu": Activation.SWISH}
    shape: dict[str, Any] = {
        "pre_norm": s.place.value == "pre",
        "activation": kinds[s.activation.value],
        "ffn_glu": s.activation.value == "swiglu",
        "rms_norm": s.norm.value == "rms",
    }
    if s.positions.value == "rotary":
        shape |= {"rotary_dim": s.width // s.heads, "rotary_interleave": False}
    encoder = specs.TransformerEncoderSpec(s.layers, s.heads, **shape)
    decoder = specs.TransformerDecoderSpec(s.decoder_layers or s.layers, s.heads, **shape)
    put(encoder.embeddings[0], net.embedding(), int8)
    put(decoder.embeddings, net.target_embedding.weight, int8)
    put(decoder.projection, net.writer(), int8)
    for to, stack, places in ((encoder, net.encoder, net.source_places), (decoder, net.decoder, net.target_places)):
        if hasattr(to, "position_encodings"):
            to.position_encodings.encodings = array(net.places(places))
        if shape["pre_norm"]:
            norm(to.layer_norm, stack.last)
        for there, layer in zip(to.layer, stack.layers, strict=True):
            fill(there, layer, int8)
    return specs.TransformerSpec(encoder, decoder)


def fill(there: Any, layer: Any, int8: bool) -> None:
    """Put the weights of a layer into its specification."""
    inward = layer.feed_forward.inward
    gate = [there.ffn.linear_0_noact] if hasattr(there.ffn, "linear_0_noact") else []
    halves = zip(
        [there.ffn.linear_0, *gate], *(one.chunk(1 + len(gate)) for one in (inward.weight, inward.bias)), strict=True
    )
    own, outward = layer.attention, layer.feed_forward.outward
    products = [
        (there.self_attention.linear[0], own.inward.weight, own.inward.bias),
        (there.self_attention.linear[1], own.outward.weight, own.outward.bias),
        *halves,
        (there.ffn.linear_1, outward.weight, outward.bias),
    ]
    norm(there.self_attention.layer_norm, layer.around_attention.norm)
    norm(there.ffn.layer_norm, layer.around_feed_forward.norm)
    if hasattr(layer, "cross"):
        three = (layer.cross.query, layer.cross.memory, layer.cross.outward)
        products += [(to, one.weight, one.bias) for to, one in zip(there.attention.linear, three, strict=True)]
        norm(there.attention.layer_norm, layer.around_cross.norm)
    for to, weight, bias in products:
        put(to, weight, int8)
        to.bias = array(bias)


def put(there: Any, weight: Tensor, int8: bool) -> None:
    """Put a matrix into its specification."""
    there.weight = array(weight)
    if int8:
        there.weight, there.weight_scale = rounded(there.weight)


def rounded(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a matrix as 8-bit integers, and what each of its rows was multiplied by.

    CPUs without VNNI add 8-bit products two by two in 16 bits: 255 * (a + b) for neighbours a and b. Where the greatest
    number of a row becomes 127, as CTranslate2 rounds, those sums overflow and answers change; here the greatest sum of
    two neighbours of one sign becomes 127."""
    pairs = np.pad(weight, ((0, 0), (0, weight.shape[1] % 2))).reshape(len(weight), -1, 2)
    greatest = np.maximum(pairs.clip(min=0).sum(2).max(1), (-pairs).clip(min=0).sum(2).max(1))
    scale = 127 / np.where(greatest == 0, 127, greatest)
    return np.rint(weight * scale[:, None]).astype(np.int8), scale.astype(np.float32)


def norm(there: Any, made: Any) -> None:
    """Put the weights of a norm into its specification."""
    there.gamma = array(made.weight)
    if hasattr(there, "beta"):
        there.beta = array(made.bias)


def array(tensor: Tensor) -> np.ndarray:
    """Return a matrix or vector as CTranslate2 takes it."""
    return tensor.detach().numpy().astype(np.float32)


def difference(folder: Path, net: Net, trained: TrainedModel, columns: list[list[str]]) -> float:
    """Return the greatest difference of a target token's log probability between the model's and CTranslate2's."""
    import ctranslate2

    batch = sample(net)
    texts = [list(words(ids, column)) for ids, column in zip((batch["source"], batch["target"]), columns, strict=True)]
    translator = ctranslate2.Translator(str(folder), compute_type="float32")
    found = torch.zeros(batch["target"].shape)
    for row, one in zip(found, translator.score_batch(*texts), strict=True):
        row[: len(one.log_probs)] = torch.tensor(one.log_probs)
    with torch.no_grad():
        wanted = trained.model.logits(batch).log_softmax(-1).gather(2, batch["target"][:, :, None])[:, :, 0]
    return furthest(found, wanted, batch)


def words(ids: Tensor, column: list[str]) -> Iterator[list[str]]:
    """Give the pieces of each row of ids, without padding and end."""
    for row in ids.tolist():
        yield [column[number] for number in row if number not in (PAD, EOS)]
