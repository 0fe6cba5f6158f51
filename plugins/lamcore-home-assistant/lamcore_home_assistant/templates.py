"""Draw sentences with their slots from the templates of the package home-assistant-intents, which hassil parses.

A template such as `turn on [the] {area} (light|lamp)` may stand for millions of sentences: they are drawn, one walk
through the template each, and never listed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from random import Random
from typing import Any

from hassil.expression import Alternative, Expression, Group, ListReference, Permutation, RuleReference, TextChunk
from hassil.intents import Intents, RangeFractionType, RangeSlotList, SlotList, TextSlotList
from hassil.numbers import get_rbnf_engine
from home_assistant_intents import get_intents, get_languages

from lamcore.errors import unknown

SPELLED, SPELLED_IN_TRAIN = 0.1, 0.3
"""Share of the numbers that are written as words; hassil knows them in most languages. Train has more: digits can be
copied, words must be learnt."""
MADE_UP = 0.2
"""Share of what only a home knows that train puts together from the halves of two such names: homes have others,
so a model has to copy them."""
FRACTIONS = 0.1
"""Share of the numbers that have a fraction, where the list allows one."""
POLITE = 0.1
"""Share of the sentences with words such as "please", which the package lists for each language."""
DOMAINS = {"input_boolean": "switch", "input_button": "button"}
"""Kinds of entity that are named like others."""


@dataclass(frozen=True)
class Template:
    """One template of one language: the intent it speaks, the slots it always has, what its {name} may be."""

    language: str
    intent: str
    text: str
    expression: Group
    slots: dict[str, Any]
    domains: tuple[str, ...]

    @property
    def asks(self) -> bool:
        """Return whether its sentences are questions."""
        return "Get" in self.intent or self.intent == "HassTimerStatus"


class Language:
    """The templates, lists and rules of one language, and our own names for what only a home knows."""

    def __init__(self, code: str):
        languages = get_languages()
        if code not in languages:
            raise unknown("language", code, languages, has="There are")
        self.code, self.intents = code, Intents.from_dict(get_intents(code) or {})
        self.words = words_of(code)

    def templates(self) -> Iterator[Template]:
        """Yield every template, in the package's order."""
        for intent in self.intents.intents.values():
            for block in intent.data:
                domains = block.requires_context.get("domain", [])
                named = tuple(DOMAINS.get(name, name) for name in ([domains] if isinstance(domains, str) else domains))
                for sentence in block.sentences:
                    parts = sentence.expression
                    assert isinstance(parts, Group)  # so hassil parses every sentence
                    yield Template(self.code, intent.name, str(sentence.text), parts, dict(block.slots), named)

    @cached_property
    def polite(self) -> list[str]:
        return self.intents.skip_words or [""]

    def draw(self, template: Template, rng: Random, train: bool = False) -> tuple[str, dict[str, Any]]:
        """Return one sentence and its slots; a value that stands in the sentence is given as it stands there."""
        style = rng.choice(("as it is", "spoken", "written"))
        walk = _Walk(self, template, rng, style == "spoken", train)
        text = " ".join(walk.text(template.expression).split())
        if rng.random() < POLITE:
            words = rng.choice(self.polite)
            text = rng.choice((f"{words} {text}", f"{text} {words}")).strip()
        if style == "spoken":
            text = text.lower()
        elif style == "written":
            text = _written(text, template, walk.said, rng)
        return text, template.slots | walk.slots


@lru_cache(maxsize=2)
def language_of(code: str) -> Language:
    """Return a language, of which the last two are kept: to parse its templates takes a while."""
    return Language(code)


def _written(text: str, template: Template, said: list[str], rng: Random) -> str:
    """Return a sentence with a capital letter and, half the time, a mark at its end; names keep their form."""
    if not any(text.startswith(words) for words in said):
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.5 or any(text.endswith(words) for words in said if not template.asks):
        return text
    if not template.asks:
        return text + "."
    return f"¿{text}?" if template.language == "es" else f"{text}?"


