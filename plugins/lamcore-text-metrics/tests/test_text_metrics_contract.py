"""The metrics and their package keep the promises of their kind, and agree with the programs that they name."""

from __future__ import annotations

import pytest
import sacrebleu

from lamcore.testing import MetricContract, PackageContract, check_package
from lamcore.testing.toy import records
from lamcore_text_metrics import Bleu, Chrf, ExactMatch, Placeholders, Tokenize

BRACES = ["{name} has {count, plural, one {# day} other {# days}}", "no brace", "{a}{a}{b}", "", "{{nested}} {a}"]
WITH_BRACES = [{**record, "target": BRACES[at % 5], "references": []} for at, record in enumerate(records(40))]


def texts(answers, records):
    return [answer["target"] for answer in answers], [[record["target"] for record in records]]


def sacrebleu_bleu(answers, records):
    return {"bleu": sacrebleu.corpus_bleu(*texts(answers, records)).score}


def sacrebleu_bleu_of_letters(answers, records):
    return {"bleu": sacrebleu.corpus_bleu(*texts(answers, records), lowercase=True, tokenize="char").score}


def sacrebleu_chrf(answers, records):
    return {"chrf": sacrebleu.corpus_chrf(*texts(answers, records)).score}


def sacrebleu_chrf_plus_plus(answers, records):
    return {"chrf": sacrebleu.corpus_chrf(*texts(answers, records), word_order=2).score}


def percent_equal(answers, records):
    pairs = list(zip(answers, records, strict=True))
    return {"exact_match": 100 * sum(answer["target"] == record["target"] for answer, record in pairs) / len(pairs)}


def percent_with_equal_placeholders(answers, records):
    pairs = [(outermost(a["target"]), outermost(r["target"])) for a, r in zip(answers, records, strict=True)]
    present = [pair for pair in pairs if pair[1]]
    shares = {"placeholders": pairs, "present": present or [([], [])]}
    return {name: 100 * sum(a == b for a, b in some) / len(some) for name, some in shares.items()}


def outermost(text):
    """Return the outermost {...} of a text whose braces all have a partner, sorted."""
    found, depth = [], 0
    for letter in text:
        depth += letter == "{"
        if depth:
            found = [*found, ""] if depth == 1 and letter == "{" else found
            found[-1] += letter
        depth -= letter == "}"
    return sorted(found)


class TestBleu(MetricContract):
    component = Bleu()
    reference = staticmethod(sacrebleu_bleu)


class TestBleuOfLetters(MetricContract):
    component = Bleu(lowercase=True, tokenize=Tokenize.char)
    reference = staticmethod(sacrebleu_bleu_of_letters)


class TestChrf(MetricContract):
    component = Chrf()
    reference = staticmethod(sacrebleu_chrf)


class TestChrfPlusPlus(MetricContract):
    component = Chrf(word_order=2)
    reference = staticmethod(sacrebleu_chrf_plus_plus)


class TestExactMatch(MetricContract):
    component = ExactMatch()
    reference = staticmethod(percent_equal)


class TestExactMatchOfIntents(MetricContract):
    component = ExactMatch(column="intent", ignore_case=True, ignore_space=True)


class TestPlaceholders(MetricContract):
    component = Placeholders()
    records = WITH_BRACES
    reference = staticmethod(percent_with_equal_placeholders)


class TestPackage(PackageContract):
    distribution = "lamcore-text-metrics"


@pytest.mark.full  # of all that it provides: in the short form the classes above try each
def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-text-metrics")} == {
        "package", "metric bleu", "metric chrf", "metric exact_match", "metric placeholders",
    }  # fmt: skip
