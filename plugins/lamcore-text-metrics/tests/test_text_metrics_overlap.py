"""The metrics `bleu` and `chrf`, held to sacrebleu and to numbers worked out by hand."""

from __future__ import annotations

import importlib.util
import math
import random
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import pluggy
import pytest
import sacrebleu

from lamcore import LamcoreError, Metric, hookspecs
from lamcore_text_metrics import Bleu, Chrf, ExactMatch, Placeholders, Tokenize


def sums(metric: Metric, answers: list[Any], records: list[dict[str, Any]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for count in metric.counts([{"target": answer} for answer in answers], records):
        total.update(count)  # type: ignore[arg-type]
    return total


def score(metric: Metric, answers: list[Any], targets: list[Any]) -> float:
    [value] = metric.score(sums(metric, answers, [{"target": target} for target in targets])).values()
    return value


def made_up(seed: int, size: int = 200) -> tuple[list[str], list[str]]:
    """Return answers and references: sentences, and the same with words changed, dropped and turned."""
    rng = random.Random(seed)
    words = [
        "the",
        "a",
        "of",
        ",",
        ".",
        "!",
        "Lamp",
        "lamp",
        "Straße",
        "isn't",
        "3.14",
        "10,000",
        "{name}",
        "über",
        "“",
    ]
    words += ["U.S.", "x-y", "東京", ""]
    references = [" ".join(rng.choices(words, k=rng.randrange(15))) for _ in range(size)]
    answers = []
    for reference in references:
        answer = [rng.choice(words) if rng.random() < 0.2 else word for word in reference.split(" ")]
        answers.append(" ".join(word for word in answer if rng.random() < 0.9))
    return answers, references


def test_the_plugin_offers_four_metrics():
    import lamcore_text_metrics

    manager = pluggy.PluginManager("lamcore")
    manager.add_hookspecs(hookspecs)
    manager.register(lamcore_text_metrics)
    found: dict[str, Any] = {}
    manager.hook.register_metrics(register=lambda name, cls: found.update({name: cls}))
    assert found == {"bleu": Bleu, "chrf": Chrf, "exact_match": ExactMatch, "placeholders": Placeholders}
    for name, cls in found.items():
        assert issubclass(cls, Metric) and (cls.range, cls.direction) == ((0.0, 100.0), "higher")
        assert name in cls().score({})


def test_the_entry_module_imports_nothing_heavy():
    code = f"import sys; sys.path[:] = {sys.path}; import lamcore_text_metrics"
    code += "; sys.exit(bool({'torch', 'datasets', 'numpy', 'sacrebleu'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_bleu_worked_out_by_hand():
    # "a b c d e" against "a b c d f g": 4 of 5 words, 3 of 4 pairs, 2 of 3 triples, 1 of 2 fours; 5 words for 6.
    metric = Bleu()
    total = sums(metric, ["a b c d e"], [{"target": "a b c d f g"}])
    assert total == {"h": 5, "r": 6, "c1": 4, "c2": 3, "c3": 2, "c4": 1, "t1": 5, "t2": 4, "t3": 3, "t4": 2}
    expected = 100 * math.exp(1 - 6 / 5) * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert metric.score(total)["bleu"] == pytest.approx(expected, abs=1e-9)
    assert expected == pytest.approx(54.75, abs=0.01)


def test_chrf_worked_out_by_hand():
    # "abc" against "abd": 2 of 3 letters, 1 of 2 pairs, 0 of 1 triples on both sides; longer n-grams do not exist.
    total = sums(Chrf(), ["abc"], [{"target": "abd"}])
    assert {name: number for name, number in total.items() if number} == {
        **{"h1": 3, "r1": 3, "m1": 2},
        **{"h2": 2, "r2": 2, "m2": 1},
        **{"h3": 1, "r3": 1},
    }
    assert Chrf().score(total)["chrf"] == pytest.approx(100 * (2 / 3 + 1 / 2 + 0) / 3)  # precision is recall here


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("lowercase", [False, True])
def test_scores_equal_sacrebleu(seed, lowercase):
    answers, references = made_up(seed)
    for tokenize in (Tokenize.v13a, Tokenize.intl, Tokenize.char, Tokenize.zh, Tokenize.none):
        expected = sacrebleu.corpus_bleu(
            answers, [references], lowercase=lowercase, tokenize=tokenize.value, force=True
        )
        assert 20 < expected.score < 90
        assert score(Bleu(lowercase=lowercase, tokenize=tokenize), answers, references) == expected.score
    for word_order in (0, 1, 2):
        wanted = sacrebleu.corpus_chrf(answers, [references], word_order=word_order)
        if lowercase:
            scorer = sacrebleu.metrics.CHRF(word_order=word_order, lowercase=True)
            wanted = scorer.corpus_score(answers, [references])
        assert score(Chrf(word_order=word_order, lowercase=lowercase), answers, references) == wanted.score


def test_several_references_equal_sacrebleu():
    answers, first = made_up(3)
    second = made_up(4)[1]
    records = [{"target": "unused", "references": [one, two]} for one, two in zip(first, second, strict=True)]
    for metric, wanted in (
        (Bleu(), sacrebleu.corpus_bleu(answers, [first, second], force=True)),
        (Chrf(), sacrebleu.corpus_chrf(answers, [first, second])),
    ):
        [value] = metric.score(sums(metric, answers, records)).values()
        assert value == wanted.score
        assert "nrefs:2" in metric.signature


def test_the_number_of_references_may_differ():
    answers, first = made_up(5)
    second: list[Any] = [text if number % 3 else None for number, text in enumerate(made_up(6)[1])]
    records = [
        {"target": one} if two is None else {"target": "unused", "references": [one, two]}
        for one, two in zip(first, second, strict=True)
    ]
    metric, wanted = Bleu(), sacrebleu.metrics.BLEU(force=True).corpus_score(answers, [first, second])
    assert metric.score(sums(metric, answers, records))["bleu"] == wanted.score
    assert "nrefs:var" in metric.signature


def test_signatures_are_sacrebleus():
    version = sacrebleu.__version__
    assert Bleu().signature == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}"
    assert Bleu(lowercase=True, tokenize=Tokenize.char).signature == (
        f"nrefs:1|case:lc|eff:no|tok:char|smooth:exp|version:{version}"
    )
    assert Chrf().signature == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}"
    assert "nw:2" in Chrf(word_order=2).signature


