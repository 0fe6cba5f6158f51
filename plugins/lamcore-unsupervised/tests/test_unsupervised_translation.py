"""A dictionary out of two languages' own texts, and what a model translates back."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset

import lamcore
from lamcore import LamcoreError
from lamcore_unsupervised import UnsupervisedTranslation
from lamcore_unsupervised.dictionary import dictionary, look_up
from lamcore_unsupervised.passes import answers_to
from lamcore_unsupervised.translating import tags_of, translating, translator

THINGS = {"lamp": "Lampe", "camera": "Kamera", "tap": "Hahn", "alarm": "Alarm", "door": "Tür", "radio": "Radio"}
ROOMS = {"kitchen": "Küche", "hall": "Flur", "garage": "Garage", "cellar": "Keller", "yard": "Hof", "loft": "Boden"}
VERBS = {"open": "öffne", "close": "schließ", "watch": "sieh", "start": "starte", "stop": "stopp", "test": "teste"}


def sentences(number: int, seed: int, language: int) -> list[str]:
    """Return sentences of a little world, in which verbs, things and rooms go together in some ways only."""
    rng, made = random.Random(seed), []
    verbs, things, rooms = ([*words.items()] for words in (VERBS, THINGS, ROOMS))
    for _ in range(number):
        (one,) = rng.choices(range(6), (1, 2, 3, 4, 5, 6))
        verb, thing, room = (words[(one + rng.choice((0, 0, 0, 1))) % 6][language] for words in (verbs, things, rooms))
        made.append(f"{verb} {('the', 'das')[language]} {thing} , in {room} .")
    return made


def test_words_that_mean_the_same_are_found_in_texts_that_are_no_translations():
    """Half of the 20 words are spelt alike; 'hall' and others are found by what they stand near, some wrongly."""
    there, back = dictionary(sentences(600, 1, 0), sentences(600, 2, 1))
    wanted = {**VERBS, **THINGS, **ROOMS, "the": "das", "in": "in"}
    assert sum(there[word] == other for word, other in wanted.items()) >= 16
    assert sum(back[other] == word for word, other in wanted.items()) >= 16
    assert there["hall"] == "Flur" and there["loft"] == "Boden" and back["Flur"] == "hall"


def test_a_mark_is_never_a_words_translation():
    there, back = dictionary(sentences(300, 1, 0), sentences(300, 2, 1))
    assert {word: there[word] for word in ",."} == {word: back[word] for word in ",."} == {",": ",", ".": "."}


def test_the_same_texts_give_the_same_words_and_draw_nothing():
    texts, others, before = sentences(300, 1, 0), sentences(300, 2, 1), torch.get_rng_state()
    assert dictionary(texts, others) == dictionary(texts, others)
    assert torch.equal(torch.get_rng_state(), before)


def test_texts_without_words_that_are_spelt_alike_are_refused():
    with pytest.raises(LamcoreError, match=r"no words that are spelt alike.*: set trainer\.word_by_word=0\.$"):
        dictionary(["aaa bbb"] * 9, ["ккк ллл"] * 9)


def test_words_are_looked_up_and_all_else_stays():
    assert look_up("Dim, the-lamp  now!", {"the": "die", "lamp": "Lampe", "now": "jetzt"}) == "Dim, die-Lampe  jetzt!"


# ---- translating back

ROWS = [
    {"id": "1", "input": "<2de> ein Hund", "target": "ein Hund", "target_lang": "de"},
    {"id": "2", "input": "<2en> a dog", "target": "a dog", "target_lang": "en"},
]


def data(rows):
    return SimpleNamespace(ready={"train": Dataset.from_list(rows)})


def test_tags_are_those_before_the_inputs():
    assert tags_of(data(ROWS)) == {"de": "<2de> ", "en": "<2en> "}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"id": "1", "input": "a", "target": "a"}], r"needs to know languages: set source\.languages\.$"),
        (ROWS[:1], r"needs texts of two languages, and train has de: each record's target_lang says which it is\.$"),
        ([{**row, "input": "x"} for row in ROWS], "there is none: put language_tag after autoencode among the prepro"),
    ],
)
def test_texts_of_unknown_languages_are_refused(rows, words):
    with pytest.raises(LamcoreError, match=words):
        tags_of(data(rows))


class Parrot(torch.nn.Module):
    """A model whose translation is the input in capitals, and whose loss is the length of the input."""

    weight = 1.0

    def encode(self, records):
        return records

    def collate(self, examples):
        return {"texts": [record["input"] for record in examples]}

    def predict(self, batch, decoding):
        assert not self.training and not torch.is_grad_enabled() and decoding.beam == 1
        return [{"target": text.upper()} for text in batch["texts"]]

    def forward(self, batch):
        losses = torch.tensor([float(len(text)) for text in batch["texts"]])
        return losses, torch.ones_like(losses)


RUN = SimpleNamespace(trained=SimpleNamespace(on=lambda batch: batch), restore=lambda: None)


def test_a_text_is_asked_for_in_the_other_language_and_learnt_from_that():
    model = Parrot().train()
    made = translator(0, RUN, model, data(ROWS))(ROWS, 1)
    assert [(record["input"], record["target"]) for record in made] == [
        ("<2de> <2EN> EIN HUND", "ein Hund"),
        ("<2en> <2DE> A DOG", "a dog"),
    ]
    assert model.training and answers_to(ROWS, RUN, model)[0]["target"] == "<2DE> EIN HUND"


def test_the_first_updates_look_words_up(monkeypatch):
    words = ({"Hund": "dog", "ein": "a"}, {"dog": "Hund", "a": "ein"})
    monkeypatch.setattr("lamcore_unsupervised.translating.dictionary", lambda texts, others: words)
    translate = translator(2, RUN, Parrot(), data(ROWS))
    assert [record["input"] for record in translate(ROWS, 2)] == ["<2de> a dog", "<2en> ein Hund"]
    assert [record["input"] for record in translate(ROWS, 3)] == ["<2de> <2EN> EIN HUND", "<2en> <2DE> A DOG"]


def test_a_share_of_the_batches_is_translated_back_in_training_only():
    settings = UnsupervisedTranslation(share=0.25, word_by_word=0, accumulation=2)
    batch = {"rows": torch.tensor([0, 1]), "texts": ["x", "y"]}
    model, updates = Parrot(), []
    object.__setattr__(settings, "translate", lambda *_: lambda records, update: updates.append(update) or records)
    with torch.random.fork_rng(), translating(settings, RUN, model, data(ROWS)):
        torch.manual_seed(1)
        found = [model.train()(batch)[0].tolist() for _ in range(400)]
        assert model.eval()(batch)[0].tolist() == [1, 1]
    assert {tuple(losses) for losses in found} == {(1, 1), (14, 11)}  # as they are, or as `translate` gave them
    assert 80 < found.count([14, 11]) < 120
    assert updates == sorted(updates) and 1 <= updates[0] < updates[-1] <= 200  # an update has two batches


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"share": 1.5}, "^share must be between 0 and 1, not 1.5"),
        ({"word_by_word": -1}, "^word_by_word must be 0 or more, not -1"),
        ({"steps": -1}, "^steps must be 0 or more, not -1"),  # as supervised
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        UnsupervisedTranslation(**settings)


@pytest.mark.full
def test_a_whole_run_learns_to_translate_what_nobody_translated(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def write(name, rows):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")

    for language, code in enumerate(("en", "de")):
        texts = sentences(400, language, language)
        write(code, [{"target": text, "input_lang": code, "target_lang": code} for text in texts])
    pairs = zip(sentences(40, 7, 0), sentences(40, 7, 1), strict=True)
    write("validation", [{"input": a, "target": b, "input_lang": "en", "target_lang": "de"} for a, b in pairs])
    words = [
        "source=jsonl", "source.train=[en.jsonl,de.jsonl]", "source.validation=validation.jsonl", "device=cpu",
        "preprocessors=[autoencode,language_tag]", "augmenters=[denoise]", "augmenters.denoise.rate=0",
        "preprocessors.autoencode.noise={name: denoise, rate: 0, distance: 3}",
        "augmenters.denoise.distance=3", "metrics=[chrf]", "monitor=chrf", "tokenizer.size=120",
        "tokenizer.symbols=['<2de>','<2en>']", "architecture=transformer", "architecture.layers=1",
        "architecture.width=48", "architecture.heads=2", "architecture.feed_forward=96", "architecture.dropout=0",
        "trainer=unsupervised_translation", "trainer.word_by_word=80", "trainer.steps=160", "trainer.warmup=20",
        "trainer.lr=5e-3", "trainer.validate_every=80", "decoding.max_length=30",
    ]  # fmt: skip
    run = lamcore.train(*words, folder=tmp_path / "run")
    assert run.best[1] > 80
