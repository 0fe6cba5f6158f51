"""A small model that was never trained, for those who check the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from lamcore.data import vocabulary
from lamcore.kinds import Decoding, Recipe, Subwords, TokenizerPlan
from lamcore.make import make
from lamcore.model import ModelParts, TrainedModel
from lamcore.plugins import load_plugins
from lamcore.testing.toy import Commands, Idle

SIZES = {"layers": 1, "width": 16, "heads": 2, "feed_forward": 16}


def write_model(folder: Path) -> Path:
    """Write the folder of an untrained `transformer`, which must be installed, and return it."""
    registry = load_plugins()
    architecture: Any = make(registry.find("architecture", "transformer"), SIZES)
    recipe = Recipe(Commands(), architecture, Idle(), tokenizer=TokenizerPlan(Subwords.character))
    tokenizer, labels = vocabulary(recipe, Dataset.from_list(list(Commands().load()["train"])))
    parts = ModelParts(architecture, {}, Decoding(max_length=6))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        trained = TrainedModel(parts, tokenizer, labels, {"target": ""}, torch.device("cpu")).build()
    return trained.save(folder, registry, "Untrained.\n", {"name": "untrained", "versions": {}})
