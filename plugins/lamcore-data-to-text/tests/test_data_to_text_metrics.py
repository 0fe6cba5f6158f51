"""Scores of texts about fields are what their definitions say, on numbers worked out by hand."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest
from click.testing import CliRunner

from lamcore import LamcoreError
from lamcore_data_to_text import ControlAccuracy, Leaks, Rules, SlotErrorRate
from lamcore_data_to_text.sameness import command, distinct, sameness, self_bleu

FIELDS = '{"food": "Thai", "name": "Aromi"}'


def scored(metric, *pairs):
    sums = Counter()
    for text, record in pairs:
        sums.update(metric.count({"target": text}, {"fields": FIELDS, **record}))
    return metric.score(sums)


def test_slot_errors_are_a_share_of_the_slots():
    found = scored(SlotErrorRate(), ("Aromi is Thai.", {}), ("Aromi near [near].", {}))
    assert found == {"slot_error_rate": 50.0, "missing": 25.0, "redundant": 25.0}
    assert SlotErrorRate(rules=Rules.e2e).signature == "(missing+redundant)/slots|rules:e2e|version:1"


def test_an_empty_answer_misses_every_slot():
    assert scored(SlotErrorRate(), ("", {}))["slot_error_rate"] == 100


def test_a_control_counts_where_it_is_asked_for():
    metric = ControlAccuracy(lengths=[2, 3], words={"tone": {"formal": "^Dear", "friendly": "^Hi"}})
    found = scored(
        metric,
        ("Hi Aromi is Thai", {"length": "short", "first": "food", "tone": "friendly"}),
        ("Dear Aromi, Thai, if you please", {"length": "short", "tone": "friendly"}),
        ("whatever", {"length": "", "first": ""}),
    )
    assert found == {"control_accuracy": 60.0, "length": 50.0, "first": 100.0, "tone": 50.0}


def test_where_nothing_is_asked_for_there_is_no_score():
    assert scored(ControlAccuracy(), ("whatever", {}), ("more", {"length": ""})) == {}


def test_lengths_may_be_words_and_not_words_a_field():
    asked = {"length": "long"}
    assert scored(ControlAccuracy(lengths=[2, 3]), ("Aromi is Thai indeed", asked))["length"] == 0
    assert scored(ControlAccuracy(lengths=[2, 3], per_field=False), ("Aromi is Thai indeed", asked))["length"] == 100


def test_a_value_of_somebody_else_is_a_leak_and_ones_own_is_none():
    metric = Leaks(values=["Ada", "Okafor", "Leeds", "Thai"])
    own = {"fields": '{"city": "Leeds", "name": "Ada Okafor"}'}
    pairs = [("Hi Ada, Leeds it is", own), ("Hi ADA, no Thai", own), ("Adas", {}), ("Dear Okafor", {})]
    assert scored(metric, *pairs) == {"leaks": 50.0}
    assert scored(Leaks(), ("Hi Tilda", {}), ("Hi Aromi", {})) == {"leaks": 50.0}


def test_distinct_n_is_the_share_of_different_n_grams():
    texts = ["a b a".split(), "a b".split(), []]
    assert distinct(texts, 1) == 100 * 2 / 5
    assert distinct(texts, 2) == 100 * 2 / 3
    assert distinct([], 1) == distinct([["a"]], 2) == 0


def test_self_bleu_is_the_bleu_of_each_text_with_the_others_as_references():
    from sacrebleu.metrics.bleu import BLEU

    texts = ["the cat sat on the mat", "the cat sat on the red mat today", "a dog sat on the mat", "no cat"]
    others = [[other for other in texts if other is not text] for text in texts]
    program = BLEU(tokenize="none", smooth_method="none")
    wanted = program.corpus_score(texts, [list(column) for column in zip(*others, strict=True)]).score
    assert self_bleu([text.split() for text in texts]) == pytest.approx(wanted)
    assert self_bleu([["a", "b", "c", "d"]] * 3) == pytest.approx(100)
    assert self_bleu([["a"]]) == self_bleu([]) == self_bleu([["a"], ["b"]]) == 0


def test_sameness_reads_a_runs_predictions_and_lists_of_texts(tmp_path):
    run, data = tmp_path / "predictions-test.jsonl", tmp_path / "test.jsonl.gz"
    run.write_text("".join(json.dumps({"answer": {"target": text}}) + "\n" for text in ("A b.", "a b.")))
    data.write_bytes(gzip.compress(b'{"refs": ["a b c", "x"]}\n'))
    done = CliRunner().invoke(command, [str(run), "--json"])
    assert json.loads(done.output)[0] == {"file": str(run), **sameness(["A b.", "a b."])}
    assert sameness(["A b.", "a b."]) == {
        "texts": 2, "different": 2, "words": 3.0, "distinct_1": 50.0, "distinct_2": 50.0, "self_bleu": 0.0,
    }  # fmt: skip
    done = CliRunner().invoke(command, [str(data), "--column", "refs", "--json"])
    assert json.loads(done.output)[0]["words"] == 3
    done = CliRunner().invoke(command, [str(data)])
    assert isinstance(done.exception, LamcoreError) and "target is no text" in str(done.exception)
