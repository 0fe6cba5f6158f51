"""Promise D6: a config that can't be run is refused in one line that names the key, what set it and what is near."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamcore import LamcoreError
from lamcore.config import composed
from lamcore.plugins import load_plugins

HEAD = "# @package _global_\n"
PAIRS = ["source=parallel_text", "source.train=[a.en,a.de]", "source.validation=[b.en,b.de]"]
DEADLINE = 10
"""Seconds: ten times what a refusal may take; a bomb that is not seen takes minutes."""


def chain(number: int, doubled: bool = False, circle: bool = False) -> str:
    """A file whose values refer to one another, each to the one before it."""
    twice = 2 if doubled else 1
    lines = [f"  a{n}: {'${name}' if n == 0 else f'${{x.a{n - 1}}}' * twice}" for n in range(number)]
    return HEAD + "x:\n" + "\n".join(lines) + (f"\n  a0: ${{x.a{number - 1}}}" if circle else "") + "\nname: a\n"


BILLION = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))

WORDS = [
    # a misspelt component, group or setting: the nearest name
    ("source=parallel_texts", "'parallel_texts'", "'parallel_text'"),
    ("source=home_asistant", "'home_asistant'", "'home_assistant'"),
    ("architecture=transfomer", "'transfomer'", "'transformer'"),
    ("trainer=supervized", "'supervized'", "'supervised'"),
    ("metrics=[blue]", "'blue'", "'bleu'"),
    ("metrics=[bleu,chr]", "'chr'", "'chrf'"),
    ("preprocessors=[cleen]", "'cleen'", "'clean'"),
    ("preprocessors=[clean,deduplcate]", "'deduplcate'", "'deduplicate'"),
    ("augmenters=[typo]", "'typo'", "'typos'"),
    ("decoding=beem", "'beem'", "'beam'"),
    ("experiment=translation/home_asistant", "'translation/home_asistant'", "'translation/home_assistant'"),
    ("trainer.name=supervize", "trainer", "'supervised'"),
    ("trainer.larning_rate=1", "'trainer.larning_rate'", "(override trainer.larning_rate=1)"),
    ("trainer.batch_token=1", "'trainer.batch_token'", "'trainer.batch_tokens'"),
    ("architecture.layer=4", "'architecture.layer'", "'architecture.layers'"),
    ("+architecture.layer=4", "'architecture.layer'", "(override +architecture.layer=4)"),
    ("++architecture.layer=4", "'architecture.layer'", "(override ++architecture.layer=4)"),
    ("decoding.beams=4", "'decoding.beams'", "'decoding.beam'"),
    ("tokenizer.sizes=4", "'tokenizer.sizes'", "'tokenizer.size'"),
    ("sead=4", "'sead'", "'seed'"),
    ("monitr=bleu", "'monitr'", "'monitor'"),
    ("metric=[bleu]", "'metric'", "'metrics'"),
    ("preprocessor=[clean]", "'preprocessor'", "'preprocessors'"),
    ("source.trian=[x.en,x.de]", "'source.trian'", "'source.train'"),
    # a wrong type or range: the key, and what set it
    ("architecture.layers=four", "architecture.layers must be a whole number", "(override architecture.layers=four)"),
    ("architecture.layers=1.5", "architecture.layers must be a whole number", "1.5"),
    ("architecture.layers=true", "architecture.layers must be a whole number", "True"),
    ("architecture.layers=[1,2]", "architecture.layers must be a whole number", "[1, 2]"),
    ("architecture.layers={a:1}", "architecture.layers must be a whole number", "{'a': 1}"),
    ("architecture.width=null", "architecture.width must be a whole number", "None"),
    ("architecture.width=7", "architecture: width must be a multiple of heads", "7"),
    ("architecture.dropout=1", "architecture: dropout", "1"),
    ("architecture.dropout=some", "architecture.dropout must be a number", "'some'"),
    ("architecture.positions=sinusodial", "architecture.positions", "'sinusoidal'"),
    ("architecture.tie=yes please", "architecture.tie must be true or false", "'yes please'"),
    ("trainer.schedule=cosin", "trainer.schedule", "'cosine'"),
    ("trainer.lr=0", "trainer: lr must be more than 0", "0"),
    ("trainer.lr=nan", "trainer.lr must be a finite number", "nan"),
    ("trainer.betas=[0.9]", "trainer: betas must be two numbers", "[0.9]"),
    ("trainer.betas=0.9", "trainer.betas must be a list of numbers", "0.9"),
    ("trainer.steps=-1", "trainer: steps must be 0 or more", "-1"),
    ("trainer.target=high", "trainer.target must be a number", "'high'"),
    ("source.train=a.en", "source.train", "'a.en'"),
    ("source.train=[1,2]", "source.train", "1"),
    ("seed=first", "seed must be a whole number", "(override seed=first)"),
    ("name=a b/c", "name is part of a folder's", "'a b/c'"),
    ("name=7", "name must be text", "quote it"),
    ("decoding.beam=0", "decoding: beam", "1 or more"),
    ("tokenizer.kind=unigrm", "tokenizer.kind", "bpe"),
    ("tokenizer.symbols=x", "tokenizer.symbols must be a list of texts", "'x'"),
    ("requires=[torch<1]", "requires=[torch<1] can't be read", "quote"),
    ("requires=[no such thing]", "'no such thing' is no requirement", "(override requires"),
    ("requires=['torch<1']", "torch<1 (installed: 2", "pip install 'torch<1'"),
    # what Hydra would take or break on
    ("metrics=[bleu] metrics=[chrf]", "metrics is set twice", "one list"),
    ("+metrics=[chrf]", "+metrics=[chrf] would be dropped", "metrics=[...]"),
    ("source._target_=os.system", "source._target_ names code", "os.system"),
    ("+hydra.x._target_=os.system", "names code", "os.system"),
    ("trainer.lr", "trainer.lr", ""),
    ("trainer.lr=[1,", "trainer.lr", ""),
    ("trainer.lr=${nothing}", "nothing", ""),
    ("source.train=${oc.env:LAMCORE_NO_SUCH_VARIABLE}", "LAMCORE_NO_SUCH_VARIABLE", ""),
    ("name=${name}", "name refers to itself", "name"),
    ("~trainer", "trainer", ""),
    ("~seed ~source", "source", ""),
]
SEVERAL = ("metrics=[bleu] metrics=[chrf]", "~seed ~source")
FILES = [
    # what a file of the user's can do
    (HEAD + "seed: [1\n", "experiment/x.yaml", "line 2"),
    (HEAD + "seed: 1\nseed: 2\n", "seed", "duplicate"),
    (HEAD + "trainer:\n  lrr: 1\n", "'trainer.lrr'", "conf/experiment/x.yaml:3"),
    (HEAD + "trainer:\n  steps: many\n", "trainer.steps must be a whole number", "conf/experiment/x.yaml:3"),
    (HEAD + "trainer:\n  lr: !!python/object/apply:os.system [id]\n", "python/object", "line 3"),
    (HEAD + "requires: [lamcore-afar>=2]\n", "lamcore-afar>=2 (not installed)", "conf/experiment/x.yaml"),
    (HEAD + "tokenizer: big\n", "tokenizer", "'big'"),
    (HEAD + "trainer: [1, 2]\n", "experiment/x", ""),
    (HEAD + "- 1\n- 2\n", "x", ""),
    (HEAD + "defaults:\n  - override /architecture: nowhere\n", "'nowhere'", "transformer"),
    (HEAD + BILLION, "experiment/x.yaml:", "aliases more than 20"),
    (HEAD + "x: " + "[" * 400 + "]" * 400 + "\n", "experiment/x.yaml:2", "nested more than 20"),
    (HEAD + "x: " + "{a: " * 3000 + "1" + "}" * 3000 + "\n", "experiment/x.yaml:2", "nested more than 20"),
    (HEAD + "x: " + "y" * 1_000_001 + "\n", "experiment/x.yaml", "1,000,000 bytes"),
    (chain(400), "x.a", "more than 20 deep"),
    (chain(26, doubled=True), "x.a", "more than"),
    (chain(19, doubled=True), "x.a", "more than 10,000 values"),
    (chain(5, circle=False).replace("${name}", "${x.a4}"), "x.a", "to itself"),
    (HEAD + "x: {y: '${.y}'}\n", "x.y refers to itself", ""),
    (HEAD + "x: '\xff'\n", "experiment/x.yaml", ""),
]
FILES = [(text.encode("latin-1"), *rest) for text, *rest in FILES]


def refusal(*words: str) -> str:
    base = [] if words[0].startswith("source=") else PAIRS
    with pytest.raises(LamcoreError) as error:
        composed(load_plugins(), [*base, *words])
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    return str(error.value)


def test_at_least_sixty_configs_are_tried():
    print(f"\nD6: {len(WORDS) + len(FILES)} bad configs")
    assert len(WORDS) + len(FILES) >= 60


@pytest.mark.timeout(DEADLINE)
@pytest.mark.parametrize(("words", "key", "more"), WORDS, ids=[words for words, _, _ in WORDS])
def test_bad_words_are_refused_with_the_key_and_what_is_near(words, key, more, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = refusal(*(words.split() if words in SEVERAL else [words]))
    assert key in told and more in told
    assert not list(tmp_path.iterdir())


@pytest.mark.timeout(DEADLINE)
@pytest.mark.parametrize(("text", "key", "more"), FILES, ids=range(len(FILES)))
def test_a_bad_file_is_refused_with_its_place(text, key, more, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = Path("conf/experiment/x.yaml")
    file.parent.mkdir(parents=True)
    file.write_bytes(text)
    told = refusal("experiment=x")
    assert key in told and more in told


@pytest.mark.parametrize("number", range(0, len(WORDS), 10))
def test_the_command_line_says_it_in_one_line_and_writes_nothing(number, lam, tmp_path):
    words, key, _ = WORDS[number]
    said = lam("train", *([] if words.startswith("source=") else PAIRS), words)
    assert said.code == 2 and said.out == ""
    assert key in said.err and len(said.err.strip().split("\n")) == 1
