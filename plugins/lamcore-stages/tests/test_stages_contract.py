"""The package keeps its promises."""

from lamcore.testing import check_package


def test_the_package_keeps_its_promises():
    assert {what for what, _ in check_package("lamcore-stages")} == {"package"}
