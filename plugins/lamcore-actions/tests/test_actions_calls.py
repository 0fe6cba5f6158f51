"""The published module: one text for equal calls, a reader that no text breaks, a check against tools."""

from __future__ import annotations

import doctest
import json
import socket

import pytest

from lamcore_actions import calls
from lamcore_actions.calls import DEPTH, canonical, check, check_tools, loads, parse


def tool(name: str, parameters: object) -> dict:
    return {"name": name, "description": "", "parameters": parameters}


def one_tool(**properties: object) -> str:
    return canonical([tool("f", {"type": "object", "properties": properties})])


def f(**arguments: object) -> list[dict]:
    return [{"name": "f", "arguments": arguments}]


def test_its_examples_are_true():
    assert doctest.testmod(calls).failed == 0


# ---- canonical


def test_equal_calls_have_one_text_with_sorted_keys_at_every_depth():
    one = [{"name": "b", "arguments": {"z": {"y": 1, "x": [{"d": 1, "c": None}]}, "a": True}}]
    other = [{"arguments": {"a": True, "z": {"x": [{"c": None, "d": 1}], "y": 1}}, "name": "b"}]
    text = '[{"name": "b", "arguments": {"a": true, "z": {"x": [{"c": null, "d": 1}], "y": 1}}}]'
    assert canonical(one) == canonical(other) == text


def test_tools_are_written_in_the_order_name_description_parameters():
    given = [{"parameters": {"type": "object", "name": 1, "description": 2}, "name": "t", "description": "does"}]
    parameters = '{"description": 2, "name": 1, "type": "object"}'
    assert canonical(given) == f'[{{"name": "t", "description": "does", "parameters": {parameters}}}]'


@pytest.mark.parametrize(
    ("value", "text"),
    [([], "[]"), ([[1, 1.0, -0.5, 1e30]], "[[1, 1.0, -0.5, 1e+30]]"), ({"a": "ü\n"}, '{"a": "ü\\n"}'), ("x", '"x"')],
)
def test_other_values_keep_their_numbers_and_letters(value, text):
    assert canonical(value) == text


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {1: 2}, [{"a": {2: 3}}], "\ud800", {"\udfff": 1}])
def test_what_is_no_json_has_no_canonical_text(value):
    with pytest.raises(ValueError):
        canonical(value)


def test_a_value_nested_as_deep_as_allowed_has_a_text_and_one_deeper_has_none():
    value: list = []
    for _ in range(DEPTH - 1):
        value = [value]
    assert parse(f'{{"name": "f", "arguments": {{"x": {canonical(value[0][0])}}}}}') is not None
    assert loads(canonical(value)) == value
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        canonical([value])


# ---- parse


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "null", "1", '"f"', "[1]", "[[]]", "{}", "turn on the light", '[{"name": "f"}]',
        '{"name": "f", "arguments": []}', '{"name": "f", "arguments": "{}"}', '{"name": null, "arguments": {}}',
        '{"name": "f", "arguments": {}, "id": 1}', '[{"name": "f", "arguments": {}}',
        '[{"name": "f", "arguments": {}}] and more', "[{'name': 'f', 'arguments': {}}]",
        '{"name": "f", "arguments": {"x": NaN}}', '{"name": "f", "arguments": {"x": -Infinity}}',
        '{"name": "f", "arguments": {"x": 1e999}}', '{"name": "f", "arguments": {"x": 1, "x": 1}}',
        '{"name": "f", "name": "f", "arguments": {}}', '{"name": "\\ud800", "arguments": {}}',
        '{"name": "f", "arguments": {"x": ' + "9" * 5000 + "}}", "\ufeff[]", "[]\x00",
    ],
)  # fmt: skip
def test_what_is_no_list_of_calls_is_malformed(text):
    assert parse(text) is None


@pytest.mark.parametrize("depth", [DEPTH + 1, 1_000, 200_000])
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_deep_nesting_is_malformed_and_raises_nothing(pair, depth):
    begin = "[" if pair == "[]" else '{"a": '
    assert parse(begin * depth) is None
    text = begin * depth + "1" + pair[1] * depth
    assert parse(f'[{{"name": "f", "arguments": {{"x": {text}}}}}]') is None


def test_no_call_is_an_empty_list_and_no_malformed_text():
    assert parse("[]") == []
    assert parse(" [ ]\n") == []


def test_calls_come_back_as_they_were_written():
    given = [{"name": "f", "arguments": {"x": [1, 1.5, None, True, "ü\u2028"]}}, {"name": "g", "arguments": {}}]
    assert parse(canonical(given)) == given
    assert parse(json.dumps(given)) == given
    assert parse(json.dumps(given[1])) == given[1:]


# ---- check

