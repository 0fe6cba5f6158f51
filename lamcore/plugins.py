"""Find plugins, guard their loading, hold components by kind and name, say who provides what."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import inspect
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy

from lamcore import hookspecs
from lamcore.errors import LamcoreError, unknown
from lamcore.kinds import KINDS, PLURALS

GROUP = "lamcore"
LAMFILE = "lamfile.py"
OFFERED = {**PLURALS, "command": "commands"}
log = logging.getLogger("lamcore")


@dataclass
class Plugin:
    """One entry point: `identity` is `distribution:name`; `state` is loaded, blocked, clash or broken."""

    distribution: str
    name: str
    version: str
    state: str = "loaded"
    reason: str = ""
    module: Any = field(default=None, repr=False)

    @property
    def identity(self) -> str:
        return f"{self.distribution}:{self.name}"


@dataclass(frozen=True)
class Component:
    """A class (or a click command) offered under a kind and a name, and the plugin that offers it."""

    kind: str
    name: str
    cls: Any
    plugin: Plugin

    @property
    def distribution(self) -> str:
        return self.plugin.distribution

    @property
    def summary(self) -> str:
        """The first line of the class's docstring."""
        return (self.cls.__doc__ or "").strip().split("\n")[0]


class Registry:
    """The plugins there are and what they offer; made by `load_plugins`."""

    def __init__(self) -> None:
        self.plugins: list[Plugin] = []
        self.offers: list[Component] = []
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)

    @property
    def components(self) -> dict[str, dict[str, Component]]:
        """{kind: {name: component}}, sorted; a name that two plugins offer stands for the first of them."""
        table: dict[str, dict[str, Component]] = {kind: {} for kind in OFFERED}
        for offer in sorted(self.offers, key=lambda offer: (offer.name, offer.plugin.identity)):
            table[offer.kind].setdefault(offer.name, offer)
        return {kind: table[kind] for kind in KINDS}

    @property
    def commands(self) -> dict[str, Any]:
        """{verb: click command} of the plugins; one that two plugins offer stands under `distribution:verb`."""
        return {self._label(offer): offer.cls for offer in self.offers if offer.kind == "command"}

    def find(self, kind: str, name: str) -> type:
        """Return the class of that kind and name; `distribution:name` chooses between two of one name."""
        return self.component(kind, name).cls

    def component(self, kind: str, name: str) -> Component:
        """Return the component of that kind and name, or raise the error that lists those there are."""
        distribution, _, short = name.rpartition(":")
        found = [offer for offer in self._named(kind, short) if distribution in ("", offer.distribution)]
        if len(found) == 1:
            return found[0]
        if found:
            both = " and ".join(f"{o.distribution}:{o.name}" for o in found)
            raise LamcoreError(f"Two plugins offer {kind} {short!r}. Write one of {both}, or block one plugin.")
        lost = [f"{p.identity} is {p.state}: {p.reason}" for p in self.plugins if p.state in ("broken", "blocked")]
        problem = unknown(kind, name, self.components[kind], has="Installed")
        raise LamcoreError(f"{problem} (Plugin {'; '.join(lost)})" if lost else str(problem))

    def name_of(self, component: Any) -> str:
        """Return the name that `find` finds a component's class by."""
        return self._label(next(offer for offer in self.offers if offer.cls is type(component)))

    def _named(self, kind: str, name: str) -> list[Component]:
        return [offer for offer in self.offers if (offer.kind, offer.name) == (kind, name)]

    def _label(self, mine: Component) -> str:
        return mine.name if len(self._named(mine.kind, mine.name)) == 1 else f"{mine.distribution}:{mine.name}"

    def conf_folders(self) -> list[Path]:
        """Return the config folders: lamcore's own, then each plugin's."""
        files = [Path(getattr(plugin.module, "__file__", None) or "") for plugin in self.plugins]
        folders = [file.parent / "conf" for file in files if file.name == "__init__.py"]
        return [shipped_conf(), *(folder for folder in folders if folder.is_dir())]

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call an `on_` hook of every plugin; one that fails is logged and leaves the others and the run alone."""
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except LamcoreError:
                raise
            except Exception as error:
                log.warning("%s of plugin %s failed: %r", hook, implementation.plugin_name, error)

    def add(self, plugin: Plugin, module: Any) -> None:
        """Register a loaded module and collect what it offers; a fault takes back all that it offered."""
        self._manager.register(module, name=plugin.identity)
        try:
            self._manager.check_pending()
            offers = list(self._collect(plugin))
        except BaseException:
            self._manager.unregister(module)
            raise
        plugin.module = module
        self.offers += offers

    def _collect(self, plugin: Plugin) -> Iterator[Component]:
        for kind, plural in OFFERED.items():
            offered: dict[str, type] = {}
            for implementation in getattr(self._manager.hook, f"register_{plural}").get_hookimpls():
                if implementation.plugin_name == plugin.identity:
                    implementation.function(_register(kind, offered))
            yield from (Component(kind, name, cls, plugin) for name, cls in offered.items())

    def provided(self, plugin: Plugin) -> dict[str, list[str]]:
        """Return {kind: names} that a plugin offers."""
        mine = [offer for offer in self.offers if offer.plugin is plugin]
        return {kind: names for kind in OFFERED if (names := sorted(o.name for o in mine if o.kind == kind))}

    def mark_clashes(self) -> None:
        """Set the state of plugins that offer a name which another offers too."""
        for offer in self.offers:
            if others := [other for other in self._named(offer.kind, offer.name) if other is not offer]:
                offer.plugin.state = "clash"
                offer.plugin.reason = f"{offer.kind} {offer.name!r} is offered by {others[0].distribution} too"


def shipped_conf() -> Path:
    """Return lamcore's own config folder: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    return next(folder for folder in (package / "conf", package.parent / "conf") if (folder / "lam.yaml").is_file())