class _Walk:
    """One walk through a template: each choice drawn, each slot kept."""

    def __init__(self, language: Language, template: Template, rng: Random, spoken: bool, train: bool):
        self.language, self.template, self.rng, self.spoken, self.train = language, template, rng, spoken, train
        self.slots: dict[str, Any] = {}
        self.said: list[str] = []
        """Values that stand in the sentence as they are."""

    def text(self, part: Expression) -> str:
        if isinstance(part, TextChunk):
            return part.original_text
        if isinstance(part, Alternative):
            return self.text(self._choose(part))
        if isinstance(part, Permutation):
            return " ".join(self.text(item) for item in self.rng.sample(part.items, len(part.items)))
        if isinstance(part, Group):
            return "".join([self.text(item) for item in part.items])
        if isinstance(part, RuleReference):
            return self.text(self.language.intents.expansion_rules[part.rule_name].expression)
        if isinstance(part, ListReference):
            return self._value(part)
        raise TypeError(f"hassil gave a part of a template that is not known here: {part!r}")

    def _choose(self, part: Alternative) -> Expression:
        """Draw one of the alternatives; what is optional (its last one is empty) is left out half the time."""
        if part.is_optional and self.rng.random() < 0.5:
            return part.items[-1]
        return self.rng.choice(part.items[:-1] if part.is_optional else part.items)

    def _value(self, reference: ListReference) -> str:
        values = self.language.intents.slot_lists.get(reference.list_name)
        if isinstance(values, TextSlotList):
            drawn = self.rng.choice(values.values)
            words = self.text(drawn.text_in).strip()
            value = self._as_said(words) if drawn.value_out is None else first(drawn.value_out)
        elif isinstance(values, RangeSlotList):
            words, value = _number(values, self.language.code, self.rng, SPELLED_IN_TRAIN if self.train else SPELLED)
        else:  # a wildcard, or an area, a floor or a name: what only a home knows
            words = self._named(reference.list_name)
            value = self._as_said(words)
        self.slots[reference.slot_name] = value
        return words

    def _as_said(self, words: str) -> str:
        words = words.lower() if self.spoken else words
        self.said.append(words)
        return words

    def _named(self, name: str) -> str:
        known = self.language.words
        if name in ("area", "floor"):
            return self._one_of(known[name])
        if name != "name":
            return self._one_of(known["wildcard"][name])
        domain = self.rng.choice(self.template.domains or ("light", "switch", "fan", "media_player"))
        plain = self._one_of(known["name"][domain])
        if domain in ("person", "weather", "todo", "scene", "script", "button"):
            return plain
        return self.rng.choice(known["pattern"]).format(name=plain, person=self.rng.choice(known["name"]["person"]))

    def _one_of(self, names: list[str]) -> str:
        name = self.rng.choice(names)
        if not self.train or self.rng.random() >= MADE_UP:
            return name
        other = self.rng.choice(names)
        return name[: (len(name) + 1) // 2] + other[len(other) // 2 :]


def _number(values: RangeSlotList, language: str, rng: Random, spelled: float) -> tuple[str, int | float]:
    number: int | float = rng.randrange(values.start, values.stop + 1, values.step)
    parts = RangeFractionType.get_fractions(values.fraction_type)
    if rng.random() < FRACTIONS and parts and number < values.stop:
        number += rng.choice(parts)
    in_words = values.words and rng.random() < spelled
    words = _spelled(number, values.words_language or language) if in_words else None
    value = number * (values.multiplier or 1)
    return words or str(number), int(value) if value == int(value) else value


@lru_cache(maxsize=10_000)
def _spelled(number: int | float, language: str) -> str | None:
    """Return a number in words; None where hassil has no words of the language."""
    try:
        return get_rbnf_engine(language).format_number(number).text
    except ValueError:
        return None


@lru_cache
def words_of(language: str) -> dict[str, Any]:
    """Return our names of areas, floors and entities in a language; in English where there are none."""
    folder = files("lamcore_home_assistant") / "words"
    own = folder / f"{language}.json"
    return json.loads((own if own.is_file() else folder / "en.json").read_text(encoding="utf-8"))


def first(value: Any) -> Any:
    """Return a value, or the first of several that are right."""
    return value[0] if isinstance(value, list) else value


def kinds_of_value(values: SlotList | None) -> set[str]:
    """Return the JSON types that the values of a list have."""
    if isinstance(values, RangeSlotList):
        return {"integer", "number"} if values.fraction_type else {"integer"}
    if isinstance(values, TextSlotList):
        return {_json_type(first(value.value_out)) for value in values.values}
    return {"string"}


def _json_type(value: Any) -> str:
    return {bool: "boolean", int: "integer", float: "number"}.get(type(value), "string")
