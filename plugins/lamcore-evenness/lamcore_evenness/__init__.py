"""How even scores are: by slices of the test sets and on noised copies of them; light, the work is in its modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamcore import LamcoreError, hookimpl

if TYPE_CHECKING:
    from lamcore.hookspecs import Register
    from lamcore.plugins import Registry
    from lamcore.run import Run


@hookimpl
def register_evaluations(register: Register) -> None:
    """Offer `--slices` and `--noise` of `lam evaluate`."""
    register("evenness", command)


@click.command("evenness")
@click.option(
    "--slices",
    metavar="COLUMNS",
    help="Score the tests by columns, or length, pieces, script, numbers, unknown_words: domain,length.",
)
@click.option("--noise", metavar="NAMES", help="Score copies noised by augmenters or their presets: misspelt,case.")
def command(registry: Registry, run: Run, as_json: bool, slices: str | None, noise: str | None) -> None:
    """Score the test sets by slices and on noised copies; nothing of RUN but slices.json is written."""
    from lamcore_evenness.evaluate import evaluate
    from lamcore_evenness.report import report

    report(evaluate(registry, run, _names("--slices", slices), _names("--noise", noise)), run, as_json)


def _names(option: str, text: str | None) -> list[str]:
    names = list(dict.fromkeys(name for one in (text or "").split(",") if (name := one.strip())))
    if text is not None and not names:
        raise LamcoreError(f"{option} names nothing, only {text!r}.")
    return names