def _register(kind: str, offered: dict[str, type]) -> hookspecs.Register:
    def register(name: str, thing: Any) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f"{name!r} is no snake_case name")
        if problem := _problem(kind, thing):
            raise TypeError(f"{name!r} {problem}")
        if name in offered:
            raise ValueError(f"{name!r} is registered twice")
        offered[name] = thing

    return register


def _problem(kind: str, thing: Any) -> str:
    """Say what keeps a thing from being one of that kind."""
    if kind == "command":
        import click

        return "" if isinstance(thing, click.Command) else "is no click command"
    if not (inspect.isclass(thing) and issubclass(thing, KINDS[kind])):
        return f"is no {KINDS[kind].__name__}"
    if not dataclasses.is_dataclass(thing):
        return f"is no dataclass: put @dataclass above class {thing.__name__}"
    if inspect.isabstract(thing):
        return f"lacks {', '.join(sorted(thing.__abstractmethods__))}"
    taken = "name" in [setting.name for setting in dataclasses.fields(thing)]
    return "has a setting called 'name', which configs use for the component itself" if taken else ""


def load_plugins(block: Iterable[str] = (), lamfile: Path | None = None) -> Registry:
    """Load every installed plugin, each in its own guard, sorted by identity.

    `block` names plugins (`name` or `distribution`) that are not imported; the variable LAMCORE_PLUGINS, where it is
    set, lists the only ones that are. `lamfile` is a file that acts as one more plugin."""
    registry, blocked = Registry(), set(block)
    only = os.environ.get("LAMCORE_PLUGINS")
    for plugin, entry in sorted(_entries(registry), key=lambda pair: pair[0].identity):
        registry.plugins.append(plugin)
        names = {plugin.name, plugin.distribution, plugin.identity}
        if names & blocked:
            plugin.state, plugin.reason = "blocked", "named by --no-plugin"
        elif only is not None and not names & {name.strip() for name in only.split(",")}:
            plugin.state, plugin.reason = "blocked", "not listed in LAMCORE_PLUGINS"
        else:
            _guarded(registry, plugin, entry.load)
    if lamfile is not None:
        registry.plugins.append(Plugin(lamfile.name, lamfile.stem, ""))
        _guarded(registry, registry.plugins[-1], lambda: _import_file(lamfile))
    registry.mark_clashes()
    return registry


def _entries(registry: Registry) -> Iterator[tuple[Plugin, Any]]:
    """Yield each entry point of our group; a distribution whose metadata can't be read becomes a broken plugin."""
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        name, text = "?", f"[{GROUP}]"
        try:
            with contextlib.suppress(OSError, UnicodeError):
                text = distribution.read_text("entry_points.txt") or ""
            if f"[{GROUP}]" not in text:
                continue
            name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
            entries = [entry for entry in distribution.entry_points if entry.group == GROUP and name not in seen]
            seen.add(name)
            yield from [(Plugin(name, entry.name, distribution.version), entry) for entry in entries]
        except Exception as error:
            registry.plugins.append(Plugin(name, "?", "", "broken", f"its metadata can't be read: {error!r}"))


def _guarded(registry: Registry, plugin: Plugin, load: Any) -> None:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            registry.add(plugin, load())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        plugin.state, plugin.reason = "broken", f"{type(error).__name__}: {error}".replace("\n", " ")


def _import_file(path: Path) -> Any:
    name = "lamfile" if path.stem == "lamfile" else f"lamfile_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise LamcoreError(f"{path} is no Python file.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
