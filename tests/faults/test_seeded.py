"""Test the tests: each of thirteen faults, put into the code, turns a suite red."""

from __future__ import annotations

import pytest
import seeded


@pytest.mark.parametrize("fault", seeded.FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fits_the_code_as_it_is(fault):
    for path, text in seeded.changed(seeded.ROOT, fault).items():
        compile(text, path, "exec")


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_each_seeded_fault_turns_a_suite_red():
    assert len(seeded.FAULTS) == 13
    assert seeded.main([]) == 0
