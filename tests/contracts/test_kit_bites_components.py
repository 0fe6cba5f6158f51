"""Wrong sources, preprocessors, augmenters and metrics, one fault each: the promise that each breaks must catch it."""

from __future__ import annotations

import os
import random
import time
import unittest
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from lamcore import MISSING, Augmenter, Metric, Preprocessor, Source
from lamcore.testing import (
    AugmenterContract,
    ComponentContract,
    ContractError,
    MetricContract,
    PreprocessorContract,
    SourceContract,
    check_augmenter,
    check_metric,
    check_preprocessor,
    check_source,
)

WORDS = ["red", "blue", "green", "sun", "moon", "sea", "tree", "house", "Tür", "{name}", "ship", "star"]

# Sources ----------------------------------------------------------------------------------------------------------


@dataclass
class RightSource(Source):
    """Give numbered words."""

    count: int = 24
    """Train records."""
    files: list[str] = field(default_factory=list)
    """Not read."""

    makes_splits: ClassVar[bool] = True

    def load(self):
        return {split: self.rows(split) for split in ("train", "validation", "test")}

    def rows(self, split: str) -> Iterator[dict[str, Any]]:
        for number in range(self.count if split == "train" else 6):
            text = f"{split} {WORDS[number % len(WORDS)]} {number}"
            yield {"id": f"{split}-{number}", "input": text, "target": text.upper(), "group": f"{split}-{number // 3}"}

    def fingerprint(self):
        return f"words {self.count}"


class ShuffledByChance(RightSource):
    """Shuffle with the random numbers that all code shares."""

    def rows(self, split):
        return iter(random.sample(list(super().rows(split)), self.count if split == "train" else 6))


class ShuffledByHash(RightSource):
    """Take the order of a set of texts, which Python makes anew in each process."""

    def rows(self, split):
        rows = {row["input"]: row for row in super().rows(split)}
        return (rows[text] for text in set(rows))


class Overlapping(RightSource):
    """Let inputs of train stand in test, in capitals."""

    def rows(self, split):
        for row in super().rows(split):
            yield {**row, "input": row["input"].replace("test", "TRAIN")}


class SameIds(RightSource):
    """Number the records of each split from 0."""

    def rows(self, split):
        return ({**row, "id": row["id"].partition("-")[2]} for row in super().rows(split))


class SomeIds(RightSource):
    """Leave the id of one record out."""

    def rows(self, split):
        for number, row in enumerate(super().rows(split)):
            yield row if number else {name: value for name, value in row.items() if name != "id"}


class NoValidation(RightSource):
    """Call validation `dev`."""

    def load(self):
        return {split.replace("validation", "dev"): rows for split, rows in super().load().items()}


class EmptyTest(RightSource):
    """Give a test split without records."""

    def load(self):
        return {**super().load(), "test": []}


class NumpyValues(RightSource):
    """Give arrays."""

    def rows(self, split):
        return ({**row, "frames": np.zeros(3)} for row in super().rows(split))


class NotFinite(RightSource):
    """Give a number that is not finite."""

    def rows(self, split):
        return ({**row, "length": float("inf")} for row in super().rows(split))


class MixedTypes(RightSource):
    """Give text and numbers in one column."""

    def rows(self, split):
        return ({**row, "size": "large" if number else 1} for number, row in enumerate(super().rows(split)))


class HalfCharacters(RightSource):
    """Give text that no file can hold: half a character."""

    def rows(self, split):
        return ({**row, "input": row["input"] + "\ud83d"} for row in super().rows(split))


class EveryoneSharesOneReader(RightSource):
    """Read all splits through one reader, each as far as it comes to its turn."""

    def load(self):
        reader = iter([row for split in ("train", "validation", "test") for row in RightSource.rows(self, split)])
        sizes = {"train": self.count, "validation": 6, "test": 6}
        return {split: (next(reader) for _ in range(size)) for split, size in sizes.items()}


class ReadOnce(RightSource):
    """Keep a generator from one call to the next."""

    def load(self):
        self._kept = getattr(self, "_kept", None) or super().load()
        return self._kept


