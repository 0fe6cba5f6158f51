"""Each format becomes records as its page says, comes back equal, and names the place of each fault."""

from __future__ import annotations

import gzip
import importlib
import json

import pytest
from click.testing import CliRunner

from lamcore import LamcoreError
from lamcore_actions import Bfcl, BioJsonl, Xlam, bfcl, bio_jsonl, convert, openai_tools, sharegpt, xlam
from lamcore_actions.calls import canonical, check_tools, loads

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "Say the weather.", "parameters": SCHEMA}
PARIS = {"name": "weather", "arguments": {"city": "Paris"}}
ROME = {"name": "weather", "arguments": {"city": "Rome"}}


def asked(id: str, call: dict) -> dict:
    return {
        "id": id,
        "type": "function",
        "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
    }


OPENAI = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Paris and Rome?"},
        {"role": "assistant", "content": None, "tool_calls": [asked("a", PARIS), asked("b", ROME)]},
        {"role": "tool", "tool_call_id": "b", "content": "sun"},
        {"role": "tool", "tool_call_id": "a", "content": "rain"},
        {"role": "assistant", "content": "Rain, sun."},
        {"role": "user", "content": [{"type": "text", "text": "And Paris "}, {"type": "text", "text": "now?"}]},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [asked("c", PARIS)]},
    ],
    "tools": [{"type": "function", "function": WEATHER}],
}
MESSAGES = [
    {"role": "system", "content": "Be brief.", "calls": "", "name": "", "train": None},
    {"role": "user", "content": "Paris and Rome?", "calls": "", "name": "", "train": None},
    {"role": "assistant", "content": "", "calls": canonical([PARIS, ROME]), "name": "", "train": None},
    {"role": "tool", "content": "rain", "calls": "", "name": "weather", "train": None},
    {"role": "tool", "content": "sun", "calls": "", "name": "weather", "train": None},
    {"role": "assistant", "content": "Rain, sun.", "calls": "", "name": "", "train": None},
    {"role": "user", "content": "And Paris now?", "calls": "", "name": "", "train": None},
    {"role": "assistant", "content": "Let me look.", "calls": canonical([PARIS]), "name": "", "train": None},
]
CONVERSATION = {
    "input": "And Paris now?",
    "messages": MESSAGES,
    "tools": canonical([WEATHER]),
    "calls": '[{"name": "weather", "arguments": {"city": "Paris"}}]',
}
SHAREGPT = {
    "system": "Be brief.",
    "conversations": [
        {"from": "human", "value": "Paris and Rome?"},
        {"from": "function_call", "value": json.dumps([PARIS, ROME])},
        {"from": "observation", "value": "rain"},
        {"from": "observation", "value": "sun"},
        {"from": "gpt", "value": "Rain, sun."},
        {"from": "human", "value": "And Paris now?"},
        {"from": "gpt", "value": "Let me look."},
        {"from": "function_call", "value": json.dumps(PARIS)},
    ],
    "tools": json.dumps([WEATHER]),
}
XLAM = {
    "id": 7,
    "query": "Weather in Paris?",
    "answers": json.dumps([PARIS]),
    "tools": json.dumps(
        [
            {
                "name": "weather",
                "description": "Say the weather.",
                "parameters": {
                    "city": {"description": "Where.", "type": "str"},
                    "days": {"description": "", "type": "int, optional"},
                    "units": {"description": "", "type": "str", "default": "C"},
                    "type": {"description": "", "type": "List[Union[int, float]]"},
                    "more": {"description": "", "type": "Optional[Dict[str, Any]]"},
                    "how": {"description": "", "type": "Callable[[float], float]"},
                },
            }
        ]
    ),
}
BFCL = {
    "id": "multiple_3",
    "category": "multiple",
    "messages": [{"role": "user", "content": "Weather in Paris?"}],
    "functions": [
        {
            "name": "geo.weather",
            "description": "Say the weather.",
            "parameters": {
                "type": "dict",
                "properties": {
                    "city": {"type": "string"},
                    "days": {"type": "float"},
                    "where": {"type": "tuple", "items": {"type": "float"}},
                    "more": {"type": "dict", "properties": {"a": {"type": "any"}}},
                    "names": {"type": "ArrayList", "items": {"type": "dict"}},
                    "last": {"type": "Boolean"},
                },
                "required": ["city"],
            },
        }
    ],
    "answers": [
        {
            "geo.weather": {
                "city": ["Paris", "Paris, France"],
                "days": ["", 1.0],
                "where": [[1.5, 2.0]],
                "more": [{"a": [True, False], "b": [""]}],
                "names": [[{"n": ["x", "y"]}]],
                "last": [],
            }
        }
    ],
}
SNIPS = {
    "text": "play westbam",
    "tokens": ["play", "westbam"],
    "slots": ["O", "B-artist"],
    "intent": "PlayMusic",
    "lang": "en",
}
ROWS = {"openai_tools": OPENAI, "sharegpt": SHAREGPT, "xlam": XLAM, "bfcl": BFCL, "bio_jsonl": SNIPS}


