"""Export the architecture `causal_lm` to Hugging Face transformers: a LlamaForCausalLM, which servers read too."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import tokenizers
import torch
from tokenizers import processors
from torch import Tensor

from lamcore.errors import LamcoreError, some
from lamcore.model import TrainedModel
from lamcore_export.net import BOS, EOS, PAD

LENGTHS = (9, 2, 7, 14)
"""Tokens of the records that scores are compared on."""


def write(folder: Path, trained: TrainedModel) -> float:
    """Write config, weights and tokenizer as transformers does; return how far its logits are from the model's."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    settings: Any = trained.parts.architecture
    words = config(settings, trained.tokenizer["target"].size)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**words))
    wanted, found = model.state_dict(), weights(trained)
    if settings.tie:
        found["lm_head.weight"] = found["model.embed_tokens.weight"]
    if odd := sorted(name for name in {**wanted, **found} if _shape(wanted, name) != _shape(found, name)):
        raise LamcoreError(f"The model can't be exported: {some(odd)} are not as `causal_lm` names its weights.")
    model.load_state_dict(found)
    model.generation_config = transformers.GenerationConfig(
        pad_token_id=PAD, bos_token_id=BOS, eos_token_id=EOS, max_length=settings.max_length,
        num_beams=trained.parts.decoding.beam, suppress_tokens=[PAD, 1, BOS],
    )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer(trained, settings.max_length).save_pretrained(folder)
    return difference(transformers.LlamaForCausalLM.from_pretrained(folder), trained)


def _shape(weights: dict[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(weights[name].shape) if name in weights else None


def config(s: Any, size: int) -> dict[str, Any]:
    """Return the settings of the model in the words of transformers."""
    return {
        "vocab_size": size,
        "hidden_size": s.width,
        "intermediate_size": s.feed_forward,
        "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads,
        "num_key_value_heads": s.key_value_heads,
        "hidden_act": "silu",
        "max_position_embeddings": s.max_length,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        "tie_word_embeddings": s.tie,
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "dtype": "float32",
    }


def weights(trained: TrainedModel) -> dict[str, Tensor]:
    """Return the weights under the names of transformers."""
    s: Any = trained.parts.architecture
    each, found = s.width // s.heads, dict[str, Tensor]()
    heads = [s.heads * each, s.key_value_heads * each, s.key_value_heads * each]
    for name, weight in trained.model.state_dict().items():
        layer, _, part = name.removeprefix("layers.").partition(".")
        start = f"model.layers.{layer}."
        if part == "attention.inward.weight":
            pairs = zip("qkv", weight.split(heads), strict=True)
            found |= {f"{start}self_attn.{one}_proj.weight": part.contiguous() for one, part in pairs}
        elif part == "feed_forward.inward.weight":
            pairs = zip(("gate", "up"), weight.chunk(2), strict=True)
            found |= {f"{start}mlp.{one}_proj.weight": part.contiguous() for one, part in pairs}
        elif name.startswith("layers."):
            found[start + IN_LAYER.get(part, part)] = weight
        else:
            found[BESIDE.get(name, name)] = weight
    return found


IN_LAYER = {
    "attention.outward.weight": "self_attn.o_proj.weight",
    "feed_forward.outward.weight": "mlp.down_proj.weight",
    "around_attention.norm.weight": "input_layernorm.weight",
    "around_feed_forward.norm.weight": "post_attention_layernorm.weight",
}
BESIDE = {
    "embedding.weight": "model.embed_tokens.weight",
    "output.weight": "lm_head.weight",
    "last.weight": "model.norm.weight",
}


def tokenizer(trained: TrainedModel, longest: int) -> Any:
    """Return the tokenizer as transformers has them: it puts <s> before a text; padding stands on the left."""
    from transformers import PreTrainedTokenizerFast

    inner = tokenizers.Tokenizer.from_str(trained.tokenizer["target"].to_json())
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    marks = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        model_max_length=longest,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        **marks,
    )


def difference(model: Any, trained: TrainedModel) -> float:
    """Return the greatest difference of a logit between the model's and transformers', at every place."""
    chance, size = np.random.default_rng(1), trained.tokenizer["target"].size
    longest = trained.parts.architecture.max_length  # type: ignore[attr-defined]
    rows = [chance.integers(1, size, min(length, longest)) for length in LENGTHS]
    examples = [{"tokens": row, "labels": row, "prompt": row[:1], "size": len(row)} for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True)
    mask = torch.arange(padded.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]
    with torch.no_grad():
        found = model.eval()(input_ids=padded, attention_mask=mask.long()).logits
        wanted = trained.model.logits(trained.model.collate(examples))
    return (found - wanted)[mask].abs().max().item()


def readme(trained: TrainedModel) -> str:
    """Return the page of the export; its code runs in its folder."""
    text = (files("lamcore_export") / "templates" / "llama.md").read_text(encoding="utf-8")
    steps = trained.parts.preprocessors
    values = {
        "parameters": f"{sum(one.numel() for one in trained.model.parameters()):,}",
        "steps": ", ".join(steps) if steps else "none",
        "longest": trained.parts.architecture.max_length,  # type: ignore[attr-defined]
    }
    return Template(text).substitute(values)
