"""E2E, RNNLG and the replies become records as their pages say."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from lamcore import LamcoreError
from lamcore_data_to_text import Domain, E2e, Replies, Rnnlg
from lamcore_data_to_text.sources import plain


def written(folder: Path, **files: list) -> str:
    for name, rows in files.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name.replace('_', '.')}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return str(folder)


def e2e(folder: Path, **settings) -> dict:
    row = {"slots": {"name": "Aromi", "food": "Thai", "area": "riverside"}}
    held = [{**row, "mr": "...", "refs": ["Aromi is Thai.", "Thai food by the river at Aromi."]}]
    train = [{**row, "ref": "Aromi is Thai.", "ref_tokenised": "Aromi is Thai ."}] * 2
    source = E2e(folder=written(folder, train=train, valid=held, test=held), **settings)
    return {split: list(rows) for split, rows in source.load().items()}


def test_an_e2e_text_is_a_record_in_train_and_a_meaning_is_one_in_the_other_splits(tmp_path):
    found = e2e(tmp_path)
    fields = '{"area": "riverside", "food": "Thai", "name": "Aromi"}'
    assert found["train"][1] == {
        "id": "train-2", "fields": fields, "text": "Aromi is Thai.", "references": ["Aromi is Thai."],
        "act": "inform", "domain": "restaurant", "group": fields,
    }  # fmt: skip
    assert found["test"][0]["references"] == ["Aromi is Thai.", "Thai food by the river at Aromi."]
    assert sorted(found) == ["test", "train", "validation"]


def test_the_split_asked_asks_for_every_length_and_for_each_field_in_turn(tmp_path):
    asked = e2e(tmp_path, asked=True)["asked"]
    assert [(one["id"], one["length"], one["first"]) for one in asked] == [
        ("asked-1-short", "short", "area"), ("asked-1-medium", "medium", "food"), ("asked-1-long", "long", "area"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"slots": ["name"], "ref": "x"}, "slots is no object of texts"),
        ({"slots": {"name": 3}, "ref": "x"}, "slots is no object of texts"),
        ({"slots": {"name": "Aromi"}, "refs": []}, "there is no text"),
        ({"slots": {"name": "Aromi"}}, "there is no text"),
    ],
)
def test_a_wrong_row_of_e2e_is_named_by_its_line(row, what, tmp_path):
    sound = {"slots": {"name": "Aromi"}, "ref": "x"}
    folder = written(tmp_path, train=[sound, row], valid=[sound], test=[sound])
    with pytest.raises(LamcoreError, match=rf"train\.jsonl\.gz:2:1: {what}"):
        list(E2e(folder=folder).load()["train"])


def test_a_folder_that_lacks_a_file_is_an_error_before_anything_is_read(tmp_path):
    with pytest.raises(LamcoreError, match=r"valid\.jsonl\.gz: there is no such file"):
        E2e(folder=written(tmp_path, train=[{"slots": {"name": "Aromi"}, "ref": "x"}])).load()
    with pytest.raises(LamcoreError, match=r"source\.folder names no folder"):
        Rnnlg().load()


def act(text: str, *slots: tuple[str, str], kind: str = "inform") -> dict:
    return {"da": "...", "act": kind, "slots": [list(slot) for slot in slots], "ref": text}


def rnnlg(folder: Path, test: list) -> list:
    one = [act("goodbye .", kind="goodbye")]
    source = Rnnlg(folder=written(folder, hotel_train=one, hotel_valid=one, hotel_test=test), domains=[Domain.hotel])
    return list(source.load()["test"])


def test_references_of_rnnlg_are_the_texts_of_the_same_act_and_fields_with_this_rows_values(tmp_path):
    rows = [
        act("inn one is in soma .", ("name", "inn one"), ("area", "soma")),
        act("try b and c of the marina", ("area", "marina"), ("name", "c and b")),
        act("inn two is cheap", ("name", "inn two"), ("pricerange", "cheap")),
        act("inn one is in soma", ("name", "inn one"), ("area", "soma"), kind="recommend"),
    ]
    found = rnnlg(tmp_path, rows)
    assert [one["references"] for one in found] == [
        ["inn one is in soma", "try inn one of the soma"],
        ["try b and c of the marina", "c and b is in marina"],
        ["inn two is cheap"],
        ["inn one is in soma"],
    ]
    assert found[0]["domain"] == "hotel" and found[0]["id"] == "hotel-test-1"


def test_yes_and_no_make_another_dialogue_act_and_two_ways_to_say_yes_the_same(tmp_path):
    rows = [
        act("dogs may come", ("dogsallowed", "yes")),
        act("no dogs", ("dogsallowed", "no")),
        act("dogs are welcome", ("dogsallowed", "true")),
    ]
    found = rnnlg(tmp_path, rows)
    assert [len(one["references"]) for one in found] == [2, 1, 2]


def test_several_values_of_a_field_are_a_list_and_a_question_asks_for_an_empty_one(tmp_path):
    rows = [act("which", ("name", "b"), ("area", "x"), ("name", "a")), act("where", ("near", ""), kind="?request")]
    assert [one["fields"] for one in rnnlg(tmp_path, rows)] == ['{"area": "x", "name": ["b", "a"]}', '{"near": ""}']


def test_a_wrong_row_of_rnnlg_is_named_by_its_line(tmp_path):
    with pytest.raises(LamcoreError, match=r"hotel\.test\.jsonl\.gz:1:1: slots is no list of \[field, value\]"):
        rnnlg(tmp_path, [{"act": "inform", "slots": [["name"]], "ref": "x"}])


def test_a_domain_stands_once():
    with pytest.raises(ValueError, match="each once"):
        Rnnlg(folder="x", domains=[Domain.tv, Domain.tv])


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("The Charon 69, which has 2 HDMI ports .", "the charon 69 , which has 2 hdmi port -s"),
        ("it's 33.35 inches wide , isn't it ?", "it is 33.35 inch -s wide , is not it"),
        ("children don't pay the hotel's bill.", "child -s do not pay the hotel 's bill"),
        ("it weighs 2.3 kg (light)", "it weighs 2.3 kg ( light )"),
    ],
)
def test_a_text_of_rnnlg_is_cut_as_for_the_published_scores(text, read):
    assert plain(text) == read
    assert plain(read) == read


def test_no_name_of_train_is_in_another_split_and_no_person_in_two():
    names = {split: {row["group"] for row in rows} for split, rows in Replies(people=200, held_out=20).load().items()}
    words = {split: {word for name in people for word in name.split()} for split, people in names.items()}
    assert {split: len(people) for split, people in names.items()} == {
        "train": 200, "validation": 20, "test": 20, "unseen": 20,
    }  # fmt: skip
    assert not words["train"] & (words["validation"] | words["test"] | words["unseen"])
    assert not words["validation"] & (words["test"] | words["unseen"])
    assert not names["test"] & names["unseen"]


def test_unseen_asks_each_intent_in_the_way_that_train_lacks():
    ways = {
        split: {(row["act"], row["tone"], row["length"]) for row in rows}
        for split, rows in Replies(people=100, held_out=20).load().items()
    }
    assert len(ways["train"]) == 45 and len(ways["unseen"]) == 15
    assert not ways["train"] & ways["unseen"] and ways["test"] <= ways["train"]


def test_a_reply_holds_its_fields_and_the_templates_other_texts_are_its_references():
    row = next(iter(Replies().load()["train"]))
    assert row["text"] == row["references"][0] and len(set(row["references"])) == len(row["references"]) in (4, 16)
    for value in json.loads(row["fields"]).values():
        assert all(value in text for text in row["references"])
