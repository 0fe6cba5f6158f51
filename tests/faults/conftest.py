"""The bench of the fault suites, made once a process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("harness")


collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]  # they fork, and read /proc


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """Give the uninterrupted run that all others are compared with."""
    from harness import Bench

    return Bench(tmp_path_factory.mktemp("faults"))