def written(folder, *rows, name="rows.jsonl"):
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def module(name):
    return importlib.import_module(f"lamcore_actions.{name}")


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("end", ["jsonl", "jsonl.gz"])
def test_what_is_read_and_written_is_read_equal(name, end, tmp_path):
    records = list(module(name).read(written(tmp_path, ROWS[name], ROWS[name])))
    out = str(tmp_path / f"again.{end}")
    assert module(name).write(records, out) == len(records) == 2
    assert list(module(name).read(out)) == records


# ---- conversations


@pytest.mark.parametrize(("name", "row"), [("openai_tools", OPENAI), ("sharegpt", SHAREGPT)])
def test_a_conversation_of_many_turns_is_the_same_record_from_either_format(name, row):
    assert module(name).to_record(row) == CONVERSATION


@pytest.mark.parametrize(("one", "other"), [("openai_tools", "sharegpt"), ("sharegpt", "openai_tools")])
def test_a_conversation_goes_from_one_format_to_the_other_and_back(one, other):
    there = module(other).to_record(module(other).to_row(CONVERSATION, 0))
    assert module(one).to_record(module(one).to_row(there, 0)) == CONVERSATION


def test_calls_are_empty_after_an_answer_in_words_and_unknown_after_a_question():
    user, said = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}
    assert openai_tools.to_record({"messages": [user, said]})["calls"] == "[]"
    assert openai_tools.to_record({"messages": [user]})["calls"] == ""
    assert openai_tools.to_record({"messages": [user, said]})["tools"] == "[]"


def test_arguments_may_be_an_object_and_ids_may_be_missing():
    calls = [{"function": {"name": "weather", "arguments": call["arguments"]}} for call in (PARIS, ROME)]
    messages = [
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "content": "rain"},
        {"role": "tool", "name": "weather", "content": "sun"},
    ]
    made = openai_tools.to_record({"messages": messages})["messages"]
    assert [(one["content"], one["name"]) for one in made[1:]] == [("rain", "weather"), ("sun", "weather")]
    assert made[0]["calls"] == canonical([PARIS, ROME])


def test_a_weight_says_whether_a_message_is_learnt_and_formats_without_one_refuse_it():
    said = [{"role": "assistant", "content": text, "weight": weight} for text, weight in (("a", 0), ("b", 1))]
    row = {"messages": [{"role": "user", "content": "Hi"}, *said]}
    record = openai_tools.to_record(row)
    assert [one["train"] for one in record["messages"]] == [None, False, True]
    assert openai_tools.to_row(record, 0) == row
    for other in (sharegpt, xlam, bfcl):
        with pytest.raises(ValueError, match=r"messages\[1\].train: this says whether it is learnt - \w+ can"):
            other.to_row(record, 0)


def test_what_hermes_writes_between_tags_is_a_call():
    turn = {"from": "gpt", "value": f"Let me look.\n<tool_call>\n{json.dumps(PARIS)}\n</tool_call>"}
    made = sharegpt.to_record({"conversations": [turn]})["messages"]
    said = {"role": "assistant", "content": "Let me look.", "calls": canonical([PARIS]), "name": "", "train": None}
    assert made == [said]


def test_tags_that_are_not_closed_are_what_is_said_and_said_tags_are_refused():
    turn = {"from": "gpt", "value": "I write <tool_call> for calls. "}
    made = sharegpt.to_record({"conversations": [turn]})
    assert made["messages"][0]["content"] == "I write <tool_call> for calls. "
    assert sharegpt.to_row(made, 0)["conversations"] == [turn]
    said = openai_tools.to_record({"messages": [{"role": "assistant", "content": "<tool_call>{}</tool_call>"}]})
    with pytest.raises(ValueError, match="messages.0..content: <tool_call> stands in what is said"):
        sharegpt.to_row(said, 0)


