"""The components and their package keep the promises of their kinds."""

from __future__ import annotations

import pytest

from lamcore.testing import MetricContract, PreprocessorContract, check_package, check_source
from lamcore_actions import BioJsonl, CallsText, CheckCalls, EndState, ExecuteCalls, OpenaiTools, Sharegpt, Xlam


class TestCallsText(PreprocessorContract):
    component = CallsText()
    records = [{**record, "target": record["calls"]} for record in CallsText.example_records()]  # noqa: RUF012
    answers = ("target", "calls")


class TestCheckCalls(PreprocessorContract):
    component = CheckCalls()
    records = CheckCalls.example_records()


class TestExecuteCalls(PreprocessorContract):
    component = ExecuteCalls()
    records = ExecuteCalls.example_records()


class TestEndState(MetricContract):
    component = EndState()
    records = EndState.example_records()


@pytest.mark.full
@pytest.mark.parametrize("source", [OpenaiTools, Sharegpt, Xlam, BioJsonl])
def test_given_splits_keep_every_promise_too(source, tmp_path):
    file = source.example(tmp_path).train
    skipped = [one.promise for one in check_source(source(train=file, validation=file)) if one.skipped]
    assert skipped == ["the splits that it makes are disjoint", "a group stays together"]


@pytest.mark.full
def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-actions")} == {
        "package", "source openai_tools", "source sharegpt", "source xlam", "source bfcl", "source bio_jsonl",
        "preprocessor calls_text", "preprocessor check_calls", "preprocessor execute_calls", "metric end_state",
        "augmenter swap_slots",
    }  # fmt: skip
