"""`lam check`: hold a package to the contracts of all that it provides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lamcore.plugins import Registry
    from lamcore.testing.contract import Outcome


def installed(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Complete the name of an installed package of plugins."""
    return sorted({one.distribution for one in context.obj.plugins if one.distribution.startswith(begun)})


@click.command("check")
@click.argument("package", shell_complete=installed)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(registry: Registry, package: str, as_json: bool) -> None:
    """Hold the installed PACKAGE to the contracts of all that it provides; exit code 1 where a promise is broken.

    \b
    lam check lamcore-noise
    """
    from lamcore.testing import package_outcomes

    found = package_outcomes(distribution(registry, package))
    if as_json:
        click.echo(json.dumps([{"of": what, **vars(outcome)} for what, outcome in found]))
    else:
        show(found)
    if any(outcome.problem for _, outcome in found):
        raise click.exceptions.Exit(1)


def distribution(registry: Registry, package: str) -> str:
    """Return the distribution meant by its name, with or without `lamcore-`; LamcoreError where there is none."""
    from lamcore.errors import unknown

    installed = {plugin.distribution for plugin in registry.plugins}
    named = package.lower().replace("_", "-")
    for one in (named, f"lamcore-{named}"):
        if one in installed:
            return one
    raise unknown("installed plugin package", package, installed, has="Installed")


def show(found: list[tuple[str, Outcome]]) -> None:
    """Print a table of what holds, what is broken and what does not apply, and why."""
    from lamcore.console import say

    what = ""
    for of, outcome in found:
        if of != what:
            say(of, "bold")
            what = of
        state = "BROKEN" if outcome.problem else "-" if outcome.skipped else "holds"
        reason = outcome.problem or outcome.skipped
        say(f"  {state:<7} {outcome.promise}{f': {reason}' if reason else ''}", "red" if outcome.problem else "")
    broken, skipped = (sum(bool(getattr(one, name)) for _, one in found) for name in ("problem", "skipped"))
    say(f"{len(found) - broken - skipped} promises hold, {broken} broken, {skipped} do not apply.")
