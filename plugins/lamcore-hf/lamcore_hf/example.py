"""Make a small checkpoint with random weights, as `save_pretrained` would: for checks and tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tokenizers as hf
import torch
import transformers
from tokenizers import decoders, models, pre_tokenizers, processors

from lamcore.store import dumps
from lamcore.store import write as put
from lamcore_hf.checkpoint import quiet

LETTERS = ["\n", *(chr(code) for code in range(32, 127)), *"äöüßÄÖÜ▁"]
SHAPES: dict[str, dict[str, Any]] = {
    "t5": {
        "d_model": 48, "d_kv": 12, "d_ff": 96, "num_layers": 1, "num_heads": 4, "dropout_rate": 0.0,
        "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0,
    },
    "marian": {
        "d_model": 48, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4,
        "decoder_attention_heads": 4, "encoder_ffn_dim": 96, "decoder_ffn_dim": 96, "max_position_embeddings": 512,
        "dropout": 0.0, "scale_embedding": True, "forced_eos_token_id": 1,
        "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0,
    },
    "bart": {
        "d_model": 48, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4,
        "decoder_attention_heads": 4, "encoder_ffn_dim": 96, "decoder_ffn_dim": 96, "max_position_embeddings": 512,
        "dropout": 0.0, "forced_eos_token_id": 1,
        "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2, "decoder_start_token_id": 1,
    },
    "llama": {
        "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 512, "tie_word_embeddings": True,
        "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2,
    },
}  # fmt: skip


def write(folder: Path, family: str, **changes: Any) -> Path:
    """Write config.json, model.safetensors and tokenizer.json of a t5, marian, bart or llama; return the folder.

    Its tokens are characters. `changes` are settings of the config."""
    tokenizer = letters(begins=family in ("bart", "llama"), ends=family != "llama")
    settings = {**SHAPES[family], "vocab_size": tokenizer.get_vocab_size(), **changes}
    config = transformers.CONFIG_MAPPING[family](**settings)
    kind = transformers.AutoModelForCausalLM if family == "llama" else transformers.AutoModelForSeq2SeqLM
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(1)
        kind.from_config(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    put(folder / "tokenizer_config.json", dumps({"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}))
    return folder


def letters(begins: bool, ends: bool) -> hf.Tokenizer:
    """Return a tokenizer of characters that puts `<s>` before a text where it begins, `</s>` after it where it ends."""
    pieces = ["<pad>", "</s>", "<s>", "<unk>", *LETTERS]
    made = hf.Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, [], unk_token="<unk>"))
    made.add_special_tokens(pieces[:4])
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    made.decoder = decoders.Metaspace(prepend_scheme="never")
    template = [*["<s>"] * begins, "$A", *["</s>"] * ends]
    marks = [(piece, pieces.index(piece)) for piece in template if piece != "$A"]
    made.post_processor = processors.TemplateProcessing(single=" ".join(template), special_tokens=marks)
    return made
