"""The sources and their package keep the promises of their kind."""

from __future__ import annotations

import pytest

from lamcore.testing import check_package, check_source
from lamcore_collect import Books, Unit, WebPages


@pytest.mark.full
@pytest.mark.parametrize("unit", [Unit.document, Unit.sentence])
def test_every_unit_of_pages_keeps_the_promises_too(unit, tmp_path):
    made = WebPages.example(tmp_path)
    check_source(WebPages(folder=made.folder, split=made.split, unit=unit, languages=["en"]))


@pytest.mark.full
def test_paragraphs_of_a_book_keep_the_promises_too(tmp_path):
    made = Books.example(tmp_path)
    check_source(Books(folder=made.folder, split=made.split, unit=Unit.paragraph, languages=["en", "de"]))


def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-collect")} == {
        "package", "source gettext", "source web_pages", "source books", "source documents",
    }  # fmt: skip
