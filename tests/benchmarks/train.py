"""Training speed beside its peers: Transformer-Tiny on Multi30k, en-de, fp32, interleaved, threads pinned.

    python tests/benchmarks/train.py --data DIR [--eole PYTHON] [--huggingface PYTHON] [--joeynmt PYTHON]
        [--rounds 3] [--steps 100] [--busy]

DIR holds train.{en,de}.gz and val.{en,de}.gz of Multi30k; each PYTHON is that of an environment of its own: eole 0.6.4;
transformers 5.23.0 with accelerate; joeynmt 2.3.0 with importlib_metadata and sentencepiece 0.2.0. All get the same
pieces of one BPE of 10,000, the same model and batches of 4,096 tokens (Hugging Face: of 240 pairs, grouped by
length, as many as lamcore's have on average). The bare loop is what the trainer is held to: the same model and batches,
torch's AdamW and clipping, and nothing else. The two workers of the first row take 2,048 tokens each. Tokens are target
tokens that are not padding, counted by each program itself, and for the bare loop and Hugging Face here. The first half
of each run is not counted.

--busy is for a machine that does other things too: one thread, and every clock of every program shows the seconds of
processor time that all its threads have used. The two workers are left out: such a clock shows those of one process.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import measure
import yaml

HERE = Path(__file__).parent
ENV = dict(measure.PINNED)
"""Environment of every program that is measured."""
SHAPE = {"layers": 4, "heads": 4, "transformer_ff": 256, "hidden_size": 128}


class Result(NamedTuple):
    """What a run came to."""

    speed: float
    """Target tokens a second."""
    peak_mb: float
    padding: str = "-"


def lamcore(folder: Path, data: Path, steps: int, workers: int = 1) -> Result:
    """Train by the command; workers share the tokens of an update, a thread each, and are not pinned."""
    words = ["experiment=translation/multi30k", f"trainer.steps={steps}"]
    words += [f"trainer.workers={workers}", f"trainer.batch_tokens={4096 // workers}"]
    words += [f"trainer.validate_every={steps}", "metrics=[]", "decoding.max_length=2"]
    pins = ENV if workers == 1 else {**ENV, "OMP_PROC_BIND": "false"}
    speeds, peak = measure.train(folder, words, {**pins, "MULTI30K": str(data)})
    return Result(measure.settled(speeds), peak)


def bare(folder: Path, data: Path, steps: int) -> Result:
    """Train the model of lamcore's run in a loop that does nothing else."""
    command = [sys.executable, str(HERE / "train_bare.py"), str(folder / "run"), str(steps)]
    found, peak = measure.train_peer(command, {**ENV, "MULTI30K": str(data)})
    return Result(measure.settled(found["speeds"]), peak, found["padding"])


def huggingface(folder: Path, python: str, steps: int) -> Result:
    """Train a MarianMTModel with Seq2SeqTrainer."""
    found, peak = measure.train_peer(
        [python, str(HERE / "train_huggingface.py"), str(folder / "pieces"), str(steps)], ENV
    )
    return Result(measure.settled(found["speeds"]), peak, found["padding"])


def joeynmt(folder: Path, python: str, steps: int) -> Result:
    """Train JoeyNMT's Transformer."""
    side = folder / "pieces"
    half = {
        "type": "transformer", "num_layers": 4, "num_heads": 4, "hidden_size": 128, "ff_size": 256, "dropout": 0.3,
        "embeddings": {"embedding_dim": 128, "scale": True}, "layer_norm": "post",
    }  # fmt: skip
    text = {"level": "word", "max_length": 512, "voc_file": f"{side}/vocab.joeynmt"}
    config = {
        "name": "tiny", "model_dir": f"{folder}/joeynmt", "use_cuda": False, "random_seed": 1,
        "data": {
            "train": f"{side}/train", "dev": f"{side}/train", "sample_dev_subset": 10, "dataset_type": "plain",
            "src": {"lang": "en", **text}, "trg": {"lang": "de", **text},
        },
        "model": {"tied_embeddings": True, "tied_softmax": True, "encoder": half, "decoder": half},
        "training": {
            "optimizer": "adam", "adam_betas": [0.9, 0.98], "learning_rate": 0.0005, "label_smoothing": 0.1,
            "scheduling": "warmupinversesquareroot", "learning_rate_warmup": 2000,
            "clip_grad_norm": 1.0, "batch_size": 4096, "batch_type": "token", "normalization": "tokens",
            "updates": steps, "epochs": 100, "logging_freq": measure.EVERY, "validation_freq": 100 * steps,
            "overwrite": True,
        },
        "testing": {"beam_size": 1, "eval_metrics": ["bleu"], "max_output_length": 2},
    }  # fmt: skip
    (side / "joeynmt.yaml").write_text(yaml.safe_dump(config))
    command = [python, "-m", "joeynmt", "train", str(side / "joeynmt.yaml"), "--skip-test"]
    took = measure.measured(command, ENV, cwd=folder)
    return Result(
        measure.settled([float(found) for found in re.findall(r"Tokens per Sec:\s*(\d+)", took.output)]), took.peak_mb
    )