class SplitGroups(RightSource):
    """Cut the splits through the groups."""

    def rows(self, split):
        return ({**row, "group": f"group {number}"} for number, row in enumerate(super().rows(split)))


class LeakingDerivative(RightSource):
    """Put what was made from a test record into train."""

    def rows(self, split):
        parent = "test-0" if split == "train" else None
        return ({**row, "parent": parent} for row in super().rows(split))


class TimedFingerprint(RightSource):
    """Take the clock for a fingerprint."""

    def fingerprint(self):
        return f"{time.perf_counter_ns()}"


class WritesHere(RightSource):
    """Leave a file in the working folder."""

    def load(self):
        Path("cache.tmp").write_text("x")
        return super().load()


class SetsItself(RightSource):
    """Change a setting while it works."""

    def load(self):
        loaded = super().load()
        self.files = [*self.files, "one more"]
        return loaded


class Prints(RightSource):
    """Print."""

    def load(self):
        print("loading")
        return super().load()


class SetsTheEnvironment(RightSource):
    """Set a variable for all that follows."""

    def load(self):
        os.environ["LAMCORE_TEST_WRONG"] = uuid.uuid4().hex
        return super().load()


class NoDataclass(Source):
    """Have no settings to check."""

    def __init__(self, count=3):
        self.count = count

    def load(self):
        return RightSource().load()


@dataclass
class Undescribed(RightSource):
    """Have a setting without a string under it."""

    more: int = 3


@dataclass
class Undefaulted(Source):
    """Have a setting without a default."""

    count: int
    """Train records."""

    def load(self):
        return RightSource().load()


@dataclass
class Untyped(RightSource):
    """Have a setting of any type."""

    more: Any = 3
    """Whatever you like."""


@dataclass
class OneWay(RightSource):
    """Change a setting as it is made, so that what is written down makes another."""

    def __post_init__(self):
        self.count += 1


@dataclass
class Silent(RightSource):
    more: int = 3
    """Not read."""


Silent.__doc__ = None  # dataclass would write the signature there


WRONG_SOURCES = {
    ShuffledByChance: "it loads the same twice",
    ShuffledByHash: "another process gives the same",
    Overlapping: "the splits that it makes are disjoint",
    SameIds: "each id stands once",
    SomeIds: "each id stands once",
    NoValidation: "it gives train and validation",
    EmptyTest: "it gives train and validation",
    NumpyValues: "its records are plain",
    NotFinite: "its records are plain",
    MixedTypes: "its records survive the disk",
    HalfCharacters: "its records survive the disk",
    EveryoneSharesOneReader: "splits can be read in any order",
    ReadOnce: "it loads the same twice",
    SplitGroups: "a group stays together",
    LeakingDerivative: "a derived record stays with its parent",
    TimedFingerprint: "its fingerprint is stable",
    WritesHere: "its work writes nothing where you work",
    SetsItself: "its work leaves its settings alone",
    Prints: "its work leaves the process alone",
    SetsTheEnvironment: "its work leaves the process alone",
    NoDataclass: "it is a component of its kind",
    Undescribed: "every setting is typed defaulted and described",
    Undefaulted: "every setting is typed defaulted and described",
    Untyped: "every setting is typed defaulted and described",
    OneWay: "its settings become plain values and back",
    Silent: "it says what it is",
}

# Preprocessors ----------------------------------------------------------------------------------------------------


@dataclass
class RightStep(Preprocessor):
    """Write an arrow before the input and the target, and take it from the answer."""

    mark: str = "→"
    """What is written before."""

    def change(self, record):
        return {**record, "input": self.mark + record["input"], "target": self.mark + record["target"]}

    def undo(self, answer, record):
        return {**answer, "target": answer["target"].removeprefix(self.mark)}


class DropsEverywhere(RightStep):
    """Drop awkward records in every split."""

    def apply(self, rows, split):
        return [self.change(row) for row in rows if row["input"].strip()]


