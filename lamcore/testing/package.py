"""What an installed package of plugins promises, and the check of it and of all that it provides."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import io
import platform
import re
import unittest
from collections.abc import Iterator
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

import lamcore
from lamcore import hookspecs
from lamcore.errors import LamcoreError
from lamcore.kinds import KINDS, PLURALS, Decoding
from lamcore.make import describe
from lamcore.plugins import GROUP, Component, Plugin, Registry, load_plugins
from lamcore.testing.contract import Contract, ensure
from lamcore.testing.probe import HEAVY, Probe, probe

UPPER = ("<", "<=", "==", "~=", "===")
"""Operators that keep the next version out."""


class PackageContract(Contract):
    """What an installed package of plugins promises."""

    distribution: str
    """The distribution's name, such as `lamcore-noise`."""

    def _metadata(self) -> importlib.metadata.PackageMetadata:
        return importlib.metadata.distribution(self.distribution).metadata

    def _field(self, name: str) -> str:
        text = next(iter(self._metadata().get_all(name) or []), "")
        return "" if text == "UNKNOWN" else str(text).strip()

    def _entries(self) -> list[importlib.metadata.EntryPoint]:
        return [e for e in importlib.metadata.distribution(self.distribution).entry_points if e.group == GROUP]

    def _probes(self) -> list[Probe]:
        return [_probe(entry.module) for entry in self._entries()]

    def _plugins(self) -> tuple[Registry, list[Plugin]]:
        registry = load_plugins()
        mine = [plugin for plugin in registry.plugins if plugin.distribution == canonicalize_name(self.distribution)]
        return registry, mine

    def test_it_is_installed_with_an_entry_point(self) -> None:
        """It is installed and has an entry point of the group `lamcore`, with a snake_case name."""
        names = [entry.name for entry in self._entries()]
        ensure(names, f"{self.distribution} has no entry point of the group {GROUP}")
        odd = [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)]
        ensure(not odd, f"the entry point {odd[:1]} is no snake_case name")

    def test_its_metadata_is_whole(self) -> None:
        """It has a version, a summary, and a `Requires-Python` that lets this Python in."""
        ensure(self._field("Summary"), "it has no summary (`description` in pyproject.toml)")
        try:
            Version(self._field("Version"))
            python = SpecifierSet(self._field("Requires-Python"))
        except (InvalidVersion, InvalidSpecifier) as error:
            raise AssertionError(str(error)) from error
        ensure(str(python), "it does not say which Python it needs (`requires-python`)")
        ensure(python.contains(platform.python_version(), prereleases=True), f"it needs Python {python}")

    def test_it_requires_a_range_of_lamcore(self) -> None:
        """It requires lamcore, in a range that this lamcore is in and that ends somewhere."""
        needs = [Requirement(text) for text in importlib.metadata.requires(self.distribution) or []]
        ranges = [need.specifier for need in needs if canonicalize_name(need.name) == "lamcore" and need.marker is None]
        ensure(ranges, "it does not require lamcore (`dependencies`)")
        inside = ranges[0].contains(lamcore.__version__, prereleases=True)
        ensure(inside, f"it requires lamcore{ranges[0]}, and this is {lamcore.__version__}")
        ends = any(one.operator in UPPER for one in ranges[0])
        ensure(ends, f"it requires lamcore{ranges[0]}: say below which version, such as <0.2")

    def test_it_has_a_licence(self) -> None:
        """Its metadata name a licence."""
        named = self._field("License-Expression") or self._field("License")
        classified = any(text.startswith("License ::") for text in self._metadata().get_all("Classifier") or [])
        ensure(named or classified, "it names no licence (`license`)")

    def test_it_has_a_readme(self) -> None:
        """It has a long description, which indexes and `pip show` take from its README."""
        text = self._field("Description") or str(getattr(self._metadata(), "get_payload", str)() or "").strip()
        ensure(text, "it has no README (`readme`)")

    def test_it_loads(self) -> None:
        """Each entry point loads, fits this plugin API, and offers something or watches runs; no name clashes."""
        registry, mine = self._plugins()
        ensure(mine, f"{self.distribution} is not among the plugins")
        for plugin in mine:
            ensure(plugin.state == "loaded", f"{plugin.identity} is {plugin.state}: {plugin.reason}")
            watches = any(name.startswith("on_") and hasattr(plugin.module, name) for name in vars(hookspecs))
            ensure(registry.provided(plugin) or watches, f"{plugin.identity} provides nothing")

    def test_it_imports_quickly(self) -> None:
        """Importing an entry point imports neither torch nor datasets nor any other heavy module.

        Import them inside the method that needs them."""
        for found in self._probes():
            ensure(not found.problem, f"{found.module}: {found.problem}")
            heavy = [name for name in HEAVY if name in found.imported]
            ensure(not heavy, f"{found.module} imports {', '.join(heavy)}")

    def test_its_import_changes_nothing(self) -> None:
        """Importing it changes no folder, environment, sys.path, signal, thread, random number or default."""
        for found in self._probes():
            ensure(not found.problem, f"{found.module}: {found.problem}")
            again = [_probe(found.module, name) for name in ("numpy", "torch") if name in found.imported]
            touched = {what for one in (found, *again) for what in one.changed}
            ensure(not touched, f"{found.module} changes {', '.join(sorted(touched))}")

    def test_its_import_prints_nothing(self) -> None:
        """Importing it writes nothing to standard output or standard error."""
        for found in self._probes():
            ensure(not found.output.strip(), f"{found.module} prints {found.output.strip()[:80]!r}")

    def test_its_import_touches_nothing_outside(self) -> None:
        """Importing it writes no file, opens no connection and starts no process."""
        for found in self._probes():
            shown = ", ".join(f"{event} {what}" for event, what in found.events[:3])
            ensure(not found.events, f"{found.module}: {shown}")

    def test_its_configs_are_sound(self) -> None:
        """Each config that it ships is YAML of known settings that names no Python; each experiment composes.

        An experiment may leave settings for the user to set."""
        registry, mine = self._plugins()
        files = [(plugin.conf, file) for plugin in mine if plugin.conf for file in sorted(plugin.conf.rglob("*.yaml"))]
        if not files:
            raise unittest.SkipTest("it ships no configs")
        for root, file in files:
            place = file.relative_to(root).with_suffix("").as_posix()
            try:
                problem = _config_problem(registry, place, yaml.safe_load(file.read_text(encoding="utf-8")))
            except (yaml.YAMLError, UnicodeError, LamcoreError) as error:
                problem = str(error)
            ensure(not problem, f"conf/{place}.yaml: {problem}")

    def test_its_verbs_say_what_they_do(self) -> None:
        """Each verb that it adds to `lam` has a help text, and so has each of its options."""
        verbs = [offer for offer in offers(self.distribution) if offer.kind == "command"]
        if not verbs:
            raise unittest.SkipTest("it adds no verb")
        for verb in verbs:
            ensure(verb.cls.help or verb.cls.short_help, f"lam {verb.name} has no help text")
            silent = [p.name for p in verb.cls.params if p.param_type_name == "option" and not getattr(p, "help", "")]
            ensure(not silent, f"lam {verb.name}: the option {silent[:1]} has no help text")


