"""Raw text becomes records; a run without the pieces for masks is stopped."""

from __future__ import annotations

import json

import pytest
from datasets import Dataset

from lamcore import LamcoreError
from lamcore.commands import rehearse
from lamcore.config import composed
from lamcore.kinds import Subwords, TokenizerPlan
from lamcore.plugins import load_plugins
from lamcore.tokenizer import learn
from lamcore_unsupervised import Autoencode, Masked, PlainText
from lamcore_unsupervised.raw import check_symbols

ROWS = [
    {"id": "t", "input": None, "target": "ein Hund läuft", "input_lang": "en", "target_lang": "de"},
    {"id": "i", "input": "a dog runs", "target": "", "input_lang": "en", "target_lang": None},
    {"id": "p", "input": "a dog", "target": "ein Hund", "input_lang": "en", "target_lang": "de"},
    {"id": "b", "input": " ", "target": None, "input_lang": None, "target_lang": None},
]
PLACES = ("id", "input", "target", "raw", "input_lang", "target_lang")


def turned(step, split):
    return list(step.apply(Dataset.from_list(ROWS), split))


def test_raw_text_of_train_stands_on_both_sides_and_pairs_stay():
    assert [tuple(record[name] for name in PLACES) for record in turned(Autoencode(), "train")] == [
        ("t", "ein Hund läuft", "ein Hund läuft", True, "de", "de"),
        ("i", "a dog runs", "a dog runs", True, "en", "en"),
        ("p", "a dog", "ein Hund", False, "en", "de"),
    ]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_raw_text_is_noised_once_by_its_id(split):
    first, again = turned(Autoencode(), split), turned(Autoencode(), split)
    assert first == again
    assert [record["id"] for record in first] == ["t", "i", "p", "b"]
    assert [record["target"] for record in first] == ["ein Hund läuft", "a dog runs", "ein Hund", ""]
    assert first[2]["input"] == "a dog"
    same = [{**ROWS[0], "id": f"n{number}"} for number in range(50)]
    texts = {record["input"] for record in Autoencode().apply(Dataset.from_list(same), split)}
    assert {"ein <mask> läuft", "<mask> Hund läuft", "ein Hund <mask>"} <= texts


def test_held_out_raw_text_is_noised_as_asked():
    record = turned(Autoencode(noise=Masked()), "validation")[0]
    assert record["target"].startswith("<extra_id_0> ") and "<extra_id_0>" in record["input"]


@pytest.mark.parametrize("step", [Autoencode(), PlainText()])
def test_at_predict_the_input_is_what_was_asked(step):
    asked = [{"id": "q", "input": "ein <mask>", "target": ""}]
    [record] = step.apply(Dataset.from_list(asked), "predict")
    assert {name: record[name] for name in ("id", "input", "target")} == asked[0]


def test_plain_text_is_learnt_whole_and_a_pairs_input_is_only_read():
    assert [(record["id"], record["segments"]) for record in turned(PlainText(), "train")] == [
        ("t", [{"text": "ein Hund läuft", "train": True}]),
        ("i", [{"text": "a dog runs", "train": True}]),
        ("p", [{"text": "a dog", "train": False}, {"text": "ein Hund", "train": True}]),
    ]
    [asked] = PlainText().apply(Dataset.from_list([{"id": "q", "input": "a", "target": ""}]), "predict")
    assert asked["segments"] == [{"text": "a", "train": False}, {"text": "", "train": True}]


@pytest.fixture
def rehearsed(tmp_path, monkeypatch):
    """Rehearse a small run on raw text."""
    monkeypatch.setenv("LAMCORE_CACHE", str(tmp_path / "cache"))

    def rehearsed(*words):
        for name, number in (("train", 12), ("valid", 3)):
            rows = [json.dumps({"text": f"dim the {name} light {n}"}) + "\n" for n in range(number)]
            (tmp_path / f"{name}.jsonl").write_text("".join(rows), encoding="utf-8")
        files = [f"source.train={tmp_path}/train.jsonl", f"source.validation={tmp_path}/valid.jsonl"]
        small = [f"architecture.{key}" for key in ("layers=1", "width=16", "heads=2", "feed_forward=16")]
        usual = [
            "source=jsonl",
            *files,
            "+source.columns={target: text}",
            *small,
            "metrics=[]",
            "tokenizer.kind=character",
        ]
        rehearse(load_plugins(), composed(load_plugins(), [*usual, *words]).values)

    return rehearsed


def test_a_mask_that_is_no_piece_is_refused_with_the_override_that_mends_it():
    plan = TokenizerPlan(kind=Subwords.character, symbols=["<extra_id_0>"])
    tokenizer = learn(plan, {"target": ["<extra_id_0> light"]})["target"]
    check_symbols("augmenters.masked", ["<extra_id_0>"], [tokenizer])
    told = (
        r"augmenters.masked: <extra_id_1> is not one piece .* \"tokenizer.symbols=\['<extra_id_0>','<extra_id_1>'\]\""
    )
    with pytest.raises(LamcoreError, match=told):
        check_symbols("augmenters.masked", Masked(sentinels=2).symbols, [tokenizer])


@pytest.mark.full
def test_a_run_without_a_piece_for_the_mask_is_stopped_before_its_first_step(rehearsed):
    told = r"augmenters.denoise: <mask> is not one piece of the vocabulary. Add \"tokenizer.symbols=\['<mask>'\]\" to"
    with pytest.raises(LamcoreError, match=told):
        rehearsed("preprocessors=[autoencode]", "augmenters=[denoise]")
    told = r"preprocessors.autoencode.noise: <extra_id_1> is not one piece .* \"tokenizer.symbols=\['<extra_id_0>','<ex"
    with pytest.raises(LamcoreError, match=told):
        rehearsed(
            "preprocessors=[autoencode]",
            "preprocessors.autoencode.noise={name: masked, sentinels: 2}",
            "tokenizer.symbols=['<extra_id_0>']",
        )


@pytest.mark.full
@pytest.mark.parametrize(
    "words",
    [
        ["preprocessors=[autoencode]", "augmenters=[denoise]", "tokenizer.symbols=['<mask>']"],
        ["preprocessors=[plain_text]", "architecture=causal_lm"],
    ],
)
def test_an_ordinary_run_learns_from_raw_text(rehearsed, words):
    rehearsed(*words)