LIGHTS = canonical([
    tool("light", {
        "type": "object", "required": ["area"], "additionalProperties": False,
        "properties": {"area": {"type": "string"}, "brightness": {"type": "integer", "minimum": 0, "maximum": 100}},
    }),
    tool("stop", {"type": "object", "properties": {}}),
])  # fmt: skip


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([], None),
        ([("light", {"area": "hall", "brightness": 40}), ("stop", {})], None),
        ([("light", {"area": "hall", "brightness": 40.0})], None),
        ([("light", {"area": "hall", "brightness": True})], "$[0].arguments.brightness: True is not of type 'integer'"),
        ([("light", {"area": "hall", "brightness": 400})],
         "$[0].arguments.brightness: 400 is greater than the maximum of 100"),
        ([("stop", {}), ("light", {})], "$[1].arguments: 'area' is a required property"),
        ([("light", {"area": "hall", "are": 1})],
         "$[0].arguments: Additional properties are not allowed ('are' was unexpected)"),
        ([("lamp", {})], "$[0].name: no tool is called 'lamp', but 'light', 'stop'"),
    ],
)  # fmt: skip
def test_the_first_problem_of_calls_is_one_line_with_its_path(given, problem):
    assert check([{"name": name, "arguments": arguments} for name, arguments in given], LIGHTS) == problem


def test_a_problem_is_one_short_line_whatever_the_data_say():
    problem = check(f(**{"a\nb\x1b[31m": "c\nd" * 1000}), one_tool(**{"a\nb\x1b[31m": {"type": "integer"}}))
    assert problem is not None
    assert problem.isprintable()
    assert len(problem) <= 200


@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        ("", "tools: no JSON"),
        ("{}", "tools: no list of tools"),
        ('[{"description": ""}]', "tools[0]: no object with a name"),
        ('[{"name": "f"}, {"name": "f"}]', "tools[1]: the name 'f' stands twice"),
        ('[{"name": "f", "parameters": []}]', "tools[0].parameters: no JSON schema of an object"),
        ('[{"name": "f", "parameters": {"type": "dict"}}]', "tools[0].parameters: 'dict' is not valid under any"),
        (one_tool(x={"patternProperties": {"(a+)+$": {}}}), "tools[0].parameters: patternProperties is not supported"),
    ],
)
def test_tools_that_calls_cannot_be_checked_against_are_a_problem_too(tools, problem):
    assert check_tools(tools) == check([], tools)
    assert str(check_tools(tools)).startswith(problem)
    assert check_tools(LIGHTS) is None


def test_a_schema_fetches_nothing(monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a connection"))
    problem = check(f(x=1), one_tool(x={"$ref": "http://localhost:9/schema.json"}))
    assert str(problem).startswith("$[0].arguments: the tool's schema can't be checked")


def test_a_schema_that_refers_to_itself_is_checked_as_deep_as_the_value_goes():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "n": {"type": "integer"}}}
    root = {"$ref": "#/$defs/node"}
    tools = canonical([tool("f", {"type": "object", "properties": {"root": root}, "$defs": {"node": node}})])
    assert check(f(root={"next": {"next": {"n": 1}}}), tools) is None
    assert check(f(root={"next": {"n": "1"}}), tools) == "$[0].arguments.root.next.n: '1' is not of type 'integer'"


def test_a_schema_that_asks_for_endless_work_is_a_problem():
    circle = one_tool(x={"$ref": "#/properties/x"})
    laughs = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)} | {"a60": {}}
    bomb = canonical([tool("f", {"$ref": "#/$defs/a0", "$defs": laughs})])
    said = "$[0].arguments: the tool's schema goes round in circles, or too deep"
    assert check(f(x=1), circle) == check(f(x=1), bomb) == said


def test_a_pattern_is_matched_in_linear_time():
    tools = one_tool(x={"type": "string", "pattern": "^(a+)+$"})
    assert check(f(x="aaa"), tools) is None
    assert str(check(f(x="a" * 100 + "!"), tools)).startswith("$[0].arguments.x: 'aaa")
    refused = check(f(x="a"), one_tool(x={"pattern": "^(?=a)"}))
    assert str(refused).startswith("$[0].arguments: the tool's schema can't be checked (Invalid regular expression")


def test_a_multiple_is_checked_as_it_is_written():
    tenths = one_tool(x={"multipleOf": 0.1})
    assert check(f(x=0.3), tenths) is None
    assert check(f(x=1e20), tenths) is None
    assert check(f(x=0.35), tenths) == "$[0].arguments.x: 0.35 is not a multiple of 0.1"
    assert check(f(x=10**400), one_tool(x={"multipleOf": 0.5})) is None
    assert check(f(x="a"), tenths) is None