class Sorts(RightStep):
    """Sort every split by length."""

    def apply(self, rows, split):
        return sorted(map(self.change, rows), key=lambda row: len(row["input"]))


class Renumbers(RightStep):
    """Give records a new id."""

    def change(self, record):
        return {**super().change(record), "id": f"{record['id']}-changed"}


class RenumbersTrain(RightStep):
    """Give copies of train records a new id, and name no parent."""

    def apply(self, rows, split):
        made = [self.change(row) for row in rows]
        return made + [{**row, "id": row["id"] + "-copy"} for row in made] if split == "train" else made


class ChangesInPlace(RightStep):
    """Change the record that it was given."""

    def change(self, record):
        record["input"] = self.mark + record["input"]
        record["target"] = self.mark + record["target"]
        return record


class ChangesAListInPlace(RightStep):
    """Change a list inside of the record that it was given."""

    def change(self, record):
        record.get("references", []).append("more")
        return super().change(record)


class UndoesInPlace(RightStep):
    """Change the answer that it was given."""

    def undo(self, answer, record):
        answer["target"] = answer["target"].removeprefix(self.mark)
        return answer


class Learns(RightStep):
    """Write before an input how often it has seen its first word."""

    def __post_init__(self):
        self._seen = Counter()

    def change(self, record):
        word = record["input"].partition(" ")[0]
        self._seen[word] += 1
        return {**super().change(record), "input": f"{self._seen[word]} {record['input']}"}


class LooksAtTheBatch(RightStep):
    """Cut inputs to the mean length of those beside them."""

    def apply(self, rows, split):
        made = [self.change(row) for row in rows]
        length = sum(len(row["input"]) for row in made) // max(1, len(made))
        return [{**row, "input": row["input"][:length]} for row in made]


class TurnsTestOtherwise(RightStep):
    """Leave test as it is."""

    def apply(self, rows, split):
        return [row if split == "test" else self.change(row) for row in rows]


class TellsTheAnswer(RightStep):
    """Write into the input how long the target is."""

    def change(self, record):
        return {**super().change(record), "input": f"{len(record['target'])} {record['input']}"}


class UndoesTooLittle(RightStep):
    """Forget the second thing that it did."""

    def change(self, record):
        return {**super().change(record), "target": f"{self.mark}{record['target']}."}


class UndoesByPeeking(RightStep):
    """Answer with the target that the source gave."""

    def undo(self, answer, record):
        return {**answer, "target": record["target"] or answer["target"]}


class UndoesWhatItExpects(RightStep):
    """Fail where the model did not write the mark."""

    def undo(self, answer, record):
        return {**answer, "target": answer["target"].split(self.mark)[1]}


class LosesTheScore(RightStep):
    """Return the text alone."""

    def undo(self, answer, record):
        return {"target": answer["target"].removeprefix(self.mark)}


class ThrowsDice(RightStep):
    """Leave the mark out by chance."""

    def change(self, record):
        return super().change(record) if random.random() < 0.5 else record


class Salted(RightStep):
    """Write the hash of a text, which Python salts in each process."""

    def change(self, record):
        return {**super().change(record), "input": f"{hash(record['input']) % 7} {record['input']}"}


class DropsAll(RightStep):
    """Drop every train record."""

    def change(self, record):
        return None


WRONG_STEPS = {
    DropsEverywhere: "it keeps the rows of held out splits",
    Sorts: "it keeps the rows of held out splits",
    Renumbers: "it keeps the rows of held out splits",
    RenumbersTrain: "train records keep their id",
    DropsAll: "train records keep their id",
    ChangesInPlace: "it leaves its input alone",
    ChangesAListInPlace: "it leaves its input alone",
    UndoesInPlace: "it leaves its input alone",
    Learns: "a record does not depend on the others",
    LooksAtTheBatch: "a record does not depend on the others",
    TurnsTestOtherwise: "held out splits are turned alike",
    TellsTheAnswer: "it does not look at the answer",
    UndoesTooLittle: "undo turns back what change did",
    UndoesByPeeking: "undo turns back what change did",
    UndoesWhatItExpects: "undo takes any answer",
    LosesTheScore: "undo takes any answer",
    ThrowsDice: "it gives the same twice",
    Salted: "another process gives the same",
}

