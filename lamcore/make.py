"""Plain values -> typed component, or an error with the key; standard library only, used for configs and model folders.

Nothing but the registry decides which class a name means."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import math
import textwrap
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from lamcore.errors import LamcoreError, unknown
from lamcore.kinds import KINDS, MISSING

T = TypeVar("T")
Find = Callable[[str, str], type]
"""find(kind, name) -> class."""
WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
MANY = {int: "whole numbers", float: "numbers", str: "texts"}
KIND_OF: dict[Any, str] = {contract: kind for kind, contract in KINDS.items()}
hints_of = functools.cache(typing.get_type_hints)
"""Cached, since annotations are code that is compiled: a model folder that is loaded compiles nothing."""


@dataclass(frozen=True)
class Setting:
    """One field of a component, as `lam list KIND NAME` shows it."""

    name: str
    type: str
    default: Any
    help: str
    required: bool


def make(cls: type[T], values: Mapping[str, Any], where: str = "", find: Find | None = None) -> T:
    """Return `cls` made of plain values; `where` is the key that they stand under.

    Raises LamcoreError that names the key for an unknown setting, a wrong type, a missing or refused value."""
    of = typing.cast(type, cls)
    hints, settings = hints_of(of), describe(of)
    for key in values:
        if key not in (known := [setting.name for setting in settings]):
            raise unknown("setting", str(key), known, where=where)
    set_ = {key: value for key, value in values.items() if value != MISSING}
    given = {key: _convert(hints[key], value, _join(where, key), find) for key, value in set_.items()}
    for setting in settings:
        if setting.required and setting.name not in given:
            raise LamcoreError(f"{_join(where, setting.name)} must be set: {setting.help or setting.type}")
    try:
        return cls(**given)
    except (ValueError, TypeError) as error:
        raise LamcoreError(f"{where or cls.__name__}: {error}") from error


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _convert(hint: Any, value: Any, where: str, find: Find | None) -> Any:
    """Return the value as its annotation asks, or raise the error that says where and what would be right."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(arguments, value, where, find)
    if origin is list and isinstance(value, (list, tuple)):
        return [_convert(arguments[0], item, f"{where}[{i}]", find) for i, item in enumerate(value)]
    if origin is dict and isinstance(value, Mapping):  # a component that names nothing is called as its label
        named = {k: {"name": k, **v} for k, v in value.items() if arguments[1] in KIND_OF and isinstance(v, Mapping)}
        items = {**value, **named}.items()
        return {key: _convert(arguments[1], item, _join(where, str(key)), find) for key, item in items}
    if inspect.isclass(hint) and issubclass(hint, Enum):
        return _convert_enum(hint, value, where)
    if hint in KIND_OF and isinstance(value, Mapping):
        if find is None or not isinstance(value.get("name"), str):
            raise LamcoreError(f"{where} must name a {KIND_OF[hint]}: {where}.name=NAME.")
        settings = {key: item for key, item in value.items() if key != "name"}
        return make(find(KIND_OF[hint], value["name"]), settings, where, find)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return make(typing.cast(type, hint), value, where, find)
    if hint is float and type(value) is int:
        return float(value)
    if hint is float and type(value) is float and not math.isfinite(value):
        raise LamcoreError(f"{where} must be a finite number, not {value}.")
    if hint is Any or type(value) is hint:
        return value
    quoting = f" (quote it: \"'{value}'\")" if hint is str and isinstance(value, (int, float, bool)) else ""
    raise LamcoreError(f"{where} must be {_word(hint)}, not {value!r}{quoting}.")


def _convert_union(options: tuple[Any, ...], value: Any, where: str, find: Find | None) -> Any:
    if value is None and type(None) in options:
        return None
    problems = []
    for option in options:
        try:
            return _convert(option, value, where, find)
        except LamcoreError as error:
            problems.append(error)
    if len(set(options) - {type(None)}) == 1:
        raise problems[0]
    raise LamcoreError(f"{where} must be {' or '.join(_word(option) for option in options)}, not {value!r}.")


def _convert_enum(hint: type[Enum], value: Any, where: str) -> Enum:
    for member in hint:
        if value in (member, member.value, member.name):
            return member
    error = unknown("choice", str(value), [str(member.value) for member in hint], has="Choices")
    raise LamcoreError(f"{where}: {error}")


def _word(hint: Any) -> str:
    """Say an annotation in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if option is type(None) else _word(option) for option in arguments)
    if origin in (list, dict):
        item = arguments[-1]
        many = f"{KIND_OF[item]}s" if item in KIND_OF else MANY.get(item) or _word(item)
        return f"a {'list' if origin is list else 'table'} of {many}"
    if inspect.isclass(hint) and issubclass(hint, Enum):
        return ", ".join(str(member.value) for member in hint)
    if hint in KIND_OF:
        return f"{'an' if KIND_OF[hint][0] == 'a' else 'a'} {KIND_OF[hint]}"
    return WORDS.get(hint, "settings" if dataclasses.is_dataclass(hint) else getattr(hint, "__name__", str(hint)))


@functools.cache
def describe(cls: type) -> list[Setting]:
    """Return the settings of a component, in order, with the string that stands under each field."""
    hints, texts = hints_of(cls), _field_texts(cls)
    return [Setting(n, _word(hints[n]), v, texts.get(n, ""), v == MISSING) for n, v in defaults(cls).items()]


def defaults(cls: Any) -> dict[str, Any]:
    """Return {setting: default}, plain; a required one holds MISSING. Reads no source."""
    made = {f.name: f.default if f.default_factory is NO_DEFAULT else f.default_factory() for f in _fields(cls)}
    return {name: MISSING if default is NO_DEFAULT else plain(default) for name, default in made.items()}


def _fields(cls: Any) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(cls) if f.init]


def _field_texts(cls: type) -> dict[str, str]:
    """Return {field: the string under it}, inherited ones included."""
    texts: dict[str, str] = {}
    for base in reversed([base for base in cls.__mro__ if dataclasses.is_dataclass(base)]):
        try:
            body = typing.cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]).body
        except (OSError, TypeError, SyntaxError):
            continue  # a class made on the spot, or shipped without its source, has no help
        for field, below in itertools.pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                texts[ast.unparse(field.target)] = " ".join(str(below.value.value).split())
    return texts


def plain(value: Any, name_of: Callable[[Any], str] | None = None) -> Any:
    """Turn a made component back into plain values (the inverse of `make`); `name_of` names nested components."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        body = {f.name: plain(getattr(value, f.name), name_of) for f in _fields(value)}
        return {"name": name_of(value), **body} if name_of and isinstance(value, tuple(KIND_OF)) else body
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: plain(item, name_of) for key, item in value.items()}
    return [plain(item, name_of) for item in value] if isinstance(value, (list, tuple)) else value