def test_an_answer_to_the_second_of_two_equal_calls_alone_is_refused():
    calls = [{"id": f"c{n}", "function": {"name": "weather", "arguments": {}}} for n in range(2)]
    said = [{"role": "assistant", "tool_calls": calls}, {"role": "tool", "tool_call_id": "c1", "content": "sun"}]
    with pytest.raises(ValueError, match=r"messages\[1\]: a call of the same tool before that .* has no answer - give"):
        openai_tools.to_record({"messages": said})
    both = [*said, {"role": "tool", "tool_call_id": "c0", "content": "rain"}]
    assert [one["content"] for one in openai_tools.to_record({"messages": both})["messages"]] == ["", "rain", "sun"]


@pytest.mark.parametrize(
    "said",
    [
        [{"role": "assistant", "content": "Let me see."}, {"role": "assistant", "tool_calls": [{"function": PARIS}]}],
        [
            {"role": "assistant", "tool_calls": [{"function": PARIS}, {"function": ROME}]},
            {"role": "tool", "content": "x"},
        ],
    ],
)
def test_what_sharegpt_would_read_as_another_conversation_is_refused(said):
    with pytest.raises(ValueError, match=r"messages\[\d\]: this would be another message when it is read again"):
        sharegpt.to_row(openai_tools.to_record({"messages": said}), 0)


def test_one_observation_for_two_calls_has_no_name():
    turns = [("function_call", json.dumps([PARIS, ROME])), ("observation", "rain, sun")]
    made = sharegpt.to_record({"conversations": [{"from": who, "value": what} for who, what in turns]})
    assert made["messages"][1]["name"] == ""
    assert openai_tools.to_row(made, 0)["messages"][1]["tool_call_id"] == "call_0"


# ---- xlam


def test_pythons_types_become_json_schema_and_come_back():
    (tool,) = loads(xlam.to_record(XLAM)["tools"])
    assert tool["parameters"] == {
        "type": "object",
        "required": ["city", "how", "type"],
        "properties": {
            "city": {"description": "Where.", "type": "string"},
            "days": {"description": "", "type": "integer"},
            "units": {"description": "", "type": "string", "default": "C"},
            "type": {"description": "", "type": "array", "items": {"type": ["integer", "number"]}},
            "more": {"description": "", "type": "object"},
            "how": {"description": ""},
        },
    }
    (again,) = json.loads(xlam.to_row(xlam.to_record(XLAM), 7)["tools"])
    assert again["parameters"] == {
        "city": {"description": "Where.", "type": "str"},
        "days": {"description": "", "type": "int, optional"},
        "units": {"description": "", "type": "str", "default": "C"},
        "type": {"description": "", "type": "List[Union[int, float]]"},
        "more": {"description": "", "type": "dict, optional"},
        "how": {"description": "", "type": "Any"},
    }


def test_a_question_and_its_calls_are_messages_too():
    record = xlam.to_record(XLAM)
    assert record["input"] == "Weather in Paris?"
    assert record["calls"] == record["messages"][1]["calls"] == canonical([PARIS])
    assert [one["role"] for one in record["messages"]] == ["user", "assistant"]


def test_a_schema_that_xlams_types_cannot_say_is_written_whole():
    schema = {**SCHEMA, "additionalProperties": False}
    record = {"input": "Hi", "calls": "[]", "tools": canonical([{**WEATHER, "parameters": schema}])}
    assert json.loads(xlam.to_row(record, 0)["tools"])[0]["parameters"] == schema
    assert xlam.to_record(xlam.to_row(record, 0))["tools"] == record["tools"]


def test_an_empty_question_is_read_and_written():
    row = xlam.to_row(xlam.to_record({**XLAM, "query": ""}), 0)
    assert (row["query"], loads(row["answers"])) == ("", [PARIS])


# ---- bfcl


def test_the_leaderboards_types_become_those_of_json_schema():
    (tool,) = loads(bfcl.to_record(BFCL)["tools"])
    assert tool["parameters"]["properties"] == {
        "city": {"type": "string"},
        "days": {"type": "number"},
        "where": {"type": "array", "items": {"type": "number"}, "x-type": "tuple"},
        "more": {"type": "object", "properties": {"a": {}}},
        "names": {"type": "array", "items": {"type": "object"}, "x-type": "ArrayList"},
        "last": {"type": "boolean", "x-type": "Boolean"},
    }
    assert check_tools(bfcl.to_record(BFCL)["tools"]) is None
    assert bfcl.to_row(bfcl.to_record(BFCL), 0) == BFCL


