"""`lam data show`: what is read and what is learnt, safe for any text."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lamcore import LamcoreError
from lamcore.cli import lam
from lamcore.plugins import load_plugins
from lamcore.store import line
from lamcore_chat.show import lines

SMALL = ["architecture.layers=1", "architecture.width=16", "architecture.heads=2", "architecture.feed_forward=16"]


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMCORE_CACHE", str(tmp_path / "cache"))
    records = [
        {"id": "a", "input": "hi\nthere \x1b[31m[bold]red[/bold]\u202e", "target": "ho"},
        {"id": "b", "input": "bye", "target": "yes\n"},
    ]
    for name in ("train", "valid"):
        (tmp_path / f"{name}.jsonl").write_text("".join(map(line, records)), encoding="utf-8")
    files = [f"source.train={tmp_path / 'train.jsonl'}", f"source.validation={tmp_path / 'valid.jsonl'}"]
    return ["source=jsonl", *files, "tokenizer.kind=character"]


@pytest.fixture
def show(registry):
    def show(*words):
        return CliRunner().invoke(lam, ["data", "show", *words], obj=registry, catch_exceptions=False)

    return show


def test_tokens_that_are_read_and_learnt_stand_in_lines_of_their_own(show, words):
    done = show(*words, "preprocessors=[chat_template]", "architecture=causal_lm", *SMALL, "--n", "2")
    assert done.stdout == (
        "a (train): 52 tokens, 4 of them learnt\n"
        "  read  <s>user<s>hi↵\n"
        "        there \\x1b[31m[bold]red[/bold]\\u202e</s>assistant<s>\n"
        "  learn ho</s>\n"
        "b (train): 26 tokens, 6 of them learnt\n"
        "  read  <s>user<s>bye</s>assistant<s>\n"
        "  learn yes↵\n"
        "        </s>\n"
    )


def test_what_is_learnt_is_coloured_in_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    parts = [{"column": "", "text": "hi", "learnt": False}, {"column": "", "text": "ho</s>", "learnt": True}]
    lines([{"id": "a", "split": "train", "parts": parts}])
    assert capsys.readouterr().out.split("\n")[1:3] == ["  read  hi", "\x1b[1;32m  learn ho</s>\x1b[0m"]


def test_other_architectures_show_their_columns(show, words):
    done = show(*words, "architecture=transformer", "--n", "1")
    assert done.stdout == (
        "a (train)\n  read  input  hi↵\n               there \\x1b[31m[bold]red[/bold]\\u202e\n  learn target ho\n"
    )


def test_json_holds_the_parts(show, words):
    done = show("--json", *words, "architecture=transformer", "--split", "validation", "--n", "1")
    (record,) = json.loads(done.stdout)
    assert (record["id"], record["split"]) == ("a", "validation")
    assert record["parts"][1] == {"column": "target", "text": "ho", "learnt": True}
    assert "\x1b" not in done.stdout


def test_a_folder_that_is_not_there_is_named(show):
    with pytest.raises(LamcoreError, match="nowhere is no folder of a run, and no override"):
        show("nowhere")


def test_a_split_that_is_not_there_is_named(show, words):
    with pytest.raises(LamcoreError, match=r"No split is called 'tests'\. There are: train, validation"):
        show(*words, "architecture=transformer", "--split", "tests")
