"""Offer components to Hydra, compose a run's config, say where each value came from.

Only the verbs `train` and `config` import this; nothing of OmegaConf passes its border: what comes out is plain."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
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
from packaging.requirements import InvalidRequirement, Requirement

import lamcore
from lamcore.errors import DAMAGED, LamcoreError, unknown
from lamcore.kinds import KINDS, PLURALS, Decoding, Recipe, TokenizerPlan
from lamcore.make import defaults, describe, make
from lamcore.plugins import Registry, shipped_conf

ROOT = "lam"
SINGLE = ("source", "architecture", "trainer")
GROUPS = {kind: kind if kind in SINGLE else PLURALS[kind] for kind in KINDS}
"""Kind -> the config group it is chosen in."""
WITH_VALUE = {"--cfg", "-c", "--package", "-p", "--config-name", "-cn", "--info", "-i"}
"""Hydra's flags that a word belongs to."""
MOST_BYTES, MOST_REFERENCES, DEEPEST = 1_000_000, 10_000, 20
"""Of a config file; of one value; of nesting, aliases and references to references."""
FREE = ("tokenizer.symbols", "tokenizer.dropout")
"""What may be set of a tokenizer that is another run's."""
Origins = dict[str, str]
"""Dotted key -> the file and line, plugin and version, or override that set it."""


@contextlib.contextmanager
def offered(registry: Registry, user: Sequence[Path]) -> Iterator[Path]:
    """Offer components and config folders (the user's, lamcore's, each plugin's) to Hydra; give the first folder."""
    folders = [*user, *registry.conf_folders()]
    store, before = ConfigStore.instance(), ConfigStore.instance().repo
    store.__deepcopy__ = lambda _: store  # type: ignore[attr-defined] # no turn of Hydra's changes it

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
    known = [offer for offer in registry.offers if offer.kind in GROUPS]
    offers = ((o.kind, o.name, o.cls, o.distribution, f"{o.plugin.identity} {o.plugin.version}") for o in known)
    store.repo = {**store.repo, **_nodes(tuple(offers))}


@functools.lru_cache(maxsize=1)
def _nodes(offers: tuple[tuple[str, str, type, str, str], ...]) -> dict[str, Any]:
    """Return what Hydra's store holds of components; it takes long, and a command composes twice."""
    store = ConfigStore.instance()
    before, store.repo = store.repo, {}
    for kind, short, cls, distribution, whose in offers:
        for name in (short, f"{distribution}:{short}"):
            made = _open({"name": name, **defaults(cls)})
            node = made if kind in SINGLE else {short: made}
            store.store(name, node, group=GROUPS[kind], provider=whose.strip())
    roots = {s.name: s.default for s in describe(Recipe) if isinstance(s.default, (str, int, list, type(None)))}
    ours = f"lamcore {lamcore.__version__}"
    store.store("lamcore", {**roots, "tokenizer": _open(defaults(TokenizerPlan))}, provider=ours)
    store.store("greedy", _open(defaults(Decoding)), group="decoding", provider=ours)
    nodes, store.repo = store.repo, before
    return nodes


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


def check_requirements(requires: Sequence[str], where: str) -> None:
    """Raise the error that names the distributions that are missing or out of range, and how to install them."""
    lacking = {}
    for text in requires:
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            raise LamcoreError(f"{where}: {text!r} is no requirement such as 'lamcore-clean>=0.1'.") from error
        there = next(iter(importlib.metadata.distributions(name=wanted.name)), None)
        if (wanted.marker is None or wanted.marker.evaluate()) and (
            there is None or not wanted.specifier.contains(there.version, prereleases=True)
        ):
            lacking[text] = f"installed: {there.version}" if there else "not installed"
    if lacking:
        told = ", ".join(f"{text} ({state})" for text, state in lacking.items())
        line = " ".join(f"'{text}'" for text in lacking)
        raise LamcoreError(f"{where}: requires {told}. Install what is missing: pip install {line}")


