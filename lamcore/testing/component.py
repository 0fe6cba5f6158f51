"""What every component promises, of whatever kind: its settings, and that it leaves everything else alone."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import inspect
import io
import json
import sys
import types
import typing
import unittest
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from lamcore.errors import LamcoreError
from lamcore.kinds import KINDS
from lamcore.make import describe, make, plain
from lamcore.plugins import _problem
from lamcore.testing.contract import Contract, ensure
from lamcore.testing.state import CHANCE, changed, listening, seeded, state


class ComponentContract(Contract):
    """What a component of any kind promises."""

    kind: str
    """The kind's name, such as `source`."""

    def use(self) -> Any:
        """Let the component do its work once; return what came of it as plain values."""
        raise unittest.SkipTest(f"{self.kind}: the other promises try its work")

    def given(self) -> dict[str, Any]:
        """Return what another process needs for `use` besides the component, as plain values."""
        return {}

    def test_it_is_a_component_of_its_kind(self) -> None:
        """It is made of a dataclass that extends its kind, lacks no method and has no setting called `name`."""
        problem = _problem(self.kind, type(self.component))
        ensure(not problem, f"{type(self.component).__name__} {problem}")

    def test_it_says_what_it_is(self) -> None:
        """Its class has a docstring, whose first line `lam list` shows."""
        text = type(self.component).__doc__ or ""
        own = text.strip() and not text.startswith(f"{type(self.component).__name__}(")
        ensure(own, f"class {type(self.component).__name__} has no docstring")

    def test_every_setting_is_typed_defaulted_and_described(self) -> None:
        """Each setting has a type that a config can hold, a default (or MISSING), and a string under it."""
        cls: Any = type(self.component)
        hints, texts = typing.get_type_hints(cls), {setting.name: setting.help for setting in describe(cls)}
        for field in [field for field in dataclasses.fields(cls) if field.init]:
            ensure(_known(hints[field.name]), f"{field.name}: a config can't hold the type {hints[field.name]}")
            default = (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
            ensure(default, f"{field.name} has no default: give one, or MISSING where the user must set it")
            ensure(texts[field.name].strip(), f"{field.name} has no string under it that says what it is")

    def test_its_settings_become_plain_values_and_back(self) -> None:
        """Written as plain values (JSON) and made again it is equal, and a setting that it lacks is refused."""
        values, classes = described(self.component)
        again = make(type(self.component), json.loads(json.dumps(values)), find=lambda kind, name: classes[name])
        ensure(described(again)[0] == values, f"{values} became {described(again)[0]}")
        with contextlib.suppress(LamcoreError):
            make(type(self.component), {**values, "no_such_setting": 1}, find=lambda kind, name: classes[name])
            raise AssertionError("a setting called no_such_setting was not refused")

    def test_its_work_leaves_its_settings_alone(self) -> None:
        """Its settings are the same after its work as before it."""
        before = described(self.component)[0]
        self.use()
        after = described(self.component)[0]
        ensure(after == before, f"{before} became {after}")

    def test_its_work_leaves_the_process_alone(self) -> None:
        """Its work changes no folder, environment, signal, thread or default of the process, and prints nothing.

        Nor does it draw from, or seed, the random numbers that all code shares."""
        said, before = io.StringIO(), state()
        with contextlib.redirect_stdout(said):
            before["sys.stdout"] = said
            self.use()
            after = state()
        touched = [what for what in changed(before, after) if what not in CHANCE]
        ensure(not touched, f"it changed {', '.join(touched)}")
        ensure(not said.getvalue(), f"it printed {said.getvalue()[:60]!r}")
        with seeded(20260101):  # once more, as a library that the first time imported may have drawn some numbers
            before = state()
            self.use()
            touched = [what for what in changed(before, state()) if what in CHANCE]
        ensure(not touched, f"it drew from, or seeded, {', '.join(touched)}")

    def test_its_work_writes_nothing_where_you_work(self) -> None:
        """Its work writes no file in the working folder."""
        here = Path.cwd().resolve()
        with listening() as heard:
            self.use()
        files = [Path(what) for event, what in heard if event == "open" or event.startswith("os.")]
        at_hand = [file for file in files if file.is_absolute() or file.exists()]  # else a name in an open folder
        ours = [str(file) for file in at_hand if file.resolve().is_relative_to(here)]
        ensure(not ours, f"it wrote {', '.join(ours[:3])}")

    def test_another_process_gives_the_same(self) -> None:
        """The same settings give the same result in another process, where Python hashes text another way."""
        self.use()  # where there is nothing to try, it says so
        request = self._request()
        from lamcore.testing.again import digest, other

        try:
            answer = other.ask(request)
        except ChildProcessError as error:
            raise AssertionError(f"the other process failed: {error}") from None
        ensure(answer == digest(self.use()), "another process gave another result (a set's order, a clock?)")

    def _request(self) -> str:
        """Return what `lamcore.testing.again` reads; skip where that can't be written as plain values."""
        try:
            return json.dumps({"contract": self.kind, "given": self.given(), **_located(self.component)})
        except TypeError as error:
            raise unittest.SkipTest(f"its records can't be written for another process: {error}") from error


def _known(hint: Any) -> bool:
    """Say whether `make` can check a value of that type: text, numbers, choices, lists, tables, components."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return all(_known(one) for one in arguments)
    if origin is list:
        return _known(arguments[0])
    if origin is dict:
        return arguments[0] is str and _known(arguments[1])
    if hint in (int, float, str, bool, type(None)) or hint in KINDS.values():
        return True
    return inspect.isclass(hint) and (issubclass(hint, Enum) or dataclasses.is_dataclass(hint))


def described(component: Any) -> tuple[dict[str, Any], dict[str, type]]:
    """Return a component's settings as plain values, and {name: class} of the components among them."""
    classes: dict[str, type] = {}

    def name_of(inner: Any) -> str:
        classes[type(inner).__name__] = type(inner)
        return type(inner).__name__

    values = plain(component, name_of)
    values.pop("name", None)
    return values, classes


def _located(component: Any) -> dict[str, Any]:
    """Return where another process finds a component's classes, and its settings; skip where it can't."""
    values, classes = described(component)
    places = {}
    for name, cls in {**classes, "": type(component)}.items():
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        if "<locals>" in cls.__qualname__ or cls.__module__ == "__main__" or not file:
            raise unittest.SkipTest(f"{cls.__name__} stands in no module that another process could import")
        places[name] = [cls.__module__, file, cls.__qualname__]
    return {"values": values, "places": places}


def find_class(module: str, file: str, name: str) -> Any:
    """Return a class by its module's name, or by the file where no module of that name can be imported."""
    if module not in sys.modules:
        try:
            found = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            found = None
        found = found or importlib.util.spec_from_file_location(module, file)
        if found is None or found.loader is None:
            raise ImportError(f"{file} is no module")
        sys.modules[module] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules[module])
    thing: Any = sys.modules[module]
    for part in name.split("."):
        thing = getattr(thing, part)
    return thing


def difference(before: Any, after: Any) -> str:
    """Say the first difference between two lists of records, or "" where they are equal."""
    if not isinstance(after, list) or len(before) != len(after):
        return f"{len(before)} records became {len(after) if isinstance(after, list) else type(after).__name__}"
    for old, new in zip(before, after, strict=True):
        if old != new:
            return f"{_shown(old, new)} became {_shown(new, old)}"
    return ""


def _shown(one: Any, other: Any) -> str:
    """Show a record's columns that differ from another's."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return repr(one)[:200]
    return repr({k: v for k, v in one.items() if k == "id" or k not in other or other[k] != v})[:200]
