"""The package and all that it provides keep their promises."""

from __future__ import annotations

import pytest

from lamcore.testing import check_package


@pytest.mark.full  # the same contracts, one by one, are in this folder's other files
def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert "package" in {what for what, _ in check_package("lamcore-trainers")}