def eole(folder: Path, python: str, steps: int) -> Result:
    """Train Eole's Transformer."""
    side = folder / "pieces"
    config = {
        "save_data": str(side), "share_vocab": True, "src_vocab": f"{side}/vocab", "tgt_vocab": f"{side}/vocab",
        "src_vocab_size": 10000, "tgt_vocab_size": 10000, "overwrite": True, "report_every": measure.EVERY, "seed": 1,
        "data": {"corpus": {"path_src": f"{side}/train.en", "path_tgt": f"{side}/train.de", "transforms": []}},
        "model": {
            "architecture": "transformer", **SHAPE, "share_embeddings": True, "share_decoder_embeddings": True,
            "embeddings": {"word_vec_size": 128, "position_encoding_type": "SinusoidalInterleaved"},
        },
        "training": {
            "batch_type": "tokens", "batch_size": 4096, "normalization": "tokens", "optim": "adam", "adam_beta2": 0.98,
            "learning_rate": 0.005, "warmup_steps": 2000, "train_steps": steps, "model_path": f"{side}/model",
            "save_checkpoint_steps": 10 * steps, "compute_dtype": "fp32", "dropout": [0.3], "label_smoothing": 0.1,
            "num_workers": 0, "bucket_size": 29000, "world_size": 1, "gpu_ranks": [], "valid_steps": 10 * steps,
        },
    }  # fmt: skip
    (side / "eole.yaml").write_text(yaml.safe_dump(config))
    took = measure.measured([python, "-m", "eole.bin.main", "train", "--config", str(side / "eole.yaml")], ENV)
    return Result(
        measure.settled([float(found) for found in re.findall(r"/\s*(\d+) tok/s", took.output)]), took.peak_mb
    )


def write_pieces(folder: Path, data: Path) -> None:
    """Write the pieces that lamcore's tokenizer cuts the train split into, and its vocabulary, for the peers."""
    import gzip

    from lamcore.tokenizer import SPECIAL, from_file

    side = folder / "pieces"
    side.mkdir()
    tokenizer = from_file(folder / "run" / "vocabulary" / "tokenizer.json")
    for language in ("en", "de"):
        lines = gzip.decompress((data / f"train.{language}.gz").read_bytes()).decode().split("\n")[:-1]
        (side / f"train.{language}").write_text("\n".join(" ".join(tokenizer.pieces(line)) for line in lines) + "\n")
    known = json.loads(tokenizer.to_json())["model"]["vocab"]
    pieces = [piece for piece in sorted(known, key=known.__getitem__) if piece not in SPECIAL]
    (side / "vocab").write_text("\n".join(pieces) + "\n")
    (side / "vocab.joeynmt").write_text("\n".join(["<unk>", "<pad>", "<s>", "</s>", *pieces]) + "\n")


def main() -> None:
    """Measure by turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    for peer in ("eole", "huggingface", "joeynmt"):
        parser.add_argument(f"--{peer}", help="python of its environment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--busy", action="store_true", help="one thread, seconds of processor time")
    words = parser.parse_args()
    peers = {"Eole 0.6.4": (eole, words.eole), "JoeyNMT 2.3.0": (joeynmt, words.joeynmt)}
    peers["Hugging Face Trainer 5.23.0"] = (huggingface, words.huggingface)
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), words.data.absolute()
        lamcore(folder, data, measure.EVERY)  # prepares the data
        write_pieces(folder, data)
        if words.busy:
            ENV.update(measure.ONE_THREAD, OMP_PROC_BIND="false")
            measure.count_processor_time(folder, ENV)
        turns: dict[str, Callable[[], Result]] = {
            "lamcore": lambda: lamcore(folder, data, words.steps),
            "the bare loop": lambda: bare(folder, data, words.steps),
        }
        if not words.busy:
            turns = {"lamcore, two workers": lambda: lamcore(folder, data, words.steps, workers=2), **turns}
        for peer, (run, python) in peers.items():
            if python:
                turns[peer] = lambda run=run, python=python: run(folder, python, words.steps)  # type: ignore[misc]
        results = measure.by_turns(turns, words.rounds)
    rows = []
    for system, found in results.items():
        ratios, shared = (
            measure.spread([ours.speed / theirs.speed for ours, theirs in zip(results[mine], found, strict=True)])
            if mine in results
            else "-"
            for mine in ("lamcore", "lamcore, two workers")
        )
        padding, peak = found[0].padding, max(one.peak_mb for one in found)
        if system.startswith("lamcore"):
            padding = results["the bare loop"][0].padding
        rows.append(
            (
                f"{system}, fp32",
                measure.spread([one.speed for one in found], "{:,.0f}"),
                ratios,
                shared,
                padding,
                f"{peak:,.0f}",
            )
        )
    columns = (
        "system",
        "target tokens a second: median (least to greatest)",
        "lamcore / system, round by round",
        "two workers / system",
    )
    measure.table((*columns, "padding in the target", "peak memory, MB"), rows)


if __name__ == "__main__":
    main()
