"""The source and its package keep the promises of their kind; nothing is fetched."""

from __future__ import annotations

from lamcore.testing import check_package


def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-home-assistant")} == {
        "package",
        "source home_assistant",
        "source home_intents",
    }
