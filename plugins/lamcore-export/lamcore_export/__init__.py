"""Offer the verb `lam export`; light: what it needs is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamcore import hookimpl

if TYPE_CHECKING:
    from lamcore.hookspecs import Register
    from lamcore.plugins import Registry

lamcore_api = 1
KINDS = ("ctranslate2", "onnx", "huggingface", "torch")


@hookimpl
def register_commands(register: Register) -> None:
    """Offer `export`."""
    register("export", export_)


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--to", "kind", type=click.Choice(KINDS), required=True, help="What the folder is for.")
@click.option("--out", type=click.Path(path_type=Path), help="New folder; else RUN/exports/KIND.")
@click.option("--int8", is_flag=True, help="Weights as 8-bit integers (ctranslate2 only).")
@click.pass_obj
def export_(registry: Registry, run: Path, kind: str, out: Path | None, int8: bool) -> None:
    """Write the model of RUN as a folder that other programs load, and a README that shows how.

    RUN has the architecture `transformer`, or `causal_lm`, of which --to huggingface makes a LlamaForCausalLM. The
    folder appears once its scores were found equal to the model's. Preprocessors of the run are not part of it."""
    from lamcore import console
    from lamcore_export.export import export

    made, difference = export(registry, run, kind, out, int8)
    console.say(made)
    before = ", before their rounding," if int8 else ""
    console.say(
        f"Its scores{before} differ from the run's by at most {difference:.1g}. README.md in it shows how to use it.",
        "dim",
    )
