"""What `lam check` says of a package, and how it ends."""

from __future__ import annotations

import json

WRONG = '''
from dataclasses import dataclass
from lamcore import Augmenter, hookimpl


@dataclass
class Forgetful(Augmenter):
    """Forget the last record."""

    rate: float = 1.0
    """Not used."""

    def apply(self, records, rng):
        return records[:-1]


@hookimpl
def register_augmenters(register):
    register("forgetful", Forgetful)
'''


def test_a_package_that_keeps_its_promises_ends_with_0(lam):
    ended = lam("check", "noise")
    assert ended.code == 0 and "  holds   it imports quickly\n" in ended.out
    assert ended.out.startswith("package\n") and "\naugmenter typos\n" in ended.out
    assert " promises hold, 0 broken, " in ended.out.split("\n")[-2]


def test_a_broken_promise_ends_with_1_and_is_named(lam, make_plugin):
    make_plugin("forgetful", WRONG)
    ended = lam("check", "lamcore-forgetful", "--json")
    found = json.loads(ended.out)
    broken = {(one["of"], one["promise"]): one["problem"] for one in found if one["problem"]}
    assert ended.code == 1 and "it has a licence" in {promise for of, promise in broken if of == "package"}
    assert [problem for (of, _), problem in broken.items() if of == "augmenter forgetful"]


def test_a_package_that_is_not_installed_ends_with_2_and_the_nearest_name(lam):
    ended = lam("check", "lamcore-noize")
    assert ended.code == 2 and ended.err.count("\n") == 1
    assert ended.err.startswith(
        "lam: No installed plugin package is called 'lamcore-noize'. Did you mean 'lamcore-noise'?"
    )