def test_calls_are_the_first_allowed_values_without_what_may_be_left_out():
    record = bfcl.to_record(BFCL)
    arguments = {"city": "Paris", "where": [1.5, 2.0], "more": {"a": True}, "names": [{"n": "x"}]}
    assert loads(record["calls"]) == [{"name": "geo.weather", "arguments": arguments}]
    assert loads(record["allowed"]) == BFCL["answers"]
    assert (record["id"], record["domain"], record["input"]) == ("multiple_3", "multiple", "Weather in Paris?")


@pytest.mark.parametrize(
    ("category", "kind", "item", "value", "literal"),
    [
        ("simple_java", "integer", "", 5, "5"),
        ("simple_java", "integer", "", "TYPE_FORWARD", "TYPE_FORWARD"),  # a variable
        ("simple_java", "long", "", 5, "5L"),
        ("simple_java", "float", "", 1.5, "1.5f"),
        ("simple_java", "boolean", "", True, "true"),
        ("simple_java", "ArrayList", "String", ["a b", "c"], 'new ArrayList<>(Arrays.asList("a b", "c"))'),
        ("simple_java", "ArrayList", "long", [1, 2], "new ArrayList<>(Arrays.asList(1L, 2L))"),
        ("simple_java", "ArrayList", "String", [], "new ArrayList<>()"),
        ("simple_java", "Array", "String", ["-v", "x"], "new String[]{-v, x}"),  # the leaderboard keeps quotes here
        ("simple_java", "HashMap", "", {"a": [1], "b": ["x"]}, 'new HashMap<>() {{ put("a", 1); put("b", "x"); }}'),
        ("simple_javascript", "Boolean", "", False, "false"),
        ("simple_javascript", "float", "", 1.5, "1.5"),
        ("simple_javascript", "Bigint", "", 12, "12n"),
        ("simple_javascript", "String", "", "a", "a"),
        ("simple_javascript", "array", "String", ["a", "b"], '["a", "b"]'),
        ("simple_javascript", "array", "float", [1.0, 2.5], "[1.0, 2.5]"),
        ("simple_javascript", "dict", "", {"a": [1]}, '{"a": 1}'),
    ],
)
def test_java_and_javascript_have_literals_for_values_and_strings_for_types(category, kind, item, value, literal):
    schema = {"type": kind, **({"items": {"type": item}} if item else {})}
    parameters = {"type": "dict", "properties": {"a": schema}, "required": ["a"]}
    function = {"name": "f", "description": "", "parameters": parameters}
    answers = [{"f": {"a": [value]}}]
    record = bfcl.to_record(row := {**BFCL, "category": category, "functions": [function], "answers": answers})
    assert loads(record["calls"]) == [{"name": "f", "arguments": {"a": literal}}]
    (tool,) = loads(record["tools"])
    assert tool["parameters"]["properties"]["a"]["type"] == "string"
    assert tool["parameters"]["properties"]["a"]["x-type"] == kind
    assert bfcl.to_row(record, 0) == row


def test_nothing_is_called_in_irrelevance_and_any_call_is_right_in_relevance():
    none = bfcl.to_record({**BFCL, "category": "live_irrelevance", "answers": []})
    any_ = bfcl.to_record({**BFCL, "category": "live_relevance", "answers": []})
    assert (none["calls"], len(none["messages"])) == ("[]", 2)
    assert (any_["calls"], len(any_["messages"])) == ("", 1)


def test_other_records_become_rows_of_the_leaderboard_that_allow_their_calls():
    row = bfcl.to_row({"input": "Hi", "calls": canonical([PARIS]), "tools": canonical([WEATHER])}, 4)
    assert row["answers"] == [{"weather": {"city": ["Paris"]}}]
    assert (row["id"], row["functions"][0]["parameters"]["type"]) == ("4", "dict")


# ---- bio_jsonl


def test_slots_become_tags():
    assert bio_jsonl.to_record(SNIPS) == {
        "input": "play westbam",
        "tokens": ["play", "westbam"],
        "tags": ["O", "B-artist"],
        "intent": "PlayMusic",
        "input_lang": "en",
    }
    assert bio_jsonl.to_record({"tokens": ["a", "b"], "slots": ["O", "O"]})["input"] == "a b"


def test_several_files_make_a_split(tmp_path):
    files = [written(tmp_path, {**SNIPS, "lang": lang}, name=f"{lang}.jsonl") for lang in ("de", "nl")]
    splits = BioJsonl(train=files[0], validation=files[0], tests={"all": files}).load()
    assert [one["input_lang"] for one in splits["all"]] == ["de", "nl"]


