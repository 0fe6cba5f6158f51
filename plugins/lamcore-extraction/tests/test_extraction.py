"""Text to fields: how they are written for a model and read back, how they are scored, and advisories as data."""

from __future__ import annotations

import json
import sys

import pytest

from lamcore import LamcoreError
from lamcore.scores import scored
from lamcore.testing import check_source
from lamcore_extraction import Advisories, FieldF1, FieldsText
from lamcore_extraction.fields import canonical, parse

# ---- fields as text


def test_equal_fields_are_one_text_with_keys_sorted_and_letters_as_letters():
    assert canonical({"b": ["é", 1.5], "a": {"d": None, "c": True}}) == '{"a": {"c": true, "d": null}, "b": ["é", 1.5]}'
    assert parse(' {"a" : 1}\n') == {"a": 1}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"a"', '{"a": 1, "a": 2}', '{"a": NaN}', '{"a": "\\ud800"}', "{" * 10**5]
)
def test_what_is_no_strict_object_is_malformed(text):
    assert parse(text) is None


def test_the_text_is_what_a_model_reads_and_its_fields_what_it_writes():
    record = {"id": "a", "text": "Café Brazil, thai", "fields": '{"name": "Café Brazil", "food": ["thai", "tea"]}'}
    assert FieldsText().change(record) == {
        **record, "input": "Café Brazil, thai", "target": '{"food": ["thai", "tea"], "name": "Café Brazil"}',
    }  # fmt: skip
    spaced = FieldsText(blank=True).change(record)
    assert spaced["input"] == " Café Brazil, thai"
    assert spaced["target"] == '{"food": [" thai", " tea"], "name": " Café Brazil"}'


def test_an_answer_comes_back_canonical_without_its_blanks():
    undo = FieldsText(blank=True).undo
    assert undo({"target": '{"b":" x","a":[" y", 2]}'}, {}) == {
        "target": '{"a": ["y", 2], "b": "x"}', "fields": '{"a": ["y", 2], "b": "x"}',
    }  # fmt: skip
    assert FieldsText().undo({"target": '{"b": " x"}'}, {})["fields"] == '{"b": " x"}'
    assert undo({"target": "{}"}, {})["fields"] == "{}"


def test_a_malformed_answer_has_empty_fields_and_keeps_what_was_written():
    answer = {"target": '{"a": ', "alternatives": [{"target": "[]"}, {"target": '{"a":1}'}]}
    assert FieldsText().undo(answer, {}) == {
        "target": '{"a": ', "fields": "",
        "alternatives": [{"target": "[]", "fields": ""}, {"target": '{"a": 1}', "fields": '{"a": 1}'}],
    }  # fmt: skip


def test_plain_lines_and_records_without_fields_can_be_answered():
    assert FieldsText().change({"id": "a", "input": "some text", "target": ""})["input"] == "some text"
    assert FieldsText().change({"id": "a", "text": "some text", "target": ""})["input"] == "some text"


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"id": "a", "fields": "{}"}, "fields_text: record 'a' has no column text - name one in the source"),
        ({"id": "a", "text": "x"}, "fields_text: record 'a' has no column fields - name one in the source"),
        ({"id": "a", "text": "x", "fields": "[1]"}, r"fields_text: record 'a': fields is no JSON object: '\[1\]'"),
    ],
)
def test_a_record_that_lacks_what_is_needed_is_named(record, says):
    with pytest.raises(LamcoreError, match=says):
        FieldsText().change(record)


# ---- the score


def values(answers, records, **settings):
    rows = [{"id": str(at), "fields": text} for at, text in enumerate(records)]
    found = scored({"field_f1": FieldF1(**settings)}, [{"fields": text} for text in answers], rows, resamples=20)
    return {name: round(score["value"], 2) for name, score in found.items()}


def test_pairs_of_field_and_value_are_counted_over_all_records():
    gold = ['{"name": "Browns", "food": ["thai", "tea"]}', '{"seats": 4}', "{}"]
    said = ['{"name": "Browns", "food": ["tea", "thai"]}', '{"seats": 4.0, "name": "Browns"}', "{}"]
    assert values(said, gold) == {
        "field_f1": 66.67,  # 3 right, 5 said, 4 wanted
        "field_f1.precision": 60.0,
        "field_f1.recall": 75.0,
        "field_f1.exact": 66.67,
        "field_f1.malformed": 0.0,
    }


