"""What a contract is: a class with one method a promise, for pytest, for `check_...` and for `lam check` alike."""

from __future__ import annotations

import unittest
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What became of one promise."""

    promise: str
    """The method's name without `test_`, in words."""
    says: str
    """Its docstring: the line in the docs."""
    problem: str = ""
    """What is wrong, in one line; empty where the promise holds."""
    skipped: str = ""
    """Why the promise does not apply here; empty where it was tried."""


class ContractError(AssertionError):
    """A component breaks promises of its kind; the message names each on a line of its own."""


class Contract:
    """The promises of one kind: each method `test_...` is a promise and its docstring the promise's line in the docs.

    For pytest, derive a class named `Test...` and set `component`. A promise raises AssertionError with one line that
    says what is wrong, or unittest.SkipTest where it does not apply."""

    component: Any
    """The component under test, made with its settings."""


def ensure(holds: Any, problem: str) -> None:
    """Raise AssertionError with a line that says what is wrong, unless it holds; works under `python -O` too."""
    if not holds:
        raise AssertionError(problem)


def promises(contract: type[Contract]) -> dict[str, str]:
    """Return {method name: docstring} of a contract, in the order in which they are written."""
    names = [name for base in reversed(contract.__mro__) for name in vars(base) if name.startswith("test_")]
    return {name: (getattr(contract, name).__doc__ or "").strip() for name in dict.fromkeys(names)}


def outcomes(contract: type[Contract], **given: Any) -> list[Outcome]:
    """Try every promise of a contract; `given` is `component` and what else the contract's attributes are to be."""
    tried: Any = contract()
    for name, value in given.items():
        setattr(tried, name, value)
    return [_outcome(tried, name, says) for name, says in promises(contract).items()]


def _outcome(tried: Any, name: str, says: str) -> Outcome:
    promise = name.removeprefix("test_").replace("_", " ")
    try:
        getattr(tried, name)()
    except unittest.SkipTest as reason:
        return Outcome(promise, says, skipped=str(reason))
    except AssertionError as error:
        return Outcome(promise, says, problem=" ".join(str(error).split()) or "does not hold")
    except Exception as error:
        return Outcome(promise, says, problem=" ".join(f"{type(error).__name__}: {error}".split()))
    return Outcome(promise, says)


def check(contract: type[Contract], **given: Any) -> list[Outcome]:
    """Try every promise; raise ContractError where one is broken."""
    found = outcomes(contract, **given)
    if broken := [f"{one.promise}: {one.problem}" for one in found if one.problem]:
        head = f"{next(iter(given.values()))!r} breaks {len(broken)} of {len(found)} promises:"
        raise ContractError("\n".join([head, *broken]))
    return found
