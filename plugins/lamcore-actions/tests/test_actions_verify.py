"""Wrong calls are dropped from train alone, and what counts of calls that are carried out is where they end."""

from __future__ import annotations

import pytest

from lamcore import LamcoreError
from lamcore_actions import CallsText, CheckCalls, EndState, ExecuteCalls
from lamcore_actions.calls import canonical, check_tools, loads
from lamcore_actions.examples import LIGHT, chores
from lamcore_actions.home import SIZE, STEPS, TOOLS, ActionError, Home, ends_in, execute, read_state, state_text, tools


def call(name, /, **arguments):
    return {"name": name, "arguments": arguments}


# ---- calls_text

ON = call("set_light", area="hall", brightness=100)


def test_the_calls_are_the_text_to_write():
    record = {"id": "1", "input": "light!", "calls": canonical([ON])}
    assert CallsText().change(record) == {**record, "target": canonical([ON])}


@pytest.mark.parametrize("step", [CallsText(), CheckCalls(), ExecuteCalls()])
def test_calls_that_are_objects_and_not_their_text_are_named_with_their_record(step):
    with pytest.raises(LamcoreError, match="Record 'toy-0': calls must be JSON text, not a list"):
        step.change({**chores(1)[0], "id": "toy-0", "calls": [ON]})


@pytest.mark.parametrize(
    ("written", "calls"),
    [
        ('{"arguments":{"brightness":100,"area":"hall"},"name":"set_light"}', canonical([ON])),
        ("[]", "[]"),
        ("", ""),
        ('[{"name": "set_light", "arguments": {', ""),
        ("Sorry.", ""),
    ],
)
def test_an_answer_has_the_calls_that_it_writes_and_none_where_it_is_malformed(written, calls):
    answer = {"target": written, "score": -1.0, "alternatives": [{"target": "[]"}]}
    made = CallsText().undo(answer, {})
    kept = {"target": calls or written, "calls": calls}
    assert made == {**answer, **kept, "alternatives": [{"target": "[]", "calls": "[]"}]}


def test_strings_may_begin_with_a_blank_that_answers_lose_again():
    step, calls = CallsText(blank=True), canonical([call("f", say=' a "b" \\', none="", list=["x"])])
    text = '[{" name": " f", " arguments": {" list": [" x"], " none": " ", " say": "  a \\"b\\" \\\\"}}]'
    assert step.change({"calls": calls}) == {"calls": calls, "target": text}
    assert step.undo({"target": text}, {}) == {"target": calls, "calls": calls}


def test_a_question_without_calls_is_asked_as_it_is_and_train_without_them_is_refused():
    assert CallsText().change({"input": "light!", "target": ""}) == {"input": "light!", "target": ""}
    with pytest.raises(LamcoreError, match="record '7' has no column calls"):
        CallsText().change({"id": "7", "input": "light!", "target": "Licht!"})


# ---- check_calls

LIT = canonical([call("set_light", area="hall", brightness=40)])
MOON = canonical([call("set_light", area="moon", brightness=40)])


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        ({"calls": LIT}, True),
        ({"calls": "[]"}, True),
        ({"calls": MOON}, False),
        ({"calls": canonical([ON, call("explode")])}, False),
        ({"calls": "set_light(hall)"}, False),
        ({"calls": ""}, False),
        ({"calls": LIT, "tools": "no JSON"}, False),
        ({"calls": LIT, "messages": [{"role": "assistant", "calls": MOON}, {"role": "user", "calls": ""}]}, False),
        ({"calls": LIT, "messages": [{"role": "assistant", "calls": LIT}]}, True),
        ({}, True),
    ],
)
def test_a_record_with_a_wrong_call_is_dropped(record, kept):
    record = {"tools": canonical([LIGHT]), **record}
    assert CheckCalls().change(record) is (record if kept else None)


# ---- a toy home

BEGIN = canonical(
    {
        "lights": {"hall": 0},
        "temperatures": {"hall": 20},
        "lists": {"shopping": ["tea", "milk"]},
        "timers": {"egg": 300},
        "events": {"lunch": "2026-11-23T12:00"},
        "accounts": {"cash": 500, "rent": 0},
    }
)


@pytest.mark.parametrize(
    ("one", "left"),
    [
        (ON, {"lights": {"hall": 100}}),
        (call("set_temperature", area="hall", celsius=21.5), {"temperatures": {"hall": 21.5}}),
        (call("add_to_list", list="shopping", item="jam"), {"lists": {"shopping": ["jam", "milk", "tea"]}}),
        (call("remove_from_list", list="shopping", item="tea"), {"lists": {"shopping": ["milk"]}}),
        (call("set_timer", name="tea", seconds=60), {"timers": {"egg": 300, "tea": 60}}),
        (call("cancel_timer", name="egg"), {"timers": {}}),
        (call("add_event", title="tea", start="2026-11-23T17:00"),
         {"events": {"lunch": "2026-11-23T12:00", "tea": "2026-11-23T17:00"}}),
        (call("remove_event", title="lunch"), {"events": {}}),
        (call("transfer", source="cash", target="rent", cents=500), {"accounts": {"cash": 0, "rent": 500}}),
    ],
)  # fmt: skip
def test_a_tool_does_what_it_says_and_nothing_else(one, left):
    assert execute([one], BEGIN) == read_state(canonical({**loads(BEGIN), **left}))


