"""Make records of spoken commands and their calls from the templates, whole templates held out."""

from __future__ import annotations

import gzip
import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from home_assistant_intents import get_intent_info

from lamcore import LamcoreError, Record
from lamcore_actions.calls import canonical
from lamcore_home_assistant.templates import (
    Language,
    Template,
    first,
    kinds_of_value,
    language_of,
    words_of,
)

if TYPE_CHECKING:
    from lamcore_home_assistant import HomeIntents

SPLITS_VERSION = 1
"""Key of the splits, and part of the source's fingerprint."""
ORDER = ("human", "train", "test", "validation")
"""In which splits keep a sentence that stands in several."""
TRIES = 3
"""Walks through a template for each sentence asked of it: short templates have few different ones."""
COLUMNS = ("text", "intent", "slots", "context", "group")

Splits = dict[str, list[Record]]


def read_splits(settings: HomeIntents) -> Splits:
    """Return train, validation and test, and `human` where there are sentences that people wrote.

    No input stands in two splits, and none has two calls: what two templates read differently is left out."""
    splits = _drawn(settings)
    if settings.sentences:
        splits["human"] = _human(settings)
    return _cut(_without_overlap(splits), settings)


def fingerprint(settings: HomeIntents) -> str:
    """Return what the records follow from: versions, settings, our words, and the state of files that people wrote."""
    parts = [version("home-assistant-intents"), version("hassil"), str(SPLITS_VERSION), repr(settings)]
    for code in settings.languages:
        parts.append(_short(json.dumps(words_of(code))))
        if settings.sentences:
            parts.append(_state(_file(settings, code)))
    return " ".join(parts)


def _state(path: Path) -> str:
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return f"{found.st_size} {found.st_mtime_ns}"


def _file(settings: HomeIntents, language: str) -> Path:
    return Path(str(settings.sentences)).expanduser() / f"{language}.jsonl.gz"


def _unreadable(path: Path, error: Exception) -> LamcoreError:
    reason = getattr(error, "strerror", None) or error
    return LamcoreError(f"{path}: can't be read ({reason}) - source.sentences names a folder of LANGUAGE.jsonl.gz")


def split_of(template: str) -> str:
    """Return the split of a template's text: of 100 about 90, 5 and 5, the same in every language and for ever."""
    digest = hashlib.blake2b(f"{SPLITS_VERSION} {template}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") % 100
    return "train" if place < 90 else "validation" if place < 95 else "test"


def _drawn(settings: HomeIntents) -> Splits:
    splits: Splits = {"train": [], "validation": [], "test": []}
    for code in settings.languages:
        language, numbers = language_of(code), Counter[str]()
        for template in language.templates():
            split = split_of(template.text)
            many = settings.per_template if split == "train" else settings.per_held_out
            group = f"{code}/{template.intent}/{_short(template.text)}"
            for text, slots in _sentences(language, template, many, settings.seed, split == "train"):
                numbers[group] += 1
                name = f"{group}/{numbers[group]}"
                splits[split].append(_record(name, text, template.intent, slots, code, group, settings.tools))
    return splits


