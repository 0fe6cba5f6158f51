"""Find plugins, guard their loading, hold components by kind and name, say who provides what."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import importlib.util
import inspect
import itertools
import json
import logging
import os
import re
import reprlib
import signal
import sys
import threading
import time
import typing
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy

from lamcore import hookspecs
from lamcore.errors import ENDING, LamcoreError, safe, unknown
from lamcore.kinds import KINDS, PLURALS
from lamcore.make import defaults

GROUP = "lamcore"
LAMFILE = "lamfile.py"
OFFERED = {**PLURALS, "command": "commands", "evaluation": "evaluations", "constraint": "constraints"}
PLAIN = (str, int, float, dict, Path, type(None))
"""What a trace of hooks shows the value of; of anything else it shows the type."""
VERBS = ("train", "resume", "evaluate", "predict", "plugins")
"""The core's own verbs, which no plugin may offer."""
log = logging.getLogger("lamcore")
trace = logging.getLogger("lamcore.hooks")
"""Tells of every hook call at level DEBUG: `--trace-hooks`."""


@dataclass
class Plugin:
    """One entry point: `identity` is `distribution:name`; `state` is loaded, blocked, clash or broken."""

    distribution: str
    name: str
    version: str
    state: str = "loaded"
    reason: str = ""
    module: Any = field(default=None, repr=False)
    conf: Path | None = None
    """Its config folder, where it has one."""
    value: str = ""
    """What its entry point names: `module` or `module:attribute`."""

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

    @property
    def evaluations(self) -> dict[str, Any]:
        """{name: click command} whose options `lam evaluate` takes."""
        return {self._label(offer): offer.cls for offer in self.offers if offer.kind == "evaluation"}

    @property
    def constraints(self) -> dict[str, Any]:
        """{name: function} that `decoding.constrain` may name."""
        return {self._label(offer): offer.cls for offer in self.offers if offer.kind == "constraint"}

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
        return [shipped_conf(), *(plugin.conf for plugin in self.plugins if plugin.conf)]

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call an `on_` hook of every plugin; one that fails is logged and leaves the others and the run alone."""
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            try:
                wanted = {name: arguments[name] for name in implementation.argnames}
                _call(hook, implementation.plugin_name, implementation.function, wanted)
            except LamcoreError:
                raise
            except (Exception, SystemExit) as error:
                log.warning("%s of plugin %s failed: %s", hook, implementation.plugin_name, safe(_reason(error)))

    def add(self, plugin: Plugin, module: Any) -> None:
        """Register a loaded module and collect what it offers; a fault takes back all that it offered."""
        if (api := getattr(module, "lamcore_api", hookspecs.API)) != hookspecs.API:
            fit = f"install a {plugin.distribution} or a lamcore that fits the other"
            made = f"it is made for version {api!r} of the plugin API"
            raise LamcoreError(f"{made}, this lamcore has {hookspecs.API}: {fit}")
        if self._manager.is_registered(module) or self._manager.has_plugin(plugin.identity):
            raise ValueError("its module or its name is another plugin's already")
        try:
            with warnings.catch_warnings(record=True, action="always") as deprecated:
                self._manager.register(module, name=plugin.identity)
            self._manager.check_pending()
            conf = _conf_of(module)
            offers = list(self._collect(plugin, conf))
        except BaseException:
            self._manager.unregister(name=plugin.identity)
            raise
        for warning in deprecated:
            log.warning("plugin %s: %s", safe(plugin.identity), warning.message)
        plugin.module, plugin.conf = module, conf
        self.offers += offers

    def _collect(self, plugin: Plugin, conf: Path | None) -> Iterator[Component]:
        callers = self._manager.get_hookcallers(self._manager.get_plugin(plugin.identity)) or []
        hooks = {c.name: h.function for c in callers for h in c.get_hookimpls() if h.plugin_name == plugin.identity}
        if not hooks and conf is None:
            raise ValueError("it has no hook (is @hookimpl missing?) and no conf folder")
        for name, function in hooks.items():
            if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
                raise TypeError(f"{name} must be a plain function: no yield, no async, no wrapper")
        for kind, plural in OFFERED.items():
            offered: dict[str, Any] = {}
            if hook := hooks.get(name := f"register_{plural}"):
                given = _call(name, plugin.identity, hook, {"register": _register(kind, offered)})
                if given is not None:
                    raise TypeError(f"{name} returned {given!r}: it must call register(name, thing) instead")
            for name in offered:
                if any(offer.distribution == plugin.distribution for offer in self._named(kind, name)):
                    raise ValueError(f"{name!r} is registered twice by {plugin.distribution}")
            yield from (Component(kind, name, thing, plugin) for name, thing in offered.items())

    def provided(self, plugin: Plugin) -> dict[str, list[str]]:
        """Return {kind: names} that a plugin offers."""
        mine = [offer for offer in self.offers if offer.plugin is plugin]
        return {kind: names for kind in OFFERED if (names := sorted(o.name for o in mine if o.kind == kind))}

    def mark_clashes(self) -> None:
        """Set the state of plugins that offer what another offers; leave out config folders that hide a component."""
        for offer in self.offers:
            if others := [other for other in self._named(offer.kind, offer.name) if other is not offer]:
                offer.plugin.state = "clash"
                offer.plugin.reason = f"{offer.kind} {offer.name!r} is offered by {others[0].distribution} too"
            files = [f"{offer.kind}/{offer.name}.yaml", f"{OFFERED[offer.kind]}/{offer.name}.yaml"]
            for plugin, file in itertools.product(self.plugins, files):
                if plugin.conf and plugin is not offer.plugin and (plugin.conf / file).is_file():
                    plugin.state, plugin.conf = "clash", None  # Hydra would take the file for the component
                    plugin.reason = f"conf/{file} has the name of a component of {offer.distribution}: conf is left out"


def _call(hook: str, plugin: str, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a plugin's hook, and tell of it where hooks are traced."""
    start = time.perf_counter()
    try:
        return function(*arguments.values())
    finally:
        if trace.isEnabledFor(logging.DEBUG):
            brief = {n: reprlib.repr(v) if isinstance(v, PLAIN) else type(v).__name__ for n, v in arguments.items()}
            shown, seconds = ", ".join(f"{n}={v}" for n, v in brief.items()), time.perf_counter() - start
            trace.debug("%s", safe(f"{hook}({shown}) of plugin {plugin}: {seconds:.4f} s"))


