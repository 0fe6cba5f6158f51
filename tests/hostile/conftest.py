"""One good model folder, and this process warm: what a load needs is imported, each setting's type is known."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("folders", "jail")

collect_ignore_glob = [] if sys.platform == "linux" else ["test_models.py"]  # it forks, and reads /proc


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """Give a model folder that loads, after it was loaded once."""
    from folders import make_good

    return make_good(tmp_path_factory.mktemp("good") / "model")
