"""Several runs as one job: `lam stages`; light, the work is in its modules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamcore import hookimpl

if TYPE_CHECKING:
    from lamcore.hookspecs import Register
    from lamcore.plugins import Registry


@hookimpl
def register_commands(register: Register) -> None:
    """Offer the verb `stages`."""
    register("stages", command)


@click.command("stages", context_settings={"ignore_unknown_options": True})
@click.option("--into", "folder", type=click.Path(path_type=Path), help="Where the runs go; default: runs/NAME.")
@click.argument("name")
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(registry: Registry, name: str, overrides: tuple[str, ...], folder: Path | None) -> None:
    """Train the runs of the file NAME one after the other, and go on where an earlier call of the same line ended.

    \b
    lam stages translation/back_translation
    lam stages my.yaml --into runs/mine trainer.steps=100

    NAME is a YAML file, or the name of one in a config folder's `stages`: stage -> overrides of `lam train`, in order.
    ${STAGE} stands for the folder of an earlier stage: init=${STAGE}. OVERRIDES are added to those of every stage."""
    from lamcore_stages.running import read, train

    stages = read(registry, name, overrides)
    train(registry, stages, folder or Path("runs") / Path(name).stem)