# Augmenters -------------------------------------------------------------------------------------------------------


@dataclass
class RightNoise(Augmenter):
    """Say a word of the input twice."""

    columns: list[str] = field(default_factory=lambda: ["input"])
    """Text columns to vary."""

    def apply(self, records, rng):
        return [self.varied(record, rng) for record in records]

    def varied(self, record, rng):
        words = record["input"].split(" ")
        at = rng.randrange(len(words))
        return {**record, "input": " ".join([*words[: at + 1], *words[at:]])}


class SharedChance(RightNoise):
    """Draw from the random numbers that all code shares."""

    def varied(self, record, rng):
        return super().varied(record, random)


class NumpysChance(RightNoise):
    """Draw from numpy's shared random numbers."""

    def varied(self, record, rng):
        return super().varied(record, rng) if np.random.random() < 0.5 else record


class SeedsForAll(RightNoise):
    """Seed the random numbers that all code shares."""

    def apply(self, records, rng):
        random.seed(rng.random())
        return super().apply(records, rng)


class Remembers(RightNoise):
    """Vary every second batch."""

    def __post_init__(self):
        self._calls = 0

    def apply(self, records, rng):
        self._calls += 1
        return super().apply(records, rng) if self._calls % 2 else list(records)


class HashedChoice(RightNoise):
    """Write the words of a set in its order."""

    def varied(self, record, rng):
        return {**record, "input": f"{' '.join(set(WORDS))} {rng.random()} {record['input']}"}


class VariesInPlace(RightNoise):
    """Change the records that it was given."""

    def varied(self, record, rng):
        record.update(super().varied(record, rng))
        return record


class ShufflesTheBatch(RightNoise):
    """Shuffle the list that it was given."""

    def apply(self, records, rng):
        rng.shuffle(records)
        return super().apply(records, rng)


class DoesNothing(RightNoise):
    """Leave all as it is."""

    def varied(self, record, rng):
        return record


class NoChance(RightNoise):
    """Say the first word twice, always."""

    def varied(self, record, rng):
        return {**record, "input": record["input"].partition(" ")[0] + " " + record["input"]}


class LosesTheId(RightNoise):
    """Give what it varied no id."""

    def varied(self, record, rng):
        return {name: value for name, value in super().varied(record, rng).items() if name != "id"}


class CopiesWithTheSameId(RightNoise):
    """Give the record and its variation one id."""

    def apply(self, records, rng):
        return [*records, *super().apply(records, rng)]


class CopiesWithoutParent(RightNoise):
    """Give copies an id of their own and name no parent."""

    def varied(self, record, rng):
        return {**super().varied(record, rng), "id": record["id"] + "-noisy"}


class VariesTheTarget(RightNoise):
    """Change a column that it does not name."""

    def varied(self, record, rng):
        return {**super().varied(record, rng), "target": record["target"].lower()}


class ChangesTheType(RightNoise):
    """Make a list of text."""

    def varied(self, record, rng):
        varied = super().varied(record, rng)
        return {**varied, "input": varied["input"].split(" ")}


class GivesAGenerator(RightNoise):
    """Return a generator."""

    def apply(self, records, rng):
        return (self.varied(record, rng) for record in records)


class FailsOnNone(RightNoise):
    """Choose from a batch that may be empty."""

    def apply(self, records, rng):
        rng.choice(records)
        return super().apply(records, rng)


WRONG_NOISES = {
    SharedChance: "it depends on rng alone",
    NumpysChance: "it depends on rng alone",
    SeedsForAll: "its work leaves the process alone",
    Remembers: "it depends on rng alone",
    HashedChoice: "another process gives the same",
    VariesInPlace: "it leaves its input alone",
    ShufflesTheBatch: "it leaves its input alone",
    DoesNothing: "chance decides",
    NoChance: "chance decides",
    LosesTheId: "records keep their id",
    CopiesWithTheSameId: "records keep their id",
    CopiesWithoutParent: "records keep their id",
    VariesTheTarget: "it keeps what it does not vary",
    ChangesTheType: "values keep their type",
    GivesAGenerator: "it gives a list of records",
    FailsOnNone: "it gives a list of records",
}

