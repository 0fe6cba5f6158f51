"""Templates of strangers: what they may not say, and what they may not use up."""

from __future__ import annotations

import pytest

from lamcore import LamcoreError
from lamcore_chat import ChatTemplate, template

HEAD = "{% set marks = ['<|x|>'] %}{% set stop = '<|x|>' %}"
BLOCK = "{% for m in messages if m.role == 'assistant' %}{% generation %}<|x|>{% endgeneration %}{% endfor %}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ ''.__class__.__mro__ }}{{ range(9) }}", r"line 1: it may call nothing but raise_exception\(TEXT\)"),
        ("\n\n{{ messages.append(1) }}", "line 3: it may call nothing"),
        ("{{ lipsum() }}", "it may call nothing"),
        ("{{ 9 ** 9 ** 9 ** 9 }}", "pow can't stand in it; there are if, for, set, generation"),
        ("{{ 'a' * 1000000000 }}", "mul can't stand in it"),
        ("{{ '%1000000000d' % 1 }}", "mod can't stand in it"),
        ("{% include '/etc/passwd' %}", "include can't stand in it"),
        ("{% import 'os' as os %}", "import can't stand in it"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "macro can't stand in it"),
        ("{% for a in messages recursive %}{% endfor %}", "for can't stand in it"),
        ("{% set a %}{% endset %}", "assignblock can't stand in it"),
        ("{% call raise_exception('x') %}{% endcall %}", "there is no call block"),
        ("{{ messages | list }}", "there is no filter list"),
        ("{{ messages | pprint }}", "line 1: there is no filter pprint, but trim, length"),
        ("{{ 'a' | trim('a') }}", "trim takes nothing here"),
        ("{% if messages is sameas 1 %}{% endif %}", "line 1: there is no test sameas, but defined"),
        ("{% if %}", "line 1: Expected an expression"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deep"),
        ("{% for a in messages %}" * 40 + "{% endfor %}" * 40, "nested too deep"),
        ("x" * 64_001, "longer than 64,000 characters"),
    ],
)
def test_a_template_that_says_more_than_it_may_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        ChatTemplate(HEAD + BLOCK + text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ messages }}{%set a=1%}", r"no \{% generation %\}\.\.\.\{% endgeneration %\} around what the assistant"),
        (BLOCK, r"needs \{% set marks = \[TEXT, \.\.\.\] %\}: its texts, of 3 or more characters"),
        ("{% set marks = [''] %}" + BLOCK, r"needs \{% set marks"),
        ("{% set marks = ['end'] %}" + BLOCK, "must begin with a sign such as <"),
        ("{% set marks = ['<|a b|>'] %}" + BLOCK, "and hold no blank"),
        ("{% set marks = ['<|a|>', '|b|'] %}" + BLOCK, "which stands nowhere else in a mark"),
        ("{% set marks = ['<|x|>'] %}" + BLOCK, r"needs \{% set stop = MARK %\}, one of its marks"),
        (HEAD + "{% set call = '<c>' %}" + BLOCK, "call is '<c>', which is none of its marks"),
        ("no.jinja", "template must be one of plain, chatml, llama3, or a file that is there and ends in .jinja"),
        ("/etc/passwd", "template must be one of plain"),
    ],
)
def test_a_template_that_lacks_what_is_needed_is_told_so(text, words):
    with pytest.raises(ValueError, match=words):
        ChatTemplate(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "{% set a = messages[0].content %}" + "{% set a = a ~ a %}" * 40,
            "joins and writes more than 4,000,000 characters",
        ),
        (
            "{% set a = messages[0].content %}" + "{% set a = a + a %}" * 40,
            "joins and writes more than 4,000,000 characters",
        ),
        (
            "{% for a in messages[0].content %}" * 8 + "{% endfor %}" * 8,
            "joins and writes more than 4,000,000 characters",
        ),
        ("{{ nothing }}", "the template fails: 'nothing' is undefined"),
        ("{{ messages[0].__class__ }}", "the template fails: 'dict object' has no attribute '__class__'"),
        ("{{ messages[0]['__class__'] }}", "the template fails: 'dict object' has no attribute '__class__'"),
        ("{{ messages[0].items }}", "the template fails: 'dict object' has no attribute 'items'"),
        ("{{ messages[0].content.format }}", "the template fails: 'str object' has no attribute 'format'"),
        ("{{ messages + 1 }}", "the template fails: can only concatenate list"),
        ("{{ raise_exception('no \x1b[31m') }}", r"can't be rendered: no \\x1b\[31m"),
    ],
)
def test_a_template_that_uses_up_too_much_or_fails_names_the_record(text, words):
    step = ChatTemplate(HEAD + BLOCK + text)
    with pytest.raises(LamcoreError, match=f"Record 'r' can't be rendered: .*{words}|{words}"):
        step.change({"id": "r", "input": "x" * 100, "target": "y"})


def test_a_render_ends_when_its_seconds_are_over(monkeypatch):
    monkeypatch.setattr(template, "SECONDS", 0.0)
    with pytest.raises(LamcoreError, match="Record 'r' can't be rendered: it takes more than 0 seconds to render"):
        ChatTemplate().change({"id": "r", "input": "x"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            HEAD + "{% if not messages %}{% generation %}<|x|>{% endgeneration %}{% endif %}",
            "generates 0 turns, and it has 1",
        ),
        (HEAD + "{% for m in messages %}{% generation %}<|x|>{% endgeneration %}{% endfor %}", "generates 2 turns"),
        (HEAD + BLOCK.replace("<|x|>", "y"), "ends what it generates with 'y', not '<|x|>'"),
    ],
)
def test_a_block_that_does_not_stand_around_each_answer_is_found(text, words):
    with pytest.raises(LamcoreError) as caught:
        ChatTemplate(text).change({"id": "r", "input": "x", "target": "y"})
    assert words in str(caught.value)


def test_what_looks_like_a_template_in_the_data_stays_text():
    step = ChatTemplate()
    record = {"id": "r", "input": "{{ 7 * 7 }}{% raw %}", "target": "{% generation %}{{ messages }}"}
    new = step.change(record)
    assert new["input"] == "user<s>{{ 7 * 7 }}{% raw %}</s>assistant<s>"
    assert step.undo({"target": new["target"]}, record)["target"] == "{% generation %}{{ messages }}"