def _sentences(
    language: Language, template: Template, many: int, seed: int, train: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield up to that many different sentences of a template: what is drawn depends on it and the seed alone."""
    known = (seed, template.language, template.intent, template.text, template.slots, template.domains)
    rng = Random(repr(known))
    seen: set[str] = set()
    for _ in range(TRIES * many):
        text, slots = language.draw(template, rng, train)
        if (key := _comparable(text)) not in seen:
            seen.add(key)
            yield text, slots
        if len(seen) == many:
            return


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def _record(
    name: str, text: str, intent: str, slots: dict[str, Any], language: str, group: str, offered: int
) -> Record:
    known = {"id": name, "input": text, "calls": canonical([{"name": intent, "arguments": slots}])}
    return known | {
        "tools": _offer(intent, offered, name),
        "intent": intent,
        "input_lang": language,
        "group": group,
    }


def _offer(intent: str, offered: int, key: str) -> str:
    """Return the tool called and others drawn for this record, by name; all of them where `offered` is 0."""
    if offered == 1:
        return _as_text((intent,))
    names = sorted(tools_by_name())
    if offered == 0:
        return _as_text(tuple(names))
    others = [name for name in names if name != intent]
    return _as_text(tuple(sorted([intent, *Random(key).sample(others, min(offered - 1, len(others)))])))


@lru_cache(maxsize=1000)
def _as_text(names: tuple[str, ...]) -> str:
    tools = tools_by_name()
    return canonical([tools[name] for name in names if name in tools])


@lru_cache
def tools_by_name() -> dict[str, dict[str, Any]]:
    """Return each intent as a tool: its name, description, and the JSON schema of its slots, for all languages."""
    types = _types()
    tools = {}
    for name, about in (get_intent_info() or {}).items():
        slots = about.get("slots") or {}
        schema: dict[str, Any] = {"type": "object", "additionalProperties": False}
        schema["properties"] = {
            slot: {"type": sorted(types.get((name, slot), {"string"})), "description": what["description"]}
            for slot, what in slots.items()
        }
        required = {slot for slot, what in slots.items() if what.get("required")}
        schema["required"] = sorted(required - {"area"})  # the speaker's own room is known without words
        tools[name] = {"name": name, "description": about["description"], "parameters": schema}
    return tools


@lru_cache
def _types() -> dict[tuple[str, str], set[str]]:
    """Return the JSON types of each intent's slots, as the English templates and their lists have them."""
    types: dict[tuple[str, str], set[str]] = {}
    language = language_of("en")
    for template in language.templates():
        for reference in template.expression.list_references(language.intents.expansion_rules):
            found = kinds_of_value(language.intents.slot_lists.get(reference.list_name))
            types.setdefault((template.intent, reference.slot_name), set()).update(found)
    return types


def _human(settings: HomeIntents) -> list[Record]:
    """Return the sentences that people wrote: files LANGUAGE.jsonl.gz, one object a line."""
    records = []
    for code in settings.languages:
        path = _file(settings, code)
        try:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                records += [_read(path, number, line, code, settings) for number, line in enumerate(lines, 1)]
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise _unreadable(path, error) from None
    return records


def _read(path: Path, number: int, line: str, language: str, settings: HomeIntents) -> Record:
    try:
        row = json.loads(line)
        text, intent, slots, context, group = (row[name] for name in COLUMNS)
        known = {
            name: _said(value, text) for name, value in slots.items() if not _from_context(name, slots, context, text)
        }
        return _record(
            f"{language}/human/{number}", text, intent, known, language, f"{language}/{group}", settings.tools
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LamcoreError(f"{path}:{number}: no object with {', '.join(COLUMNS)} ({error!r})") from None


def _from_context(name: str, slots: dict[str, Any], context: dict[str, Any], text: str) -> bool:
    """Return whether a slot is known from where the speaker stands, and not from the words."""
    return name in context and context[name] == slots[name] and str(slots[name]).lower() not in text.lower()


def _said(value: Any, text: str) -> Any:
    """Return a value as it stands in the sentence, where it does; of several that are right, the first."""
    value = first(value)
    if not isinstance(value, str):
        return value
    value = value.strip()
    start = text.lower().find(value.lower())
    return value if start < 0 or len(text.lower()) != len(text) else text[start : start + len(value)]


def _without_overlap(splits: Splits) -> Splits:
    """Drop what stands in an earlier split, of human, train, test, validation; and what templates read in two ways."""
    keyed = {name: [(_comparable(row["input"]), row) for row in splits[name]] for name in ORDER if name in splits}
    calls: dict[str, set[str]] = {}
    for key, record in chain.from_iterable(keyed.values()):
        calls.setdefault(key, set()).add(record["calls"].lower())
    seen: set[str] = set()
    result: Splits = {}
    for name, rows in keyed.items():
        result[name] = []
        for key, record in rows:
            if key not in seen and (name == "human" or len(calls[key]) == 1):
                result[name].append(record)
            seen.add(key)
    return result


def _cut(splits: Splits, settings: HomeIntents) -> Splits:
    """Shorten train to the most that is wanted, evenly over the languages and templates."""
    if settings.max is not None and len(splits["train"]) > settings.max:
        splits["train"] = Random(settings.seed).sample(splits["train"], settings.max)
    if empty := [name for name, rows in splits.items() if not rows]:
        raise LamcoreError(f"source home_intents: {empty[0]} is empty - take more languages or sentences per template")
    return {name: splits[name] for name in ("train", "validation", "test", "human") if name in splits}


def _comparable(text: str) -> str:
    """Return a sentence without differences of Unicode form, case, blanks and the marks at its ends."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip("¿?¡!. ")