# ---- files


def test_one_list_is_read_as_its_lines_would_be(tmp_path):
    rows = [{**XLAM, "query": f"naïve {number} ]}}," * 20} for number in range(3)]
    for text in (json.dumps(rows, indent=2, ensure_ascii=False), "\ufeff\n " + json.dumps(rows)):
        file = tmp_path / "list.json"
        file.write_text(text, encoding="utf-8")
        assert list(xlam.read(str(file))) == list(xlam.read(written(tmp_path, *rows)))


def test_a_list_longer_than_what_is_held_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("lamcore_files.readers.BLOCK", 7)
    monkeypatch.setattr("lamcore_files.readers.PACKED_BLOCK", 7)
    rows = [{**SNIPS, "text": f"ü{number}"} for number in range(30)]
    file = tmp_path / "list.json.gz"
    file.write_bytes(gzip.compress(json.dumps(rows, ensure_ascii=False, indent=1).encode()))
    assert [one["input"] for one in bio_jsonl.read(str(file))] == [row["text"] for row in rows]
    lines = written(tmp_path, *rows)
    assert len(list(bio_jsonl.read(lines))) == 30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1:1: the file is empty"),
        ("{}\n\n", ":1:1: tokens: nothing stands here - it must be a list"),
        ('{"tokens": [], "slots": []}\n\n', ":2:1: the line is empty"),
        ('{"tokens": ["a"], "slots": []}', ":1:1: slots: 0 tags stand here for 1 tokens"),
        ('{"tokens": ["a"], "slots": ["artist"]}', ":1:1: slots[0]: 'artist' is no BIO tag"),
        ('{"tokens": ["a", 1], "slots": []}', ":1:1: tokens[1]: a number ('1') stands here - it must be text"),
        ('"x"', ":1:1: text stands here - write objects"),
        ('{"a": 1, "a": 2}', ":1:1: this is no JSON (the key 'a' stands twice)"),
        ('{"a": NaN}', ":1:1: this is no JSON (NaN is not JSON)"),
        ("[" * 100_000, ":1:1: '[' stands here - write one list of objects"),
        ('{"a": ' * 100_000, ":1:1: this is no JSON (nested more than 100 deep)"),
        ('[{"tokens": [], "slots": []},\n 1]', ":2:1: '1' stands here - write one list of objects"),
        ('[\n{"tokens": [], "slots": []}\n', ":3:1: the list never ends"),
        ('[\n{"tokens": [}]', ":2:1: this is no JSON (Expecting value)"),
        ("[] []", ":1:1: '[' stands here"),
        ("[\n{}, \n\n", ":2:1: tokens: nothing stands here"),
        ("[" + "\n" * 30, ":31:1: the list never ends"),
    ],
)
def test_a_fault_names_its_file_and_line(text, said, tmp_path):
    file = tmp_path / "rows.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(LamcoreError) as caught:
        list(bio_jsonl.read(str(file)))
    assert str(caught.value).startswith(f"{file}{said}")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b'{"text": "\xff"}', "1:11: byte 0xFF is not UTF-8"), (b'[{"text": "\xff"}]', "what follows is not UTF-8")],
)
def test_what_is_no_text_is_refused(content, said, tmp_path):
    file = tmp_path / "rows.json"
    file.write_bytes(content)
    with pytest.raises(LamcoreError, match=said):
        list(bio_jsonl.read(str(file)))


def test_damaged_gzip_is_refused(tmp_path):
    file = tmp_path / "rows.jsonl.gz"
    file.write_bytes(gzip.compress(json.dumps(SNIPS).encode())[:-9])
    with pytest.raises(LamcoreError, match=r"rows.jsonl.gz:1:1: the gzip data ends too early"):
        list(bio_jsonl.read(str(file)))


def changed(row: dict, **values: object) -> dict:
    return {**row, **values}