def _check_files(folders: Sequence[Path]) -> None:
    """Refuse the user's config files that would take all memory or time: too large, deep, or full of aliases."""
    for file in (file for folder in folders for file in folder.rglob("*.yaml")):
        if file.stat().st_size > MOST_BYTES:
            raise LamcoreError(f"{file} is larger than {MOST_BYTES:,} bytes: a config holds settings, not data.")
        depth = aliases = 0
        with file.open("rb") as stream:
            for event in yaml.parse(stream, yaml.SafeLoader):
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
                aliases += isinstance(event, yaml.AliasEvent)
                if max(depth, aliases) > DEEPEST:
                    what = "is nested" if depth > DEEPEST else "has aliases"
                    line = event.start_mark.line + 1 if event.start_mark else 1
                    raise LamcoreError(f"{file}:{line} {what} more than {DEEPEST} times.")


def _check_requirements_of(folders: Sequence[Path], overrides: Sequence[Override]) -> None:
    """Check what the chosen experiments require before any component is looked for."""
    for override in overrides:
        file = Path("experiment", f"{override.value()}.yaml")
        if override.key_or_group == "experiment" and (found := [f / file for f in folders if (f / file).is_file()]):
            read = yaml.safe_load(found[0].read_text(encoding="utf-8"))
            check_requirements((isinstance(read, dict) and read.get("requires")) or [], str(found[0]))


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
    parsed = _parse(registry, [word for word in words if not word.startswith("-")])
    overrides = [_first_choice(override) for override in parsed]
    with (
        offered(registry, folders) as folder,
        _plain_errors(registry),
        initialize_config_dir(str(folder), version_base=None),
    ):
        _check_files(folders)
        _check_requirements_of([*folders, *registry.conf_folders()], parsed)
        config = compose(ROOT, overrides, return_hydra_config=True)
        node = OmegaConf.to_container(config, resolve=False)
        _refuse_code(node)
        _refuse_endless(dict(leaves(node)))
        made = _composed(config, _origins(overrides, config), str(config.hydra.run.dir))
    try:
        check_requirements(make(Recipe, made.values, find=registry.find).requires, "requires")
    except LamcoreError as error:
        raise _with_origin(error, made) from error
    return made


def _with_origin(error: LamcoreError, made: Composed) -> LamcoreError:
    """Return the error with the file or override that set the key named first, no value of the environment in it."""
    told, origins = str(error), made.origins
    for (_, value), (_, written) in zip(leaves(made.values), leaves(made.written), strict=False):
        told = told.replace(str(value), str(written)) if value != written and str(value) else told
    named = [(found.start(), -len(key), key) for key in origins if (found := re.search(rf"\b{re.escape(key)}\b", told))]
    origin = origins[min(named)[2]] if named else "default"
    return LamcoreError(told if origin.startswith(("default", "not known")) else f"{told} ({origin})")


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
    return _begun(Composed(values, written, origins, folder))


def _begun(made: Composed) -> Composed:
    """Take the architecture's settings from the run that `init` names, but for those set where `init` itself is.

    That is by an override, or in the same file: what an experiment sets for runs from nothing doesn't count."""
    init, places = made.values.get("init"), {key: _place(origin) for key, origin in made.origins.items()}
    if not isinstance(init, str):
        return made
    own = {key for key, place in places.items() if place in ("override", places.get("init"))}
    theirs, mine = _settings_of(Path(init).expanduser()), made.values["architecture"]
    if theirs["name"] != mine.get("name"):
        what = f"init={init} is of the architecture {theirs['name']!r}, and this config's is {mine.get('name')!r}"
        raise LamcoreError(f"{what}: write architecture={theirs['name']}.")
    if wrong := [key for key in sorted(own) if key.startswith("tokenizer.") and key not in FREE]:
        raise LamcoreError(f"{wrong[0]} can't be set beside init, whose tokenizer is {init}'s: leave it out.")
    for values in (made.values, made.written):
        values["architecture"] = _merged(theirs, values["architecture"], own, "architecture")
    taken = {key: f"init={init}" for key, _ in leaves(theirs, "architecture") if key not in own}
    taken |= {key: f"not used: init={init}" for key in places if key.startswith("tokenizer.") and key not in FREE}
    return dataclasses.replace(made, origins=made.origins | taken)


