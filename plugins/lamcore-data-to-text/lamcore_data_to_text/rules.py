"""What a text says about fields: rules for E2E, for RNNLG, and for values that stand in it word for word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from lamcore_data_to_text.slots import CLOSED, Slot, marks, masked

NOT_GIVEN = re.compile(r"\[[^\W\d][\w ]*\]")
"""A mark that no value was filled in for."""


class Rules(Enum):
    """How slots are found in a text."""

    exact = "exact"
    e2e = "e2e"
    rnnlg = "rnnlg"


@dataclass
class Found:
    """What a text says."""

    places: dict[str, int]
    """Field -> where it is mentioned first; places are in order, no characters of the text."""
    slots: int
    """How many slots were looked for."""
    missing: list[int]
    """Which of the slots are not stated, by their number."""
    redundant: int
    """How much is stated that is none of the slots."""

    @property
    def errors(self) -> int:
        """Missing and redundant slots together."""
        return len(self.missing) + self.redundant

    @property
    def first(self) -> str:
        """The field that is mentioned first, a name apart; "" where there is none."""
        return min((name for name in self.places if name != "name"), key=lambda name: self.places[name], default="")


def find(text: str, slots: Sequence[Slot], rules: Rules, act: str = "") -> Found:
    """Return what a text says of the slots.

    exact: an open value is stated where it stands word for word, whatever its case, and each slot needs a place of its
    own; closed values (yes, no, none, dontcare, empty) can't be seen and are not counted; what is redundant is only a
    mark without a value.
    e2e: name and near as in exact; the other fields by words and patterns (`E2E`), a word for a level (cheap, average)
    counting for price or rating by what it stands next to. A field that the text gives another value is missing, if it
    was asked for, and each value that was not asked for is redundant; that "restaurant" is said is never redundant.
    rnnlg: as Wen et al. (2015) count: open values as in exact, `A and B` in any order; for each yes/no field the
    number of its key words (`YES_NO`) is to be the number of its slots, whether they say yes, no or dontcare; acts
    ?select and suggest are not counted."""
    if rules is Rules.e2e:
        return _e2e(text, slots)
    hidden = masked(text, slots, ignore_case=True)
    found = Found({}, 0, [], len(NOT_GIVEN.findall(text)))
    for number, (sign, (name, value)) in enumerate(zip(marks(slots), slots, strict=True)):
        found.slots += value not in CLOSED
        if sign in hidden:
            found.places[name] = min(hidden.index(sign), found.places.get(name, len(hidden)))
        elif value not in CLOSED:
            found.missing.append(number)
    return found if rules is Rules.exact else _rnnlg(hidden, slots, act, found)


# RNNLG

YES_NO = {
    "kidsallowed": {"child", "kid", "kids", "children"},
    "dogsallowed": {"dog", "dogs", "puppy"},
    "hasinternet": {"internet", "wifi"},
    "acceptscreditcards": {"card", "cards"},
    "isforbusinesscomputing": {"business", "nonbusiness", "home", "personal", "general"},
    "hasusbport": {"usb"},
}
"""Field -> words of which each slot of it is to be one."""


def _rnnlg(hidden: str, slots: Sequence[Slot], act: str, found: Found) -> Found:
    if act in ("?select", "suggest"):
        return Found(found.places, 0, [], 0)
    for name, keys in YES_NO.items():
        said = [word.start() for word in re.finditer(r"\S+", hidden) if word[0].lower() in keys]
        asked = [number for number, slot in enumerate(slots) if slot[0] == name and slot[1]]
        found.slots += len(asked)
        found.missing += asked[len(said) :]
        found.redundant += max(len(said) - len(asked), 0)
        if said and asked:
            found.places[name] = said[0]
    return found


# E2E

_LEVELS = [
    r"low(?:er|est|ly)?",
    r"average(?:ly)?|moderate(?:ly)?|mid(?:-?range)?|medium|middle(?! of)|fair(?:ly)?|reasonabl[ey]|ok(?:ay)?|decent",
    r"high(?:ly|er)?",
]
_RATING_LEVELS = [
    r"poor(?:ly)?|bad(?:ly)?|below average",
    r"mediocre",
    r"excellent(?:ly)?|great|top|best(?! suit)|good|well|outstanding|superb|perfect|exceptional(?:ly)?",
]
_PRICE = r"pric\w+|cost\w*|£|range[ds]?|budget|spend\w*|money|value"
_RATING = (
    r"rat(?:ing|ed|ings|es?)|reviews?|reviewed|customers?|stars?|satisfaction|liked|regarded|received|scores?|"
    r"recommended|feedback|quality|service|reputation|standards?|approv\w+|rank\w*"
)
_PRICE_WORDS = [
    r"cheap\w*|inexpensive\w*|affordabl[ey]|low(?:er)?[- ]?(?:cost|price|priced|prices)|budget|bargain|not expensive",
    r"mid[- ]?(?:range|price)d?|average[- ]?pric\w+|moderate(?:ly)?[- ]?pric\w+",
    r"(?<!not )(?<!not too )(?<!not very )(?<!less )(?<!in)expensive\w*|(?<!not )(?<!very )pric[e]?y|"
    r"high(?:er)?[- ]?(?:end|price|priced|prices|cost)|upscale|premium|costly|up-?market",
]
_PRICE_NUMBERS = [
    r"(?:less|lower|under|below|cheaper|within|up to|maximum|max|no more|not more)(?: \w+){0,3} ?(?:£ ?)?20"
    r"(?! ?(?:-|to|and)? ?£? ?25)|< ?£?20",
    r"£? ?20(?:\.00)? ?(?:-|–|to|and|or|through|up to)+ ?(?:£ ?)?25|£20-25",
    r"(?:more|over|above|higher|greater|upwards?|excess|exceed\w*|least|from|start\w*|around|about|>|plus)"
    r"(?: \w+){0,3} ?(?:£ ?)?30|£ ?30",
]
_STARS = [
    rf"(?<!out of )(?<!\d of )(?<!out )(?<!/)\b(?:{digit}|{word}) ?-? ?"
    rf"(?:(?:out )?(?:of|out) (?:a possible )?(?:5|five)|/ ?5|stars?\b)"
    rf"|\b(?:rat\w+|scores?|scored|reviews?)(?: (?!out|of|\d|one|three|five)\w+){{0,3}} (?:{digit}|{word})\b"
    rf"(?! ?(?:-|to|of|out|pounds|star))"
    for digit, word in (("1", "one"), ("3", "three"), ("5", "five"))
]
_VALUES = {
    "eatType": {
        "coffee shop": r"\bcoffee|\bcaf[eé]s?\b",
        "pub": r"\bpubs?\b|\bbar\b",
        "restaurant": r"\brestaurants?\b|\beater(?:y|ies)\b|\bdin(?:er|ing)s?\b|\bbistro\b",
    },
    "food": {
        "Chinese": r"\bchinese\b", "English": r"\benglish\b|\bbritish\b", "French": r"\bfrench\b",
        "Indian": r"\bindian?\b", "Italian": r"\bitalian?\b|\bpasta\b", "Japanese": r"\bjapan(?:ese)?\b|\bsushi\b",
        "Fast food": r"\bfast[- ]?foods?\b|\bburgers?\b",
    },
    "area": {
        "riverside": r"\briver ?-?sides?\b|\briver(?:'s|bank|s)?\b|\bwaterfront\b",
        "city centre": r"\bcent(?:re|er|ral)\b|\bdowntown\b|\bcity\b",
    },
}  # fmt: skip
_FAMILY = re.compile(r"\b(?:famil\w+|kid\w*|child\w*|all ages|youngsters)\b")
_ADULT = re.compile(r"\badults?\b|\bgrown[- ]?ups?\b")
_NO = re.compile(
    r"\b(?:not|no|non|isn't|doesn't|don't|aren't|un|isnt|doesnt|dont|never|without|nor|neither|cannot|can't|adults?|"
    r"lacks?|discourag\w+|prohibit\w*|avoid)\b(?:\W+(?!and\b|but\b|with\b|is\b|has\b|located\b)\w+){0,5}\W*$"
)
_NO_AFTER = re.compile(
    r"^[\w'-]*\W*(?:(?:are|is|not|aren't|isn't|friendly|to|be|and|or|families|kids|children)\W+){0,4}"
    r"(?:un\w*friendly|free\b|not\b|unwelcome|aren't|isn't|un\b|no\b|prohibited|discouraged|non\b)"
)


def _e2e(text: str, slots: Sequence[Slot]) -> Found:
    copied = [(name, value) for name, value in slots if name in ("name", "near")]
    hidden = masked(text, copied, ignore_case=True)
    said = _said(hidden)
    for sign, slot in zip(marks(copied), copied, strict=True):
        if sign in hidden:
            said[slot] = hidden.index(sign)
    asked = [(name, _LEVEL.get((name, value), value)) for name, value in slots]
    places = {slot[0]: said[slot] for slot in asked if slot in said}
    missing = [number for number, slot in enumerate(asked) if slot not in said]
    redundant = said.keys() - set(asked) - {("eatType", "restaurant")}
    return Found(places, len(asked), missing, len(redundant) + len(NOT_GIVEN.findall(text)))


_LEVEL = {
    ("priceRange", "cheap"): "low", ("priceRange", "less than £20"): "low",
    ("priceRange", "moderate"): "mid", ("priceRange", "£20-25"): "mid",
    ("priceRange", "high"): "high", ("priceRange", "more than £30"): "high",
    ("customer rating", "low"): "low", ("customer rating", "1 out of 5"): "low",
    ("customer rating", "average"): "mid", ("customer rating", "3 out of 5"): "mid",
    ("customer rating", "high"): "high", ("customer rating", "5 out of 5"): "high",
}  # fmt: skip
"""Values in words and in numbers are one: a level."""


def _said(text: str) -> dict[Slot, int]:
    """Return {(field, value): place} for all that a text says, in its fields' own values."""
    text = text.lower()
    said: dict[Slot, int] = {}
    for name, values in _VALUES.items():
        for value, pattern in values.items():
            if match := re.search(pattern, text):
                said[name, value] = match.start()
    _said_family(text, said)
    for at, level in enumerate(("low", "mid", "high")):
        rating, price = ("customer rating", level), ("priceRange", level)
        for match in re.finditer(_STARS[at], text):
            _add(said, rating, match)
        for match in re.finditer(rf"(?<!\w)(?:{_PRICE_NUMBERS[at]}|{_PRICE_WORDS[at]})", text):
            _add(said, price, match)
        for match in re.finditer(rf"(?<!\w)(?:{_LEVELS[at]})(?!\w)", text):
            near = {slot: _distance(text, match, words) for slot, words in ((price, _PRICE), (rating, _RATING))}
            if min(near.values()) < 40:
                _add(said, min(near, key=lambda slot: near[slot]), match)
        for match in re.finditer(rf"(?<!\w)(?:{_RATING_LEVELS[at]})(?!\w)", text):
            if _distance(text, match, _RATING) < 30:
                _add(said, rating, match)
    return said


def _add(said: dict[Slot, int], slot: Slot, match: re.Match[str]) -> None:
    said[slot] = min(match.start(), said.get(slot, match.start()))


def _distance(text: str, match: re.Match[str], pattern: str) -> int:
    """Return how many characters lie between a match and the nearest word of a pattern; a clause's end adds 30."""
    least = 1000
    for other in re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", text):
        before = other.end() <= match.start()
        gap = text[other.end() : match.start()] if before else text[match.end() : other.start()]
        ends = len(re.findall(r"[.,;]|\band\b|\bwith\b|\bbut\b", gap))
        least = min(least, len(gap) + 30 * ends + (8 if before else 0))
    return least


def _said_family(text: str, said: dict[Slot, int]) -> None:
    for match in _FAMILY.finditer(text):
        around = re.split(r"[.;]", text[: match.start()])[-1], re.split(r"[.;]", text[match.end() :])[0]
        no = _NO.search(around[0]) or _NO_AFTER.search(around[1])
        said.setdefault(("familyFriendly", "no" if no else "yes"), match.start())
    adults = _ADULT.search(text)
    if adults and not any(name == "familyFriendly" for name, _ in said):
        said["familyFriendly", "no"] = adults.start()
