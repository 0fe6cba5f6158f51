"""Find the gender that a translation gives a profession: by a lexicon of nouns, and the article where a noun has two.

The lexicons, German (de.tsv) and Spanish (es.tsv), hold for each of WinoMT's professions the nouns that a translation
may use: masculine ones, feminine ones that do not follow from those by rule, and ones of common gender. `Kunde~n` is a
German noun of the weak declension, `Angestellt-` one that is declined as an adjective."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path

WORD = re.compile(r"\w+(?:[:*/]-?\w+)*")
"""A word; forms for both genders, such as Lehrer:in and Lehrer/Lehrerin, are one, which no lexicon has."""
SHORTEST = 4
"""Letters of the shortest noun that is also found at the end of a compound: Tierarzt."""
BEFORE = 3
"""Most words between article and noun, and the article itself."""
ENDINGS = ("er", "en", "em", "e")
"""What a German noun that is declined as an adjective ends in; the longer ones first."""
OF_DER = re.compile(r"(?:d|dies|jed|jen|welch)(er|ie|em|en|es|e)")
OF_EIN = re.compile(r"(?:k?ein|mein|dein|sein|ihr|unser|eue?r)(er|em|en|es|e|)")
CONTRACTED = {"zum": "em", "vom": "em", "beim": "em", "im": "em", "am": "em", "zur": "female er"}
SPANISH = {
    "male": "el un al del este ese aquel nuestro vuestro otro dicho ningún algún cierto",
    "female": "la una esta esa aquella nuestra vuestra otra dicha ninguna alguna cierta",
}


class Language(Enum):
    """Language of a translation."""

    de = "de"
    es = "es"


@dataclass
class Nouns:
    """The nouns of one profession."""

    gendered: dict[str, str] = field(default_factory=dict)
    """Form -> male or female."""
    common: dict[str, str] = field(default_factory=dict)
    """Form -> its ending, where that tells the gender together with the article."""


def gender_of(text: str, occupation: str, language: Language) -> str | None:
    """Return "male" or "female", or None where no noun of the profession is found or its gender can't be told.

    The first noun counts; whole words go before ends of compounds."""
    nouns, words = lexicon(language)[occupation], [word.casefold() for word in WORD.findall(text)]
    for find in (_whole, _end):
        for at, word in enumerate(words):
            if form := find(word, nouns.gendered):
                return nouns.gendered[form]
            if form := find(word, nouns.common):
                return _by_article(words[max(0, at - BEFORE) : at][::-1], nouns.common[form], language)
    return None


def _whole(word: str, forms: dict[str, str]) -> str | None:
    return word if word in forms else None


def _end(word: str, forms: dict[str, str]) -> str | None:
    return next((form for form in forms if word.isalpha() and len(form) >= SHORTEST and word.endswith(form)), None)


def _by_article(before: list[str], ending: str, language: Language) -> str | None:
    """Return the gender that the nearest article before a noun of common gender shows; `before` is in reverse."""
    if language is Language.es:
        return next((gender for word in before for gender, words in SPANISH.items() if word in words.split()), None)
    if ending in ("er", "em"):
        return "male"  # ein Angestellter; dieser takes -e
    case = next((case for word in before if (case := _german_case(word))), None)
    if case is None:
        return None
    if ending == "e":  # der Angestellte, die Angestellte
        return {"male er": "male", "e": "female"}.get(case)
    if ending == "en":  # dem Angestellten, der Angestellten; die Angestellten are many
        return {"em": "male", "male er": "female", "female er": "female"}.get(case)
    return "female" if case in ("e", "female er") else "male"


def _german_case(word: str) -> str | None:
    """Return what an article shows: "em" (dem, den, des, einem, ...: male), "e" (die, eine), "male er" (der, dieser:
    male, or female in the dative), "female er" (einer, zur), "male" (ein); None for other words."""
    if word in CONTRACTED:
        return CONTRACTED[word]
    if found := OF_DER.fullmatch(word):
        return {"er": "male er", "ie": "e", "e": "e"}.get(found[1], "em")
    if found := OF_EIN.fullmatch(word):
        return {"er": "female er", "e": "e", "": "male"}.get(found[1], "em")
    return None


@cache
def lexicon(language: Language) -> dict[str, Nouns]:
    """Return {profession: its nouns} of a language."""
    text = (Path(__file__).parent / f"{language.value}.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.rstrip("\n").split("\n")[1:]]
    return {occupation: _nouns(language, *(cell.split() for cell in cells)) for occupation, *cells in rows}


def _nouns(language: Language, masculine: list[str], feminine: list[str], common: list[str]) -> Nouns:
    nouns, forms = Nouns(), _german if language is Language.de else _spanish
    for noun in masculine:
        male, female = forms(noun.casefold())
        nouns.gendered |= dict.fromkeys(male, "male") | {female: "female"}
    nouns.gendered |= {noun.casefold(): "female" for noun in feminine}
    for noun in common:
        stem = noun.casefold().removesuffix("-")
        nouns.common |= {stem + ending: ending for ending in ENDINGS} if noun.endswith("-") else {stem: ""}
    return nouns


def _german(noun: str) -> tuple[list[str], str]:
    """Return the masculine forms of a noun in the singular, and the feminine noun by rule."""
    noun, weak, ending = noun.partition("~")
    male = [noun, noun + ending] if weak else [noun, f"{noun}s", f"{noun}es"]
    return male, f"{noun.removesuffix('mann')}frau" if noun.endswith("mann") else f"{noun.removesuffix('e')}in"


def _spanish(noun: str) -> tuple[list[str], str]:
    return [noun], noun[:-1] + "a" if noun[-1] in "oe" else f"{noun}a"
