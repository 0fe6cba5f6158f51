"""Own data with mistakes: one line that says which file and line, and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def train(toy, lam, echo):
    """Give train(*words): train on files of the working folder."""
    kept = [word for word in echo if not word.startswith(("source", "metrics"))]

    def call(*words):
        chosen = {word.partition("=")[0] for word in words}
        parts = [word for word in kept if word.partition("=")[0] not in chosen]
        ended = lam("train", *parts, "metrics=[]", "hydra.run.dir=run", *words)
        assert not Path("run/model").exists() or ended.code == 0
        return ended

    return call


def put(name, *lines, ends=b"\n"):
    Path(name).write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + ends for line in lines))


PARALLEL = ["source=parallel_text", "source.train=[a.en,a.de]"]
GOOD = [f"line {n}" for n in range(60)]


def one_line(ended, *told):
    assert ended.code == 2 and ended.err.count("\n") == 1, ended.err
    for words in told:
        assert words in ended.err, ended.err


def test_good_files_are_trained_on(train):
    put("a.en", *GOOD)
    put("a.de", *GOOD)
    ended = train(*PARALLEL)
    assert ended.code == 0, ended.err


def test_a_missing_file_is_named_with_the_nearest(train):
    put("a.en", *GOOD)
    put("a.dee", *GOOD)
    one_line(train(*PARALLEL), "a.de: there is no such file", "did you mean 'a.dee'?")


def test_an_empty_file_is_named(train):
    put("a.en", *GOOD)
    put("a.de")
    one_line(train(*PARALLEL), "a.de:1:1: the file is empty")


def test_files_of_unequal_length_are_named_with_the_line(train):
    put("a.en", *GOOD)
    put("a.de", *GOOD[:41])
    one_line(train(*PARALLEL), "a.de:42:1: the file ends after line 41, but a.en has 60")


def test_broken_utf8_is_named_with_file_and_line(train):
    put("a.en", *GOOD[:30], b"caf\xe9", *GOOD[31:])
    put("a.de", *GOOD)
    one_line(train(*PARALLEL), "a.en:31:4: byte 0xE9 is not UTF-8")


def test_a_column_that_is_not_there_is_told_with_those_that_are(train):
    put("a.csv", "en,de", *(f"{line},{line}" for line in GOOD))
    words = ["source=csv", "source.train=a.csv", "source.columns={input: en, target: ge}"]
    one_line(train(*words), "there is no column 'ge'", "'en', 'de'")


def test_a_column_that_the_model_reads_and_the_data_lack_is_told(train):
    put("a.jsonl", *(json.dumps({"input": line, "answer": line}) for line in GOOD))
    words = "The architecture reads the column 'target', which the data lacks. There are: id, input, answer."
    one_line(train("source=jsonl", "source.train=a.jsonl"), words)


def test_a_line_that_is_no_json_is_named(train):
    put("a.jsonl", *(json.dumps({"input": line, "target": line}) for line in GOOD), "{'input': 'x'}")
    one_line(train("source=jsonl", "source.train=a.jsonl"), "a.jsonl:61:2: this is no JSON")


def test_a_step_that_leaves_nothing_of_train_is_named(train):
    put("a.en", *GOOD)
    put("a.de", *GOOD)
    words = ["preprocessors=[only]", "preprocessors.only.most=2"]
    one_line(train(*PARALLEL, *words), "Nothing of train is left after the preprocessor 'only': loosen its settings.")


def test_a_vocabulary_larger_than_the_data_allows_says_how_large_it_may_be(train):
    put("a.en", *GOOD)
    put("a.de", *GOOD)
    ended = train(*PARALLEL, "tokenizer.kind=bpe", "tokenizer.size=9000")
    one_line(ended, "tokenizer.size=9000 is more than the train split holds: set it to at most ")


def test_splits_of_ours_that_overlap_are_refused_with_number_and_examples(train, make_plugin):
    code = """
from dataclasses import dataclass
from lamcore import Source, hookimpl


@dataclass
class Leaky(Source):
    '''Splits that share inputs.'''

    makes_splits = True

    def load(self):
        rows = [{"input": f"in {n}", "target": "x"} for n in range(20)]
        return {"train": rows, "validation": rows[:4]}


@hookimpl
def register_sources(register):
    register("leaky", Leaky)
"""
    make_plugin("leaky", code)
    one_line(
        train("source=leaky"),
        "4 inputs of validation stand in train too, such as 'in 0'; 'in 1'; 'in 2': split by another group.",
    )


def test_a_source_setting_that_is_missing_is_told(train):
    one_line(train("source=parallel_text"), "source.train must be set: Files, one a column")


def test_a_source_without_validation_is_told_before_training(train):
    put("a.jsonl", *(json.dumps({"input": line, "target": line}) for line in GOOD[:3]))
    ended = train("source=jsonl", "source.train=a.jsonl", "source.split=[100,0,0]")
    one_line(ended, "validation")


def test_odd_text_is_no_obstacle(train):
    odd = [
        " ",
        "\t",
        "é\u0301",
        "a\u2028b",
        "a\x85b",
        "x" * 3000,
        "\u202e",
        "\ufeff",
        "🙂" * 50,
        "\x00",
        "\x1b[31m",
        "[/x]",
    ]
    put("a.en", *GOOD, "", *odd)
    put("a.de", *GOOD, "", *odd)
    put("v.en", "", *odd[::-1])
    put("v.de", "", *odd[::-1])
    ended = train(*PARALLEL, "source.validation=[v.en,v.de]", "trainer.steps=2", "preprocessors=[]")
    assert ended.code == 0, ended.err
