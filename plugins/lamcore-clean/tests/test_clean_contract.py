"""The preprocessors and their package keep the promises of their kinds."""

from __future__ import annotations

import pytest

from lamcore.testing import PackageContract, PreprocessorContract, check_package
from lamcore.testing.toy import records
from lamcore_clean import (
    Case,
    Clean,
    Deduplicate,
    Form,
    LanguageTag,
    LengthFilter,
    Normalise,
    Placeholders,
    PrependContext,
    Unit,
)

BRACES = [
    "{name} has {count, plural, one {# day} other {# days}}",
    "{a}{a}{b} <0> <1> <12>",
    "{open and }closed} and {{nested}}",
    "<0> alone, <01>, <b>, { and }",
    "{<0>} in {<1>}",
]
WITH_BRACES = [
    {**record, "input": BRACES[at % 5], "target": BRACES[at * 2 % 5]} for at, record in enumerate(records(40))
]


class TestClean(PreprocessorContract):
    component = Clean()


class TestCleanTextAlone(PreprocessorContract):
    component = Clean(columns=["input"], markup=False, spaces=False)


class TestNormalise(PreprocessorContract):
    component = Normalise(form=Form.nfkc, plain=True, case=Case.lower)


class TestPlaceholders(PreprocessorContract):
    component = Placeholders()


class TestPlaceholdersOfManyKinds(PreprocessorContract):
    component = Placeholders()
    records = WITH_BRACES


class TestLengthFilter(PreprocessorContract):
    component = LengthFilter(unit=Unit.characters, least=2, most=40, ratio=1.5)


class TestDeduplicate(PreprocessorContract):
    component = Deduplicate(columns=["domain", "target"])


class TestLanguageTag(PreprocessorContract):
    component = LanguageTag(language="en")


class TestPrependContext(PreprocessorContract):
    component = PrependContext(column="domain")


class TestPackage(PackageContract):
    distribution = "lamcore-clean"


@pytest.mark.full  # of all that it provides: in the short form the classes above try each
def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-clean")} == {
        "package", "preprocessor clean", "preprocessor normalise", "preprocessor placeholders",
        "preprocessor length_filter", "preprocessor deduplicate", "preprocessor language_tag",
        "preprocessor prepend_context",
    }  # fmt: skip
