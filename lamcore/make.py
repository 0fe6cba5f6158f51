"""Plain values -> typed component, or an error with the key; standard library only.

Used for configs and model folders alike: nothing but the registry decides which class a name means.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
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
KIND_OF = {contract: kind for kind, contract in KINDS.items()}


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

    Raises LamcoreError that names the key for an unknown setting, a wrong type, a missing or refused value.
    """
    hints, known = typing.get_type_hints(cls), [f.name for f in _fields(cls)]
    for key in values:
        if key not in known:
            raise unknown("setting", str(key), known, where=where)
    set_ = {key: value for key, value in values.items() if value != MISSING}
    given = {key: _convert(hints[key], value, _join(where, key), find) for key, value in set_.items()}
    for setting in describe(cls):
        if setting.required and setting.name not in given:
            raise LamcoreError(f"{_join(where, setting.name)} must be set: {setting.help or setting.type}")
    try:
        return cls(**given)
    except (ValueError, TypeError) as error:
        raise LamcoreError(f"{where or cls.__name__}: {error}") from error


def _fields(cls: type) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(cls) if f.init]  # type: ignore[arg-type]


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _convert(hint: Any, value: Any, where: str, find: Find | None) -> Any:
    """Return the value as its annotation asks, or raise the error that says where and what would be right."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(arguments, value, where, find)
    if origin is list and isinstance(value, (list, tuple)):
        return [_convert(arguments[0], item, f"{where}[{i}]", find) for i, item in enumerate(value)]
    if origin is dict and isinstance(value, Mapping):
        return {key: _convert_entry(arguments[1], key, item, _join(where, str(key)), find) for key, item in value.items()}
    if inspect.isclass(hint) and issubclass(hint, Enum):
        return _convert_enum(hint, value, where)
    if hint in KIND_OF and isinstance(value, Mapping):
        return _make_component(KIND_OF[hint], value, where, find)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return make(typing.cast(type, hint), value, where, find)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Any or (inspect.isclass(hint) and type(value) is hint):
        return value
    raise LamcoreError(f"{where} must be {_word(hint)}, not {value!r}{_quoting(hint, value)}.")


def _quoting(hint: Any, value: Any) -> str:
    return f" (quote it: \"'{value}'\")" if hint is str and isinstance(value, (int, float, bool)) else ""


def _convert_entry(hint: Any, key: str, value: Any, where: str, find: Find | None) -> Any:
    """Convert an entry of a dict; a component that names nothing is called as its label."""
    if hint in KIND_OF and isinstance(value, Mapping):
        value = {"name": key, **value}
    return _convert(hint, value, where, find)


def _convert_union(options: tuple[Any, ...], value: Any, where: str, find: Find | None) -> Any:
    if value is None and type(None) in options:
        return None
    problems = []
    for option in options:
        try:
            return None if option is type(None) and value is None else _convert(option, value, where, find)
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


def _make_component(kind: str, value: Mapping[str, Any], where: str, find: Find | None) -> Any:
    name = value.get("name")
    if find is None or not isinstance(name, str):
        raise LamcoreError(f"{where} must name a {kind}: {where}.name=NAME.")
    return make(find(kind, name), {key: item for key, item in value.items() if key != "name"}, where, find)


def _word(hint: Any) -> str:
    """Say an annotation in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if option is type(None) else _word(option) for option in arguments)
    if origin is list:
        return f"a list of {_many(arguments[0])}"
    if origin is dict:
        return f"a table of {_many(arguments[1])}"
    if inspect.isclass(hint) and issubclass(hint, Enum):
        return ", ".join(str(member.value) for member in hint)
    if hint in KIND_OF:
        return f"{'an' if KIND_OF[hint][0] == 'a' else 'a'} {KIND_OF[hint]}"
    return WORDS.get(hint, "settings" if dataclasses.is_dataclass(hint) else getattr(hint, "__name__", str(hint)))


def _many(hint: Any) -> str:
    return f"{KIND_OF[hint]}s" if hint in KIND_OF else MANY.get(hint) or _word(hint)


@functools.cache
def describe(cls: type) -> list[Setting]:
    """Return the settings of a component, in order, with the string that stands under each field."""
    hints, texts = typing.get_type_hints(cls), field_texts(cls)
    settings = []
    for item in _fields(cls):
        default = default_of(item)
        required = default is NO_DEFAULT or (isinstance(default, str) and default == MISSING)
        word = _word(hints[item.name])
        settings.append(Setting(item.name, word, MISSING if required else default, texts.get(item.name, ""), required))
    return settings


def field_texts(cls: type) -> dict[str, str]:
    """Return {field: the string under it}, inherited ones included."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            with_source = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
            body = typing.cast(ast.ClassDef, with_source).body
            for field, below in zip(body, body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                    if isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
                        texts[ast.unparse(field.target)] = " ".join(below.value.value.split())
    return texts


def default_of(item: dataclasses.Field[Any]) -> Any:
    """Return a field's default as a plain value, or NO_DEFAULT."""
    if item.default_factory is not NO_DEFAULT:
        return plain(item.default_factory())
    return item.default if item.default is NO_DEFAULT else plain(item.default)


def defaults(cls: type) -> dict[str, Any]:
    """Return {setting: default}, plain; a required one holds MISSING."""
    return {setting.name: setting.default for setting in describe(cls)}


def plain(value: Any, name_of: Callable[[Any], str] | None = None) -> Any:
    """Turn a made component back into plain values (the inverse of `make`); `name_of` names nested components."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        body = {f.name: plain(getattr(value, f.name), name_of) for f in _fields(type(value))}
        return {"name": name_of(value), **body} if name_of and isinstance(value, tuple(KIND_OF)) else body
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: plain(item, name_of) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, name_of) for item in value]
    return value
