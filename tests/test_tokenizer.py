"""The run's tokenizer: learnt the same way every time, and what it cuts it can join."""

from __future__ import annotations

import json
import subprocess
import sys
from random import Random

import pytest

from lamcore import LamcoreError
from lamcore.kinds import Subwords, TokenizerPlan
from lamcore.tokenizer import files_of, from_file, learn, read

ENGLISH = ["Turn on the light", "Turn off the lights in the kitchen", "It is 25 °C, isn't it?", "turn the light off"]
GERMAN = ["Schalte das Licht an", "Schalte die Lichter in der Küche aus", "Es sind 25 °C, nicht wahr?", "Licht aus"]
KINDS = {"bpe": 60, "byte_bpe": 290, "character": 8000}


def texts(english=ENGLISH, german=GERMAN):
    return {"input": english, "target": german}


def plan(kind="bpe", size=None, **settings):
    return TokenizerPlan(kind=Subwords(kind), size=size or KINDS[kind], **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_cut_can_be_joined(kind):
    one = learn(plan(kind), texts())["input"]
    for text in [*ENGLISH, *GERMAN, "", "light", "the  light", "on "]:
        assert one.decode(one.encode([text])) == [text], text


@pytest.mark.parametrize("kind", KINDS)
def test_no_special_piece_is_added_and_none_is_left_in_a_text(kind):
    one = learn(plan(kind), texts())["input"]
    ids = one.encode(["Turn on"])[0]
    assert min(ids) >= 4 and max(ids) < one.size
    assert one.decode([[2, *ids, 3, 0, 0]]) == ["Turn on"]
    assert (one.pad, one.unk, one.bos, one.eos) == (0, 1, 2, 3)


def test_what_is_no_text_is_named():
    with pytest.raises(LamcoreError, match="None is no text, but stands where the model reads or learns a text"):
        learn(plan("character"), texts())["input"].encode(["a", None])


def test_bytes_know_every_text_and_characters_say_what_they_do_not_know():
    strange = "日本 \U0001f600\x00"
    by_byte = learn(plan("byte_bpe"), texts())["input"]
    assert by_byte.decode(by_byte.encode([strange])) == [strange]
    by_character = learn(plan("character"), texts())["input"]
    assert by_character.encode(["日"])[0].count(1) == 1


def test_a_piece_is_a_character_where_characters_are_learnt():
    one = learn(plan("character"), {"input": ["ab a"]})["input"]
    assert one.encode(["ba b"]) == [[6, 5, 4, 6, 5]]  # a 4, b 5, the space (also before the first word) 6
    assert one.size == 4 + 3


@pytest.mark.parametrize("kind", ["bpe", "byte_bpe"])
def test_dropout_of_merges_cuts_into_smaller_pieces_of_the_same_text(kind):
    one = learn(plan(kind, symbols=["<0>"]), texts())["input"]
    known = [*ENGLISH, "Turn <0> the light", ""]
    whole, characters = one.dropped(known, 0.0, Random(1)), one.dropped(known, 1.0, Random(1))
    some, again, other = (one.dropped(known, 0.5, Random(seed)) for seed in (1, 1, 2))
    assert whole == some == known and one.encode(whole) == one.encode(known)
    assert one.encode(some) == one.encode(again) != one.encode(other)
    lengths = [sum(map(len, one.encode(cut))) for cut in (whole, some, characters)]
    assert lengths == sorted(set(lengths))
    for cut in (some, other, characters):
        assert one.decode(one.encode(cut)) == known
        assert one.encode(cut)[4].count(4) == 1  # the symbol stays whole


def test_dropout_passes_over_each_merge_with_its_probability_at_each_step():
    one = learn(plan("bpe", 8), {"input": ["ab ab ab"]})["input"]
    assert len(one.pieces("ab")) == 2
    cut = one.encode(one.dropped(["ab"] * 4000, 0.25, Random(3)))
    # "▁", "a", "b" and one merge: a word is cut where that one is passed over
    assert sum(ids != one.encode(["ab"])[0] for ids in cut) / 4000 == pytest.approx(0.25, abs=0.03)


def test_dropout_of_merges_is_refused_where_there_are_none():
    with pytest.raises(LamcoreError, match="tokenizer.dropout is for BPE"):
        learn(plan("character"), texts())["input"].dropped(["a"], 0.1, Random(1))
    with pytest.raises(ValueError, match="dropout must be between 0 and 1, not 1.5"):
        plan(dropout=1.5)


def test_bpe_has_as_many_pieces_as_were_asked_for():
    assert learn(plan("bpe", 60), texts())["input"].size == 60


def test_columns_share_one_tokenizer_or_have_one_each():
    joint = learn(plan(), texts())
    assert joint["input"] is joint["target"] and list(files_of(joint)) == ["tokenizer.json"]
    alone = learn(plan("character", joint=False), texts())
    assert alone["input"] is not alone["target"]
    assert sorted(files_of(alone)) == ["tokenizer-input.json", "tokenizer-target.json"]
    assert alone["input"].encode(["ü"])[0].count(1) == 1 and alone["target"].encode(["ü"])[0].count(1) == 0


@pytest.mark.parametrize("joint", [True, False])
def test_what_was_written_is_read_back(joint):
    made = learn(plan("character", joint=joint), texts())
    again = read({name: text.encode() for name, text in files_of(made).items()}, ["input", "target"])
    for column in made:
        assert again[column].encode(ENGLISH + GERMAN) == made[column].encode(ENGLISH + GERMAN)


@pytest.mark.parametrize("kind", KINDS)
def test_a_symbol_is_one_piece_wherever_it_stands(kind):
    one = learn(plan(kind, symbols=["<0>", "{name}"]), texts())["input"]
    for text in ("Turn <0> on", "the{name}light", "<0>"):
        ids = one.encode([text])[0]
        assert ids.count(4) + ids.count(5) == 1 and ids.count(4 if "<0>" in text else 5) == 1, ids
        assert one.decode(one.encode([text])) == [text]


def test_a_vocabulary_larger_than_the_data_allows_says_how_large_it_may_be():
    with pytest.raises(LamcoreError) as error:
        learn(plan("bpe", 5000), texts())
    words = str(error.value)
    assert words.startswith("tokenizer.size=5000 is more than the train split holds: set it to at most ")
    most = int(words.rstrip(".").rpartition(" ")[2])
    assert learn(plan("bpe", most), texts())["input"].size == most


def test_a_vocabulary_smaller_than_its_characters_says_how_many_there_are():
    with pytest.raises(LamcoreError, match="^tokenizer.size=10 is less than the [0-9]+ characters and symbols there"):
        learn(plan("bpe", 10), texts())
    with pytest.raises(LamcoreError, match="^tokenizer.size .of input.=10 is less than the"):
        learn(plan("bpe", 10, joint=False), texts())


@pytest.fixture(scope="module")
def learnt_elsewhere():
    """Give what two processes learn: of each, {kind: the tokenizer as JSON}."""
    code = (
        "import json\nfrom lamcore.tokenizer import learn\nfrom lamcore.kinds import Subwords, TokenizerPlan\n"
        f"texts, sizes = {{'input': {ENGLISH + GERMAN!r}}}, {KINDS!r}\n"
        "plans = {kind: TokenizerPlan(kind=Subwords(kind), size=size) for kind, size in sizes.items()}\n"
        "print(json.dumps({kind: learn(plan, texts)['input'].to_json() for kind, plan in plans.items()}))"
    )
    words = [sys.executable, "-c", code]
    done = [subprocess.run(words, capture_output=True, text=True, check=True, encoding="utf-8") for _ in range(2)]
    return [json.loads(one.stdout) for one in done]


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_learn_the_same(kind, learnt_elsewhere):
    one, other = learnt_elsewhere
    assert one[kind] == other[kind]
    assert learn(plan(kind), {"input": ENGLISH + GERMAN})["input"].to_json() == one[kind]


def test_a_given_file_is_used_instead_of_learning(tmp_path):
    one = learn(plan("character"), texts())["input"]
    (tmp_path / "mine.json").write_text(one.to_json(), encoding="utf-8")
    given = learn(plan(file=str(tmp_path / "mine.json")), {"input": ["other"]})["input"]
    assert given.encode(ENGLISH) == one.encode(ENGLISH)


def test_a_given_file_that_is_not_there_or_no_tokenizer_is_refused(tmp_path):
    with pytest.raises(LamcoreError, match="none.json is no tokenizer that can be read: .*No such file"):
        learn(plan(file=str(tmp_path / "none.json")), texts())
    for text in (b"{", b"{}", b'{"model": 3}', b"[]", b"", b"\xff"):
        (tmp_path / "x.json").write_bytes(text)
        with pytest.raises(LamcoreError, match="x.json is no tokenizer that can be read: "):
            learn(plan(file=str(tmp_path / "x.json")), texts())


def test_a_given_file_whose_first_pieces_are_others_is_refused(tmp_path):
    import tokenizers

    inner = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 1}, []))
    (tmp_path / "x.json").write_text(inner.to_str())
    with pytest.raises(LamcoreError, match="^A tokenizer's first four pieces must be <pad> <unk> <s> </s>.$"):
        from_file(tmp_path / "x.json")
