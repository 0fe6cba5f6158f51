"""Read a checkpoint's folder: config, tokenizer and weights as JSON and safetensors, and nothing that could run.

What arrives here may be a stranger's: files are capped before they are read, a config names a family of models that the
installed transformers knows and nothing that it would fetch, and a tokenizer is of listed parts (see `cutting`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from lamcore import LamcoreError
from lamcore.store import content_of
from lamcore_hf.cutting import MOST_TOKENIZER, Cutter

MOST_CONFIG = 2**20
"""Bytes of the largest config that is read."""
MOST_LAYERS = 1000
"""Of a model: some configs list all of them when they are made."""
FILES = ["*.json", "*.safetensors", "*.spm"]
"""What is fetched from the hub."""
STRANGE = {"auto_map", "architectures", "attn_implementation", "experts_implementation", "dtype", "torch_dtype"}
STRANGE |= {"name_or_path", "transformers_version"}
"""Keys of a config that are left out, and those that begin with an underscore: they name code, places or versions."""


@dataclass
class Parts:
    """What a model is built of."""

    config: dict[str, Any]
    cutter: Cutter | None = None
    """The checkpoint's tokenizer; None: it comes with the weights."""
    folder: Path | None = None
    """Where its weights lie; None: they come later."""


def fetch(name: str) -> None:
    """Bring a checkpoint that is no folder from the hub into its cache."""
    if name and not Path(name).expanduser().is_dir():
        from huggingface_hub import snapshot_download

        try:
            snapshot_download(name, allow_patterns=FILES)
        except Exception as error:  # the network's, the hub's and those of names
            what = f"architecture.checkpoint={name} is no folder, and can't be had from the hub"
            raise LamcoreError(f"{what}: {_line(error)}") from error


def read(name: str, auto: Any) -> Parts:
    """Read the checkpoint `name`, a folder or a name in the hub's cache, for models of `auto` (a class Auto...).

    Raises LamcoreError where something lacks, is too large or of the wrong kind."""
    folder = _folder(name)
    _weights(folder)
    config = _json(folder / "config.json", MOST_CONFIG)
    made = configured(config, auto, str(folder / "config.json"))
    cutter = Cutter(_tokenizers(folder, made.vocab_size), made.vocab_size)
    config["eos_token_id"] = _end(folder, made, cutter)
    return Parts(config, cutter, folder)


def _folder(name: str) -> Path:
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except Exception as error:
        what = f"architecture.checkpoint={name} is no folder, and no name that was fetched from the hub"
        raise LamcoreError(f"{what} (hf download {name})") from error


def _weights(folder: Path) -> None:
    """Refuse a folder without safetensors, or with what changes how they are read."""
    files = sorted(file.name for file in folder.iterdir())
    if not any(name.endswith(".safetensors") for name in files):
        pickles = [name for name in files if name.endswith((".bin", ".pt", ".ckpt", ".h5", ".msgpack"))]
        if pickles:
            what = f"{folder} has its weights in {pickles[0]} only, a file that could run code when it is read"
            raise LamcoreError(f"{what}: take a checkpoint with model.safetensors, or save it anew where you trust it.")
        raise LamcoreError(f"{folder} is no checkpoint: it has no model.safetensors.")
    if strange := [name for name in files if name.endswith(".safetensors") and not (folder / name).is_file()]:
        raise LamcoreError(f"{folder}/{strange[0]} is no plain file.")
    if "adapter_config.json" in files:
        raise LamcoreError(f"{folder} holds an adapter: merge it into its model first (peft's merge_and_unload).")


def _tokenizers(folder: Path, rows: int) -> bytes:
    """Return what a `Cutter` is made of: tokenizer.json, or else Marian's two SentencePiece models."""
    if (folder / "tokenizer.json").exists():
        return json.dumps({"source": _json(folder / "tokenizer.json", MOST_TOKENIZER)}).encode()
    names = ("source.spm", "target.spm", "vocab.json")
    if not all((folder / name).exists() for name in names):
        where = str(folder)
        what = f"{where} has no tokenizer.json: save one by transformers'"
        raise LamcoreError(f"{what} AutoTokenizer.from_pretrained({where!r}).save_pretrained({where!r}).")
    if (folder / "target_vocab.json").exists():
        raise LamcoreError(f"{folder} has a vocabulary for each side, and those of one for both can be read alone.")
    from lamcore_hf.marian import tokenizers_of

    try:
        source, target = (content_of((folder / name).resolve(), MOST_TOKENIZER) for name in names[:2])
        return json.dumps(tokenizers_of(source, target, _json(folder / names[2], MOST_TOKENIZER), rows)).encode()
    except LamcoreError:
        raise
    except Exception as error:  # protobuf has errors of its own
        raise LamcoreError(f"{folder}: {', '.join(names)} can't be read: {_line(error)}") from error


