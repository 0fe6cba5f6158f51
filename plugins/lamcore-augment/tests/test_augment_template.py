"""Slots are filled, and every token has its tag."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamcore import LamcoreError
from lamcore_augment import Template

ROOMS = "hall\nliving room\n\nMa's den\nhall\n"


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Make a source of templates that are given as text."""
    monkeypatch.chdir(tmp_path)

    def source(templates, rooms=ROOMS, **settings):
        Path("templates.txt").write_text(templates, encoding="utf-8")
        Path("rooms.txt").write_text(rooms, encoding="utf-8")
        usual = {"train": "templates.txt", "split": [1, 0, 0], "values": {"room": "rooms.txt"}}
        return Template(**{**usual, **settings})

    return source


def read(source, split="train"):
    return list(source.load()[split])


def test_slots_are_filled_with_every_value_and_tags_are_aligned(source):
    found = {record["input"]: record for record in read(source("dim\tdim the {room}'s lamp, please\n"))}
    assert sorted(found) == [
        "dim the Ma's den's lamp, please", "dim the hall's lamp, please", "dim the living room's lamp, please",
    ]  # fmt: skip
    assert found["dim the living room's lamp, please"] == {
        "input": "dim the living room's lamp, please",
        "tokens": ["dim", "the", "living", "room", "'", "s", "lamp", ",", "please"],
        "tags": ["O", "O", "B-room", "I-room", "O", "O", "O", "O", "O"],
        "intent": "dim",
        "group": "dim the {room}'s lamp, please",
    }
    assert found["dim the Ma's den's lamp, please"]["tokens"][2:4] == ["Ma's", "den"]


def test_two_slots_may_take_values_from_one_list(source):
    [record] = read(source("go from {from:room} to {to:room}\n", rooms="hall\n", language="en"))
    assert record["tags"] == ["O", "O", "B-from", "O", "B-to"]
    assert (record["intent"], record["input_lang"]) == ("", "en")


def test_a_template_gives_different_sentences_up_to_its_number(source):
    text = "go from {from:room} to {to:room}\ndim {room}\nall off\n"
    made = [record["input"] for record in read(source(text, per_template=4))]
    assert len(made) == len(set(made)) == 4 + 3 + 1
    assert made == [record["input"] for record in read(source(text, per_template=4))]
    assert made != [record["input"] for record in read(source(text, per_template=4, seed=2))]
    more = [record["input"] for record in read(source(text + "lamp of {room}\n", per_template=4))]
    assert more[: len(made)] == made


def test_huge_products_are_drawn_from_and_not_listed(source):
    rooms = "".join(f"room{number}\n" for number in range(1000))
    assert len(read(source(" ".join(["{room}"] * 8) + "\n", rooms=rooms, per_template=50))) == 50


def test_a_sentence_that_stands_already_is_left_out(source):
    made = read(source("on\tlight in {room}\noff\tlight in hall\n"))
    assert [record["intent"] for record in made if record["input"] == "light in hall"] == ["on"]


def test_a_template_stays_in_one_split(source):
    made = source("".join(f"lamp {n} of {{room}}\n" for n in range(40)), split=[2, 1, 1])
    assert made.makes_splits
    groups = [{record["group"] for record in records} for records in made.load().values()]
    assert sum(map(len, groups)) == 40 == len(set.union(*groups))


def test_the_fingerprint_changes_with_templates_and_values(source):
    made = source("dim {room}\n")
    first = made.fingerprint()
    assert first == made.fingerprint()
    assert first != source("dim {room}\n", rooms="one\n").fingerprint()
    assert first != source("light {room}\n").fingerprint()


@pytest.mark.parametrize(
    ("templates", "settings", "words"),
    [
        (
            "dim {place}\n",
            {},
            r"templates.txt:1:5: the slot \{place\} has no list of values, and there are: 'room' - add",
        ),
        ("dim {room}\nall {room\n", {}, r"templates.txt:2:1: a brace belongs to no slot - write slots as \{room\}"),
        ("dim {room}\n\n", {}, r"templates.txt:2:1: no sentence stands here - remove the line"),
        ("dim {room}\n", {"rooms": " \n"}, r"rooms.txt: no value stands here - write one a line"),
        ("dim {room}\n", {"values": {"room": "no.txt"}}, r"no.txt"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(source, templates, settings, words):
    with pytest.raises(LamcoreError, match=words):
        read(source(templates, **settings))


def test_a_number_of_sentences_below_one_is_refused():
    with pytest.raises(ValueError, match="per_template must be 1 or more, not 0"):
        Template(train="templates.txt", per_template=0)
