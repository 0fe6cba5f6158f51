"""Training speed beside Eole: Transformer-Tiny on Multi30k, en-de, fp32, interleaved, threads pinned.

    python tests/benchmarks/train.py --data DIR [--eole PYTHON] [--rounds 3] [--steps 100]

DIR holds train.{en,de}.gz and val.{en,de}.gz of Multi30k; PYTHON is that of an environment with eole (0.6.4) installed.
Both get the same pieces of one BPE of 10,000, batches of 4,096 tokens and the same model; tokens are target tokens that
are not padding, counted by each program itself. The first half of each run is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from measure import LAM, PINNED, measured, median, table

SHAPE = {"layers": 4, "heads": 4, "transformer_ff": 256, "hidden_size": 128}


def lamcore(folder: Path, data: Path, steps: int) -> tuple[float, float, str]:
    """Return tokens a second, peak megabytes, and the share of padding in the target."""
    words = [
        "experiment=translation/multi30k",
        f"trainer.steps={steps}",
        "trainer.log_every=10",
        "decoding.max_length=2",
    ]
    words += [f"trainer.validate_every={steps}", "metrics=[]", f"cache={folder}/cache"]
    words += [f"hydra.run.dir={folder}/run"]
    measured(["rm", "-rf", f"{folder}/run"])
    took = measured([LAM, "train", *words, "--quiet"], {**PINNED, "MULTI30K": str(data)})
    lines = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().split("\n")[:-1]]
    speeds = [line["tokens_per_second"] for line in lines if "tokens_per_second" in line]
    return median(speeds[len(speeds) // 2 :]), took.peak_mb, padding(folder, data)


def padding(folder: Path, data: Path) -> str:
    """Return the share of padding in the target over an epoch of batches."""
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import train; train.print_padding({str(folder)!r})
"""
    env = {**os.environ, "MULTI30K": str(data)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env).stdout.strip()


def print_padding(folder: str) -> None:
    """Print how many of a hundred target positions are padding, over the first epoch of a run's batches."""
    import torch

    from lamcore.commands import _build, _prepare, read_config
    from lamcore.kinds import Recipe
    from lamcore.make import make
    from lamcore.plugins import load_plugins
    from lamcore.run import Run

    registry = load_plugins()
    recipe = make(Recipe, read_config(Path(folder) / "run"), find=registry.find)
    run = Run(Path(folder) / "run", recipe, registry, torch.device("cpu"))
    run.notify = lambda *_, **__: None  # type: ignore[method-assign]
    _prepare(run)
    _build(run)
    filled = whole = 0
    for epoch, batch in run.data.train_batches(recipe.trainer.batch_tokens):
        if epoch:
            break
        filled, whole = filled + int((batch["target"] != 0).sum()), whole + batch["target"].numel()
    print(f"{100 * (1 - filled / whole):.1f} %")


def eole(folder: Path, python: str, steps: int) -> tuple[float, float, str]:
    """Return tokens a second and peak megabytes of Eole."""
    side = folder / "eole"
    config = {
        "save_data": str(side), "share_vocab": True, "src_vocab": f"{side}/vocab", "tgt_vocab": f"{side}/vocab",
        "src_vocab_size": 10000, "tgt_vocab_size": 10000, "overwrite": True, "report_every": 10, "seed": 1,
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
    (side / "config.yaml").write_text(yaml.safe_dump(config))
    took = measured([python, "-m", "eole.bin.main", "train", "--config", str(side / "config.yaml")], PINNED)
    speeds = [float(found) for found in re.findall(r"/\s*(\d+) tok/s", took.output)]
    return median(speeds[len(speeds) // 2 :]), took.peak_mb, ""


def write_pieces(folder: Path, data: Path) -> None:
    """Write the pieces that lamcore's tokenizer cuts the train split into, and its vocabulary, for Eole."""
    import gzip

    from lamcore.tokenizer import from_file

    side = folder / "eole"
    side.mkdir()
    tokenizer = from_file(folder / "run" / "vocabulary" / "tokenizer.json")
    for language in ("en", "de"):
        lines = gzip.decompress((data / f"train.{language}.gz").read_bytes()).decode().split("\n")[:-1]
        (side / f"train.{language}").write_text("\n".join(" ".join(tokenizer.pieces(line)) for line in lines) + "\n")
    known = json.loads(tokenizer.to_json())["model"]["vocab"]
    (side / "vocab").write_text("\n".join(sorted(known, key=known.__getitem__)[4:]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--eole")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    words = parser.parse_args()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), words.data.absolute()
        lamcore(folder, data, 10)  # prepares the data
        write_pieces(folder, data)
        for _ in range(words.rounds):
            ours.append(lamcore(folder, data, words.steps))
            if words.eole:
                theirs.append(eole(folder, words.eole, words.steps))
    rows = [_row("lamcore, fp32", ours)] + ([_row("Eole 0.6.4, fp32", theirs)] if theirs else [])
    if theirs:
        ratios = [a[0] / b[0] for a, b in zip(ours, theirs, strict=True)]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        rows.append(("lamcore / Eole, pair by pair", spread, "", ""))
    table(("system", "target tokens a second: median (least to greatest)", "padding", "peak memory, MB"), rows)


def _row(name: str, results: list[tuple[float, float, str]]) -> tuple[str, str, str, str]:
    speeds, memory = [r[0] for r in results], max(r[1] for r in results)
    return name, f"{median(speeds):,.0f} ({min(speeds):,.0f} to {max(speeds):,.0f})", results[0][2], f"{memory:,.0f}"


if __name__ == "__main__":
    main()
