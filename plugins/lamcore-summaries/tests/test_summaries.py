"""What the components mean."""

from __future__ import annotations

import gzip
import json
import random
from types import SimpleNamespace

import pytest
from datasets import Dataset
from rouge_score.rouge_scorer import RougeScorer

from lamcore import Decoding, LamcoreError
from lamcore_summaries import GapSentences, Rouge, Scitldr, Sentences
from lamcore_summaries.extracts import compared
from lamcore_summaries.sentences import best_of, sentences_of

SAID = "We propose FearNet, a brain-inspired network that learns classes in sequence."
RIGHT = [
    "FearNet is a memory efficient network inspired by the brain, for incremental class learning.",
    "We propose a network that learns in sequence.",
    "",
]


def scores(metric, said, **record):
    return metric.score(metric.count({"target": said}, {"id": "a", **record}))


def test_rouge_is_the_mean_of_f1_worked_out_by_hand():
    metric = Rouge()
    # 3 of 4 and 5 words: F1 = 6/9; of 3 and 4 pairs 1 (the cat): 2/7; longest common subsequence the cat sat: 6/9
    counted = metric.count({"target": "The cat sat down"}, {"id": "a", "target": "the cat who sat there"})
    assert counted == pytest.approx({"1": 600 / 9, "2": 200 / 7, "l": 600 / 9, "all": 1}, abs=1e-4)
    assert metric.score({"1": 150.0, "2": 50.0, "l": 100.0, "all": 2.0}) == {"1": 75.0, "2": 25.0, "l": 50.0}


@pytest.mark.parametrize("stem", [False, True])
@pytest.mark.parametrize("right", RIGHT)
def test_rouge_agrees_with_rouge_score(right, stem):
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=stem).score(right, SAID)
    wanted = {name: 100 * theirs[key].fmeasure for name, key in (("1", "rouge1"), ("2", "rouge2"), ("l", "rougeL"))}
    assert scores(Rouge(stem=stem), SAID, target=right) == pytest.approx(wanted, abs=1e-4)


def test_of_several_references_that_with_the_highest_rouge_1_counts_for_all():
    several = ["a b c d", "b a d c e", "x"]  # ROUGE-1 of the second is higher, ROUGE-2 and L of the first
    alone = scores(Rouge(), "e b a x c d", target="b a d c e")
    assert scores(Rouge(), "e b a x c d", target="a b c d", references=several) == alone
    assert scores(Rouge(), "e b a x c d", target="a b c d")["l"] > 0


def test_the_signature_names_the_program_its_version_and_stemming():
    import torchmetrics

    assert Rouge(stem=True).signature == (
        f"column:target|stem:porter|F1|references:that of the highest rouge.1|torchmetrics {torchmetrics.__version__}"
    )


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(LamcoreError, match="rouge: the records have no column 'target', only: id, calls"):
        scores(Rouge(), "x", calls="[]")


def write(path, rows):
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return str(path)


def test_scitldrs_rows_become_records_without_blank_sentences(tmp_path):
    row = {"id": "p1", "source": ["It is  hard.\n", " ", "We do it."], "target": ["We do.", "Done. "]}
    file = write(tmp_path / "train.jsonl.gz", [row])
    splits = Scitldr(train=file, validation=file).load()
    assert list(splits["train"]) == [
        {
            "id": "p1",
            "input": "It is hard. We do it.",
            "sentences": ["It is hard.", "We do it."],
            "target": "We do.",
            "references": ["We do.", "Done."],
            "group": "p1",
        }
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"source": ["A."], "target": ["B."]}, "id is None - write the paper's name, as text"),
        ({"id": "a", "source": "A.", "target": ["B."]}, 'source is no list of texts - write "source": '),
        ({"id": "a", "source": ["A."], "target": [1]}, "target is no list of texts"),
        ({"id": "a", "source": [" "], "target": ["B."]}, "source holds no text - leave the row out"),
    ],
)
def test_a_faulty_row_is_named_with_its_line(tmp_path, row, told):
    good = {"id": "p1", "source": ["It is hard."], "target": ["We do."]}
    file = write(tmp_path / "train.jsonl.gz", [good, row])
    with pytest.raises(LamcoreError) as caught:
        list(Scitldr(train=file, validation=file).load()["train"])
    assert f"{file}:2:1: {told}" in str(caught.value)