def test_a_malformed_answer_says_nothing_and_is_never_exact_not_even_where_there_are_no_fields():
    assert values(["", "{"], ["{}", '{"a": 1}']) == {
        "field_f1": 0.0, "field_f1.precision": 0.0, "field_f1.recall": 0.0,
        "field_f1.exact": 0.0, "field_f1.malformed": 100.0,
    }  # fmt: skip


def test_each_field_has_its_own_score_on_demand():
    found = values(['{"a": 1, "x y": 2}', '{"c": 1}'], ['{"a": 1, "x y": 3}', "{}"], each=True)
    assert {name: value for name, value in found.items() if name.endswith(".f1")} == {
        "field_f1.a.f1": 100.0, "field_f1.x y.f1": 0.0,
    }  # fmt: skip


def test_records_and_answers_without_the_column_are_refused():
    with pytest.raises(LamcoreError, match="field_f1: the answers have no column 'fields', only: target"):
        FieldF1().count({"target": ""}, {"fields": "{}"})
    with pytest.raises(LamcoreError, match="field_f1: 'fields' of record 'a' is no JSON object"):
        FieldF1().count({"fields": "{}"}, {"id": "a", "fields": ""})


# ---- advisories


def told(tmp_path, packages):
    (tmp_path / "db.json").write_text(json.dumps({"$meta": {"advisory": ""}, **packages}), encoding="utf-8")
    return Advisories(file=str(tmp_path / "db.json"), split=[1, 0, 0])


def test_a_field_stands_only_where_the_text_says_it(tmp_path):
    packages = {
        "auth-kit": [
            {
                "advisory": "Auth_Kit 1.2.0 closes\r\n a hole. See CVE-2020-1234.",
                "specs": ["<1.2.0"],
                "cve": "CVE-2020-1234",
            },
            {
                "advisory": "authkit before 2.0 and 3.x before 3.1.",
                "specs": ["<2.0", ">=3.0,<3.1"],
                "cve": "CVE-2020-1",
            },
            {"advisory": "auth-kit before 2.0 and before 3.1.", "specs": ["<2.0", "<3.1"], "cve": None},
            {"advisory": "auth.kit 1.0 to 1.4", "specs": [">=1.0,<= 1.4"], "cve": None},
            {"advisory": "AUTH.KIT: CVE-2020-1111 and CVE-2020-2222", "specs": ["<1"], "cve": "CVE-2020-1111"},
        ],
        "other": [{"advisory": "auth-kit  before 2.0 and before 3.1.", "specs": ["<2.0"], "cve": None}],
    }
    records = list(told(tmp_path, packages).load()["train"])
    assert records[0] == {
        "id": "auth-kit-0", "text": "Auth_Kit 1.2.0 closes a hole. See CVE-2020-1234.", "group": "auth-kit",
        "fields": '{"affected": "< 1.2.0", "cve": "CVE-2020-1234", "package": "auth-kit"}',
    }  # fmt: skip
    assert [record["fields"] for record in records[1:]] == [
        "{}", '{"affected": ["< 2.0", "< 3.1"], "package": "auth-kit"}',
        '{"affected": ">= 1.0, <= 1.4", "package": "auth-kit"}', '{"package": "auth-kit"}',
    ]  # fmt: skip


def test_a_package_stays_in_one_split(tmp_path):
    check_source(Advisories.example(tmp_path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "is no JSON object of packages"),
        (
            '{"a": [{"advisory": "x", "specs": []}]}',
            "advisory 0 of 'a' lacks a text `advisory`, a list `specs` or `cve`",
        ),
        ('{"a": 1}', "advisory 0 of 'a' lacks"),
        ("{}", "no package of .*db.json fell into train: raise its share"),
    ],
)
def test_what_is_no_such_file_is_refused_in_one_line(tmp_path, content, says):
    (tmp_path / "db.json").write_text(content, encoding="utf-8")
    with pytest.raises(LamcoreError, match=says):
        Advisories(file=str(tmp_path / "db.json"), split=[1, 0, 0]).load()


def test_without_the_data_the_user_hears_what_to_install(tmp_path, monkeypatch):
    with pytest.raises(LamcoreError, match=r"none\.json can't be read: No such file"):
        Advisories(file=str(tmp_path / "none.json")).load()
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(LamcoreError, match="safety-db is not installed: pip install safety-db, or name a file"):
        Advisories().load()