def _place(origin: str) -> str:
    return "override" if origin.startswith("override ") else origin.rpartition(":")[0]


def _settings_of(folder: Path) -> dict[str, Any]:
    """Return the settings of a model's architecture, its name among them."""
    file = (folder / "model" if (folder / "model").is_dir() else folder) / "config.json"
    try:
        if file.is_file() and file.stat().st_size <= MOST_BYTES:
            found: dict[str, Any] = json.loads(file.read_bytes())["architecture"]
            return {"name": str(found.pop("name")), **found}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LamcoreError(f"init={folder} can't be used as a model: {file} is damaged: {error}", DAMAGED) from error
    raise LamcoreError(f"init={folder} is no run with a finished model and no model folder.")


def _merged(theirs: Any, mine: Any, own: set[str], where: str) -> Any:
    """Return their settings with those of mine that `own` names, and those that they lack."""
    if not (isinstance(theirs, Mapping) and isinstance(mine, Mapping)):
        return mine if where in own else theirs
    both = {key: _merged(one, mine.get(key), own, f"{where}.{key}") for key, one in theirs.items()}
    return {**mine, **both}


def _as_written(name: str, *words: Any) -> str:
    return f"${{{name}:{','.join('null' if word is None else str(word) for word in words)}}}"


def _parse(registry: Registry, words: Sequence[str]) -> list[Override]:
    overrides = []
    for word in words:
        try:
            overrides += OverridesParser.create().parse_overrides([word])
        except HydraException as error:
            how = "write KEY=VALUE, and quote what is no plain word: KEY=\"'a<b'\""
            raise LamcoreError(f"{word} can't be read: {how}.") from error
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
    value: Any = override.value()
    drawn = value.start if override.is_interval_sweep() else next(iter(override.sweep_string_iterator()))
    return f"{prefix}{override.get_key_element().lstrip('+')}={drawn}"