def _json(file: Path, most: int) -> dict[str, Any]:
    try:
        found = json.loads(content_of(file.resolve(), most))  # the hub's cache is made of links
        if isinstance(found, dict):
            return found
        raise ValueError("it is no object")
    except FileNotFoundError as error:
        raise LamcoreError(f"{file.parent} is no checkpoint: it has no {file.name}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise LamcoreError(f"{file} can't be read: {_line(error)}") from error


def _end(folder: Path, config: Any, cutter: Cutter) -> int:
    """Return the token that ends a text: the tokenizer's own, else the config's."""
    given: Any = None
    if (folder / "tokenizer_config.json").exists():
        given = _json(folder / "tokenizer_config.json", MOST_CONFIG).get("eos_token")
    eos = cutter.id_of(given["content"] if isinstance(given, dict) else given) if given else None
    if eos is None:
        eos = marks_of(config).get("eos_token_id")
    if eos is None:
        raise LamcoreError(f"{folder} names no end mark: neither eos_token of its tokenizer nor eos_token_id.")
    return eos


def configured(config: dict[str, Any], auto: Any, where: str) -> Any:
    """Return the config as transformers has it; raise LamcoreError where it is of no model of `auto`."""
    kind, known = config.get("model_type"), transformers.CONFIG_MAPPING
    if not isinstance(kind, str) or kind not in known:
        raise LamcoreError(f"{where}: transformers {transformers.__version__} knows no model_type {kind!r}.")
    if "quantization_config" in config:
        raise LamcoreError(f"{where}: its weights are quantised, and those can't be trained: take the full ones.")
    if big := [key for key, n in config.items() if "layer" in key and isinstance(n, int) and n > MOST_LAYERS]:
        raise LamcoreError(f"{where}: {big[0]} may be at most {MOST_LAYERS}, not {config[big[0]]}.")
    cls = known[kind]
    if cls not in auto._model_mapping or cls.sub_configs:
        wanted = auto.__name__.removeprefix("AutoModelFor")
        raise LamcoreError(
            f"{where}: a {kind} is no {wanted} of one part: hf_seq2seq is for {SEQ2SEQ}, hf_causal_lm for {CAUSAL}."
        )
    try:
        made = cls(**_plain(config))
    except Exception as error:  # whatever a family makes of a stranger's values
        raise LamcoreError(f"{where} is no config of a {kind}: {_line(error)}") from error
    if not all(isinstance(one, int) and 0 <= one < made.vocab_size for one in marks_of(made).values()):
        raise LamcoreError(f"{where}: {marks_of(made)} must be tokens, from 0 to vocab_size={made.vocab_size}.")
    return made


SEQ2SEQ, CAUSAL = "encoder-decoders such as marian, t5 and bart", "decoders such as llama, mistral, qwen2 and gpt2"


def marks_of(config: Any) -> dict[str, Any]:
    """Return {name: token} of the special tokens that a config names; of several, the first."""
    names = ("eos_token_id", "pad_token_id", "bos_token_id", "decoder_start_token_id")
    given = {name: getattr(config, name, None) for name in names}
    firsts = {name: value[0] if isinstance(value, list) and value else value for name, value in given.items()}
    return {name: value for name, value in firsts.items() if value is not None}


def _plain(value: Any) -> Any:
    """Return a config without what is `STRANGE`, at every depth."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k not in STRANGE and not k.startswith("_")}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def build(config: Any, folder: Path | None, auto: Any) -> nn.Module:
    """Return the model in float32, with the weights of the folder or, where there is none, random ones.

    Raises LamcoreError where the folder lacks weights or has others."""
    if folder is None or torch.get_default_device().type == "meta":
        return auto.from_config(config, dtype=torch.float32)
    try:
        with quiet():
            model, found = auto.from_pretrained(
                str(folder),
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:  # damaged safetensors, other shapes
        raise LamcoreError(f"{folder}: its weights can't be read: {_line(error)}") from error
    if lacking := sorted(found["missing_keys"]):
        raise LamcoreError(f"{folder} lacks weights that its config asks for: {', '.join(lacking[:3])}.")
    with torch.device("meta"):  # reading them forgets which are fixed, such as sinusoids
        made = auto.from_config(config).named_parameters()
    for name, fixed in made:
        model.get_parameter(name).requires_grad_(fixed.requires_grad)
    return model.train()


@contextmanager
def quiet() -> Iterator[None]:
    """Show no bar and no warning within; what matters is raised."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def as_json(config: Mapping[str, Any]) -> str:
    """Return a config as a trained model keeps it."""
    return json.dumps(_plain(dict(config)), sort_keys=True)
