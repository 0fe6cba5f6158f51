"""The gate before the first step: each failure is one line that names the record and what to do."""

from __future__ import annotations

import logging

import pytest
import torch

from lamcore import LamcoreError
from lamcore.commands import rehearse
from lamcore.config import composed
from lamcore.kinds import Subwords, TokenizerPlan
from lamcore.plugins import load_plugins
from lamcore.store import line
from lamcore.tokenizer import learn
from lamcore_chat import ChatTemplate, Turns, gate

CALL = '[{"name": "f", "arguments": {"a": 1}}]'
MARKS = ["<|im_start|>", "<|im_end|>", "<tool_call>"]
BROKEN = (
    "{% set marks = ['<|x|>'] %}{% set stop = '<|x|>' %}{% for m in messages %}{{ m.role }}:"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content ~ stop }}{% endgeneration %}"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}assistant{% endif %}"
)
TURNS = [("user", "light?"), ("assistant", "on"), ("user", "really?"), ("assistant", "yes")]


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


@pytest.fixture(scope="module")
def tokenizer():
    plan = TokenizerPlan(kind=Subwords.character, symbols=[*MARKS, "<|x|>"])
    return learn(plan, {"target": [CALL, "user system assistant tool: light on? really really yes\n"]})["target"]


@pytest.fixture(scope="module")
def found(registry, tokenizer):
    cls = registry.find("architecture", "causal_lm")

    def found(step, *records, **settings):
        with torch.device("meta"):
            model = cls(**settings).build({"input": tokenizer, "target": tokenizer}, {})
        return list(gate.problems(step, records, tokenizer, model))

    return found


def talk(*turns, **columns):
    return {"id": "t", "messages": [{"role": role, "content": content} for role, content in turns], **columns}


@pytest.mark.parametrize("train", list(Turns))
@pytest.mark.parametrize("template", ["plain", "chatml"])
def test_sound_records_pass(found, template, train):
    call = {"id": "c", "input": "light on", "calls": CALL}
    assert found(ChatTemplate(template, train), talk(*TURNS), call, {**call, "calls": "[]"}) == []


def test_a_mark_that_is_no_piece_is_refused_with_the_override_that_mends_it(tokenizer):
    gate.check_marks("chat_template", ChatTemplate("chatml"), tokenizer)
    with pytest.raises(LamcoreError) as caught:
        gate.check_marks("chat_template", ChatTemplate("llama3"), tokenizer)
    assert str(caught.value) == (
        "chat_template: the template's mark <|begin_of_text|> is not one piece of the vocabulary. Add "
        "\"tokenizer.symbols=['<|begin_of_text|>','<|start_header_id|>','<|end_header_id|>','<|eot_id|>',"
        "'<|python_tag|>']\" to the run."
    )


def test_a_record_of_which_nothing_is_learnt_fails(found):
    silent = talk(*TURNS[:2])
    silent["messages"][1]["train"] = False
    told = "record t: nothing of it is learnt. Give it an answer that is (calls, target or a last message)."
    assert found(ChatTemplate(), silent) == found(ChatTemplate(), talk(TURNS[0])) == [("trained", told)]


def test_a_record_that_ends_before_the_answer_fails(found):
    told = "record t: it ends with a turn of the user. End it with the last answer."
    assert found(ChatTemplate(train=Turns.all), talk(*TURNS[:3])) == [("trained", told)]


def test_a_template_whose_prompt_is_no_prefix_fails(found):
    told = (
        "record t: before message 1, ':' is learnt where a prompt has ''. Mend add_generation_prompt in the template."
    )
    assert found(ChatTemplate(BROKEN), talk(*TURNS[:2])) == [("prefix", told)]


def test_a_prompt_that_differs_before_an_earlier_turn_fails_too(found):
    late = BROKEN.replace("assistant{% endif %}", "assistant:{% endif %}").replace(
        "{{ m.role }}", "{{ m.role if m.role != 'assistant' or not loop.nextitem is defined else 'bot' }}"
    )
    assert found(ChatTemplate(late), talk(*TURNS)) == []
    ((kind, told),) = found(ChatTemplate(late, Turns.all), talk(*TURNS))
    assert kind == "prefix" and "before message 1, 'bot:' is learnt where a prompt has 'assistant:'" in told


class Forgetful(ChatTemplate):
    """Takes an earlier turn for learnt where the answer is asked for, and not where it is learnt itself."""

    def learnt(self, turns):
        turns, flags = super().learnt(turns)
        return turns, flags if flags[-1] else [message["role"] == "assistant" for message, _ in turns]


