"""Any text is shown as text: on a terminal, in JSON, in a model card (F1, F2, F4)."""

from __future__ import annotations

import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from markdown_it import MarkdownIt

from lamcore import LamcoreError, cli, commands, console
from lamcore.errors import safe, unknown
from lamcore_progress import report
from lamcore_progress.display import Lines, Panel

HOSTILE = [
    "[bold]x[/bold]",
    "[/x]",
    "[/]",
    "[red",
    "[link=https://evil.example]x[/link]",
    "[@click=app.quit]x[/]",
    "\\[bold]",
    ":smile:",
    "\x1b[31mred",
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    "\x1b]8;;https://evil.example\x1b\\x\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1bP1$r\x1b\\",
    "\x9b31m",
    "\x9d0;title\x9c",
    "\x90x\x9c",
    "\x1b[?1049h",
    "\x07\x07",
    "\b\b\b",
    "one\rtwo",
    "one\ntwo",
    "one\r\ntwo",
    "a\tb",
    "\x00",
    "a\x00b",
    "\x7f",
    "\x85",
    "\u2028\u2029",
    "\u202eevil\u202c",
    "\u2066x\u2069",
    "\u200e\u200f\u061c",
    "\ud800",
    "x\udcffy",
    "\ufeff",
    "e" + "\u0301" * 500,
    "\U0001f468\u200d\U0001f469",
    "日本語 עברית",
    "{name} %s ${oc.env:HOME}",
    "",
    " ",
    "x" * 2**20,
    "<script>alert(1)</script>",
    "&lt;b&gt;",
    "`code` ``",
    "```\n---\n# x\n",
    "![x](https://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "<https://evil.example>",
    "https://evil.example www.evil.example",
    "* x\n1. y\n> z\n---\n",
    "|a|b|\n|-|-|\n",
    "<!--",
    "]]>",
    "'; DROP TABLE x; --",
]
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
"""What no terminal is given; a line ends with \\n."""


def written(monkeypatch, encoding, show):
    """Return what reaches a terminal of an encoding."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace", newline="")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", out)
    show()
    out.flush()
    return out.buffer.getvalue().decode("utf-8")  # click writes UTF-8 where ASCII is asked for


def lines_of(text):
    lines = Lines(console.console(sys.stdout), text, Path(text or "x"))
    _events(lines, text)


def panel_of(text):
    panel = Panel(console.console(sys.stdout), text, Path(text or "x"))
    panel.live.stop()
    _events(panel, text)
    console.console(sys.stdout).print(panel.render())


def _events(display, text):
    display.data({text: 5})
    display.model(10, text)
    display.log(1, {"loss": 1.0, "steps": 5, "epoch": text})
    display.scores(1, text, {text: 0.5})
    display.saved(1, SimpleNamespace(name=text))
    display.finish(ValueError(text))


def error_of(text):
    def fail(_):
        raise LamcoreError(f"{text} is wrong")

    patch = pytest.MonkeyPatch()
    patch.setattr(cli.Verbs, "invoke", lambda *_: fail(0))
    patch.setattr(sys, "argv", ["lam", "plugins"])
    with patch.context(), pytest.raises(SystemExit):
        cli.main()
    patch.undo()


def report_of(text):
    found = {text: {text: {"value": 0.5, "low": 0.1, "high": 0.9, "signature": text}}}
    console.scores(found)
    console.table(("input", "reference", "answer"), [[report.short(text), report.short(text), report.short(text)]])


SINKS = {
    "a line": console.say,
    "a table": lambda text: console.table(("a", "b"), [(text, text)]),
    "a table's head": lambda text: console.table((safe(text), "b"), [("x", "y")]),
    "facts": lambda text: console.facts([{"name": text, "more": {text: [text]}}], False),
    "facts as JSON": lambda text: console.facts([{"name": text, "more": {text: [text]}}], True),
    "scores": report_of,
    "an answer": lambda text: console.say(console.answer_text({"target": text, "score": 1.0})),
    "an answer of two columns": lambda text: console.say(console.answer_text({"target": text, "other": text})),
    "an error": error_of,
    "an unknown name": lambda text: console.say(unknown("metric", text[:50], [text[:50] + "x"])),
    "progress in lines": lines_of,
    "a panel of progress": panel_of,
}


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
@pytest.mark.parametrize("sink", SINKS)
def test_any_text_is_shown_as_text(sink, encoding, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    raw, lost = [], []
    for text in HOSTILE:
        shown = written(monkeypatch, encoding, lambda text=text: SINKS[sink](text))
        raw += [text[:40]] * bool(RAW.search(shown))
        if text in ("[bold]x[/bold]", "[/x]", ":smile:") and encoding == "utf-8":
            lost += [text] * (text not in shown)
    monkeypatch.undo()
    print(f"\nF1: {sink} ({encoding}): {len(HOSTILE)} texts, {len(raw)} shown raw, {len(lost)} taken for markup")
    assert raw == [] and lost == [] and len(HOSTILE) >= 40


def test_facts_as_json_are_the_same_texts(monkeypatch):
    for text in HOSTILE:
        shown = written(monkeypatch, "ascii", lambda text=text: console.facts([{"name": text}], True))
        assert json.loads(shown) == [{"name": text}]


# ------------------------------------------------------------------------------------------------------ model card


class Tree(HTMLParser):
    """The elements and attributes of a page, in order."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, attrs))

    def handle_endtag(self, tag):
        self.found.append(tag)

    def handle_comment(self, data):
        self.found.append(("comment", data))


