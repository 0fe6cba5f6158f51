"""What a preprocessor promises."""

from __future__ import annotations

import copy
import random
import unittest
from collections.abc import Sequence
from typing import Any

from lamcore.kinds import Answer, Preprocessor, Record, records_of
from lamcore.testing.component import ComponentContract, difference
from lamcore.testing.contract import ensure
from lamcore.testing.toy import AWKWARD, records

HELD_OUT = ("validation", "test", "predict")


class PreprocessorContract(ComponentContract):
    """What a preprocessor promises."""

    kind = "preprocessor"
    component: Preprocessor
    records: Sequence[Record] = records(128)
    """Records to turn; give your own where the step needs other columns."""
    answers: Sequence[str] = ("target",)
    """Columns that a model answers: empty at `predict`."""

    def same(self, undone: Any, given: Any) -> bool:
        """Say whether an undone value counts as the one given; override it where `undo` claims less than equality."""
        return undone == given

    def use(self) -> dict[str, list[Record]]:
        """Turn every split, and the answers back."""
        turned = {split: self._apply(self._records(), split) for split in ("train", "validation")}
        pairs = zip(self._records(), turned["validation"], strict=False)
        return {**turned, "undone": [self.component.undo(self._answer(new), old) for old, new in pairs]}

    def given(self) -> dict[str, Any]:
        """Return the records."""
        return {"records": self.records, "answers": self.answers}

    def _records(self) -> list[Record]:
        return copy.deepcopy(list(self.records))

    def _blank(self, record: Record) -> Record:
        """Return the record as it is at `predict`: its answer columns hold the empty value of their type."""
        return {**record, **{name: type(record[name])() for name in self.answers if name in record}}

    def _answer(self, record: Record) -> Answer:
        return {name: record[name] for name in self.answers if name in record}

    def _whole_table(self) -> bool:
        return type(self.component).apply is not Preprocessor.apply

    def _apply(self, given: list[Record], split: str) -> list[Record]:
        """Turn records as the core does."""
        if not self._whole_table():
            made = [(record, self.component.change(record)) for record in given]
            return [old if new is None else new for old, new in made if new is not None or split != "train"]
        from datasets import Dataset

        from lamcore.tables import table_of

        turned = self.component.apply(table_of(given), split)
        return list(records_of(turned) if isinstance(turned, Dataset) else turned)

    def test_it_keeps_the_rows_of_held_out_splits(self) -> None:
        """In validation, test and at `predict` every record stays, in order, under its `id`."""
        for split in HELD_OUT:
            ids = [record["id"] for record in self._records()]
            got = [record.get("id") for record in self._apply(self._records(), split)]
            lost = [one for one in ids if one not in got]
            ensure(not lost, f"{split} lost {len(lost)} of {len(ids)} records, such as {lost[:1]}")
            ensure(got == ids, f"{split} has other records or another order: {len(ids)} became {len(got)}")

    def test_train_records_keep_their_id(self) -> None:
        """In train a record keeps its `id`, or names as `parent` the record it was made from; no id stands twice."""
        known = {record["id"] for record in self.records}
        got = self._apply(self._records(), "train")
        strange = [r.get("id") for r in got if r.get("id") not in known and r.get("parent") not in known]
        ensure(not strange, f"{strange[0] if strange else ''!r} is no id of a given record and names no parent")
        ensure(len({record["id"] for record in got}) == len(got), "an id stands twice")
        ensure(got, "nothing of train is left of the contract's records")

    def test_it_leaves_its_input_alone(self) -> None:
        """`change` and `undo` return new dicts and lists where they change something; those given stay as they were."""
        for record in self._records():
            before = copy.deepcopy(record)
            new = self.component.change(record)
            ensure(record == before, difference([before], [record]))
            answer = self._answer(new or record)
            old = copy.deepcopy(answer)
            self.component.undo(answer, record)
            ensure(answer == old, f"undo: {difference([old], [answer])}")
            ensure(record == before, f"undo: {difference([before], [record])}")

    def test_it_gives_the_same_twice(self) -> None:
        """The same records give the same result again."""
        first, second = self.use(), self.use()
        for part, made in first.items():
            ensure(not (problem := difference(made, second[part])), f"{part}: {problem}")

    def test_a_record_does_not_depend_on_the_others(self) -> None:
        """A record is turned the same in batches of any size and in any order, so that nothing is learnt from others.

        Train is left out where a step overrides `apply`: it may look at the whole table there."""
        for split in HELD_OUT if self._whole_table() else ("train", *HELD_OUT):
            whole = self._apply(self._records(), split)
            for size, most in ((1, 16), (7, None), (64, None)):
                given = self._records()[:most]
                parts = [self._apply(given[at : at + size], split) for at in range(0, len(given), size)]
                alike = whole if most is None else self._apply(given, split)
                problem = difference(alike, [record for part in parts for record in part])
                ensure(not problem, f"{split}, {size} at a time: {problem}")
            given = self._records()
            random.Random(1).shuffle(given)
            mixed = {record["id"]: record for record in self._apply(given, split)}
            problem = difference(whole, [mixed.get(record["id"]) for record in whole])
            ensure(not problem, f"{split}, in another order: {problem}")

    def test_held_out_splits_are_turned_alike(self) -> None:
        """Validation, test and `predict` turn the same record into the same."""
        first = self._apply(self._records(), "validation")
        for split in HELD_OUT[1:]:
            ensure(not (problem := difference(first, self._apply(self._records(), split))), f"{split}: {problem}")

    def test_it_does_not_look_at_the_answer(self) -> None:
        """At `predict`, where the answer's columns are empty, all others become what they become with an answer.

        Of `segments` that is what is only read: a trained one holds an answer."""
        blank = [self._blank(record) for record in self._records()]
        with_, without = self._apply(self._records(), "predict"), self._apply(blank, "predict")
        hidden = [[_read(r, self.answers) for r in rows] for rows in (with_, without)]
        ensure(not (problem := difference(*hidden)), f"with an empty answer {problem}")

    def test_undo_turns_back_what_change_did(self) -> None:
        """`undo`, given the changed record's answer, gives the answer as the source gave it.

        Nor does it look at the right answer: it gives the same where the record's own answer is empty."""
        if type(self.component).undo is Preprocessor.undo:
            raise unittest.SkipTest("it does not override undo")
        for record, new in zip(self._records(), self._apply(self._records(), "validation"), strict=True):
            undone = self.component.undo(self._answer(new), record)
            for name, value in self._answer(record).items():
                shown = f"{record['id']}, {name}: {value!r} became {new.get(name)!r} and then {undone.get(name)!r}"
                ensure(self.same(undone.get(name), value), shown)
            blind = self.component.undo(self._answer(new), self._blank(record))
            ensure(blind == undone, f"{record['id']}: without the right answer it gives {blind!r}, not {undone!r}")

    def test_undo_takes_any_answer(self) -> None:
        """`undo` takes whatever text a model may answer, the empty text too, and keeps the answer's columns."""
        for number, text in enumerate(AWKWARD):
            record = self._blank(self._records()[number % len(self.records)])
            answer = {name: text for name, value in self._answer(record).items() if isinstance(value, str)}
            undone = self.component.undo({**answer, "score": -1.5}, record)
            kept = isinstance(undone, dict) and undone.keys() == {*answer, "score"}
            ensure(kept, f"the answer {answer!r} with a score became {undone!r}")


def _read(record: Record, answers: Sequence[str]) -> Record:
    """Return a record without what it answers: the answers' columns, and the trained parts of `segments`."""
    kept = {name: value for name, value in record.items() if name not in answers}
    if "segments" in kept:
        kept["segments"] = [one for one in kept["segments"] if not one["train"]]
    return kept
