"""The components and their package keep the promises of their kinds."""

from __future__ import annotations

import json

import pytest

from lamcore.testing import MetricContract, PreprocessorContract, check_package
from lamcore_extraction import FieldF1, FieldsText

TURNED = [{**record, "input": record["text"], "target": record["fields"]} for record in FieldsText.example_records()]


class TestFieldsText(PreprocessorContract):
    component = FieldsText()
    records = TURNED
    answers = ("target", "fields")


class TestFieldsTextWithBlanks(PreprocessorContract):
    component = FieldsText(blank=True)
    records = TURNED
    answers = ("target", "fields")


def by_hand(answers, records):
    """Return precision and recall of pairs, counted one by one."""
    right = said = gold = exact = malformed = 0
    for answer, record in zip(answers, records, strict=True):
        sides = []
        for text in (record["fields"], answer["fields"]):
            try:
                fields = json.loads(text)
            except ValueError:
                fields = {}
                malformed += 1
            lists = {key: value if isinstance(value, list) else [value] for key, value in fields.items()}
            sides.append({f"{key} {json.dumps(one)}" for key, some in lists.items() for one in some})
        right, gold, said = right + len(sides[0] & sides[1]), gold + len(sides[0]), said + len(sides[1])
        exact += sides[0] == sides[1] and answer["fields"].startswith("{")
    shares = {"precision": (right, said), "recall": (right, gold), "field_f1": (2 * right, said + gold)}
    shares |= {"exact": (exact, len(records)), "malformed": (malformed, len(records))}
    return {name: 100 * part / whole if whole else 0.0 for name, (part, whole) in shares.items()}


class TestFieldF1(MetricContract):
    component = FieldF1()
    records = FieldF1.example_records()
    reference = staticmethod(by_hand)


class TestFieldF1OfEachField(MetricContract):
    component = FieldF1(each=True)
    records = FieldF1.example_records()


@pytest.mark.full
def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-extraction")} == {
        "package", "source advisories", "preprocessor fields_text", "metric field_f1",
    }  # fmt: skip
