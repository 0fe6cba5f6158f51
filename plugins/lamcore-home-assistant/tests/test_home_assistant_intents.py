"""Spoken commands are drawn from templates with their slots; whole templates, and people's sentences, are held out."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lamcore import LamcoreError, Record
from lamcore_actions.calls import canonical, check, parse
from lamcore_home_assistant import HomeIntents, templates
from lamcore_home_assistant.intents import fingerprint, read_splits, split_of, tools_by_name
from lamcore_home_assistant.templates import Language

SMALL = HomeIntents(languages=["cy"], per_template=2, per_held_out=2)
ALL = {split: list(rows) for split, rows in SMALL.load().items()}

HOME = {
    "language": "en",
    "skip_words": ["please"],
    "expansion_rules": {"the": "(the|my)"},
    "lists": {
        "color": {"values": [{"in": "(red|scarlet)", "out": "red"}]},
        "step": {"range": {"from": 10, "to": 30, "step": 10, "multiplier": -1}},
        "item": {"wildcard": True},
    },
    "intents": {},
}


def sentences(
    monkeypatch: pytest.MonkeyPatch, template: str, many: int = 300, **block: Any
) -> Iterator[tuple[str, str]]:
    """Yield what is drawn from a template, in lower case and without marks, with its slots."""
    data = HOME | {"intents": {"HassTest": {"data": [{"sentences": [template], **block}]}}}
    monkeypatch.setattr(templates, "get_intents", lambda language: data)
    monkeypatch.setattr(templates, "POLITE", 0.0)
    language = Language("en")
    (only,) = language.templates()
    rng = Random(1)
    for _ in range(many):
        text, slots = language.draw(only, rng)
        yield text.lower().rstrip("."), json.dumps(slots, sort_keys=True).lower()


def test_optional_and_alternative_words_and_rules_are_drawn(monkeypatch: pytest.MonkeyPatch):
    found = {text for text, _ in sentences(monkeypatch, "(turn|switch) on [<the>] light[s]")}
    verbs, articles, nouns = ("turn", "switch"), ("", "the ", "my "), ("light", "lights")
    assert found == {f"{verb} on {article}{noun}" for verb in verbs for article in articles for noun in nouns}


def test_words_in_any_order_come_in_any_order(monkeypatch: pytest.MonkeyPatch):
    assert {text for text, _ in sentences(monkeypatch, "(now;on;lights)")} == {
        "now on lights", "now lights on", "on now lights", "on lights now", "lights now on", "lights on now",
    }  # fmt: skip


def test_values_are_what_the_lists_say_they_mean(monkeypatch: pytest.MonkeyPatch):
    found = set(sentences(monkeypatch, "paint it {color:hue} by {step}", slots={"domain": "light"}))
    slots = '{{"domain": "light", "hue": "red", "step": -{}}}'
    digits = {(f"paint it {word} by {n}", slots.format(n)) for word in ("red", "scarlet") for n in (10, 20, 30)}
    spelled = {(f"paint it {word} by twenty", slots.format(20)) for word in ("red", "scarlet")}
    assert digits <= found
    assert spelled <= set(sentences(monkeypatch, "paint it {color:hue} by {step}", 3000, slots={"domain": "light"}))


def test_a_name_is_given_as_it_stands_in_the_sentence_and_fits_what_the_template_is_for(
    monkeypatch: pytest.MonkeyPatch,
):
    data = HOME | {
        "intents": {"HassTest": {"data": [{"sentences": ["call {name}"], "requires_context": {"domain": ["person"]}}]}}
    }
    monkeypatch.setattr(templates, "get_intents", lambda language: data)
    language = Language("en")
    (only,) = language.templates()
    drawn = [language.draw(only, Random(seed)) for seed in range(60)]
    assert all(slots["name"] in text for text, slots in drawn)
    assert {"Anna", "anna"} <= {slots["name"] for _, slots in drawn}


def test_templates_keep_their_splits_for_ever():
    found = [split_of(text) for text in ("<turn> on [<the>] {name}", "10", "2", "16")]
    assert found == ["train", "validation", "test", "test"]


def test_no_template_and_no_sentence_stands_in_two_splits():
    assert list(ALL) == ["train", "validation", "test"]
    for column in ("group", "input", "id"):
        values = [{row[column].lower() for row in rows} for rows in ALL.values()]
        assert sum(map(len, values)) == len(set().union(*values))
    assert len(ALL["train"]) > 10 * len(ALL["test"]) > 100


def test_every_call_is_canonical_and_valid_for_the_tool_that_its_record_offers():
    for row in (row for rows in ALL.values() for row in rows):
        (call,) = parse(row["calls"]) or [{}]
        assert row["calls"] == canonical([call])
        assert call["name"] == row["intent"]
        assert check([call], row["tools"]) is None
        assert [tool["name"] for tool in json.loads(row["tools"])] == [row["intent"]]
        assert row["input_lang"] == "cy"


def test_tools_are_the_one_called_and_others_or_all():
    few = next(iter(replace(SMALL, tools=3).load()["test"]))
    names = [tool["name"] for tool in json.loads(few["tools"])]
    assert len(names) == 3 and few["intent"] in names and names == sorted(names)
    every = next(iter(replace(SMALL, tools=0).load()["test"]))
    assert len(json.loads(every["tools"])) == len(tools_by_name()) > 35


def test_the_seed_changes_sentences_and_never_splits():
    again, other = (replace(SMALL, seed=seed).load() for seed in (1, 2))
    assert {split: list(rows) for split, rows in again.items()} == ALL
    group_of = {row["group"]: split for split, rows in ALL.items() for row in rows}
    rows = [(split, row) for split, rows in other.items() for row in rows]
    assert all(group_of.get(row["group"], split) == split for split, row in rows)
    assert {row["input"] for _, row in rows} != {row["input"] for rows in ALL.values() for row in rows}


def test_max_bounds_the_train_split_alone():
    few = replace(SMALL, max=50).load()
    assert [len(list(few[split])) for split in ("train", "test")] == [50, len(ALL["test"])]


def people(folder: Path, *rows: dict[str, Any]) -> HomeIntents:
    """Write sentences of people, and return a source that reads them."""
    lines = [json.dumps({"slots": {}, "context": {}, "group": "g", "intent": "HassTurnOn"} | row) for row in rows]
    with gzip.open(folder / "cy.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))
    return replace(SMALL, sentences=str(folder))


def human(source: HomeIntents) -> list[Record]:
    return list(source.load()["human"])


def test_sentences_of_people_are_a_split_with_values_as_said_and_without_what_only_the_room_tells(tmp_path: Path):
    source = people(
        tmp_path,
        {"text": "doe het licht in de KEUKEN aan", "slots": {"area": "Keuken", "domain": "light"}},
        {"text": "licht aan", "slots": {"area": "Hal", "domain": "light"}, "context": {"area": "Hal"}},
        {"text": "stop de pizza timer", "intent": "HassCancelTimer", "slots": {"name": ["pizza ", "pizza"]}},
    )
    assert [row["calls"] for row in human(source)] == [
        '[{"name": "HassTurnOn", "arguments": {"area": "KEUKEN", "domain": "light"}}]',
        '[{"name": "HassTurnOn", "arguments": {"domain": "light"}}]',
        '[{"name": "HassCancelTimer", "arguments": {"name": "pizza"}}]',
    ]
    assert {row["group"] for row in human(source)} == {"cy/g"}


def test_what_people_say_stands_in_no_other_split(tmp_path: Path):
    said = [ALL[split][0]["input"] for split in ("train", "test")]
    splits = people(tmp_path, *({"text": text.upper() + "!"} for text in said)).load()
    assert len(list(splits["human"])) == 2
    assert not {row["input"] for split in ("train", "validation", "test") for row in splits[split]} & set(said)


def test_a_file_of_people_that_is_none_is_refused_with_its_line(tmp_path: Path):
    with pytest.raises(
        LamcoreError, match=r"cy\.jsonl\.gz: can't be read \(No such file or directory\) - source\.sent"
    ):
        replace(SMALL, sentences=str(tmp_path)).load()
    source = people(tmp_path, {"text": "licht aan"}, {"words": "licht aan"})
    with pytest.raises(LamcoreError, match=r"cy\.jsonl\.gz:2: no object with text, intent, slots, context, group"):
        source.load()
    (tmp_path / "cy.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(LamcoreError, match=r"cy\.jsonl\.gz: can't be read \(Not a gzipped file"):
        source.load()


def test_the_fingerprint_follows_settings_and_files(tmp_path: Path):
    first = fingerprint(SMALL)
    assert first == fingerprint(replace(SMALL))
    with_people = people(tmp_path, {"text": "licht aan"})
    assert len({first, fingerprint(replace(SMALL, seed=2)), fingerprint(with_people)}) == 3
    before = fingerprint(with_people)
    people(tmp_path, {"text": "licht aan"}, {"text": "lamp aan"})
    assert fingerprint(with_people) != before


def test_an_unknown_language_is_refused():
    with pytest.raises(LamcoreError, match=r"No language is called 'swahili'\..*There are: .*sv"):
        read_splits(replace(SMALL, languages=["swahili"]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"languages": []}, "languages must be one or more"),
        ({"languages": ["de", "de"]}, "each once"),
        ({"per_template": 0}, "per_template must be 1 or more, not 0"),
        ({"max": 0}, "max must be 1 or more, or null, not 0"),
        ({"tools": -1}, "tools must be 0 or more, not -1"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        HomeIntents(**wrong)


def test_a_language_without_names_of_ours_takes_the_english_ones():
    language = Language("pl")
    assert language.words["area"][0] == "kitchen"
    template = next(one for one in language.templates() if "{area}" in one.text)
    text, slots = language.draw(template, Random(1))
    assert slots["area"].lower() in {area.lower() for area in language.words["area"]}
    assert slots["area"] in text


@pytest.mark.full
@pytest.mark.parametrize("code", ["en", "de", "nl", "fr", "es", "ja", "ar", "pl", "zh-CN"])
def test_sentences_can_be_drawn_from_every_template(code: str):
    language = Language(code)
    for template in language.templates():
        text, slots = language.draw(template, Random(1))
        assert text and slots is not None
