"""Plain values -> components: every wrong value is an error that names its key."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest

from lamcore import MISSING, Augmenter, LamcoreError, Preprocessor
from lamcore.make import defaults, describe, make, plain


class Colour(Enum):
    """A choice."""

    red = "red"
    dark_red = "dark-red"


@dataclass
class Part:
    """Settings inside settings."""

    size: int = 3
    """How large."""


@dataclass
class Shout(Preprocessor):
    """Write louder."""

    times: int = 1
    """How often."""

    def __post_init__(self):
        if self.times < 1:
            raise ValueError(f"times must be 1 or more, not {self.times}")


@dataclass
class Both(Preprocessor):
    """Do one step, then the others."""

    first: Preprocessor = MISSING
    """The one."""
    others: list[Preprocessor] = field(default_factory=list)
    """The others."""
    named: dict[str, Preprocessor] = field(default_factory=dict)
    """More, by label."""


@dataclass
class All:
    """One field of every type."""

    whole: int = 1
    """A whole number."""
    number: float = 0.5
    """A number
    in two lines."""
    text: str = "a"
    """A text."""
    flag: bool = False
    """A flag."""
    colour: Colour = Colour.red
    """A colour."""
    perhaps: int | None = None
    """Perhaps a number."""
    either: int | str = 1
    """One or the other."""
    many: list[float] = field(default_factory=lambda: [1.0])
    """Many numbers."""
    by_name: dict[str, int] = field(default_factory=dict)
    """Numbers by name."""
    part: Part = field(default_factory=Part)
    """A part."""
    silent: int = 0


@dataclass
class Needy:
    """Wants a file."""

    file: str = MISSING
    """The file to read."""


def find(kind: str, name: str) -> type:
    assert kind == "preprocessor"
    return {"shout": Shout, "both": Both}[name]


def message(cls: type, values: dict[str, Any], where: str = "key") -> str:
    with pytest.raises(LamcoreError) as error:
        make(cls, values, where, find)
    assert error.value.exit_code == 2
    return str(error.value)


def test_without_values_every_field_has_its_default():
    assert make(All, {}) == All()


def test_every_type_is_made_of_its_plain_value():
    made = make(
        All,
        {"whole": 2, "number": 3, "text": "b", "flag": True, "colour": "dark-red", "perhaps": 4, "either": "x"}
        | {"many": [1, 2.5], "by_name": {"a": 1}, "part": {"size": 9}},
    )
    assert made == All(2, 3.0, "b", True, Colour.dark_red, 4, "x", [1.0, 2.5], {"a": 1}, Part(9))
    assert type(made.number) is float and type(made.many[0]) is float


def test_a_choice_is_found_by_its_value_and_by_its_name():
    assert make(All, {"colour": "dark_red"}).colour is Colour.dark_red
    assert make(All, {"colour": Colour.dark_red}).colour is Colour.dark_red


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"whole": "2"}, "key.whole must be a whole number, not '2'."),
        ({"whole": 2.0}, "key.whole must be a whole number, not 2.0."),
        ({"whole": True}, "key.whole must be a whole number, not True."),
        ({"whole": None}, "key.whole must be a whole number, not None."),
        ({"number": "1e-3"}, "key.number must be a number, not '1e-3'."),
        ({"number": False}, "key.number must be a number, not False."),
        ({"number": float("nan")}, "key.number must be a finite number, not nan."),
        ({"number": -float("inf")}, "key.number must be a finite number, not -inf."),
        ({"text": 7}, "key.text must be text, not 7 (quote it: \"'7'\")."),
        ({"text": True}, "key.text must be text, not True (quote it: \"'True'\")."),
        ({"text": None}, "key.text must be text, not None."),
        ({"flag": 1}, "key.flag must be true or false, not 1."),
        ({"flag": "yes"}, "key.flag must be true or false, not 'yes'."),
        ({"perhaps": "x"}, "key.perhaps must be a whole number, not 'x'."),
        ({"either": 1.5}, "key.either must be a whole number or text, not 1.5."),
        ({"many": 1.0}, "key.many must be a list of numbers, not 1.0."),
        ({"many": [1.0, "x"]}, "key.many[1] must be a number, not 'x'."),
        ({"by_name": []}, "key.by_name must be a table of whole numbers, not []."),
        ({"by_name": {"a": 1, "b": "x"}}, "key.by_name.b must be a whole number, not 'x'."),
        ({"part": 3}, "key.part must be settings, not 3."),
        ({"part": {"size": "x"}}, "key.part.size must be a whole number, not 'x'."),
        ({"colour": "rde"}, "key.colour: No choice is called 'rde'. Did you mean 'red'? Choices: dark-red, red."),
        ({"colour": 3}, "key.colour: No choice is called '3'. Choices: dark-red, red."),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_refused_with_its_key(values, words):
    assert message(All, values) == words


def test_a_misspelt_setting_gets_the_nearest_one_and_the_list():
    assert message(Part, {"sise": 1}) == "No setting is called 'key.sise'. Did you mean 'key.size'? Known: key.size."
    assert message(Part, {"sise": 1}, "") == "No setting is called 'sise'. Did you mean 'size'? Known: size."
    assert "'key.part.sise'" in message(All, {"part": {"sise": 1}})


def test_a_setting_that_must_be_set_says_so_with_its_help():
    assert message(Needy, {}) == "key.file must be set: The file to read."
    assert message(Needy, {"file": "???"}) == "key.file must be set: The file to read."
    assert make(Needy, {"file": "a.txt"}) == Needy("a.txt")


def test_a_value_out_of_range_is_refused_with_its_key():
    assert message(Shout, {"times": 0}) == "key: times must be 1 or more, not 0"
    assert message(Both, {"first": {"name": "shout", "times": 0}}) == "key.first: times must be 1 or more, not 0"


def test_components_are_made_inside_components_lists_and_tables():
    made = make(
        Both,
        {
            "first": {"name": "shout", "times": 2},
            "others": [{"name": "shout"}, {"name": "both", "first": {"name": "shout", "times": 3}}],
            "named": {"shout": {"times": 4}, "again": {"name": "shout", "times": 5}},
        },
        find=find,
    )
    assert made == Both(Shout(2), [Shout(), Both(Shout(3))], {"shout": Shout(4), "again": Shout(5)})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"first": {"times": 2}}, "key.first must name a preprocessor: key.first.name=NAME."),
        ({"first": {"name": 5}}, "key.first must name a preprocessor: key.first.name=NAME."),
        ({"first": "shout"}, "key.first must be a preprocessor, not 'shout'."),
        ({"first": {"name": "shout", "times": "x"}}, "key.first.times must be a whole number, not 'x'."),
        (
            {"first": {"name": "shout"}, "others": [{"name": "shout", "tims": 1}]},
            "No setting is called 'key.others[0].tims'. Did you mean 'key.others[0].times'? "
            "Known: key.others[0].times.",
        ),
        ({"first": {"name": "shout"}, "named": {"shout": 3}}, "key.named.shout must be a preprocessor, not 3."),
    ],
    ids=str,
)
def test_a_wrong_component_is_refused_with_its_key(values, words):
    assert message(Both, values) == words


def test_describe_gives_each_setting_with_type_default_and_the_string_under_it():
    told = [(s.name, s.type, s.default, s.help, s.required) for s in describe(All)]
    assert told == [
        ("whole", "a whole number", 1, "A whole number.", False),
        ("number", "a number", 0.5, "A number in two lines.", False),
        ("text", "text", "a", "A text.", False),
        ("flag", "true or false", False, "A flag.", False),
        ("colour", "red, dark-red", "red", "A colour.", False),
        ("perhaps", "a whole number or null", None, "Perhaps a number.", False),
        ("either", "a whole number or text", 1, "One or the other.", False),
        ("many", "a list of numbers", [1.0], "Many numbers.", False),
        ("by_name", "a table of whole numbers", {}, "Numbers by name.", False),
        ("part", "settings", {"size": 3}, "A part.", False),
        ("silent", "a whole number", 0, "", False),
    ]
    assert [(s.type, s.default, s.required) for s in describe(Needy)] == [("text", "???", True)]
    assert [s.type for s in describe(Both)] == [
        "a preprocessor",
        "a list of preprocessors",
        "a table of preprocessors",
    ]


def test_describe_gives_inherited_settings_with_their_strings():
    @dataclass
    class Large(Part):
        """A larger part."""

        weight: float = 2.0
        """How heavy."""

    assert [(s.name, s.help) for s in describe(Large)] == [("size", "How large."), ("weight", "How heavy.")]


def test_defaults_are_plain():
    assert defaults(All)["colour"] == "red" and defaults(All)["part"] == {"size": 3}
    assert defaults(Needy) == {"file": "???"}


def test_plain_is_the_inverse_of_make():
    made = All(2, 3.0, "b", True, Colour.dark_red, 4, "x", [2.5], {"a": 1}, Part(9), 5)
    assert plain(made)["colour"] == "dark-red"
    assert make(All, plain(made)) == made


def test_plain_names_nested_components_so_that_make_finds_them_again():
    made = Both(Shout(2), [Both(Shout(3))], {"again": Shout(5)})
    names = {Shout: "shout", Both: "both"}
    values = plain(made, lambda one: names[type(one)])
    assert values["first"] == {"name": "shout", "times": 2} and values["name"] == "both"
    del values["name"]
    assert make(Both, values, find=find) == made


def test_fields_that_are_not_settings_are_left_alone():
    @dataclass
    class Counts(Augmenter):
        """Keep a count."""

        rate: float = 0.1
        """A rate."""
        seen: int = field(default=0, init=False)

        def apply(self, records, rng):
            return records

    assert [s.name for s in describe(Counts)] == ["rate"] and plain(Counts()) == {"rate": 0.1}
    assert message(Counts, {"seen": 1}) == "No setting is called 'key.seen'. Known: key.rate."


def test_a_name_that_resembles_none_gets_no_hint_however_long_the_key_before_it():
    words = "No setting is called 'a.long.key.before.it.qqqq'. Known: a.long.key.before.it.size."
    assert message(Part, {"qqqq": 1}, "a.long.key.before.it") == words
