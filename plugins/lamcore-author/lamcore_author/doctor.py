"""`lam doctor`: say what is wrong with installed plugins, first by what they say of themselves, then by trying each.

No plugin is imported here: each is imported in a process of its own, so that one that exits, crashes or hangs is told
of like any other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lamcore.plugins import Plugin, Registry
    from lamcore.testing.probe import Probe

YOURS = "your folder conf/"


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a plugin."""

    plugin: str
    what: str
    """metadata, blocked, name, config, version, import, output, state, files, heavy, or interface."""
    problem: str
    note: bool = False
    """Whether it is set so by the user, and nothing is wrong."""


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Look for what is wrong with the installed plugins: clashes, versions, and what importing each one does.

    The exit code is 1 where something is found."""
    import json

    registry: Registry = context.obj
    used = [plugin for plugin in registry.plugins if plugin.state != "blocked" and plugin.value]
    found = list(by_metadata(registry.plugins, used))
    probed = probes(used)
    found += by_import(probed)
    if as_json:
        plugins = [facts(plugin, probe) for plugin, probe in probed]
        click.echo(json.dumps({"plugins": plugins, "findings": [asdict(finding) for finding in found]}))
    else:
        show(probed, found)
    if any(not finding.note for finding in found):
        context.exit(1)


def show(probed: Sequence[tuple[Plugin, Probe]], found: Sequence[Finding]) -> None:
    """Print a table of the plugins that were tried, and a line for each finding."""
    from lamcore import console

    rows = []
    for plugin, probe in probed:
        provides = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in probe.provides.items())
        rows.append((plugin.identity, plugin.version, f"{1000 * probe.seconds:.0f} ms", provides))
    console.table(("plugin", "version", "import", "provides"), rows)
    console.say()
    for finding in found:
        console.say(f"{'note: ' if finding.note else ''}{finding.plugin}: {finding.problem}")
    wrong = sum(not finding.note for finding in found)
    console.say(f"{len(rows)} plugins tried, {wrong or 'nothing'} found{'' if wrong else ' wrong'}.")


def facts(plugin: Plugin, probe: Probe) -> dict[str, Any]:
    """Return what is known of a plugin that was tried."""
    own = {"distribution": plugin.distribution, "name": plugin.name, "version": plugin.version}
    return {**own, "seconds": probe.seconds, "imports": probe.imported, "provides": probe.provides}


# ---- before anything is imported


def by_metadata(plugins: Sequence[Plugin], used: Sequence[Plugin]) -> Iterator[Finding]:
    """Give what is found without importing any plugin; `used` are those that are neither blocked nor unreadable."""
    for plugin in plugins:
        if plugin.state == "blocked":
            yield Finding(plugin.identity, "blocked", f"it is left out: {plugin.reason}", note=True)
        elif not plugin.value and plugin.state == "broken":
            yield Finding(plugin.identity, "metadata", plugin.reason)
    for name, owners in several((plugin.name, plugin.identity) for plugin in used):
        yield Finding(owners, "name", f"each has an entry point {name!r}: --no-plugin {name} leaves out them all")
    yield from shadowed(used)
    for distribution in ["lamcore", *dict.fromkeys(plugin.distribution for plugin in used)]:
        try:
            yield from (Finding(distribution, "version", problem) for problem in unmet(distribution))
        except Exception as error:
            yield Finding(distribution, "metadata", f"what it requires can't be read: {type(error).__name__}: {error}")


def several(named: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Give each name that several plugins have, and those; `named` are (name, plugin)."""
    owners: dict[str, list[str]] = {}
    for name, plugin in named:
        owners.setdefault(name, []).append(plugin)
    yield from ((name, " and ".join(plugins)) for name, plugins in owners.items() if len(plugins) > 1)


def shadowed(plugins: Sequence[Plugin]) -> Iterator[Finding]:
    """Give each config file that is never read, because a folder that comes first has one of that name."""
    from lamcore.plugins import shipped_conf

    own = Path("conf").absolute()
    folders = [(YOURS, own)] if own.is_dir() and own != shipped_conf() else []
    folders += [("lamcore", shipped_conf())]
    folders += [(plugin.identity, folder) for plugin in plugins if (folder := conf_of(plugin))]
    first: dict[str, str] = {}
    for whose, folder in folders:
        for name in sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.yaml")):
            before = first.setdefault(name, whose)
            if before != whose:
                problem = f"conf/{name} is not read, as {before} has one of that name"
                yield Finding(whose, "config", problem, note=before == YOURS)