# Metrics ----------------------------------------------------------------------------------------------------------


@dataclass
class RightMetric(Metric):
    """Share of the answers that equal the target."""

    column: str = "target"
    """Column to compare."""

    @property
    def signature(self):
        return "equal"

    def count(self, answer, record):
        return {"right": float(answer[self.column] == record[self.column]), "all": 1.0}

    def score(self, sums):
        return {"same": sums["right"] / sums["all"] if sums["all"] else 0.0}


def share_right(answers, records):
    """What RightMetric says it is."""
    pairs = list(zip(answers, records, strict=True))
    return {"same": sum(answer["target"] == record["target"] for answer, record in pairs) / len(pairs)}


class Percent(RightMetric):
    """Give percent where the range says a share."""

    def score(self, sums):
        return {name: 100 * value for name, value in super().score(sums).items()}


class WrongDirection(RightMetric):
    """Call the worst the best."""

    direction: ClassVar[str] = "lower"


class NoDirection(RightMetric):
    """Call the direction by a name of its own."""

    direction: ClassVar[str] = "up"


class NoRange(RightMetric):
    """Give the range as text."""

    range: ClassVar[Any] = "0-1"


class DividesByNothing(RightMetric):
    """Divide by the number of answers, though there may be none."""

    def score(self, sums):
        return {"same": sums["right"] / sums["all"]}


class OneTooMany(RightMetric):
    """Divide by one more than there are answers."""

    def score(self, sums):
        return {"same": sums["right"] / (sums["all"] + 1)}


class AlwaysRight(RightMetric):
    """Look at the record on both sides."""

    def count(self, answer, record):
        return super().count(record, record)


class KindToSilence(RightMetric):
    """Count an empty answer as right."""

    def count(self, answer, record):
        return {**super().count(answer, record), "right": float(answer["target"] in ("", record["target"]))}


class FirstOnly(RightMetric):
    """Count the first answer twice."""

    def counts(self, answers, records):
        first, *rest = super().counts(answers, records) or [None]
        return [{name: 2 * value for name, value in first.items()}, *rest] if first else []


class MeanOfAll(RightMetric):
    """Give each answer the mean of all, so that the bootstrap sees no spread."""

    def counts(self, answers, records):
        counts = super().counts(answers, records)
        mean = sum(count["right"] for count in counts) / max(1, len(counts))
        return [{"right": mean, "all": 1.0} for _ in counts]


class OneShort(RightMetric):
    """Leave the last answer out."""

    def counts(self, answers, records):
        return super().counts(answers, records)[:-1]


class CountsText(RightMetric):
    """Count in words."""

    def counts(self, answers, records):
        return [{**count, "kind": "exact"} for count in super().counts(answers, records)]

    def score(self, sums):
        return super().score({name: value for name, value in sums.items() if name != "kind"})


class CountsOtherwise(RightMetric):
    """Count one answer in another way than many: without regard to case."""

    def count(self, answer, record):
        return {"right": float(answer["target"].lower() == record["target"].lower()), "all": 1.0}

    def counts(self, answers, records):
        return [RightMetric.count(self, *pair) for pair in zip(answers, records, strict=True)]


class Takes(RightMetric):
    """Take the column out of the answer."""

    def count(self, answer, record):
        return {"right": float(answer.pop("target") == record["target"]), "all": 1.0}


class CountsItsUses(RightMetric):
    """Say in its signature how often it was used."""

    def __post_init__(self):
        self._uses = 0

    def score(self, sums):
        self._uses += 1
        return super().score(sums)

    @property
    def signature(self):
        return f"equal, use {self._uses}"


class OtherThanItSays(RightMetric):
    """Ignore white space at the ends, which its reference does not."""

    def count(self, answer, record):
        return {"right": float(answer["target"].strip() == record["target"].strip()), "all": 1.0}