def test_a_text_without_sentences_is_cut_at_marks_that_end_them():
    text = 'Does it work?  "Yes!" they say. It costs 3.5 points, i.e. little. (See below.) 2 are left'
    assert sentences_of({"input": text}) == [
        "Does it work?", '"Yes!" they say.', "It costs 3.5 points, i.e. little.", "(See below.)", "2 are left",
    ]  # fmt: skip
    assert sentences_of({"input": ""}) == [""]
    assert sentences_of({"input": "A. B.", "sentences": ["A. B."]}) == ["A. B."]


def test_the_best_sentence_is_the_first_of_those_most_like_the_summary():
    assert best_of(["It rains.", "We train nets.", "Nets we train."], ["we train small nets"]) == 1
    assert best_of(["It rains.", "We train."], ["nothing alike"]) == 0


def test_an_answers_number_becomes_its_sentence_word_for_word():
    record = {"id": "a", "input": "It rains. We ☂ train."}
    answer = {"target": "we train.", "sentence": 1, "score": -0.5}
    assert Sentences().undo(answer, record) == {"target": "We ☂ train.", "score": -0.5}
    assert Sentences().undo({"target": "As it is."}, record) == {"target": "As it is."}


def test_a_gap_has_the_model_write_the_sentence_behind_the_mask():
    record = {"id": "a", "input": "A b. C d.", "sentences": ["A b.", "C d."], "target": "x"}
    hidden = GapSentences(records=1, kept=0).apply([record] * 20, random.Random(1))
    assert {(one["input"], one["target"]) for one in hidden} == {("<mask> C d.", "A b."), ("A b. <mask>", "C d.")}
    kept = GapSentences(records=1, kept=1).apply([record] * 20, random.Random(1))
    assert {(one["input"], one["target"]) for one in kept} == {
        ("<mask> A b. C d.", "A b."),
        ("A b. <mask> C d.", "C d."),
    }
    assert GapSentences(records=0).apply([record], random.Random(1)) == [record]


def test_a_gap_may_show_only_the_sentences_around_it():
    record = {"id": "a", "input": "A. B. C. D.", "target": "x"}
    shown = {
        GapSentences(records=1, kept=0, around=1).apply([record], random.Random(seed))[0]["input"] for seed in range(20)
    }
    assert shown == {"<mask> B.", "A. <mask> C.", "B. <mask> D.", "C. <mask>"}


def test_a_record_of_one_sentence_has_no_gap():
    record = {"id": "a", "input": "A b.", "target": "x"}
    assert GapSentences(records=1).apply([record], random.Random(1)) == [record]


def test_extracts_stand_beside_the_runs_answers():
    records = [
        {"id": "a", "input": "", "sentences": ["It rains.", "We train nets."], "target": "we train nets"},
        {"id": "b", "input": "", "sentences": ["We train.", "It rains."], "target": "we train"},
    ]
    trained = SimpleNamespace(empty={"target": ""}, predict=lambda asked, decoding: [{"target": "we"} for _ in asked])
    recipe = SimpleNamespace(metrics={"rouge": Rouge()}, decoding=Decoding())
    data = SimpleNamespace(raw={"train": None, "test": Dataset.from_list(records)})
    rows = compared(SimpleNamespace(recipe=recipe, trained=trained, data=data))
    firsts = [(row["summary"], row["rouge.1"].split()[0], row["words"]) for row in rows]
    assert firsts == [
        ("this run", "58.33", "1.0"),  # 2/4 and 2/3
        ("lead-1", "50.00", "2.0"),
        ("lead-2", "70.83", "4.5"),  # 6/8 and 4/6
        ("lead-3", "70.83", "4.5"),
        ("oracle", "100.00", "2.5"),
    ]
