from __future__ import annotations

from lamcore_clean import PrependContext


def test_context_stands_before_the_input():
    record = {"id": "1", "input": "Create an archive", "context": "tar", "target": "tar cf {{file}}"}
    assert PrependContext().change(record) == record | {"input": "tar: Create an archive"}
    assert PrependContext(column="id", between=" | ").change(record)["input"] == "1 | Create an archive"
    assert record["input"] == "Create an archive"


def test_a_record_without_context_stays_as_it_is():
    for context in ({}, {"context": ""}, {"context": None}):
        record = {"id": "1", "input": "a", **context}
        assert PrependContext().change(record) == record
