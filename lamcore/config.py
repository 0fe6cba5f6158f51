"""Offer components to Hydra, compose a run's config, say where each value came from.

Only the verbs `train` and `config` import this; nothing of OmegaConf passes its border: what comes out is plain."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra import main as hydra_main
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc
from yaml import YAMLError

from lamcore.errors import LamcoreError, unknown
from lamcore.kinds import KINDS, PLURALS, Decoding, Recipe, TokenizerPlan
from lamcore.make import defaults, make
from lamcore.plugins import Registry, shipped_conf

ROOT = "lam"
SINGLE = ("source", "architecture", "trainer")
GROUPS = {kind: kind if kind in SINGLE else PLURALS[kind] for kind in KINDS}
"""Kind -> the config group it is chosen in."""
WITH_VALUE = {"--cfg", "-c", "--package", "-p", "--config-name", "-cn", "--info", "-i"}
"""Hydra's flags that a word belongs to."""
Origins = dict[str, str]
"""Dotted key -> the file, plugin or override that set it."""


@contextlib.contextmanager
def offered(registry: Registry, user: Sequence[Path]) -> Iterator[Path]:
    """Offer components and config folders (the user's, lamcore's, each plugin's) to Hydra; give the first folder."""
    folders = [*user, *registry.conf_folders()]
    store, before = ConfigStore.instance(), dict(ConfigStore.instance().repo)

    class LamcoreSearchPath(SearchPathPlugin):
        def manipulate_search_path(self, search_path: Any) -> None:
            for folder in folders[1:]:
                search_path.append("lamcore", f"file://{folder}")

    hydra = Plugins.instance()
    hydra.register(LamcoreSearchPath)
    try:
        _store(registry, store)
        yield folders[0]
    finally:
        hydra.class_name_to_class.pop(f"{LamcoreSearchPath.__module__}.{LamcoreSearchPath.__qualname__}", None)
        hydra.plugin_type_to_subclass_list[SearchPathPlugin].remove(LamcoreSearchPath)
        store.repo = before
        GlobalHydra.instance().clear()


def _store(registry: Registry, store: ConfigStore) -> None:
    for offer in (offer for offer in registry.offers if offer.kind in GROUPS):
        for name in (offer.name, f"{offer.distribution}:{offer.name}"):
            made = _open({"name": name, **defaults(offer.cls)})
            node = made if offer.kind in SINGLE else {offer.name: made}
            store.store(name, node, group=GROUPS[offer.kind], provider=offer.plugin.identity)
    roots = {f.name: f.default for f in dataclasses.fields(Recipe) if isinstance(f.default, (str, int, type(None)))}
    store.store("lamcore", {**roots, "tokenizer": _open(defaults(TokenizerPlan))}, provider="lamcore")
    store.store("greedy", _open(defaults(Decoding)), group="decoding", provider="lamcore")


def _open(settings: dict[str, Any]) -> DictConfig:
    """Let Hydra take any key under these settings: `make` refuses a wrong one, and names the nearest."""
    node = OmegaConf.create(settings)
    OmegaConf.set_struct(node, False)
    return node