class Nameless(RightMetric):
    """Give no score."""

    def score(self, sums):
        return {}


WRONG_METRICS = {
    Percent: "its scores lie in its range",
    Nameless: "its scores lie in its range",
    WrongDirection: "perfect answers score best",
    NoDirection: "it states its range and direction",
    NoRange: "it states its range and direction",
    DividesByNothing: "nothing to score is no error",
    OneTooMany: "perfect answers score best",
    AlwaysRight: "wrong answers score worse",
    KindToSilence: "wrong answers score worse",
    FirstOnly: "the order of records is irrelevant",
    MeanOfAll: "counts add up",
    OneShort: "it counts every answer",
    CountsText: "it counts every answer",
    CountsOtherwise: "count and counts agree",
    Takes: "it leaves answers and records alone",
    CountsItsUses: "its signature is stable",
    OtherThanItSays: "it agrees with its reference",
}

# ------------------------------------------------------------------------------------------------------------------

GIVEN: dict[type[ComponentContract], dict[str, Any]] = {MetricContract: {"reference": share_right}}


def is_caught(contract: type[ComponentContract], cls: type, promise: str) -> bool:
    """Say whether a component breaks a promise."""
    tried: Any = contract()
    tried.component = cls(3) if cls is Undefaulted else cls()
    for name, value in GIVEN.get(contract, {}).items():
        setattr(tried, name, value)
    try:
        getattr(tried, f"test_{promise.replace(' ', '_')}")()
    except unittest.SkipTest:
        return False
    except Exception:
        return True
    return False


@pytest.mark.parametrize(
    ("contract", "wrong", "what"),
    [
        (SourceContract, WRONG_SOURCES, "sources"),
        (PreprocessorContract, WRONG_STEPS, "preprocessors"),
        (AugmenterContract, WRONG_NOISES, "augmenters"),
        (MetricContract, WRONG_METRICS, "metrics"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_wrong_component_is_caught_by_the_promise_that_it_breaks(contract, wrong, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAMCORE_TEST_WRONG", raising=False)
    uncaught = [cls.__name__ for cls, promise in wrong.items() if not is_caught(contract, cls, promise)]
    print(f"A.1: {len(wrong) - len(uncaught)} of {len(wrong)} wrong {what} caught")
    assert not uncaught


@pytest.mark.parametrize(
    ("check", "right", "given"),
    [
        (check_source, RightSource(), {}),
        (check_preprocessor, RightStep(), {}),
        (check_augmenter, RightNoise(), {}),
        (check_metric, RightMetric(), {"reference": share_right}),
    ],
    ids=lambda value: type(value).__name__ if not callable(value) else "",
)
def test_the_right_twin_keeps_every_promise(check, right, given):
    skipped = [one.promise for one in check(right, **given) if one.skipped]
    assert not skipped


def test_every_promise_has_a_wrong_component_that_breaks_it():
    from lamcore.testing import promises

    tables = {
        SourceContract: WRONG_SOURCES,
        PreprocessorContract: WRONG_STEPS,
        AugmenterContract: WRONG_NOISES,
        MetricContract: WRONG_METRICS,
    }
    for contract, wrong in tables.items():
        broken = {*wrong.values(), *(WRONG_SOURCES.values() if contract is not SourceContract else ())}
        unbroken = {name.removeprefix("test_").replace("_", " ") for name in promises(contract)} - broken
        assert not unbroken, f"{contract.__name__}: no wrong component breaks {unbroken}"


def test_what_is_broken_stands_on_a_line_each():
    with pytest.raises(
        ContractError, match=r"WrongDirection.* breaks 2 of 20 promises:\nperfect answers score best: same"
    ):
        check_metric(WrongDirection())


class TestThisAugmenterInPytest(AugmenterContract):
    component = RightNoise()


def test_a_setting_that_must_be_set_has_a_default_that_says_so():
    @dataclass
    class Needy(RightNoise):
        """Need a word."""

        word: str = MISSING
        """The word."""

    check_augmenter(Needy(word="sea"))
