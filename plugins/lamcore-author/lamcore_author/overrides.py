"""What may stand at the end of an override that is being typed: groups, components, settings and choices.

Imports no Hydra and no torch, so that an answer comes at once."""

from __future__ import annotations

import contextlib
import itertools
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from lamcore.errors import LamcoreError
from lamcore.kinds import Decoding, Recipe, TokenizerPlan
from lamcore.make import KIND_OF, describe
from lamcore.plugins import Registry

HINTS = typing.get_type_hints(Recipe)
ONE = {key: KIND_OF[hint] for key, hint in HINTS.items() if hint in KIND_OF}
"""Group of which a run has one -> its kind."""
MANY = {key: KIND_OF[last] for key, hint in HINTS.items() if (last := (typing.get_args(hint) or [None])[-1]) in KIND_OF}
"""Group of which a run has several -> their kind."""
PLAIN = {"tokenizer": TokenizerPlan, "decoding": Decoding}
FOLDER = "hydra.run.dir="
PRESETS = ("decoding", "experiment")
DEVICES = ["auto", "cpu", "cuda", "mps"]
Chosen = dict[str, list[str]]
"""Group -> the names of the components that are chosen in it."""


def complete(registry: Registry, before: Sequence[str], word: str) -> list[str] | None:
    """Return the words that begin as `word` does and may stand there; None where it wants the name of a file.

    `before` are the overrides that stand before it."""
    key = word.lstrip("+~")
    sign = word.removesuffix(key)
    name, equals, value = key.partition("=")
    folders = [*_user_folders(before), *registry.conf_folders()]
    found = _values(registry, folders, before, name, value) if equals else _keys(registry, folders, before, name)
    return None if found is None else [f"{sign}{one}" for one in dict.fromkeys(found) if one.startswith(key)]


def _user_folders(before: Sequence[str]) -> list[Path]:
    """Return the config folders of the user: `conf` of the working folder, and those named by --config-dir."""
    named = [word.partition("=")[2] for word in before if word.startswith("--config-dir=")]
    named += [after for flag, after in itertools.pairwise(before) if flag in ("--config-dir", "-cd")]
    return [Path(name) for name in (*named, "conf")]


def _keys(registry: Registry, folders: list[Path], before: Sequence[str], key: str) -> Iterable[str]:
    above, dot, _ = key.rpartition(".")
    chosen = _chosen(registry, folders, before)
    if not dot:
        set_ = {word.partition("=")[0] for word in before}
        whole = [name for name in (*HINTS, "experiment") if name != "tokenizer" and name not in set_]
        return [*(f"{name}=" for name in whole), *(f"{name}." for name in (*PLAIN, *chosen)), FOLDER]
    if above in MANY:
        return [f"{above}.{name}." for name in chosen.get(above, [])]
    cls = _class(registry, chosen, above)
    return [f"{above}.{setting.name}=" for setting in describe(cls)] if cls else [FOLDER]


def _values(
    registry: Registry, folders: list[Path], before: Sequence[str], key: str, value: str
) -> Iterable[str] | None:
    if key in MANY:
        return _lists(key, value, _names(registry, folders, key))
    if key in ONE or key in PRESETS:
        return [f"{key}={name}" for name in _names(registry, folders, key)]
    if key == "device":
        return [f"{key}={name}" for name in DEVICES]
    chosen = _chosen(registry, folders, before)
    if key == "monitor":
        return [f"{key}={name}" for name in ("loss", *chosen.get("metrics", []))]
    above, _, setting = key.rpartition(".")
    cls = _class(registry, chosen, above)
    hint = typing.get_type_hints(cls).get(setting) if cls else None
    if choices := _choices(hint):
        return [f"{key}={choice}" for choice in choices]
    return None if str in (hint, *typing.get_args(hint)) or key in ("cache", "hydra.run.dir") else []


def _lists(key: str, value: str, names: list[str]) -> Iterable[str]:
    """Return ways to go on with a list of names: `metrics=[bleu,` -> `metrics=[bleu,chrf`; one may stand alone."""
    if value and value[0] != "[":
        return [f"{key}={name}" for name in names]
    *done, last = value.removeprefix("[").split(",")
    begun = f"{key}=[{''.join(f'{name},' for name in done)}"
    if last in names:
        return [f"{begun}{last},", f"{begun}{last}]"]
    return [f"{begun}{name}" for name in names if name not in done]


def _names(registry: Registry, folders: list[Path], group: str) -> list[str]:
    """Return what can be chosen in a group: components, and the presets of config folders."""
    kind = ONE.get(group) or MANY.get(group)
    components = registry.components[kind] if kind else ["greedy"] if group == "decoding" else []
    files = [file.relative_to(folder / group) for folder in folders for file in (folder / group).rglob("*.yaml")]
    return sorted({*components, *(file.with_suffix("").as_posix() for file in files)})


def _chosen(registry: Registry, folders: list[Path], before: Sequence[str]) -> Chosen:
    """Return what the root config chooses, over it the experiment, over it the words."""
    words = {key: value for key, equals, value in (word.lstrip("+").partition("=") for word in before) if equals}
    files = ["lam", *([f"experiment/{words['experiment']}"] if "experiment" in words else [])]
    chosen: dict[str, Any] = {}
    for place in files:
        with contextlib.suppress(StopIteration, OSError, ValueError, yaml.YAMLError, AttributeError, TypeError):
            file = next(one for folder in folders if (one := folder / f"{place}.yaml").is_file())
            for default in yaml.safe_load(file.read_text(encoding="utf-8"))["defaults"]:
                if isinstance(default, Mapping):
                    chosen |= {str(key).removeprefix("override /"): value for key, value in default.items()}
    chosen |= {key: value.strip("[]").split(",") for key, value in words.items()}
    lists = {key: value if isinstance(value, list) else [value] for key, value in chosen.items() if key in ONE | MANY}
    kept = {key: [str(name) for name in names if name not in (None, "", "???")] for key, names in lists.items()}
    return {key: names for key, names in kept.items() if names}


def _class(registry: Registry, chosen: Chosen, path: str) -> Any:
    """Return the class whose settings stand under a key, or None."""
    group, _, label = path.partition(".")
    if group in PLAIN and not label:
        return PLAIN[group]
    kind, name = (MANY.get(group), label) if label else (ONE.get(group), chosen.get(group, [""])[0])
    with contextlib.suppress(LamcoreError):
        return registry.find(kind, name) if kind and name else None
    return None


def _choices(hint: Any) -> list[str]:
    """Return the values of an annotation that has few: a choice, true and false."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        found = [choice for option in typing.get_args(hint) for choice in _choices(option)]
        return [*found, "null"] if found and type(None) in typing.get_args(hint) else found
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [str(member.value) for member in hint]
    return ["true", "false"] if hint is bool else []
