"""Calls: what an answer is, its parts, and BFCL's rules; tests/benchmarks/call_match.py compares with bfcl-eval."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from lamcore import LamcoreError
from lamcore_action_metrics import CallMatch, Mode, bfcl
from lamcore_action_metrics.literals import java, javascript
from lamcore_actions.calls import canonical

TWO = '[{"name": "dim", "arguments": {"level": 3, "room": "hall"}}, {"name": "open", "arguments": {"door": "front"}}]'
SWAPPED = (
    '[{"name": "open", "arguments": {"door": "front"}}, {"name": "dim", "arguments": {"room": "hall", "level": 3}}]'
)


def outcome(said, gold, metric=None, **columns):
    """Return what an answer is, and its parts."""
    counts = dict((metric or CallMatch()).count({"calls": said}, {"id": "7", "calls": gold, **columns}))
    parts = tuple(counts.pop(f"parts_{name}", None) for name in ("shared", "said", "wanted"))
    assert counts.pop("all") == 1 and len(counts) == 1
    return next(iter(counts)), parts


@pytest.mark.parametrize(
    ("said", "gold", "expected"),
    [
        (TWO, TWO, ("right", (5, 5, 5))),
        (SWAPPED, TWO, ("right", (5, 5, 5))),
        ("[]", "[]", ("right", (1, 1, 1))),
        ("[]", TWO, ("abstained", (0, 1, 5))),
        ("", TWO, ("malformed", (0, 1, 5))),
        ("", "[]", ("malformed", (0, 1, 1))),  # no refusal
        ("No.", "[]", ("malformed", (0, 1, 1))),
        ('[{"name": "dim"}]', "[]", ("malformed", (0, 1, 1))),
        (TWO, "[]", ("wrong_tool", (0, 5, 1))),
        (TWO.replace("dim", "cut"), TWO, ("wrong_tool", (2, 5, 5))),
        (TWO[: TWO.index(", {")] + "]", TWO, ("wrong_tool", (3, 3, 5))),  # one call too few
        (TWO.replace("3", "3.0"), TWO, ("wrong_argument", (4, 5, 5))),
        (TWO.replace('"level": 3, ', ""), TWO, ("wrong_argument", (4, 4, 5))),
        (TWO.replace("hall", "Hall"), TWO, ("wrong_argument", (4, 5, 5))),
    ],
)
def test_an_answer_is_one_of_five_things(said, gold, expected):
    assert outcome(said, gold) == expected


def test_parallel_calls_are_paired_so_that_most_parts_are_shared():
    def calls(*values):
        return canonical([{"name": "set", "arguments": {"a": a, "b": b}} for a, b in values])

    # in order, or greedily, the first would take (1, 9) for two parts and leave one to the second
    assert outcome(calls((1, 2), (1, 9)), calls((1, 9), (1, 2)))[1] == (6, 6, 6)
    assert outcome(calls((1, 2), (3, 2)), calls((1, 5), (1, 2)))[1] == (4, 6, 6)
    assert outcome(calls((1, 2), (1, 2)), calls((1, 2)))[1] == (3, 6, 3)


def test_scores_are_percent_of_the_answers():
    metric, total = CallMatch(), Counter()
    rows = [{"id": f"{at}", "calls": TWO} for at in range(4)] + [{"id": "4", "calls": "[]"}]
    for count in metric.counts([{"calls": one} for one in (SWAPPED, "[]", "", TWO.replace("hall", "attic"), "")], rows):
        total.update(count)
    assert metric.score(total) == {
        "call_match": 20.0, "abstained": 20.0, "malformed": 40.0, "wrong_tool": 0.0, "wrong_argument": 20.0,
        "parts_f1": pytest.approx(200 * 9 / (13 + 21)),
    }  # fmt: skip


def test_records_that_know_no_calls_are_left_out_of_strict():
    assert CallMatch().count({"calls": TWO}, {"id": "7", "calls": ""}) == {}
    with pytest.raises(LamcoreError, match="call_match: 'calls' of record '7' is no JSON list of calls"):
        outcome(TWO, "dim()")


# BFCL

TEXT, WHOLE, FRACTION = {"type": "string"}, {"type": "integer"}, {"type": "float"}


def fits(value, allowed, schema, category="simple_python"):
    return bfcl.value_fits(value, allowed, schema, category)


@pytest.mark.parametrize(
    ("value", "allowed", "schema", "right"),
    [
        ("San Francisco, CA", ["san francisco CA"], TEXT, True),  # case, blanks, punctuation
        ("it's", ['it"s'], TEXT, True),
        ("a:b", ["ab"], TEXT, False),
        ("2", [2], WHOLE, False),
        (2, [2], WHOLE, True),
        (2.0, [2], WHOLE, False),
        (True, [1], WHOLE, False),
        (2, [2.0], FRACTION, True),  # a whole number for a float
        (2, [2], FRACTION, True),
        ("x", ["x"], WHOLE, True),  # a variable
        ("X", ["x"], WHOLE, False),
        (None, ["", None], TEXT, True),
        ("", ["", None], TEXT, True),
        (True, [True], {"type": "boolean"}, True),
        (1, [True], {"type": "boolean"}, False),
        ([1, 2], [[1, 2]], {"type": "array", "items": WHOLE}, True),
        ([2, 1], [[1, 2]], {"type": "array", "items": WHOLE}, False),
        ([1, 2], [[1.0, 2.0]], {"type": "array", "items": FRACTION}, False),  # within a list no whole number
        ([1, 2], [[1, 2]], {"type": "array", "items": FRACTION}, True),  # but where the allowed ones are whole
        (["A b"], [["ab"]], {"type": "array", "items": TEXT}, True),
        ([], ["", ["a"]], {"type": "array", "items": TEXT}, True),  # may be left out
        ([], [["a"]], {"type": "array", "items": TEXT}, False),
        (["a"], [["a"]], {"type": "tuple", "items": TEXT}, True),
        ({"a": "X"}, [{"a": ["x", "y"], "b": ["", 1]}], {"type": "dict"}, True),
        ({"b": 1}, [{"a": ["x"], "b": ["", 1]}], {"type": "object"}, False),
        ({"a": "x", "c": 1}, [{"a": ["x"]}], {"type": "dict"}, False),
        ([{"a": 1}, {"a": 2}], [[{"a": [1]}, {"a": [2, 3]}]], {"type": "array", "items": {"type": "dict"}}, True),
        ([{"a": 2}, {"a": 1}], [[{"a": [1]}, {"a": [2]}]], {"type": "array", "items": {"type": "dict"}}, False),
        ([], ["", [{"a": [1]}]], {"type": "array", "items": {"type": "object"}}, True),
        (["x"], ["", [{"a": [1]}]], {"type": "array", "items": {"type": "object"}}, False),
        (10**400, [1.0], FRACTION, False),
    ],
)
def test_values_are_right_by_bfcls_rules(value, allowed, schema, right):
    assert fits(value, allowed, schema) is right


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("5", "integer", 5), ("5L", "long", 5), ("5", "long", "5"), ("1.5f", "float", 1.5), ("1.5", "float", "1.5"),
        ("2e3", "double", 2000.0), ("true", "boolean", True), ("True", "boolean", "True"), ("'c'", "char", "'c'"),
        ('"s"', "String", '"s"'), ("new HashMap<>()", "HashMap", {}), ("map", "HashMap", "map"),
        ('new HashMap<String, Object>() {{ put("a", 1); put("b", "x"); }}', "HashMap", {"a": 1, "b": "x"}),
    ],
)  # fmt: skip
def test_java_literals_are_read(text, kind, value):
    assert java(text, kind) == value and type(java(text, kind)) is type(value)


@pytest.mark.parametrize(
    ("text", "kind", "inner", "value"),
    [
        ('new ArrayList<>(Arrays.asList("a", "b"))', "ArrayList", "String", ["a", "b"]),
        ("new ArrayList<Integer>() {{ add(1); add(2); }}", "ArrayList", "integer", [1, 2]),
        ("new ArrayList<>()", "ArrayList", "String", []),
        ("new int[]{1, 2}", "Array", "integer", [1, 2]),
        ('new String[]{"a"}', "Array", "String", ['"a"']),  # the quotes stay, as in bfcl-eval
        ("list", "Array", "String", "list"),
    ],
)
def test_java_lists_are_read(text, kind, inner, value):
    assert java(text, kind, inner) == value


@pytest.mark.parametrize(
    ("text", "kind", "inner", "value"),
    [
        ("'s'", "String", "", "s"), ("s", "String", "", "s"), ("12n", "Bigint", "", 12), ("1.5", "float", "", 1.5),
        ("false", "Boolean", "", False), ("[1, 2]", "array", "integer", [1, 2]), ("[]", "array", "String", []),
        ("['a', \"b\"]", "array", "String", ["a", "b"]), ("new Array(1, 2)", "array", "float", [1.0, 2.0]),
        ("[[1, 2.5], ['x']]", "array", "array", [[1, 2.5], ["x"]]), ("items", "array", "String", "items"),
        ("{}", "dict", "", {}), ('{"a": 1, b: \'x\', c: [1, true]}', "dict", "", {"a": 1, "b": "x", "c": [1, True]}),
        ("{a: {b: 1}}", "dict", "", {"a": "{b: 1"}),  # ends at the first brace, as in bfcl-eval
        ("f(x)", "any", "", "f(x)"),
    ],
)  # fmt: skip
def test_javascript_literals_are_read(text, kind, inner, value):
    assert javascript(text, kind, inner) == value


def test_arguments_of_java_and_javascript_are_texts():
    assert fits("5L", [5], {"type": "long"}, "simple_java")
    assert fits("5L", [5], {"type": "integer", "x-type": "long"}, "simple_java")
    assert not fits(5, [5], {"type": "long"}, "simple_java")
    assert not fits("5", [5], {"type": "long"}, "simple_java")
    assert fits("timeout", ["timeout"], {"type": "long"}, "simple_java")
    assert fits("[1, 2]", [[1, 2]], {"type": "array", "items": WHOLE}, "simple_javascript")
    assert not fits(True, [True], {"type": "Boolean"}, "simple_javascript")


SCHEMA = {"type": "dict", "properties": {"a": WHOLE, "b": TEXT}, "required": ["a"]}
TOOLS = [{"name": name, "parameters": SCHEMA} for name in ("f", "g.h")]


def right(calls, allowed, category="simple_python"):
    made = [{"name": name, "arguments": given} for name, given in calls]
    return bfcl.right(made, allowed, TOOLS, category)


def test_a_call_needs_its_tool_and_its_arguments():
    allowed = [{"f": {"a": [1, 2], "b": ["x", ""]}}]
    assert right([("f", {"a": 1, "b": "x"})], allowed) and right([("f", {"a": 2})], allowed)
    assert not right([("f", {"b": "x"})], allowed)
    assert not right([("f", {"a": 1, "c": 1})], allowed)
    assert not right([("g.h", {"a": 1})], allowed)
    assert not right([("f", {"a": 1})], [{"f": {"a": [1], "b": ["x"]}}])  # b may not be left out
    assert not right([], allowed) and not right([("f", {"a": 1})] * 2, allowed)
    assert right([("g.h", {"a": 1})], [{"g.h": {"a": [1]}}]) and not right([("g_h", {"a": 1})], [{"g.h": {"a": [1]}}])


def test_parallel_calls_have_no_order_and_are_matched_greedily():
    allowed = [{"f": {"a": [1, 2]}}, {"f": {"a": [1]}}]
    assert right([("f", {"a": 2}), ("f", {"a": 1})], allowed, "parallel")
    assert not right([("f", {"a": 1}), ("f", {"a": 2})], allowed, "parallel")  # the first takes 1; as in bfcl-eval
    assert not right([("f", {"a": 1}), ("f", {"a": 1}), ("f", {"a": 1})], allowed, "live_parallel_multiple")


def test_no_call_is_right_for_irrelevance_and_any_call_for_relevance():
    call = [("nothing", {})]
    assert right([], [], "live_irrelevance") and not right(call, [], "irrelevance")
    assert right(call, [], "live_relevance") and not right([], [], "live_relevance")


def test_bfcl_mode_reads_allowed_tools_and_the_category():
    metric = CallMatch(mode=Mode.bfcl)
    columns = {"allowed": canonical([{"f": {"a": [1]}}]), "tools": canonical(TOOLS), "domain": "simple_python"}
    call = '[{"name": "f", "arguments": {"a": %s}}]'
    assert outcome(call % 1, "[]", metric, **columns)[0] == "right"
    assert outcome(call % 2, "[]", metric, **columns)[0] == "wrong_argument"
    assert outcome(call.replace("f", "g") % 1, "[]", metric, **columns)[0] == "wrong_tool"
    assert outcome("[]", "[]", metric, **columns)[0] == "abstained"
    refusal = {**columns, "domain": "irrelevance", "allowed": "[]"}
    assert outcome("[]", "[]", metric, **refusal)[0] == "right"
    assert outcome("I can't.", "[]", metric, **refusal)[0] == "malformed"  # bfcl-eval takes it for a right refusal
    assert outcome(call % 1, "[]", metric, **refusal)[0] == "wrong_tool"
    assert "bfcl-eval 2026.3.23" in metric.signature and metric.signature != CallMatch().signature


def test_records_that_bfcls_rules_do_not_fit_are_refused():
    metric = CallMatch(mode=Mode.bfcl)
    with pytest.raises(LamcoreError, match="call_match.mode=bfcl: record '7' has no column 'allowed', only: id, calls"):
        outcome("[]", "[]", metric)
    columns = {"allowed": json.dumps([{"k": {}}]), "tools": canonical(TOOLS), "domain": "simple_python"}
    with pytest.raises(LamcoreError, match=r"record '7' has columns `allowed` and `tools` that do not fit.*'k'"):
        outcome(TWO.replace("dim", "k")[: TWO.index(", {") - 2] + "]", "[]", metric, **columns)