def shipped_conf() -> Path:
    """Return lamcore's own config folder: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    return next(folder for folder in (package / "conf", package.parent / "conf") if (folder / "lam.yaml").is_file())


def _conf_of(module: Any) -> Path | None:
    """Return the folder `conf` of a package."""
    file = Path(getattr(module, "__file__", None) or "")
    return file.parent / "conf" if file.name == "__init__.py" and (file.parent / "conf").is_dir() else None


def _register(kind: str, offered: dict[str, Any]) -> hookspecs.Register:
    def register(name: str, thing: Any) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name.replace("-", "_") if kind == "command" else name):
            raise ValueError(f"{name!r} is no snake_case name")
        if problem := _problem(kind, thing):
            raise TypeError(f"{name!r} {problem}")
        if kind == "command" and name in VERBS:
            raise ValueError(f"{name!r} is a verb of lamcore's own")
        if name in offered:
            raise ValueError(f"{name!r} is registered twice")
        offered[name] = thing

    return register


def _problem(kind: str, thing: Any) -> str:
    """Say what keeps a thing from being one of that kind."""
    if kind in ("command", "evaluation"):
        import click

        return "" if isinstance(thing, click.Command) else "is no click command"
    if kind == "constraint":
        return "" if callable(thing) else "is no function"
    if not (inspect.isclass(thing) and issubclass(thing, KINDS[kind])):
        return f"is no {KINDS[kind].__name__}"
    if not dataclasses.is_dataclass(thing):
        return f"is no dataclass: put @dataclass above class {thing.__name__}"
    if inspect.isabstract(thing):
        return f"lacks {', '.join(sorted(thing.__abstractmethods__))}"
    if not isinstance(thing.__doc__, str):
        return "has a docstring that is no text"
    typing.get_type_hints(thing)  # a NameError says which type there is not
    for setting, default in defaults(thing).items():
        if setting == "name":
            return "has a setting called 'name', which configs use for the component itself"
        try:
            if "${" in json.dumps(default):
                return f"has a default of {setting!r} with '${{' in it, which a config reads as a reference"
        except (TypeError, ValueError):
            return f"has a default of {setting!r} that no config can hold: {default!r}"
    return ""


def load_plugins(block: Iterable[str] = (), lamfile: Path | None = None, alone: str | None = None) -> Registry:
    """Load every installed plugin, each in its own guard, sorted by identity.

    `block` names plugins (`name` or `distribution`) that are not imported; the variable LAMCORE_PLUGINS, where it is
    set, lists the only ones that are. `lamfile` is a file that acts as one more plugin. `alone` names a distribution:
    the plugins of others are found and not imported."""
    registry, blocked = Registry(), set(block)
    only = os.environ.get("LAMCORE_PLUGINS")
    with _interrupts() as sent:
        for plugin, load in sorted(_entries(), key=lambda pair: pair[0].identity):
            registry.plugins.append(plugin)
            names = {plugin.name, plugin.distribution, plugin.identity}
            if names & blocked:
                plugin.state, plugin.reason = "blocked", "named by --no-plugin"
            elif only is not None and not names & {name.strip() for name in only.split(",")}:
                plugin.state, plugin.reason = "blocked", "not listed in LAMCORE_PLUGINS"
            elif alone in (None, plugin.distribution) or not plugin.value:
                _guarded(registry, plugin, load, sent)
        if lamfile is not None:
            registry.plugins.append(Plugin(lamfile.name, lamfile.stem, ""))
            _guarded(registry, registry.plugins[-1], lambda: _import_file(lamfile), sent)
    registry.mark_clashes()
    for plugin in registry.plugins:
        if plugin.state in ("broken", "clash"):
            log.warning("plugin %s", safe(f"{plugin.identity} is {plugin.state}: {plugin.reason}"))
    return registry


def _entries() -> Iterator[tuple[Plugin, Callable[[], Any]]]:
    """Yield each entry point of our group and what loads it; of metadata that can't be read, what says so."""
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        name, text = Path(str(getattr(distribution, "_path", "?"))).name, f"[{GROUP}]"
        try:
            with contextlib.suppress(OSError, UnicodeError):
                text = distribution.read_text("entry_points.txt") or ""
            if f"[{GROUP}]" not in text:
                continue
            facts = distribution.metadata
            name = re.sub(r"[-_.]+", "-", facts["Name"]).lower()
            entries = [entry for entry in distribution.entry_points if entry.group == GROUP and name not in seen]
            seen.add(name)
            version = str(facts["Version"] or "?")
            found = [Plugin(name, entry.name, version, value=entry.value) for entry in entries]
            yield from zip(found, (functools.partial(_import, entry) for entry in entries), strict=True)
        except Exception as error:
            yield Plugin(name, "?", ""), functools.partial(_refuse, f"its metadata can't be read: {_reason(error)}")


