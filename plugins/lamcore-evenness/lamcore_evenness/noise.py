"""Make noised copies of a test set with the augmenters that are installed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from lamcore import Augmenter, LamcoreError
from lamcore.errors import unknown
from lamcore.kinds import Record
from lamcore.make import make
from lamcore.plugins import Registry


@dataclass
class Noise:
    """What one name of `--noise` stands for."""

    augmenters: dict[str, Augmenter] = field(default_factory=dict)
    """Augmenters, applied in order."""


def noise(registry: Registry, name: str) -> dict[str, Augmenter]:
    """Return the augmenters of a preset (conf/augmenters/NAME.yaml), or the one of that name with its defaults."""
    found = presets(registry)
    known = registry.components["augmenter"]
    if name not in found and name.rpartition(":")[2] not in known:
        raise unknown("augmenter or preset of augmenters", name, {*found, *known}, has="Installed")
    values = yaml.safe_load(found[name].read_text(encoding="utf-8")) if name in found else {name: {}}
    return make(Noise, {"augmenters": values}, where=f"--noise {name}", find=registry.find).augmenters


def presets(registry: Registry) -> dict[str, Path]:
    """Return {name: file} of the presets of augmenters; a file of the working folder's conf/ hides one of its name."""
    folders = [*reversed(registry.conf_folders()), Path("conf")]
    return {file.stem: file for folder in folders for file in sorted(folder.glob("augmenters/*.yaml"))}


def noised(records: Sequence[Record], augmenters: Mapping[str, Augmenter], seed: str) -> list[Record]:
    """Return a copy of the records as augmenters vary them, one after the other; all chance follows from `seed`."""
    made = list(records)
    for label, augmenter in augmenters.items():
        made = augmenter.apply(list(made), random.Random(f"{seed}/{label}"))
        if [record.get("id") for record in made] != [record["id"] for record in records]:
            what = f"The augmenter {label!r} adds, drops or moves records"
            raise LamcoreError(f"{what}: a copy of a test set needs one of each, in order. Leave it out of --noise.")
    return made