def said_by(role: str, **values: object) -> dict:
    return {"messages": [{"role": role, "content": "x", **values}]}


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("openai_tools", {}, "messages: nothing stands here - it must be a list"),
        ("openai_tools", {"messages": []}, "messages: there is none"),
        ("openai_tools", said_by("robot"), "messages[0].role: 'robot' stands here - it must be one of system"),
        ("openai_tools", said_by("assistant", weight=0), "messages[0].weight: 0 leaves the last answer out of"),
        ("openai_tools", said_by("assistant", weight=0.5), "messages[0].weight: '0.5' stands here - it must be 0 or 1"),
        ("openai_tools", said_by("user", weight=1), "messages[0].weight: the user has a weight - only the assistant's"),
        ("openai_tools", said_by("tool", tool_call_id="z"), "messages[0]: this answers no call that stands before it"),
        ("openai_tools", said_by("user", tool_calls=[asked("a", PARIS)]), "messages[0].tool_calls: the user calls"),
        ("openai_tools", said_by("assistant", tool_calls=[{"function": {"name": "f", "arguments": "{"}}]),
         "messages[0].tool_calls[0].arguments: this text is no JSON"),
        ("openai_tools", said_by("user") | {"tools": [{"type": "function"}]}, "tools[0].name: nothing stands here"),
        ("sharegpt", {"conversations": [{"from": "robot", "value": ""}]}, "conversations[0].from: 'robot' stands here"),
        ("sharegpt", {"conversations": [{"from": "function_call", "value": "{}"}]},
         "conversations[0].value: this is no call ('{}')"),
        ("xlam", changed(XLAM, answers="[1]"), "answers[0]: this is no call"),
        ("xlam", changed(XLAM, tools='[{"name": "f", "parameters": {"a": 1}}]'), "tools[0].parameters.a: a number"),
        ("xlam", changed(XLAM, tools=json.dumps([{"name": "f", "parameters": {"a": {"type": "List[" * 9_000}}}])),
         "tools[0].parameters.a.type: 45000 characters stand here"),
        ("bfcl", changed(BFCL, answers=[{"f": {"a": 1}}]), "answers[0].f.a: a number ('1') stands here"),
        ("bfcl", changed(BFCL, category=None), "category: nothing stands here"),
    ],
)  # fmt: skip
def test_a_fault_of_a_row_names_its_place_in_it(name, row, said, tmp_path):
    with pytest.raises(LamcoreError) as caught:
        list(module(name).read(written(tmp_path, ROWS[name], row)))
    assert str(caught.value).startswith(f"{tmp_path}/rows.jsonl:2:1: {said}")
    assert "\n" not in str(caught.value)


def test_files_that_are_missing_or_not_named_are_refused_at_once(tmp_path):
    for source in (Xlam(train="gone.jsonl"), Xlam(train=str(tmp_path))):
        with pytest.raises(LamcoreError, match=r"there is no such file|this is a folder"):
            source.load()
    with pytest.raises(LamcoreError, match="source.train names no file"):
        Bfcl().load()
    with pytest.raises(LamcoreError, match="no row fell into"):
        Xlam(train=written(tmp_path, XLAM)).load()


# ---- lam convert


def run(*words):
    return CliRunner().invoke(convert.command, words, catch_exceptions=True)


def test_convert_writes_files_in_another_format(tmp_path):
    file, out = written(tmp_path, XLAM, XLAM), str(tmp_path / "out.jsonl")
    assert run("xlam", file, file, "--to", "openai_tools", "--out", out).exit_code == 0
    assert [one["calls"] for one in openai_tools.read(out)] == [canonical([PARIS])] * 4


def test_convert_leaves_nothing_half_written_and_names_the_record(tmp_path):
    file, out = written(tmp_path, {"messages": OPENAI["messages"][5:]}, OPENAI), tmp_path / "out.jsonl"
    answer = run("openai_tools", file, "--to", "xlam", "--out", str(out))
    assert str(answer.exception).startswith("record 1 (no id): messages: this is more than one question and its calls")
    assert [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]


def test_convert_says_that_data_without_calls_has_none(tmp_path):
    answer = run("bio_jsonl", written(tmp_path, SNIPS), "--to", "openai_tools", "--out", str(tmp_path / "out.jsonl"))
    said = "calls: this record has none, not even [] - only data of calls can be written so"
    assert str(answer.exception).endswith(said)


def test_convert_says_that_a_folder_is_missing(tmp_path):
    answer = run("xlam", written(tmp_path, XLAM), "--to", "xlam", "--out", f"{tmp_path}/rows.jsonl/out.jsonl")
    assert (
        str(answer.exception)
        == f"{tmp_path}/rows.jsonl/out.jsonl: can't be written (Not a directory) - check the folder"
    )


def test_convert_writes_over_nothing(tmp_path):
    file = written(tmp_path, XLAM)
    assert str(run("xlam", file, "--to", "xlam", "--out", file).exception).startswith(f"--out {file} exists")
    assert len(list(xlam.read(file))) == 1
