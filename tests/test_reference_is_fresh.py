from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


MADE = "import json, sys; sys.path.insert(0, sys.argv[1]); from make_reference import pages; print(json.dumps(pages()))"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Return what a Python of its own makes of the code: here other tests have changed verbs."""
    done = subprocess.run([sys.executable, "-c", MADE, str(ROOT / "docs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_reference_pages_are_what_the_code_says(pages):
    folder = ROOT / "docs" / "reference"
    stale = [name for name, text in pages.items() if (folder / name).read_text(encoding="utf-8") != text]
    assert not stale, f"{stale}: run `python tasks.py docs` and commit docs/reference/"


def test_no_reference_page_is_left_over(pages):
    by_hand = {"public-api.md"}
    assert {file.name for file in (ROOT / "docs" / "reference").glob("*.md")} - by_hand == set(pages)