def conf_of(plugin: Plugin) -> Path | None:
    """Return a plugin's config folder, found without importing it."""
    import importlib.util

    top, *rest = plugin.value.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    folders = [Path(place, *rest, "conf") for place in (spec and spec.submodule_search_locations) or []]
    return next((folder for folder in folders if folder.is_dir()), None)


def unmet(distribution: str) -> Iterator[str]:
    """Give what a distribution requires and does not find: Python, and other distributions, in its ranges."""
    import importlib.metadata
    import platform

    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    facts = importlib.metadata.metadata(distribution)
    python = SpecifierSet(str(next(iter(facts.get_all("Requires-Python") or []), "")))
    if not python.contains(platform.python_version(), prereleases=True):
        yield f"it requires Python {python}, and this is {platform.python_version()}"
    for text in facts.get_all("Requires-Dist") or []:
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        there = next(iter(importlib.metadata.distributions(name=wanted.name)), None)
        if there is None:
            yield f"it requires {wanted}, which is not installed: pip install '{wanted}'"
        elif not wanted.specifier.contains(there.version, prereleases=True):
            yield f"it requires {wanted}, and {wanted.name} {there.version} is installed"


# ---- by importing each plugin in a process of its own


def probes(plugins: Sequence[Plugin]) -> list[tuple[Plugin, Probe]]:
    """Try each plugin once, several at a time."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(zip(plugins, pool.map(tried, plugins), strict=True))


def tried(plugin: Plugin) -> Probe:
    """Import a plugin; once more after torch or numpy where it imports them, else what it changed there is not seen."""
    from lamcore.testing.probe import probe

    found = probe(plugin.value)
    first = next((name for name in ("torch", "numpy") if name in found.imported), None)
    again = probe(plugin.value, first).changed if first else ()
    return replace(found, changed=tuple(sorted({*found.changed, *again})))


def by_import(probed: Sequence[tuple[Plugin, Probe]]) -> Iterator[Finding]:
    """Give what importing each plugin did, and names of components that two of them offer."""
    from lamcore.plugins import OFFERED

    for plugin, probe in probed:
        yield from (Finding(plugin.identity, what, problem) for what, problem in faults(probe))
    offers = [
        (kind, name, plugin) for plugin, probe in probed for kind, names in probe.provides.items() for name in names
    ]
    for what, plugins in several((f"{kind} {name!r}", plugin.identity) for kind, name, plugin in offers):
        advice = "write DISTRIBUTION:NAME in configs, or leave one out by --no-plugin DISTRIBUTION"
        yield Finding(plugins, "name", f"each offers the {what}: {advice}")
    folders = {plugin.identity: folder for plugin, _ in probed if (folder := conf_of(plugin))}
    for kind, name, owner in offers:
        for other, file in product(folders, (f"{kind}/{name}.yaml", f"{OFFERED[kind]}/{name}.yaml")):
            if other != owner.identity and (folders[other] / file).is_file():
                problem = f"conf/{file} has the name of a component of {owner.identity}: its conf/ is left out"
                yield Finding(other, "config", problem)


def faults(found: Probe) -> Iterator[tuple[str, str]]:
    """Give (what, problem) for all that is wrong with one plugin's import."""
    from lamcore.testing.probe import HEAVY

    heavy = [name for name in HEAVY if name in found.imported]
    events = sorted({f"{event} {what}" for event, what in found.events})
    if found.problem:
        yield "import", found.problem
    if found.refused:
        yield "interface", f"lamcore does not take it: {found.refused}"
    if heavy:
        yield "heavy", f"its import imports {', '.join(heavy)}: import them inside the method that needs them"
    if found.changed:
        yield "state", f"its import changes {', '.join(found.changed)}"
    if events:
        yield "files", f"its import reaches outside: {', '.join(events)}"
    if found.output and not found.problem:
        yield "output", f"its import writes to the screen: {found.output.strip().split(chr(10))[0]!r}"