def user_folders(args: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Take `--config-dir FOLDER` out of the words; return the user's config folders and the other words."""
    folders, rest, words = [], [], iter(args)
    for word in words:
        key, _, value = word.partition("=")
        if key in ("--config-dir", "-cd"):
            folders.append(Path(value or next(words, "")).expanduser().absolute())
        else:
            rest.append(word)
    if strange := [folder for folder in folders if not folder.is_dir()]:
        raise LamcoreError(f"--config-dir {strange[0]} is no folder.")
    own = Path("conf").absolute()
    return folders + ([own] if own.is_dir() and own != shipped_conf() else []), rest


@dataclass
class Composed:
    """A checked config: plain values, the same with environment interpolations as written, and whence each came."""

    values: dict[str, Any]
    written: dict[str, Any]
    origins: Origins
    folder: str


def composed(registry: Registry, args: Sequence[str]) -> Composed:
    """Compose and check a run's config (a sweep by the first of each choice), or raise what keeps it from being one."""
    folders, words = user_folders(args)
    overrides = [_first_choice(override) for override in _parse(registry, [w for w in words if not w.startswith("-")])]
    with (
        offered(registry, folders) as folder,
        _plain_errors(registry),
        initialize_config_dir(str(folder), version_base=None),
    ):
        config = compose(ROOT, overrides, return_hydra_config=True)
        _refuse_code(OmegaConf.to_container(config, resolve=False))
        made = _composed(config, _origins(overrides), str(config.hydra.run.dir))
    make(Recipe, made.values, find=registry.find)
    return made


def _composed(config: DictConfig, origins: Origins, folder: str) -> Composed:
    """Return plain values, resolved, and the same with what comes from the environment left as it stands."""
    root = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    values: Any = OmegaConf.to_container(root, resolve=True)
    resolvers: dict[str, Callable[..., Any]] = {"oc.env": oc.env, "oc.decode": oc.decode}
    try:
        for name in resolvers:
            OmegaConf.register_new_resolver(name, functools.partial(_as_written, name), replace=True)
        written: Any = OmegaConf.to_container(root, resolve=True)
    finally:
        for name, resolver in resolvers.items():
            OmegaConf.register_new_resolver(name, resolver, replace=True)
    return Composed(values, written, origins, folder)


def _as_written(name: str, *words: Any) -> str:
    return f"${{{name}:{','.join('null' if word is None else str(word) for word in words)}}}"


def _parse(registry: Registry, words: Sequence[str]) -> list[Override]:
    with _plain_errors(registry):
        overrides = OverridesParser.create().parse_overrides(list(words))
    seen: dict[str, str | None] = {}
    for override in (one for one in overrides if one.key_or_group in GROUPS.values()):
        key, line = override.key_or_group, override.input_line
        if key in seen:
            raise LamcoreError(f"{key} is set twice ({seen[key]} and {line}): name all in one list.")
        if override.is_add():
            raise LamcoreError(f"{line} would be dropped: write {key}=[...] with all that you want.")
        seen[key] = line
    return overrides


def _first_choice(override: Override) -> str:
    if not override.is_sweep_override():
        return override.input_line or ""
    prefix = "++" if override.is_force_add() else "+" if override.is_add() else ""
    return f"{prefix}{override.get_key_element().lstrip('+')}={next(iter(override.sweep_string_iterator()))}"


def _refuse_code(node: Any, where: str = "") -> None:
    """Refuse `_target_` and `()` everywhere, but Hydra's own under `hydra`: no config names code."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        here = f"{where}[{key}]" if isinstance(node, list) else f"{where}.{key}" if where else str(key)
        own = where.startswith("hydra") and str(value).startswith(("hydra.", "hydra_plugins."))
        if key in ("_target_", "()") and not own:
            raise LamcoreError(f"{here} names code ({value}). A config names components: NAME must be installed.")
        if key == "class" and where.startswith("hydra.") and not str(value).startswith(("logging.", "rich.")):
            raise LamcoreError(f"{here} names code ({value}), which only logging's own handlers may.")
        _refuse_code(value, here)


def _origins(overrides: list[str]) -> Origins:
    """Say for every key which file, plugin or override set it last."""
    loader = GlobalHydra.instance().config_loader()
    plan = loader.compute_defaults_list(ROOT, overrides, RunMode.RUN)
    origins: Origins = {}
    for default in plan.defaults:
        loaded = loader.repository.load_config(default.config_path)  # type: ignore[attr-defined]
        if loaded is None or (default.config_path or "").startswith("hydra"):
            continue
        place, in_file = loaded.path.removeprefix("file://"), loaded.path.startswith("file://")
        origin = f"{place}/{default.config_path}.yaml" if in_file else f"default of {loaded.provider}"
        for key, _ in leaves(OmegaConf.to_container(loaded.config, resolve=False), default.package or ""):
            origins[key] = origin
    for override in plan.config_overrides:
        for key in [*(k for k in origins if k.startswith(f"{override.key_or_group}.")), override.key_or_group]:
            origins[key] = f"override {override.input_line}"
    return origins


def leaves(node: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of every value; a list is one value."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            if where or key != "defaults":
                yield from leaves(value, f"{where}.{key}" if where else str(key))
    else:
        yield where, node


@contextlib.contextmanager
def _plain_errors(registry: Registry) -> Iterator[None]:
    """Turn Hydra's and OmegaConf's errors into one line of ours."""
    try:
        yield
    except MissingConfigException as error:
        found = re.search(r"Could not (?:find|load) '(?:(.+)/)?([^']+)'", str(error))
        group, name = (found[1] or "config", found[2]) if found else ("config", "?")
        for kind in (kind for kind in KINDS if GROUPS[kind] == group):
            registry.find(kind, name)
        raise unknown(group, name, error.options or [], has="There are") from error
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        if found := re.match(r"Could not override '([^'.]+)", str(error)):
            raise unknown("setting", found[1], [f.name for f in dataclasses.fields(Recipe)]) from error
        raise LamcoreError(" ".join(f"{error}".split())) from error


def run(registry: Registry, args: Sequence[str], job: Callable[[Composed], None]) -> None:
    """Check the config, then give it to Hydra's own main: overrides, `--multirun`, launchers, `--cfg job`, `--info`."""
    folders, words = user_folders(args)
    if not {"--help", "--hydra-help", "--info", "-i", "--cfg", "-c", "--shell-completion", "-sc"} & set(words):
        composed(registry, args)

    def task(config: DictConfig) -> None:
        hydra = HydraConfig.get()
        if not failed:  # Hydra would print errors in its own way: they are kept from it
            try:
                words = OmegaConf.to_container(hydra.overrides.task, resolve=False)
                job(_composed(config, _origins(words), hydra.runtime.output_dir))  # type: ignore[arg-type]
            except BaseException as error:
                failed.append(error)

    failed: list[BaseException] = []
    with offered(registry, folders) as folder, _arguments(["lam train", *_flags_first(words)]), _plain_errors(registry):
        hydra_main(version_base=None, config_path=str(folder), config_name=ROOT)(task)()
        if failed:
            raise failed[0]


def _flags_first(words: list[str]) -> list[str]:
    """Put Hydra's flags, and what belongs to them, before the overrides: it reads them only there."""
    flags = {n for n, word in enumerate(words) if word.startswith("-")}
    flags |= {n + 1 for n in flags if words[n] in WITH_VALUE and n + 1 < len(words)}
    return [w for n, w in enumerate(words) if n in flags] + [w for n, w in enumerate(words) if n not in flags]


@contextlib.contextmanager
def _arguments(words: list[str]) -> Iterator[None]:
    """Hand words to Hydra, and have it raise errors rather than print and exit."""
    before, flag = sys.argv, {name: value for name, value in os.environ.items() if name == "HYDRA_FULL_ERROR"}
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = words, "1"
    try:
        yield
    finally:
        sys.argv = before
        os.environ.pop("HYDRA_FULL_ERROR")
        os.environ.update(flag)