@pytest.mark.parametrize("metric", [Bleu(), Chrf(), Chrf(word_order=2)])
def test_the_order_of_records_makes_no_difference(metric):
    answers, references = made_up(7)
    turned = list(range(200))
    random.Random(1).shuffle(turned)
    assert score(metric, [answers[n] for n in turned], [references[n] for n in turned]) == score(
        metric, answers, references
    )


@pytest.mark.parametrize("metric", [Bleu(), Chrf(), Chrf(word_order=2)])
def test_counts_do_not_depend_on_the_batch(metric):
    answers, references = made_up(8, size=20)
    given = [{"target": answer} for answer in answers], [{"target": reference} for reference in references]
    one_by_one = [metric.counts([answer], [record])[0] for answer, record in zip(*given, strict=True)]
    assert metric.counts(*given) == one_by_one
    assert metric.counts([], []) == []


@pytest.mark.parametrize("metric", [Bleu(), Chrf(), Chrf(word_order=2)])
def test_perfect_answers_score_best(metric):
    references = made_up(9)[1]
    worse = [*references[:-1], "something else entirely that is wrong"]
    assert score(metric, references, references) == pytest.approx(100)
    assert score(metric, worse, references) < 100


@pytest.mark.parametrize("metric", [Bleu(), Chrf(), Chrf(word_order=2)])
@pytest.mark.parametrize("empty", ["", " ", None])
def test_empty_answers_and_references_score_nothing_and_do_not_fail(metric, empty):
    assert score(metric, [empty, empty], ["some words", "and more"]) == 0
    assert score(metric, ["some words"], [empty]) == 0
    assert score(metric, [empty], [empty]) == 0
    assert metric.counts([{}], [{"target": "a"}]) == metric.counts([{"target": ""}], [{"target": "a"}])


def test_another_column_can_be_scored():
    metric = Bleu(column="reply")
    [count] = metric.counts([{"reply": "a b"}], [{"reply": "a c", "target": "x", "references": ["y"]}])
    assert (count["h"], count["r"], count["c1"]) == (2, 2, 1)
    with pytest.raises(
        LamcoreError, match=r"No column 'reply' to score answers against. The records have: id, target\."
    ):
        metric.counts([{"reply": "a"}], [{"id": "1", "target": "b"}])


def test_a_score_from_sums_is_quick():
    for metric in (Bleu(), Chrf()):
        answers, references = made_up(10)
        total = sums(metric, answers, [{"target": reference} for reference in references])
        start = time.process_time()
        for _ in range(1000):
            metric.score(total)
        assert time.process_time() - start < 0.5


def test_scoring_leaves_settings_and_sums_alone():
    metric, fresh = Bleu(), Bleu()
    total = sums(metric, ["a b c d"], [{"target": "a b c d"}])
    before = dict(total)
    metric.score(total)
    assert metric == fresh and repr(metric) == repr(fresh) and dict(total) == before


def test_a_word_order_below_zero_is_refused():
    with pytest.raises(ValueError, match="word_order must be 0 or more, not -1"):
        Chrf(word_order=-1)


@pytest.mark.skipif(importlib.util.find_spec("MeCab") is not None, reason="the dictionary is installed")
def test_a_dictionary_that_is_not_installed_is_asked_for():
    with pytest.raises(
        LamcoreError, match=r"bleu\.tokenize=ja-mecab needs a dictionary: pip install 'sacrebleu\[ja\]'"
    ):
        Bleu(tokenize=Tokenize.ja_mecab).counts([{"target": "a"}], [{"target": "a"}])
