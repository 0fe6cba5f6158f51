"""Export to Hugging Face transformers: MarianMTModel for post-norm, its sibling Pegasus for pre-norm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tokenizers
import torch
from tokenizers import processors
from torch import Tensor

from lamcore.errors import LamcoreError
from lamcore.model import TrainedModel
from lamcore_export.net import BOS, EOS, PAD, Net, furthest, sample

NORMS = {
    "around_attention": "self_attn_layer_norm",
    "around_cross": "encoder_attn_layer_norm",
    "around_feed_forward": "final_layer_norm",
}


def write(folder: Path, net: Net, trained: TrainedModel) -> float:
    """Write config, weights and tokenizer as transformers does; return how far its logits are from the model's."""
    import transformers

    refuse(net)
    transformers.utils.logging.disable_progress_bar()
    post = net.settings.place.value == "post"
    kind: Any = transformers.MarianMTModel if post else transformers.PegasusForConditionalGeneration
    model = kind(kind.config_class(**config(net))).eval()
    lacking, odd = model.load_state_dict(weights(net), strict=False)
    beside = {name for name in lacking if "embed" not in name and name not in ("lm_head.weight", "final_logits_bias")}
    assert not beside and not odd, (beside, odd)
    decoding = trained.parts.decoding
    model.generation_config = transformers.GenerationConfig(
        **{key: config(net)[key] for key in ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")},
        max_length=min(decoding.max_length, net.settings.max_length - 1),
        num_beams=decoding.beam,
        suppress_tokens=[0, 1, BOS],
    )
    model.save_pretrained(folder)
    tokenizer(trained, net).save_pretrained(folder)
    return difference(kind.from_pretrained(folder), net, trained)


def refuse(net: Net) -> None:
    """Raise LamcoreError for the first setting that Marian has no place for."""
    s = net.settings
    fits: dict[str, tuple[Any, list[Any]]] = {
        "architecture.norm": (s.norm.value, ["layer"]),
        "architecture.positions": (s.positions.value, ["sinusoidal"]),
        "architecture.activation": (s.activation.value, ["relu", "gelu", "silu"]),
        "architecture.tie": (s.tie, [True]),
        "tokenizer.joint": (net.joint, [True]),
    }
    for setting, (value, wanted) in fits.items():
        if value not in wanted:
            fitting = " or ".join(str(one).lower() for one in wanted)
            raise LamcoreError(
                f"{setting}={str(value).lower()} does not fit the Marian model of transformers, which needs {fitting}."
            )


def config(net: Net) -> dict[str, Any]:
    """Return the settings of the model in the words of transformers."""
    s = net.settings
    return {
        "vocab_size": len(net.target_embedding.weight),
        "d_model": s.width,
        "encoder_layers": s.layers,
        "decoder_layers": s.decoder_layers or s.layers,
        "encoder_attention_heads": s.heads,
        "decoder_attention_heads": s.heads,
        "encoder_ffn_dim": s.feed_forward,
        "decoder_ffn_dim": s.feed_forward,
        "activation_function": s.activation.value,
        "max_position_embeddings": s.max_length,
        "dropout": s.dropout,
        "scale_embedding": True,
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "forced_eos_token_id": EOS,
        "decoder_start_token_id": BOS,
    }


def weights(net: Net) -> dict[str, Tensor]:
    """Return the weights under the names of transformers; the tied ones once."""
    found = {"model.shared.weight": net.target_embedding.weight}
    for side in ("encoder", "decoder"):
        stack: Any = getattr(net, side)
        for number, layer in enumerate(stack.layers):
            start = f"model.{side}.layers.{number}"
            parts = {
                "self_attn.{q,k,v}_proj": layer.attention.inward,
                "self_attn.out_proj": layer.attention.outward,
                "fc1": layer.feed_forward.inward,
                "fc2": layer.feed_forward.outward,
            }
            if side == "decoder":
                parts |= {
                    "encoder_attn.q_proj": layer.cross.query,
                    "encoder_attn.{k,v}_proj": layer.cross.memory,
                    "encoder_attn.out_proj": layer.cross.outward,
                }
            parts |= {there: getattr(layer, here).norm for here, there in NORMS.items() if hasattr(layer, here)}
            for name, module in parts.items():
                found |= cut(f"{start}.{name}", module)
        if net.settings.place.value == "pre":
            found |= cut(f"model.{side}.layer_norm", stack.last)
    return found


def cut(name: str, module: Any) -> dict[str, Tensor]:
    """Return weight and bias of a module; of a name with {q,k,v}, one each, from equal parts."""
    before, brace, rest = name.partition("{")
    inner, _, after = rest.partition("}")
    names = [before + letter + after for letter in inner.split(",")] if brace else [name]
    return {
        f"{one}.{kind}": part.contiguous()
        for kind in ("weight", "bias")
        for one, part in zip(names, getattr(module, kind).chunk(len(names)), strict=True)
    }


def tokenizer(trained: TrainedModel, net: Net) -> Any:
    """Return the tokenizer as transformers has them: it closes a text with </s>, and cuts what is too long."""
    from transformers import PreTrainedTokenizerFast

    inner = tokenizers.Tokenizer.from_str(trained.tokenizer["target"].to_json())
    inner.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", EOS)])
    marks = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        model_max_length=net.settings.max_length,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        **marks,
    )


def difference(model: Any, net: Net, trained: TrainedModel) -> float:
    """Return the greatest difference of a logit between the model's and transformers'."""
    batch = sample(net)
    before = torch.nn.functional.pad(batch["target"][:, :-1], (1, 0), value=BOS)
    with torch.no_grad():
        found = model.eval()(
            input_ids=batch["source"], attention_mask=(batch["source"] != PAD).long(), decoder_input_ids=before
        ).logits
        wanted = trained.model.logits(batch)
    return furthest(found, wanted, batch)
