"""A small model that has learnt nothing, for `Alignment.example`; any installed `transformer` makes it."""

from __future__ import annotations

from pathlib import Path

from lamcore import commands, model, tokenizer
from lamcore.kinds import Decoding, Subwords, TokenizerPlan
from lamcore.plugins import load_plugins
from lamcore.testing.toy import records


def untrained(folder: Path) -> Path:
    """Write a model's folder and return it; the same weights each time."""
    import torch

    registry, texts = load_plugins(), [record["input"] + record["target"] for record in records(40)]
    plan = TokenizerPlan(kind=Subwords.character)
    cut = tokenizer.learn(plan, {"input": texts, "target": texts})
    architecture = registry.find("architecture", "transformer")(layers=1, width=16, heads=2, feed_forward=16)
    parts = model.ModelParts(architecture, {}, Decoding())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = model.TrainedModel(parts, cut, {}, {"target": ""}, commands.choose_device("cpu")).build()
    return made.save(folder, registry, "", {"name": "untrained"})
