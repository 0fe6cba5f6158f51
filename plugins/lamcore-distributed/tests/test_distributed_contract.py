"""In one process, the trainer keeps the promises of its kind."""

from __future__ import annotations

import pytest

from lamcore.testing import check_package


@pytest.mark.full  # in one process it is `supervised`, whose contract stands in lamcore-trainers
def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert "package" in {what for what, _ in check_package("lamcore-distributed")}
