"""The verb `lam thresholds`: find what the filters of a config should keep, and write it as a preset."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lamcore.plugins import Registry

HYDRA = {"ignore_unknown_options": True}


@click.command("thresholds", context_settings=HYDRA)
@click.option("--name", default="filtered", show_default=True, help="Name of the preset that is written.")
@click.option(
    "--records", default=5000, show_default=True, type=click.IntRange(10), help="Most train records to score."
)
@click.option(
    "--most", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="Most of the data a step may drop."
)
@click.option("--seed", default=1, show_default=True, help="What the noise follows from.")
@click.option("--force", is_flag=True, help="Write over a preset of that name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(
    registry: Registry,
    name: str,
    records: int,
    most: float,
    seed: int,
    force: bool,
    as_json: bool,
    overrides: tuple[str, ...],
) -> None:
    """Find thresholds for the filters among OVERRIDES' preprocessors, and write them as conf/preprocessors/NAME.yaml.

    \b
    lam thresholds source=... "preprocessors=[clean,language,length_ratio,numbers]"
    lam train source=... "preprocessors=[filtered]"

    Each threshold is the one that parts the data best from noise that is made of it: shuffled, copied, swapped, cut and
    garbled pairs, letters of another script, another digit; of these the one that the filter is for."""
    from lamcore import console
    from lamcore.config import composed, user_folders
    from lamcore.errors import LamcoreError
    from lamcore.store import write
    from lamcore_filters.search import preset, search

    folders = [folder for folder in user_folders(overrides)[0] if folder != Path("conf").absolute()]
    file = (folders or [Path("conf")])[0] / "preprocessors" / f"{name}.yaml"
    if not re.fullmatch(r"\w+", name) or name in registry.components["preprocessor"]:
        raise LamcoreError(f"--name {name}: a preset's name is letters, digits and '_', and no preprocessor's.")
    if file.exists() and not force:
        raise LamcoreError(f"{file} exists: give --name another one, or --force to write over it.")
    made = composed(registry, overrides)
    found = search(registry, made.values, records, most, seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file, preset(made.written["preprocessors"], found))
    if as_json:
        click.echo(json.dumps({"file": str(file), **found}))
        return
    rows = [
        (one["step"], f"{one['before']:g}", f"{one['threshold']:g}", f"{one['drops']:.1%}", noise_found(one))
        for one in found["steps"]
    ]
    console.say(f"Of {found['records']:,} records, and of noise made of them, each step alone drops:", "bold")
    console.table(("step", "threshold was", "is", "data", "noise"), rows)
    console.say(f'{file} is written. Use it: lam train ... "preprocessors=[{name}]"')


def noise_found(step: dict[str, Any]) -> str:
    """Say what share a step finds of the noise that it is for."""
    return f"{step['finds'][step['against']]:.1%} of {step['against']}"