def _import(entry: importlib.metadata.EntryPoint) -> Any:
    if not entry.pattern.match(entry.value):
        raise LamcoreError(f"its entry point {entry.value!r} names no module")
    return entry.load()


def _refuse(reason: str) -> None:
    raise LamcoreError(reason)


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Give a list that every such signal is noted in: a KeyboardInterrupt without one is a plugin's own."""
    sent: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    handlers: dict[int, Any] = {one: old for one in ENDING if main and (old := signal.getsignal(one)) is not None}

    def note(number: int, frame: Any) -> None:
        sent.append(number)
        handlers[number](number, frame)

    for number, handler in handlers.items():
        signal.signal(number, note if callable(handler) else handler)
    try:
        yield sent
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _guarded(registry: Registry, plugin: Plugin, load: Callable[[], Any], sent: list[int]) -> None:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            registry.add(plugin, load())
    except BaseException as error:
        plugin.state, plugin.reason = "broken", _reason(error)
    if sent:
        raise KeyboardInterrupt


def _reason(error: BaseException) -> str:
    """Say an error in one line, also one whose own text fails."""
    try:
        text = " ".join(str(error).split())
    except BaseException:
        text = "it can't be said"
    return text if isinstance(error, LamcoreError) else f"{type(error).__name__}: {text}"


def _import_file(path: Path) -> Any:
    name = "lamfile" if path.stem == "lamfile" else f"lamfile_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise LamcoreError(f"{path} is no Python file.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