def test_segments_that_differ_where_the_answer_is_asked_for_fail(found):
    told = "where its answer is asked for, what stands before it is cut into other segments than in training."
    assert found(Forgetful(), talk(*TURNS)) == [("prefix", f"record t: {told}")]


def test_an_answer_that_can_not_be_told_from_calls_fails(found):
    ((kind, told),) = found(ChatTemplate(), talk(("user", "on"), ("assistant", CALL)))
    assert kind == "parse" and told.startswith(f"record t: message 1 has the content {CALL!r}, read back as ''.")
    assert found(ChatTemplate("chatml"), talk(("user", "on"), ("assistant", CALL))) == []


def test_an_answer_that_the_vocabulary_can_not_write_fails(found):
    ((kind, told),) = found(ChatTemplate(), talk(("user", "on"), ("assistant", "yes ☂")))
    assert kind == "vocabulary" and "a turn has the content 'yes ☂', read back as" in told
    assert told.endswith("tokenizer.kind=byte_bpe keeps everything.")


def test_an_answer_that_does_not_fit_stops_the_run_and_cut_text_before_it_is_remarked(found):
    long = talk(("user", "light " * 20), ("assistant", "yes"))
    ((kind, told),) = found(ChatTemplate(), long, max_length=100)
    assert kind == "cut" and told.endswith("tokens are read. Raise architecture.max_length to read them.")
    with pytest.raises(
        LamcoreError, match="Record 't': what it trains takes .* tokens, and architecture.max_length is 100"
    ):
        found(ChatTemplate(), talk(("user", "on"), ("assistant", "yes " * 40)), max_length=100)


class Careless:
    """A model that cuts answers, and one that never learns where they end."""

    def __init__(self, model, change):
        self.model, self.change = model, change

    def encode(self, records):
        return [{**example, **self.change(example)} for example in self.model.encode(records)]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda e: {"labels": e["labels"][:-3]}, "truncation"),
        (lambda e: {"labels": e["labels"][:-1]}, "truncation"),
        (lambda e: {"prompt": e["prompt"] + 1}, "prefix"),
    ],
)
def test_a_model_that_does_not_learn_the_whole_answer_is_found(registry, tokenizer, change, kind):
    cls = registry.find("architecture", "causal_lm")
    with torch.device("meta"):
        model = cls.example(None).build({"input": tokenizer, "target": tokenizer}, {})
    told = list(gate.problems(ChatTemplate(), [talk(*TURNS)], tokenizer, Careless(model, change)))
    assert [one for one, _ in told] == [kind]


@pytest.fixture
def rehearsed(registry, tmp_path, monkeypatch):
    """Rehearse a run of 24 records, all but those named answered by "on", of which 12 are checked."""
    monkeypatch.setenv("LAMCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(gate, "MOST", 12)

    def rehearsed(**odd):
        rows = [talk(("user", f"light {n}"), *odd.get(f"r{n}", [("assistant", "on")])) for n in range(24)]
        for name, chosen in (("train", rows), ("valid", rows[1:2])):
            text = "".join(line({**row, "id": f"r{n}"}) for n, row in enumerate(chosen))
            (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
        small = [f"architecture.{key}" for key in ("layers=1", "width=16", "heads=2", "feed_forward=16")]
        words = ["source=jsonl", f"source.train={tmp_path}/train.jsonl", f"source.validation={tmp_path}/valid.jsonl"]
        words += ["architecture=causal_lm", *small, "preprocessors=[chat_template]", "metrics=[]"]
        words += ["tokenizer.kind=character", "decoding.max_length=4"]
        rehearse(registry, composed(registry, words).values)

    return rehearsed


def test_a_run_is_stopped_before_its_first_step(rehearsed, caplog):
    with pytest.raises(LamcoreError) as caught:
        rehearsed(r0=[("assistant", CALL)], r2=[], r4=[])
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith(f"chat_template: record r0: message 1 has the content {CALL!r}")
    told = "nothing of it is learnt. Give it an answer that is (calls, target or a last message)."
    assert caplog.messages == [f"chat_template: record r2: {told} So it is with 1 more of 12 of 24 train records."]


@pytest.mark.full
def test_a_sound_run_is_told_how_many_records_were_checked(rehearsed, caplog):
    with caplog.at_level(logging.INFO, "lamcore"):
        rehearsed(r1=[])
    told = "checked 12 of 24 train records: their answers are learnt whole, and can be read back"
    assert f"chat_template: {told}" in caplog.messages