def _refuse_code(node: Any, where: str = "") -> None:
    """Refuse `_target_` and `()` everywhere, but Hydra's own under `hydra`: no config names code."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        here = f"{where}[{key}]" if isinstance(node, list) else f"{where}.{key}" if where else str(key)
        own = where.startswith("hydra") and str(value).startswith(("hydra.", "hydra_plugins.", "optuna.samplers."))
        if key in ("_target_", "()") and not own:
            raise LamcoreError(f"{here} names code ({value}). A config names components: NAME must be installed.")
        if key == "class" and where.startswith("hydra.") and not str(value).startswith(("logging.", "rich.")):
            raise LamcoreError(f"{here} names code ({value}), which only logging's own handlers may.")
        _refuse_code(value, here)


def _refuse_endless(values: Mapping[str, Any]) -> None:
    """Refuse values that refer to others in a circle, too deeply, or so often that resolving them would not end."""
    cost: dict[str, int] = {}

    def visit(key: str, way: tuple[str, ...]) -> int:
        if key in way or len(way) > DEEPEST:
            what = f"{key} refers to itself" if key in way else f"{way[0]} refers to others more than {DEEPEST} deep"
            raise LamcoreError(f"{what}: {' -> '.join([*way[:4], key])}.")
        if key not in cost:
            named = re.findall(r"\$\{(\.*)([\w.]+)\}", str(values[key]))
            bases = [(key.split(".")[: -len(dots)] if dots else [], name) for dots, name in named]
            starts = [".".join([*base, name]) for base, name in bases]
            below = [other for start in starts for other in values if f"{other}.".startswith(f"{start}.")]
            cost[key] = 1 + sum(visit(other, (*way, key)) for other in below)
        if cost[key] > MOST_REFERENCES:
            raise LamcoreError(f"{key} refers to more than {MOST_REFERENCES:,} values.")
        return cost[key]

    for key in values:
        visit(key, ())


def _origins(overrides: list[str], config: Any) -> Origins:
    """Say for every value which file and line, plugin or override set it last.

    What they set is put together here once more: a value that differs from Hydra's has no origin that can be trusted.
    """
    loader = GlobalHydra.instance().config_loader()
    plan = loader.compute_defaults_list(ROOT, overrides, RunMode.RUN)
    found: dict[str, tuple[str, Any]] = {}
    for default in plan.defaults:
        loaded = loader.repository.load_config(default.config_path)  # type: ignore[attr-defined]
        if loaded is None or (default.config_path or "").startswith("hydra"):
            continue
        path = f"{loaded.path}/{default.config_path}.yaml".removeprefix("file://")
        lines = _lines(path) if loaded.path.startswith("file://") else {}
        for key, value in leaves(OmegaConf.to_container(loaded.config, resolve=False)):
            place = f"{path}:{lines.get(key, 1)}" if lines else f"default of {loaded.provider}"
            found[".".join(filter(None, (default.package, key)))] = place, value
    final = dict(leaves(OmegaConf.to_container(config, resolve=False)))
    wrong = {key for key, value in final.items() if key in found and found[key][1] != value}
    origins = {key: "not known" if key in wrong else found[key][0] for key in final if key in found}
    for override in plan.config_overrides:
        for key in final:
            if f"{key}.".startswith(f"{override.key_or_group}."):
                origins[key] = f"override {override.input_line}"
    return {key: origins.get(key, "not known") for key in final if key.partition(".")[0] != "hydra"}


def _lines(path: str) -> dict[str, int]:
    """Return {dotted key: line} of a config file."""

    def walk(node: Any, where: str) -> Iterator[tuple[str, int]]:
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            yield f"{where}{key.value}", key.start_mark.line + 1
            yield from walk(value, f"{where}{key.value}.")

    return dict(walk(yaml.compose(Path(path).read_text(encoding="utf-8"), yaml.SafeLoader), ""))


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
        if group.startswith("experiment"):
            roots = [folder / "experiment" for folder in (Path("conf"), *registry.conf_folders())]
            known = [f.relative_to(root).with_suffix("").as_posix() for root in roots for f in root.rglob("*.yaml")]
            raise unknown("experiment", f"{group}/{name}".partition("/")[2], known, has="There are") from error
        for kind in (kind for kind in KINDS if GROUPS[kind] == group):
            registry.find(kind, name)
        raise unknown(group, name, error.options or [], has="There are") from error
    except (RecursionError, HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeError) as error:
        if found := re.match(r"Could not override '([^'.]+)", str(error)):
            raise unknown("setting", found[1], [f.name for f in dataclasses.fields(Recipe)]) from error
        if "recursion depth" in str(error):
            where = getattr(error, "full_key", None) or "The config"
            raise LamcoreError(f"{where} refers to others, or is nested, more than {DEEPEST} deep.") from error
        raise LamcoreError(" ".join(f"{error}".split())) from error


def run(registry: Registry, args: Sequence[str], job: Callable[[Composed], float | None]) -> None:
    """Check the config, then give it to Hydra's own main: overrides, `--multirun`, launchers, `--cfg job`, `--info`.

    What `job` returns is what a sweeper searches by."""
    folders, words = user_folders(args)
    if not {"--help", "--hydra-help", "--info", "-i", "--cfg", "-c", "--shell-completion", "-sc"} & set(words):
        composed(registry, args)

    def task(config: DictConfig) -> float | None:
        hydra = HydraConfig.get()
        if not failed:  # Hydra would print errors in its own way: they are kept from it
            try:
                words = OmegaConf.to_container(hydra.overrides.task, resolve=False)
                return job(_composed(config, _origins(words, config), hydra.runtime.output_dir))  # type: ignore[arg-type]
            except BaseException as error:
                failed.append(error)
        return None

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
