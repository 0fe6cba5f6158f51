from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def the_pages() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return the_pages()


def test_the_reference_pages_are_what_the_code_says(pages):
    folder = ROOT / "docs" / "reference"
    stale = [name for name, text in pages.items() if (folder / name).read_text(encoding="utf-8") != text]
    assert not stale, f"{stale}: run `python tasks.py docs` and commit docs/reference/"


def test_no_reference_page_is_left_over(pages):
    by_hand = {"public-api.md"}
    assert {file.name for file in (ROOT / "docs" / "reference").glob("*.md")} - by_hand == set(pages)