@functools.cache
def _probe(module: str, first: str = "") -> Probe:
    return probe(module, first)


def offers(distribution: str) -> list[Component]:
    """Return what an installed distribution offers."""
    return [offer for offer in load_plugins().offers if offer.distribution == canonicalize_name(distribution)]


def _config_problem(registry: Registry, place: str, values: Any) -> str:
    """Say what is wrong with a config at `group/name`, or ""."""
    if not isinstance(values, dict):
        return "it is no table of keys and values"
    if code := [key for key in _keys(values) if key in ("_target_", "()")]:
        return f"{code[0]} names Python: a config names components"
    group, _, rest = place.partition("/")
    if group == "experiment":
        return _experiment_problem(registry, rest)
    kind = next((kind for kind, plural in PLURALS.items() if group in (kind, plural)), group)
    if kind not in (*KINDS, "decoding"):
        return ""
    if group == PLURALS.get(kind):  # several in order, each under its label
        parts = {label: part for label, part in values.items() if label != "defaults"}
        if bare := [label for label, part in parts.items() if not isinstance(part, dict)]:
            return f"{bare[0]} is no table of settings: in {group}/ each {kind} stands under a label of its own"
        problems = (_component_problem(registry, kind, {"name": label, **part}) for label, part in parts.items())
        return next(filter(None, problems), "")
    return _component_problem(registry, kind, values)


def _component_problem(registry: Registry, kind: str, values: dict[str, Any]) -> str:
    """Say what is wrong with the settings of one component, or ""."""
    base = [word for word in values.get("defaults", []) if isinstance(word, str) and word != "_self_"]
    name = values.get("name") or next(iter(base), "")
    known = [setting.name for setting in describe(Decoding if kind == "decoding" else registry.find(kind, name))]
    strange = [key for key in values if key not in ("defaults", "name", *known)]
    return f"{strange[0]} is no setting of {name or kind}: there are {', '.join(known)}" if strange else ""


def _experiment_problem(registry: Registry, name: str) -> str:
    from lamcore.config import composed

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            composed(registry, [f"experiment={name}"])
    except LamcoreError as error:
        return "" if " must be set" in str(error) else str(error)
    return ""


def _keys(node: Any) -> Iterator[Any]:
    """Yield every key of nested tables and lists."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield key
        yield from _keys(value)