def card(text):
    run = SimpleNamespace(
        data=SimpleNamespace(raw={"train": range(5), text: range(3)}),
        model=SimpleNamespace(parameters=list),
        recipe=SimpleNamespace(
            name=text, architecture=1, source=2, init=None, intended_use=text, limits=f"none, {text}"
        ),
    )
    return commands._card(run, SimpleNamespace(name_of=lambda _: "harmless"))


def test_a_model_card_has_the_elements_of_a_harmless_one():
    odd = []
    for markdown in (
        MarkdownIt("commonmark", {"html": True}),
        MarkdownIt("gfm-like", {"html": True, "linkify": False}),
    ):
        harmless = Tree(markdown.render(card("harmless"))).found
        odd += [text[:40] for text in HOSTILE if text.strip() and Tree(markdown.render(card(text))).found != harmless]
    heads = {card(text).split("---\n")[1] for text in HOSTILE}
    print(f"\nF2: model cards of {len(HOSTILE)} names, {len(odd)} with other elements than a harmless one's")
    assert odd == [] and heads == {"library_name: lamcore\n"}
    assert "http" not in card("harmless")


# ---------------------------------------------------------------------------------------------- answers on stdout

NOISY = """
import os
import sys

print("noise at import")
sys.stdout.write("more noise\\n")
from lamcore import hookimpl


@hookimpl
def register_metrics(register):
    print("noise at registration")


@hookimpl
def on_start(run):
    print("noise at the start", file=sys.stderr)
"""


COMMANDS = [
    ["plugins"],
    ["plugins", "--quiet"],
    ["plugins", "--no-plugin", "toy"],
    ["predict", "run", "one two"],
    ["predict", "run", "\x1b[31m \u202e :smile: [/x]"],
    ["predict", "run", "--in", "in.jsonl"],
    ["predict", "run/model", "one"],
    ["predict", "run", "one", "--decoding", "beam=1"],
    ["evaluate", "run"],
    ["evaluate", "run", "--decoding", "beam=1"],
    ["list"],
    ["list", "source"],
    ["list", "preprocessor"],
    ["list", "augmenter"],
    ["list", "architecture"],
    ["list", "trainer"],
    ["list", "metric"],
    ["list", "experiment"],
    ["list", "architecture", "transformer"],
    ["list", "trainer", "supervised"],
    ["list", "preprocessor", "clean"],
    ["list", "metric", "lamcore-toy:same"],
    ["config", "ECHO"],
    ["config", "--why", "ECHO"],
    ["config", "--why", "trainer", "ECHO"],
    ["config", "ECHO", "trainer.steps=9"],
    ["diff", "run", "run"],
    ["overlap", "run"],
    ["overlap", "run", "--near", "0.9"],
    ["doctor"],
    ["check", "lamcore-inspect"],
    ["check-resume", "--kills", "1", "ECHO"],
]
"""What is asked for JSON; ECHO stands for the words of a run."""


@pytest.mark.parametrize("full", [False, pytest.param(True, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
def test_stdout_carries_only_the_answer_with_a_noisy_plugin(lam, toy, make_plugin, echo, full, monkeypatch):
    make_plugin("noisy", NOISY)
    monkeypatch.setenv("PYTHONPATH", str(toy.parent))  # for the processes that doctor and check-resume start
    ended = lam("train", *echo, "hydra.run.dir=run")
    assert ended.code == 0, ended.err
    Path("in.jsonl").write_text('{"input": "one two"}\n{"input": "\\u001b[31m"}\n', encoding="utf-8")
    verbs = [words for words in COMMANDS if full or words[0] not in ("doctor", "check", "check-resume")]
    odd = {}
    for words in verbs:
        words = [one for word in words for one in (echo if word == "ECHO" else [word])]
        ended = lam(words[0], "--json", *words[1:])
        try:
            for text in ended.out.splitlines() if "--in" in words else [ended.out]:
                json.loads(text)
        except ValueError:
            odd[" ".join(words)[:60]] = (ended.code, ended.out[:200], ended.err[-200:])
    print(f"\nF4: {len(verbs) - len(odd)} of {len(verbs)} commands wrote JSON alone, with a noisy plugin")
    assert odd == {} and len(COMMANDS) >= 30