def test_every_tool_is_tried_above():
    assert list(TOOLS) == [
        "set_light", "set_temperature", "add_to_list", "remove_from_list", "set_timer", "cancel_timer", "add_event",
        "remove_event", "transfer",
    ]  # fmt: skip
    assert check_tools(tools()) is None


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ([call("set_light", area="moon", brightness=1)], "$[0]: there is no light called 'moon', but hall"),
        ([ON, call("cancel_timer", name="tea")], "$[1]: there is no timer called 'tea', but egg"),
        ([call("transfer", source="cash", target="rent", cents=501)], "$[0]: 'cash' has 500 cents, not 501"),
        ([call("set_light", area="hall", brightness=101)], "$[0].arguments.brightness: 101 is greater than"),
        ([call("rm", path="/")], "$[0].name: no tool is called 'rm'"),
        ([call("add_to_list", list="shopping", item="x" * 201)], "$[0].arguments.item: 'xxx"),
        ([ON] * (STEPS + 1), "101 calls are more than 100"),
    ],
)
def test_a_call_that_cannot_be_carried_out_is_an_error(calls, said):
    with pytest.raises(ActionError) as caught:
        execute(calls, BEGIN)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "this state is no JSON"),
        ("[]", "this is no state of a home: $: [] is not of type 'object'"),
        ('{"lamps": {}}', "this is no state of a home: $: Additional properties are not allowed"),
        ('{"lights": {"hall": true}}', "this is no state of a home: $.lights.hall: True is not of type 'integer'"),
        ('{"lights": {"' + "x" * SIZE + '": 1}}', "a state of 100019 characters is longer than 100000"),
    ],
)
def test_what_is_no_state_is_an_error(text, said):
    with pytest.raises(ActionError) as caught:
        read_state(text)
    assert str(caught.value).startswith(said)


def test_a_state_is_the_same_whatever_the_order_of_its_lists_and_without_what_is_empty():
    assert read_state('{"lists": {"a": ["x", "y"]}, "timers": {}}') == read_state('{"lists": {"a": ["y", "x"]}}')
    assert state_text(Home(lights={"hall": 3})) == '{"lights": {"hall": 3}}'


def test_another_way_to_the_same_state_is_right():
    half = call("set_light", area="hall", brightness=50)
    end = state_text(execute([ON], BEGIN))
    assert ends_in([half, ON], BEGIN, end)
    assert not ends_in([ON, half], BEGIN, end)
    assert not ends_in([call("explode")], BEGIN, end)


# ---- execute_calls and end_state

(CHORE,) = chores(1)


def test_a_train_record_that_ends_elsewhere_is_dropped():
    step = ExecuteCalls()
    assert step.change(CHORE) is CHORE
    assert step.change({**CHORE, "calls": "[]"}) is None
    assert step.change({**CHORE, "calls": ""}) is None
    assert step.change({"calls": "[]"}) == {"calls": "[]"}


def test_a_state_that_is_none_is_named_with_its_record():
    with pytest.raises(LamcoreError, match="execute_calls: record 'toy-0': this state is no JSON"):
        ExecuteCalls().change({**CHORE, "state": "?"})
    with pytest.raises(LamcoreError, match="end_state: record 'toy-0': this state is no JSON"):
        EndState().count({"calls": "[]"}, {**CHORE, "end_state": "?"})


def test_end_state_is_the_percent_of_answers_that_end_as_they_should():
    metric = EndState()
    swapped = canonical(loads(CHORE["calls"])[::-1])
    answers = [CHORE["calls"], swapped, "[]", "", '[{"name": "explode", "arguments": {}}]']
    counts = [metric.count({"calls": text}, CHORE) for text in answers]
    assert [count["right"] for count in counts] == [1, 1, 0, 0, 0]
    assert metric.score({"right": 2, "all": 5}) == {"end_state": 40.0}
    assert metric.count({"calls": "[]"}, {**CHORE, "end_state": ""}) == {"right": 0, "all": 0}


def test_end_state_says_what_answers_or_records_lack():
    with pytest.raises(LamcoreError, match="answers have no column calls - add preprocessors="):
        EndState().count({"target": "[]"}, CHORE)
    with pytest.raises(LamcoreError, match="record '1' has no columns state and end_state"):
        EndState().count({"calls": "[]"}, {"id": "1"})
