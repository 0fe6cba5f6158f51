"""A variant keeps the contract of all architectures, and sees no farther than its window."""

from pathlib import Path

import lamcore_window
import torch
from lamcore_window import WindowTransformer
from lamcore_window.attention import WindowAttention

from lamcore.testing import ArchitectureContract

SMALL = {"layers": 1, "width": 32, "heads": 2, "feed_forward": 64, "dropout": 0.0}


class TestWindowTransformer(ArchitectureContract):
    component = WindowTransformer(window=6, **SMALL)


def test_a_token_sees_its_window_and_no_farther():
    bias = WindowAttention(8, 2, 0.0, window=1).bias(0, 4, torch.device("cpu"))
    assert bias.shape == (2, 4, 4)
    assert (bias[0] == 0).tolist() == [
        [True, True, False, False],
        [True, True, True, False],
        [False, True, True, True],
        [False, False, True, True],
    ]


def test_the_package_has_at_most_forty_lines_of_code():
    files = Path(lamcore_window.__file__).parent.glob("*.py")
    lines = [line for file in files for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
    assert len(lines) <= 40
