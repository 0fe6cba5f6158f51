"""Answers held to tools and schemas: what may be written, that it always ends, and what is refused."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

import pytest
import torch
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from lamcore import Decoding, LamcoreError, Metric
from lamcore.cli import lam
from lamcore.decode import both, constraint, search
from lamcore.kinds import Subwords, TokenizerPlan
from lamcore.testing import check_package
from lamcore.tokenizer import learn
from lamcore_constrain import fields, schema, tools
from lamcore_constrain.grammar import grammar_of
from lamcore_constrain.sides import paired
from lamcore_constrain.vocabulary import vocabulary_of

LIGHT = {"type": "object", "properties": {"level": {"type": "integer"}, "area": {"type": "string"}}}
HOME = [
    {"name": "TurnOn", "description": "", "parameters": {**LIGHT, "required": ["area"]}},
    {"name": "Stop", "description": "", "parameters": {}},
]
WORDS = "area city color count date kitchen level mode name size tags unit value".split()
TEXTS = [json.dumps([{"name": f"do_{a}", "arguments": {b: 2.5, "x": None}}]) for a in WORDS for b in WORDS]
TEXTS += ["abcdefghijklmnopqrstuvwxyz 0123456789 -+.:T {}[] true false TurnOn Stop é ü"]
SIZES = {"bpe": 130, "byte_bpe": 340, "character": 100}


class AtRandom:
    """A model that was not trained: it writes at random."""

    def __init__(self, size, seed=1):
        self.size, self.chance = size, torch.Generator().manual_seed(seed)

    def step(self, tokens):
        return 3 * torch.randn(len(tokens), self.size, generator=self.chance)

    def select(self, rows, records):
        pass


@pytest.fixture(scope="module", params=SIZES)
def tokenizer(request):
    return learned(request.param)


def learned(kind):
    return learn(TokenizerPlan(kind=Subwords(kind), size=SIZES[kind]), {"target": TEXTS})["target"]


@pytest.fixture(scope="module")
def cut():
    return learned("byte_bpe")


def answers(tokenizer, rule, limits, decoding=None, seed=1):
    """Return the texts that a random model writes under a rule."""
    size = tokenizer.size
    found = search(AtRandom(size, seed), limits, decoding or Decoding(), allowed=rule, keys=range(len(limits)))
    return [tokenizer.decode([one.ids for one in hypotheses]) for hypotheses in found]


def accepts(cut, value, text, kind="schema"):
    return grammar_of(vocabulary_of(cut), kind, json.dumps(value), "here").accepts(text)


def refusal(cut, value, kind="schema"):
    with pytest.raises(LamcoreError) as caught:
        grammar_of(vocabulary_of(cut), kind, json.dumps(value), "Record 'r', tools")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    return str(caught.value)


def test_the_package_keeps_its_promises():
    check_package("lamcore-constrain")


# ---- what may be written


def test_calls_are_those_of_the_tools_in_canonical_form_and_no_call_always_may_be(cut):
    for text in (
        "[]",
        '[{"name": "Stop", "arguments": {}}]',
        '[{"name": "TurnOn", "arguments": {"area": "kitchen"}}]',
        '[{"name": "TurnOn", "arguments": {"area": "Küche \\"2\\"", "level": -3}}, {"name": "Stop", "arguments": {}}]',
    ):
        assert accepts(cut, HOME, text, "tools"), text
    for text in (
        "",
        "[",
        "[ ]",
        '[{"name": "Stop","arguments": {}}]',
        '[{"arguments": {}, "name": "Stop"}]',
        '[{"name": "TurnOff", "arguments": {}}]',
        '[{"name": "TurnOn", "arguments": {}}]',
        '[{"name": "TurnOn", "arguments": {"level": 3, "area": "kitchen"}}]',
        '[{"name": "TurnOn", "arguments": {"area": "kitchen", "level": 3.5}}]',
        '[{"name": "TurnOn", "arguments": {"area": "kitchen", "room": "a"}}]',
        '[{"name": "Stop", "arguments": {"a": 1}}]',
        '[{"name": "Stop", "arguments": {}}] ',
    ):
        assert not accepts(cut, HOME, text, "tools"), text


def test_without_tools_there_is_only_no_call(cut):
    assert accepts(cut, [], "[]", "tools")
    assert not accepts(cut, [], '[{"name": "Stop", "arguments": {}}]', "tools")


def test_a_tool_whose_name_the_vocabulary_can_not_write_is_left_out():
    cut = learned("character")
    assert accepts(cut, [HOME[1], {**HOME[1], "name": "日"}], '[{"name": "Stop", "arguments": {}}]', "tools")
    assert tools("", [{"id": "r", "tools": json.dumps([{**HOME[1], "name": "日"}])}], cut, torch.tensor([9]))


@pytest.mark.parametrize(
    "written, right, wrong",
    [
        ({"enum": ["a", 1, None]}, ['"a"', "1", "null"], ['"b"', "2"]),
        ({"type": "string", "enum": ["a", 1]}, ['"a"'], ["1"]),
        ({"type": "integer", "enum": [1, 5, 9], "maximum": 6}, ["1", "5"], ["9"]),
        ({"const": {"b": 1, "a": [2]}}, ['{"a": [2], "b": 1}'], ['{"b": 1, "a": [2]}']),
        ({"type": "integer", "minimum": 5, "exclusiveMaximum": 12}, ["5", "11"], ["4", "12", "5.0"]),
        ({"type": "number"}, ["-2.5", "0"], ["1e999", "01", "NaN"]),
        ({"type": ["string", "null"]}, ['"a"', "null"], ["1"]),
        ({"type": "string", "pattern": "^[a-c]{2}$"}, ['"ab"'], ['"a"', '"ad"']),
        ({"type": "string", "format": "date"}, ['"2026-11-23"'], ['"2026-13-01"']),
        ({"type": "string", "minLength": 1, "maxLength": 2}, ['"ü"', '"ab"'], ['""', '"abc"']),
        ({"type": "array", "items": {"type": "null"}, "minItems": 1, "maxItems": 2}, ["[null]"], ["[]", "[1]"]),
        ({"prefixItems": [{"const": 1}, {"const": 2}], "items": False}, ["[]", "[1, 2]"], ["[2]", "[1, 2, 3]"]),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, ["[1]"], ["[1, 1]"]),
        ({"type": "object"}, ["{}", '{"a": [1, {"b": true}]}'], ['{"a": 1, "a": 2}', "[]"]),
        ({"type": "object", "additionalProperties": {"type": "null"}}, ['{"a": null}'], ['{"a": 1}']),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, ["1", '"a"'], ["null"]),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"const": 1}}}, ["1"], ["2"]),
        ({"properties": {"a": {"$ref": "#"}}}, ['{"a": {"a": {}}}'], ['{"a": 1}']),
        ({"required": ["b"], "properties": {"a": {"const": 1}}}, ['{"a": 1, "b": 2}', '{"b": [1]}'], ['{"a": 1}']),
    ],
)
def test_a_schema_allows_what_is_valid_and_nothing_else(cut, written, right, wrong):
    for text in right:
        assert accepts(cut, written, text), text
        Draft202012Validator(written).validate(json.loads(text))
    for text in wrong:
        assert not accepts(cut, written, text), text


# ---- a model that was not trained


def value(rng, depth):
    """Return a random schema."""
    small = [
        {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "boolean"},
        {"type": "string", "enum": rng.sample(WORDS, 3)},
    ]  # fmt: skip
    low = rng.randint(-200, 200)
    more = [
        {"type": ["string", "null"]}, {"type": "string", "pattern": "^[0-9]{3}-[a-z]+$"}, {"type": "object"},
        {"type": "integer", "minimum": low, "maximum": low + 40}, {"type": "number", "exclusiveMinimum": low},
        {"type": "string", "minLength": 2, "maxLength": 5}, {"type": "string", "format": "date"},
        {"anyOf": [value(rng, depth + 1), value(rng, depth + 1)]} if depth < 2 else {"const": 7},
        {"type": "array", "items": value(rng, depth + 1), "minItems": rng.randint(0, 2)} if depth < 2 else {},
        {**arguments(rng, depth + 1)} if depth < 2 else {"type": "null"},
    ]  # fmt: skip
    return rng.choice(small + more if depth < 3 else small)


def arguments(rng, depth=0):
    keys = rng.sample(WORDS, rng.randint(0, 4))
    required = [key for key in keys if rng.random() < 0.5]
    return {"type": "object", "properties": {key: value(rng, depth) for key in keys}, "required": required}


def calls_schema(tools):
    shapes = [
        {
            "properties": {"name": {"const": one["name"]}, "arguments": one["parameters"]},
            "required": ["name", "arguments"],
        }
        for one in tools
    ]
    return {"type": "array", "items": {"anyOf": [{**one, "additionalProperties": False} for one in shapes]}}


def all_valid(tokenizer, records, seed):
    """Check what a random model writes for records with random tools and limits; return the number of real calls."""
    rng, calls = random.Random(seed), 0
    for begin in range(0, records, 16):
        made = [
            [{"name": f"do_{name}", "parameters": arguments(rng)} for name in rng.sample(WORDS, rng.randint(1, 3))]
            for _ in range(16)
        ]
        asked = [{"id": str(n), "tools": json.dumps(one)} for n, one in enumerate(made)]
        limits = torch.tensor([rng.choice([4, 30, 70, 160]) for _ in asked])
        how = rng.choice([Decoding(), Decoding(beam=3, n_best=2), Decoding(temperature=1.0, n_best=2)])
        written = answers(tokenizer, tools("", asked, tokenizer, limits), limits, how, seed + begin)
        for texts, one in zip(written, made, strict=True):
            for text in texts:
                Draft202012Validator(calls_schema(one)).validate(json.loads(text))
                calls += text != "[]"
    return calls


def test_a_random_model_writes_only_valid_calls_and_ends_within_the_limit(tokenizer):
    assert all_valid(tokenizer, 16, 1) > 0


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2))
def test_a_random_model_writes_only_valid_calls_for_many_random_tools(tokenizer, seed):
    assert all_valid(tokenizer, 96, seed) > 10


def test_a_list_that_needs_its_items_is_led_to_an_end_at_the_limit(cut):
    pair = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    limits = torch.tensor([60, 61, 62, 63, 64, 65, 66, 67])
    rule = schema(json.dumps({"type": "array", "items": pair, "minItems": 2}), [{}] * 8, cut, limits)
    for (text,) in answers(cut, rule, limits):
        assert len(json.loads(text)) >= 2 and all(list(one) == ["name"] for one in json.loads(text))


def test_an_answer_may_go_on_within_quotes_until_the_end_just_fits(cut):
    class Wordy(AtRandom):
        def step(self, tokens):
            scores = torch.zeros(len(tokens), self.size)
            scores[:, cut.encode(["a"])[0][0]] = 9
            return scores

    limits = torch.tensor([40])
    (found,) = search(Wordy(cut.size), limits, Decoding(), allowed=schema('{"type": "string"}', [{}], cut, limits))
    assert cut.decode([found[0].ids]) == ['"' + 38 * "a" + '"']


def test_any_way_to_cut_a_call_is_allowed_and_a_given_beginning_holds_too(tokenizer):
    text, limits = '[{"name": "TurnOn", "arguments": {"area": "kitchen"}}]', torch.tensor([200])
    records = [{"id": "r", "tools": json.dumps(HOME)}]
    rule = tools("", records, tokenizer, limits)
    ids = torch.tensor(tokenizer.encode([text]))
    for length in range(ids.shape[1]):
        assert rule(torch.tensor([0]), ids[:, :length])[0, ids[0, length]]
    assert rule(torch.tensor([0]), ids)[0].nonzero().flatten().tolist() == [tokenizer.eos]
    none = torch.zeros(1, 0, dtype=torch.long)
    prefix = constraint(limits, tokenizer.size, tokenizer.eos, ids[:, :6], none[0], none)
    for (written,) in [answers(tokenizer, both(tools("", records, tokenizer, limits), prefix), limits)[0]]:
        assert written.startswith(tokenizer.decode([ids[0, :6].tolist()])[0]) and json.loads(written)


# ---- what is refused


def test_a_schema_that_can_not_be_held_to_is_refused_in_one_line(cut):
    bad = [{"name": "a", "parameters": {"properties": {"x": {"not": {}}}}}]
    assert refusal(cut, bad, "tools").startswith("Record 'r', tools: tool 'a': the keyword 'not' can't be held to")
    assert "'oneOf' is held to only where" in refusal(cut, {"oneOf": [{"type": "integer"}, {"type": "number"}]})
    assert "'$ref' can't be held to together with 'type'" in refusal(cut, {"$ref": "#", "type": "null"})
    assert "points out of the schema" in refusal(cut, {"$ref": "http://there/x"})
    assert "points to nothing" in refusal(cut, {"$ref": "#/$defs/a"})
    assert "names an anchor" in refusal(cut, {"items": {"$ref": "#a"}, "$defs": {"a": {"$anchor": "a"}}})
    assert "'$id' within a schema" in refusal(cut, {"items": {"$id": "x", "type": "string"}})
    inner = {"type": "integer", "anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "string"}}}
    assert "a $ref in 'anyOf' can't be held to together with the 'type'" in refusal(cut, inner)
    assert refusal(cut, {"type": "integer", "minimum": 3, "maximum": 2}).endswith("is greater than maximum (2).")
    assert "'text' is no type" in refusal(cut, {"type": "text"})
    assert "tools must be a list" in refusal(cut, {"name": "a"}, "tools")
    assert "tool 1 has no name" in refusal(cut, [{"parameters": {}}], "tools")


def test_types_beside_a_choice_hold_for_each_of_its_branches(cut):
    whole = {"type": "integer", "anyOf": [{"type": "string"}, {"type": "number"}, {"enum": [1, "a"]}]}
    assert accepts(cut, whole, "3") and not accepts(cut, whole, '"a"') and not accepts(cut, whole, "0.5")
    open_one = {"type": ["integer", "null"], "anyOf": [True]}
    assert accepts(cut, open_one, "null") and not accepts(cut, open_one, '"a"')
    named = {"type": "object", "anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "object", "properties": {}}}}
    assert accepts(cut, named, "{}")


@pytest.mark.parametrize("rule, column", [(tools, "tools"), (schema, "form")])
def test_a_schema_that_is_an_object_and_not_its_text_is_named_with_its_record(cut, rule, column):
    with pytest.raises(LamcoreError, match=rf"Record 'r': {column} must be JSON text, not a list"):
        rule("form", [{"id": "r", column: HOME}], cut, torch.tensor([9]))


def test_a_hostile_schema_ends_in_one_line(cut):
    deep: dict = {}
    for _ in range(200):
        deep = {"type": "array", "items": deep}
    assert "levels deep" in refusal(cut, deep)
    wide = {"properties": {f"k{n}": {"type": "array", "items": {"const": n}} for n in range(12_000)}}
    assert "more than 20,000 values" in refusal(cut, wide)
    loop = {"$defs": {"a": {"required": ["x"], "properties": {"x": {"$ref": "#/$defs/a"}}}}, "$ref": "#/$defs/a"}
    assert "the vocabulary has no pieces for any value" in refusal(cut, loop)
    defs = {f"a{n}": {"prefixItems": [{"$ref": f"#/$defs/a{n + 1}"}] * 9, "minItems": 9} for n in range(20)}
    assert "characters" in refusal(cut, {"$defs": {**defs, "a20": {"const": 1}}, "$ref": "#/$defs/a0"})
    accepts(cut, {"type": "string", "pattern": "((a{1,999}){1,999}){1,999}"}, "a")
    accepts(cut, {"type": "string", "maxLength": 10**9}, "a")
    refusal(cut, {"type": "string", "pattern": "(?=a)b(\\1)"})
    refusal(cut, {"type": "array", "items": {"const": 1}, "minItems": 10**9})
    with pytest.raises(LamcoreError, match="it is no JSON"):
        tools("", [{"id": "r", "tools": "[{"}], cut, torch.tensor([9]))


def test_a_catastrophic_pattern_costs_nothing(cut):
    assert accepts(cut, {"type": "string", "pattern": "^(a+)+$"}, f'"{"a" * 200}"')
    assert not accepts(cut, {"type": "string", "pattern": "^(a+)+$"}, f'"{"a" * 200}b"')


def test_records_without_tools_take_the_file_and_without_one_say_so(cut, tmp_path):
    file = tmp_path / "tools.json"
    file.write_text(json.dumps(HOME), encoding="utf-8")
    assert answers(cut, tools(str(file), [{"id": "r"}], cut, torch.tensor([2])), torch.tensor([2]))[0] == ["[]"]
    with pytest.raises(LamcoreError, match=r"Record 'r' has no `tools`.*tools:FILE"):
        tools("", [{"id": "r", "tools": ""}], cut, torch.tensor([9]))
    with pytest.raises(LamcoreError, match=r"none\.json can't be read: No such file"):
        schema(str(tmp_path / "none.json"), [{"id": "r"}], cut, torch.tensor([9]))


def test_a_record_may_bring_its_own_schema_in_a_column(cut):
    rows = [{"id": "a", "form": '{"const": 1}'}, {"id": "b", "form": '{"const": 20}'}]
    limits = torch.tensor([9, 9])
    assert answers(cut, schema("form", rows, cut, limits), limits) == [["1"], ["20"]]
    with pytest.raises(LamcoreError, match="form can't be read: No such file"):
        schema("form", [{"id": "a"}], cut, limits)


@pytest.mark.parametrize(
    "written, right, wrong",
    [
        ({"properties": {"enum": {"enum": ["a", 1]}}}, ['{"enum": " a"}', '{"enum": 1}'], ['{"enum": "a"}']),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": ["a", {"b": "c"}]}}}, ['[" a", {"b": " c"}]'], ['["a"]']),
        ({"type": "string", "minLength": 1, "maxLength": 2}, ['" a"', '" ab"'], ['" "', '" abc"']),
        ({"anyOf": [{"const": "a"}, {"items": {"const": "b"}}]}, ['" a"', '[" b", " b"]'], ['"a"', '["b"]']),
    ],
)
def test_fields_are_held_to_their_schema_with_a_blank_before_each_text(cut, written, right, wrong):
    for text in right:
        assert accepts(cut, written, text, "fields"), text
    for text in wrong:
        assert not accepts(cut, written, text, "fields"), text


def test_a_random_model_writes_fields_that_are_valid_without_their_blanks(cut):
    form = {"properties": {"name": {"enum": WORDS}, "count": {"type": "integer"}}, "required": ["name"]}
    limits = torch.tensor([40, 50])
    for (text,) in answers(cut, fields(json.dumps(form), [{}, {}], cut, limits), limits):
        found = json.loads(text)
        assert found["name"][0] == " "
        Draft202012Validator(form).validate({**found, "name": found["name"][1:]})
    assert "'pattern' can't be held to where texts begin with a blank" in refusal(cut, {"pattern": "^a"}, "fields")


# ---- side by side, through the command line


@dataclass
class Right(Metric):
    """Share of right answers."""

    def count(self, answer, record):
        return {"right": answer["target"] == record["target"], "all": 1}

    def score(self, sums):
        return {"right": sums["right"] / sums["all"]}


def test_the_difference_is_paired():
    records = [{"id": str(n), "target": "[]"} for n in range(40)]
    free = [{"target": "[" if n % 2 else "[]"} for n in range(40)]
    (row,) = paired("right", Right(), (free, [{"target": "[]"}] * 40), records)
    assert (row["free"], row["constrained"], row["difference"]) == (0.5, 1.0, 0.5)
    assert 0.3 < row["low"] < 0.5 < row["high"] < 0.7


def test_a_run_is_scored_free_and_constrained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        {"input": f"a {n}", "target": '[{"name": "Stop", "arguments": {}}]', "tools": json.dumps(HOME)}
        for n in range(8)
    ]
    for split in ("train", "validation"):
        marked = [{**row, "input": f"{split} {row['input']}"} for row in rows]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in marked), encoding="utf-8")
    small = "layers=1 width=16 heads=2 feed_forward=16".split()
    asked = "train source=jsonl source.train=train.jsonl source.validation=validation.jsonl metrics=[chrf] device=cpu"
    asked += " tokenizer.kind=character trainer.steps=2 decoding.max_length=60 decoding.max_ratio=0 hydra.run.dir=run"
    run = CliRunner()
    done = run.invoke(lam, [*asked.split(), *(f"architecture.{one}" for one in small), "cache=cache"])
    assert done.exit_code == 0, done.output
    done = run.invoke(lam, ["evaluate", "run", "--constrain", "tools", "--json"])
    assert done.exit_code == 0, done.output
    found = {row["metric"]: row for row in json.loads(done.stdout)}
    assert (found["valid"]["free"], found["valid"]["constrained"], found["valid"]["records"]) == (0, 100, 8)
    assert set(found) == {"valid", "chrf"} and found["chrf"]["difference"] > 0
    done = run.invoke(lam, ["evaluate", "run", "--constrain", "tool"])
    assert "No constraint is called 'tool'. Did you mean 'tools'?" in str(done.output) + str(done.exception)
    done = run.invoke(lam, ["predict", "run", "x", "--decoding", 'constrain=schema:{"type": "boolean"}'])
    assert done.output.strip() == "true"  # no train text has the letter f
    done = run.invoke(lam, ["predict", "run", "x", "--decoding", "constrain=tools"])
    assert "Record 'predict-0' has no `tools`" in str(done.output) + str(done.exception)
