"""Verbs that look at what is there, `lam list` and `lam config`; light: the rest is imported when one is called."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamcore import hookimpl

if TYPE_CHECKING:
    from lamcore.config import Composed
    from lamcore.hookspecs import Register
    from lamcore.plugins import Component, Registry

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
LONGEST = 24
"""Widest column of values; a longer value pushes its origin to the right."""
HYDRA = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@hookimpl
def register_commands(register: Register) -> None:
    """Offer `list` and `config`."""
    register("list", list_)
    register("config", config_)


def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Complete a kind, or the name of one of that kind."""
    from lamcore.kinds import KINDS

    kind = context.params.get("kind")
    names = context.obj.components.get(kind, {}) if parameter.name == "name" else [*KINDS, "experiment"]
    return [name for name in names if name.startswith(begun)]


@click.command("list")
@click.argument("kind", required=False, shell_complete=complete)
@click.argument("name", required=False, shell_complete=complete)
@JSON
@click.pass_obj
def list_(registry: Registry, kind: str | None, name: str | None, as_json: bool) -> None:
    """List components and experiments: all, those of a KIND, or the settings of the one called NAME."""
    from lamcore.console import facts
    from lamcore.errors import unknown
    from lamcore.kinds import KINDS
    from lamcore.make import describe

    one = (kind or "").removesuffix("s")
    if one not in ("", "experiment", *KINDS):
        raise unknown("kind", kind or "", [*KINDS, "experiment"])
    if name is None or one == "experiment":
        facts([*components(registry, one), *experiments(registry, one)], as_json)
    elif as_json:
        click.echo(json.dumps([vars(setting) for setting in describe(registry.find(one, name))]))
    else:
        show(registry.component(one, name))


def components(registry: Registry, kind: str) -> list[dict[str, Any]]:
    """Return what there is of a kind, or of all kinds where it is empty."""
    offers = [offer for named in registry.components.values() for offer in named.values() if kind in ("", offer.kind)]
    return [{"kind": o.kind, "name": o.name, "plugin": o.distribution, "summary": o.summary} for o in offers]


def experiments(registry: Registry, kind: str) -> list[dict[str, Any]]:
    """Return the experiments shipped or in the working folder's conf/, with the first comment of each."""
    roots = [folder / "experiment" for folder in (Path("conf"), *registry.conf_folders())]
    found = {f.relative_to(root).with_suffix("").as_posix(): f for root in roots for f in root.rglob("*.yaml")}
    wanted = found if kind in ("", "experiment") else {}
    return [{"kind": "experiment", "name": n, "plugin": "", "summary": comment(wanted[n])} for n in sorted(wanted)]


def comment(path: Path) -> str:
    """Return the first comment of a config that is no instruction to Hydra."""
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.startswith("# ") and "@" not in line]
    return lines[0][2:] if lines else ""


def show(offer: Component) -> None:
    """Print every setting of a component with its type, default and help."""
    from lamcore import console
    from lamcore.make import describe

    console.say(f"{offer.kind} {offer.name} ({offer.distribution} {offer.plugin.version})", "bold")
    for line in (offer.cls.__doc__ or "").strip().split("\n"):
        console.say(line.strip())
    rows = [(s.name, s.type, "required" if s.required else json.dumps(s.default), s.help) for s in describe(offer.cls)]
    console.table(("setting", "type", "default", "what it is"), rows)


@click.command("config", context_settings=HYDRA)
@click.option("--why", is_flag=True, help="Name the file and line, plugin or override behind each value.")
@JSON
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def config_(registry: Registry, overrides: tuple[str, ...], why: bool, as_json: bool) -> None:
    """Show the config that OVERRIDES compose to, checked as `lam train` checks it.

    \b
    lam config experiment=NAME
    lam config --why trainer.lr experiment=NAME    (KEY, or the start of some: trainer)"""
    import yaml

    from lamcore.config import composed

    words = [word for word in overrides if word not in ("--why", "--json")]
    why, as_json = why or "--why" in overrides, as_json or "--json" in overrides
    keys = [word for word in words if why and re.fullmatch(r"\w[\w.-]*", word)]
    made = composed(registry, [word for word in words if word not in keys])
    if why:
        explain(made, keys, as_json)
    elif as_json:
        click.echo(json.dumps(made.written))
    else:
        click.echo(yaml.safe_dump(made.written, sort_keys=False, allow_unicode=True).rstrip())


def explain(made: Composed, keys: list[str], as_json: bool) -> None:
    """Print the origin of every value, or of those under the keys named, a line each."""
    from lamcore.config import leaves
    from lamcore.console import as_json as as_json_text
    from lamcore.console import say
    from lamcore.errors import unknown

    every = dict(leaves(made.written))
    for key in keys:
        if not any(under(one, key) for one in every):
            raise unknown("setting", key, {".".join(one.split(".")[: key.count(".") + 1]) for one in every})
    wanted = [key for key in every if not keys or any(under(key, one) for one in keys)]
    rows = [{"key": key, "value": every[key], "from": made.origins.get(key, "not known")} for key in wanted]
    if as_json:
        click.echo(as_json_text(rows))
        return
    shown = [(row["key"], json.dumps(row["value"], ensure_ascii=False), row["from"]) for row in rows]
    wide, deep = (max(len(row[column]) for row in shown) for column in (0, 1))
    for key, value, origin in shown:
        say(f"{key:<{wide}}  {value:<{min(deep, LONGEST)}}  {origin}")


def under(key: str, start: str) -> bool:
    """Say whether a dotted key is `start` or lies under it."""
    return f"{key}.".startswith(f"{start}.")
