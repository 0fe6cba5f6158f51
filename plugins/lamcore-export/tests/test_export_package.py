"""The package keeps its promises."""

from __future__ import annotations

from lamcore.testing import check_package


def test_the_package_keeps_its_promises():
    assert {what for what, _ in check_package("lamcore-export")} == {"package"}
