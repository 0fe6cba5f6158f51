"""The contracts of each kind, as checks that anyone can call; imports neither torch nor datasets."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from lamcore.make import describe
from lamcore.testing.architecture import ArchitectureContract
from lamcore.testing.augmenter import AugmenterContract
from lamcore.testing.component import ComponentContract
from lamcore.testing.contract import Contract, ContractError, Outcome, check, ensure, outcomes, promises
from lamcore.testing.metric import MetricContract
from lamcore.testing.package import PackageContract, offers
from lamcore.testing.preprocessor import PreprocessorContract
from lamcore.testing.source import SourceContract
from lamcore.testing.trainer import TrainerContract

__all__ = [
    "CONTRACTS", "ArchitectureContract", "AugmenterContract", "ComponentContract", "Contract", "ContractError",
    "MetricContract", "Outcome", "PackageContract", "PreprocessorContract", "SourceContract", "TrainerContract",
    "check", "check_architecture", "check_augmenter", "check_metric", "check_package", "check_preprocessor",
    "check_source", "check_trainer", "outcomes", "package_outcomes", "promises",
]  # fmt: skip

CONTRACTS: dict[str, type[ComponentContract]] = {
    "source": SourceContract,
    "preprocessor": PreprocessorContract,
    "augmenter": AugmenterContract,
    "architecture": ArchitectureContract,
    "trainer": TrainerContract,
    "metric": MetricContract,
}
"""Kind -> its contract."""


def check_source(component: Any, **given: Any) -> list[Outcome]:
    """Hold a source to its contract; raise ContractError where it breaks a promise. `given` sets what the class has."""
    return check(SourceContract, component=component, **given)


def check_preprocessor(component: Any, **given: Any) -> list[Outcome]:
    """Hold a preprocessor to its contract; raise ContractError where it breaks a promise."""
    return check(PreprocessorContract, component=component, **given)


def check_augmenter(component: Any, **given: Any) -> list[Outcome]:
    """Hold an augmenter to its contract; raise ContractError where it breaks a promise."""
    return check(AugmenterContract, component=component, **given)


def check_architecture(component: Any, **given: Any) -> list[Outcome]:
    """Hold an architecture to its contract; raise ContractError where it breaks a promise."""
    return check(ArchitectureContract, component=component, **given)


def check_trainer(component: Any, **given: Any) -> list[Outcome]:
    """Hold a trainer to its contract; raise ContractError where it breaks a promise."""
    return check(TrainerContract, component=component, **given)


def check_metric(component: Any, **given: Any) -> list[Outcome]:
    """Hold a metric to its contract; raise ContractError where it breaks a promise."""
    return check(MetricContract, component=component, **given)


def check_package(distribution: str) -> list[tuple[str, Outcome]]:
    """Hold an installed package, and all that it provides, to their contracts; raise ContractError for what breaks."""
    rows = package_outcomes(distribution)
    if broken := [f"{what}: {one.promise}: {one.problem}" for what, one in rows if one.problem]:
        raise ContractError("\n".join([f"{distribution} breaks {len(broken)} of {len(rows)} promises:", *broken]))
    return rows


def package_outcomes(distribution: str) -> list[tuple[str, Outcome]]:
    """Return what became of each promise, as (`package` or `KIND NAME`, outcome), for all that a package provides."""
    rows = [("package", one) for one in outcomes(PackageContract, distribution=distribution)]
    for offer in offers(distribution):
        if offer.kind in CONTRACTS:
            with tempfile.TemporaryDirectory() as folder:
                tried = _tried(CONTRACTS[offer.kind], offer.cls, Path(folder))
            rows += [(f"{offer.kind} {offer.name}", one) for one in tried]
    return rows


def _tried(contract: type[ComponentContract], cls: Any, folder: Path) -> list[Outcome]:
    """Try a component as its `example` makes it, or with its defaults, on its `example_records` where it has some."""
    says = "Its defaults work, or its classmethod `example(folder)` makes one that can be tried."
    try:
        needed = [setting.name for setting in describe(cls) if setting.required and not hasattr(cls, "example")]
        ensure(not needed, f"{', '.join(needed)} must be set: give the class an `example(folder)`")
        component = cls.example(folder) if hasattr(cls, "example") else cls()
    except AssertionError as error:
        return [Outcome("it can be made", says, problem=str(error))]
    except Exception as error:
        return [Outcome("it can be made", says, problem=" ".join(f"{type(error).__name__}: {error}".split()))]
    given = {"records": cls.example_records()} if hasattr(cls, "example_records") else {}
    return [Outcome("it can be made", says), *outcomes(contract, component=component, **given)]
