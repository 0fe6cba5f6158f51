"""Mishear words as a recogniser of speech does, and say what people say between words."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cache

from lamcore import Augmenter, Record
from lamcore_noise.words import check_shares, vary, vary_words

_CORE = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")  # the letters of a word, without what stands around them
ENDS = 4
"""Fewest letters of a word whose last one may go unheard."""


class Language(Enum):
    """Whose words sound alike."""

    en = "en"
    de = "de"


_WORDS = {  # words that sound alike, in groups
    Language.en: (
        "their there they're, to too two, your you're, its it's, here hear, right write, for four, no know, new knew, "
        "by buy bye, week weak, see sea, one won, son sun, meet meat, whether weather, our hour, eight ate, are our, "
        "then than, where wear were, which witch, whole hole, wait weight, piece peace, break brake, mail male, "
        "plain plane, road rode, tail tale, through threw, wood would, be bee, I eye, scene seen, flour flower, "
        "role roll, steal steel, stair stare, night knight, blue blew, made maid, pair pear, sale sail, some sum"
    ),
    Language.de: (
        "das dass, seid seit, wieder wider, mehr meer, ist isst, war wahr, viel fiel, man mann, den denn, in ihn, "
        "im ihm, wen wenn, statt stadt, tod tot, rad rat, weise waise, lied lid, seite saite, lehre leere, "
        "mahlen malen, uhr ur, ihr ir, fest feste, bis biss, rein rain, wende wände, ferse verse, leib laib, "
        "mine miene, stiel stil, arm am, ein einen, eine einer, dem den, einem einen, nicht nich, ist is, nun nur"
    ),
}
_SOUNDS = {  # spellings of one sound, in pairs
    Language.en: (
        "ph f, ck k, c k, ee ea, ai ay, oo u, ou ow, s z, b p, d t, g k, v f, m n, th d, x ks, wh w, "
        "tion shun, ight ite, le el, i e, qu kw"
    ),
    Language.de: (
        "ph f, v f, ck k, ei ai, eu äu, ä e, ie i, ss ß, z ts, b p, d t, g k, m n, x chs, dt t, th t, "
        "tz z, ü i, ö e, ch sch, qu kw"
    ),
}
_FILLERS = {
    Language.en: ("uh", "um", "er", "well", "like"),
    Language.de: ("äh", "ähm", "hm", "also", "naja"),
}


@cache
def alike(language: Language) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return {word: words that sound as it does} and {spelling: spellings of the same sound}, in lower case."""
    return _others(_WORDS[language]), _others(_SOUNDS[language])


def _others(groups: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for group in groups.split(", "):
        members = group.split()
        for one in members:
            found.setdefault(one.lower(), []).extend(other for other in members if other != one)
    return {one: tuple(dict.fromkeys(others)) for one, others in found.items()}


@dataclass
class SpeechNoise(Augmenter):
    """Mishear words: a word that sounds alike, letters of the same sound, an end that is lost, an "uh" before it."""

    columns: list[str] = field(default_factory=lambda: ["input"])
    """Text columns to vary; those that a record lacks are passed over."""
    rate: float = 0.1
    """Share of the words that get one such error, 0 to 1."""
    records: float = 0.5
    """Share of the records that are touched at all, 0 to 1."""
    everything: bool = False
    """Also mishear placeholders, tags, numbers and URLs."""
    language: Language = Language.en
    """Whose words and letters sound alike, and whose fillers are said: en or de."""

    def __post_init__(self) -> None:
        check_shares(rate=self.rate, records=self.records)

    def apply(self, records: list[Record], rng: random.Random) -> list[Record]:
        """Return the records with some words misheard."""
        return vary(records, rng, self.records if self.rate else 0, self.columns, self._varied)

    def _varied(self, text: str, rng: random.Random) -> str:
        return vary_words(text, rng, self.rate, self.everything, self._misheard)

    def _misheard(self, word: str, rng: random.Random) -> str:
        """Return the word with one error; where the one drawn is not possible, a filler before it."""
        kind, core = int(rng.random() * 4), _CORE.search(word)
        heard = core[0] if core else ""
        words, sounds = alike(self.language)
        if kind == 0 and (others := words.get(heard.lower())):
            heard = _as(heard, others[int(rng.random() * len(others))])
        elif kind == 1:
            heard = _respelt(heard, sounds, rng)
        elif kind == 2 and len(heard) >= ENDS:
            heard = heard[:-1]
        if core and heard != core[0]:
            return word[: core.start()] + heard + word[core.end() :]
        fillers = _FILLERS[self.language]
        return f"{fillers[int(rng.random() * len(fillers))]} {word}"


def _respelt(word: str, sounds: dict[str, tuple[str, ...]], rng: random.Random) -> str:
    """Return the word with one sound written otherwise, or as it is where it has none such."""
    low = word.lower()
    places = [(at, n) for n in (1, 2, 3, 4) for at in range(len(low) + 1 - n) if low[at : at + n] in sounds]
    if not places or len(low) != len(word):
        return word
    at, length = places[int(rng.random() * len(places))]
    others = sounds[low[at : at + length]]
    return word[:at] + _as(word[at], others[int(rng.random() * len(others))]) + word[at + length :]


def _as(old: str, new: str) -> str:
    """Write `new` with a capital, or in capitals, where `old` has it so."""
    if len(old) > 1 and old.isupper():
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new
