"""Fields become what a model reads, and what it writes becomes text again."""

from __future__ import annotations

import pytest
from datasets import Dataset

from lamcore import LamcoreError
from lamcore_data_to_text import Describe, Rules

AROMI = {
    "id": "a",
    "fields": '{"food": "Thai", "name": "Aromi", "near": "The Mill"}',
    "text": "Near The Mill you find Thai food at Aromi.",
    "act": "inform",
}


def told(step: Describe, record: dict, split: str = "test") -> list[dict]:
    return list(step.apply(Dataset.from_list([record]), split))


def test_copied_values_are_marks_and_other_fields_are_told_with_their_values():
    new = told(Describe(columns=["act"]), AROMI)[0]
    assert new["input"] == "<act> inform <food> Thai [name] [near]"
    assert new["target"] == "Near [near] you find Thai food at [name]."
    assert new["fields"] == AROMI["fields"]


def test_undo_puts_values_back_character_by_character_in_alternatives_too():
    answer = {"target": "[name] [near] [food] [name_2]", "alternatives": [{"target": "at [name]"}], "score": -1.0}
    assert Describe().undo(answer, AROMI) == {
        "target": "Aromi The Mill [food] [name_2]", "alternatives": [{"target": "at Aromi"}], "score": -1.0,
    }  # fmt: skip


def test_rerank_puts_the_answer_with_the_fewest_errors_first_and_what_is_asked_for_next():
    texts = ["at [name]", "Thai at [name], far from [near]", "near [near] is Thai [name]", "Thai at [name] near [near]"]
    answer = {"target": texts[0], "score": 0, "alternatives": [{"target": t, "score": -n} for n, t in enumerate(texts)]}
    best = Describe(rerank=True).undo(answer, AROMI)
    assert (best["target"], best["score"]) == ("Thai at Aromi, far from The Mill", -1)
    assert [other["score"] for other in best["alternatives"]] == [-1, -2, -3, 0]
    first = Describe(rerank=True, first=True).undo(answer, {**AROMI, "first": "near"})
    assert first["target"] == "near The Mill is Thai Aromi"
    long = Describe(rerank=True, lengths=[6, 7], per_field=False).undo(answer, {**AROMI, "length": "short"})
    assert long["target"] == "near The Mill is Thai Aromi"
    assert Describe().undo(answer, AROMI)["target"] == "at Aromi"


def test_a_value_that_looks_like_a_mark_stays_as_it_is():
    record = {"id": "c", "fields": '{"Größe (cm)": "3", "name": "[near]", "near": "Ely"}'}
    answer = {"target": "[name] near [near], [Größe (cm)]"}
    assert Describe(copied=["*"]).undo(answer, record) == {"target": "[near] near Ely, 3"}
    assert Describe(copied=[]).undo(answer, record) == answer


def test_several_values_of_a_field_have_marks_of_their_own_and_closed_ones_none():
    record = {"id": "b", "fields": '{"dogs": "no", "name": ["b", "a"], "near": ""}', "text": "a or b"}
    step = Describe(copied=["*"])
    new = told(step, record)[0]
    assert (new["input"], new["target"]) == ("<dogs> no [name] [name_2] <near> ?", "[name_2] or [name]")
    assert step.undo({"target": "[name] and [name_2]"}, record) == {"target": "b and a"}


def test_train_takes_the_controls_from_its_texts_and_other_splits_from_their_columns():
    step = Describe(rules=Rules.e2e, lengths=[2.5, 3.5], first=True, share=1)
    assert told(step, AROMI, "train")[0]["input"] == "<length> medium <first> near <food> Thai [name] [near]"
    assert told(step, AROMI, "validation")[0]["input"] == "<food> Thai [name] [near]"
    asked = {**AROMI, "length": "short", "first": "food"}
    assert told(step, asked, "predict")[0]["input"] == "<length> short <first> food <food> Thai [name] [near]"
    assert told(Describe(rules=Rules.e2e, lengths=[2.5, 3.5], first=True, share=0), AROMI, "train")[0]["input"] == (
        "<food> Thai [name] [near]"
    )


def test_a_share_of_the_train_records_tells_a_control_whatever_stands_beside_them():
    step = Describe(lengths=[2.5, 3.5], share=0.5)
    records = [{**AROMI, "id": str(number)} for number in range(400)]
    found = [one["input"].startswith("<length>") for one in step.apply(Dataset.from_list(records), "train")]
    assert 160 < sum(found) < 240
    assert [told(step, record, "train")[0]["input"].startswith("<length>") for record in records[:9]] == found[:9]


def test_agree_leaves_out_what_a_text_does_not_say_and_texts_that_say_more_in_train_alone():
    step = Describe(rules=Rules.e2e, agree=True)
    short, more = {**AROMI, "text": "Aromi is Thai."}, {**AROMI, "text": "Aromi, a pub near The Mill."}
    twice = {**AROMI, "text": "Aromi is Aromi."}
    japanese = {**AROMI, "fields": '{"food": "Japanese", "name": "Aromi"}', "text": "Aromi is great."}
    assert [one["input"] for one in told(step, japanese, "train")] == ["[name]"]
    assert [told(step, one, "train") for one in (more, twice)] == [[], []]
    assert [len(told(step, one, split)) for one in (short, more, twice) for split in ("validation", "test")] == [1] * 6
    assert told(step, more)[0]["input"] == "<food> Thai [name] [near]"


def test_a_person_may_give_fields_as_an_object():
    record = {"id": "predict-0", "fields": {"name": "Aromi", "food": None}, "target": ""}
    assert told(Describe(), record, "predict")[0]["input"] == "[name]"


@pytest.mark.parametrize(
    ("record", "what"),
    [
        ({"id": "x", "input": "hello"}, "x has no fields - give it"),
        ({**AROMI, "length": "tiny"}, "a: length is 'tiny' - it may be short, medium, long"),
        ({**AROMI, "first": "price"}, "a: first is 'price' - it may be food, near"),
    ],
)
def test_what_cannot_be_asked_for_is_an_error_that_names_what_can(record, what):
    with pytest.raises(LamcoreError, match=what):
        told(Describe(lengths=[1, 2], first=True), record, "predict")


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="two rising numbers"):
        Describe(lengths=[4, 3])
    with pytest.raises(ValueError, match="share must be between 0 and 1, not 2"):
        Describe(share=2)
