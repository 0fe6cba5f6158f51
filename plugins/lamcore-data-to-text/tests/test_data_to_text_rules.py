"""Slots are found in texts as the rules say."""

from __future__ import annotations

import pytest

from lamcore import LamcoreError
from lamcore_data_to_text import Rules
from lamcore_data_to_text.rules import find
from lamcore_data_to_text.slots import filled, masked, read_fields, write_fields


def e2e(text: str, **slots: str) -> tuple[list[str], int]:
    """Return the fields that are missing, and how many are redundant."""
    given = [(name.replace("_", " "), value) for name, value in slots.items()]
    found = find(text, given, Rules.e2e)
    return [given[number][0] for number in found.missing], found.redundant


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("Aromi is a cheap pub.", {"priceRange": "cheap", "eatType": "pub"}),
        ("Aromi is low-priced and rated 5 out of 5.", {"priceRange": "less than £20", "customer_rating": "high"}),
        (
            "Aromi is a highly rated, moderately priced place.",
            {"priceRange": "£20-25", "customer_rating": "5 out of 5"},
        ),
        ("Aromi has a low customer rating and high prices.", {"customer_rating": "low", "priceRange": "high"}),
        ("Aromi has an average rating. Its price range is high.", {"customer_rating": "average", "priceRange": "high"}),
        (
            "A one star pub, Aromi costs more than £30.",
            {"customer_rating": "low", "eatType": "pub", "priceRange": "high"},
        ),
        ("Aromi got 1 out of 5 stars.", {"customer_rating": "1 out of 5"}),
        ("Aromi is not family-friendly.", {"familyFriendly": "no"}),
        ("Aromi is child friendly and serves fast food.", {"familyFriendly": "yes", "food": "Fast food"}),
        ("Aromi doesn't welcome kids.", {"familyFriendly": "no"}),
        ("Aromi, for adults only, is in the city center.", {"familyFriendly": "no", "area": "city centre"}),
        ("AROMI lies by the river near Café Rouge.", {"area": "riverside", "near": "Café Rouge"}),
        ("Aromi is a restaurant.", {}),
    ],
)
def test_what_an_e2e_text_says_is_found_and_nothing_else(text, slots):
    assert e2e(text, name="Aromi", **slots) == ([], 0)


@pytest.mark.parametrize(
    ("text", "slots", "missing", "redundant"),
    [
        ("Aromi serves food.", {"food": "Thai"}, ["food"], 0),
        ("Aromi is a cheap pub.", {"priceRange": "high"}, ["priceRange"], 2),
        ("Aromi is child friendly.", {"familyFriendly": "no"}, ["familyFriendly"], 1),
        ("It is riverside.", {"area": "riverside"}, ["name"], 0),
        ("Aromi serves Indian and Italian food.", {"food": "Indian"}, [], 1),
        ("Aromi is near [near].", {}, [], 1),
        ("", {"area": "riverside", "food": "French"}, ["name", "area", "food"], 0),
    ],
)
def test_what_an_e2e_text_leaves_out_or_adds_is_counted(text, slots, missing, redundant):
    assert e2e(text, name="Aromi", **slots) == (missing, redundant)


@pytest.mark.parametrize(
    ("text", "act", "slots", "missing", "redundant", "counted"),
    [
        ("inn one allows dogs", "inform", [("name", "inn one"), ("dogsallowed", "yes")], 0, 0, 2),
        ("inn one allows dogs", "inform", [("name", "inn one"), ("dogsallowed", "no")], 0, 0, 2),
        ("inn one is nice", "inform", [("name", "inn one"), ("dogsallowed", "yes")], 1, 0, 2),
        ("inn one takes card -s , credit card -s", "inform", [("name", "inn one")], 0, 0, 1),
        ("inn one has internet and wifi", "inform", [("name", "inn one"), ("hasinternet", "yes")], 0, 1, 2),
        ("inn one is near b or a", "inform", [("name", "inn one"), ("near", "a and b")], 0, 0, 2),
        ("it is [name]", "inform", [("name", "inn one")], 1, 1, 1),
        ("any area", "?request", [("area", "")], 0, 0, 0),
        ("x", "?select", [("area", "soma"), ("area", "noma")], 0, 0, 0),
        (
            "40 watt and 40 watt",
            "?compare",
            [("powerconsumption", "40 watt"), ("powerconsumption", "40 watt")],
            0,
            0,
            2,
        ),
        ("only 40 watt", "?compare", [("powerconsumption", "40 watt"), ("powerconsumption", "40 watt")], 1, 0, 2),
    ],
)
def test_rnnlg_counts_values_and_the_key_words_of_yes_and_no(text, act, slots, missing, redundant, counted):
    found = find(text, slots, Rules.rnnlg, act)
    if "card" in text:  # two key words for no such slot
        missing, redundant = 0, 2
    assert (len(found.missing), found.redundant, found.slots) == (missing, redundant, counted)


def test_a_value_is_a_whole_word_and_each_slot_needs_a_place_of_its_own():
    slots = [("name", "Ann"), ("city", "Annaburg"), ("age", "3")]
    assert find("ann lives in Annaburg, aged 3.", slots, Rules.exact).missing == []
    assert find("She lives in Annaburg, aged 3.5.", slots, Rules.exact).missing == [0, 2]


def test_the_first_field_of_a_text_is_the_first_that_is_mentioned_but_for_the_name():
    slots = [("name", "Aromi"), ("food", "French"), ("area", "riverside")]
    assert find("Aromi by the river serves French food.", slots, Rules.e2e).first == "area"
    assert find("Aromi, French, riverside", slots, Rules.exact).first == "food"
    assert find("Aromi.", slots, Rules.e2e).first == ""


def test_marks_come_back_as_the_values_that_they_stood_for():
    slots = [("name", "a b"), ("name", "b"), ("near", "dontcare")]
    text = "b or a b, I dontcare"
    hidden = masked(text, slots)
    assert "b" not in hidden and "dontcare" in hidden
    assert filled(hidden, slots) == text
    assert filled(hidden, [("name", "x"), ("name", "y")]) == "y or x, I dontcare"


def test_fields_are_canonical_json_and_are_read_back():
    text = write_fields([("near", "é"), ("name", "b"), ("name", "a"), ("name", "c")])
    assert text == '{"name": ["b", "a", "c"], "near": "é"}'
    assert read_fields(text) == [("name", "b"), ("name", "a"), ("name", "c"), ("near", "é")]
    assert read_fields('{"a": true, "b": 2.5}') == [("a", "yes"), ("b", "2.5")]
    assert write_fields([]) == "{}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[1]", "this is no object"),
        ("{", "this is no JSON"),
        ('{"a": {}}', "'a' is '{}'"),
        ('{"a": null}', "'a' is 'None'"),
    ],
)
def test_fields_that_are_no_fields_are_refused(text, what):
    with pytest.raises(LamcoreError, match=f"fields: {what}"):
        read_fields(text)
