"""Batches: a pure function of (seed, epoch, step)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice, pairwise

import numpy as np
import pytest
import torch

from lamcore import Architecture, Augmenter, LamcoreError, Source, Trainer
from lamcore import data as module
from lamcore.data import Data, cut, permuted, vocabulary
from lamcore.kinds import Recipe, Subwords, TokenizerPlan
from lamcore.prepare import prepare

LENGTHS = [1, 9, 3, 3, 20, 7, 2, 5, 5, 5, 14, 1, 8, 2, 4, 6, 11, 3, 2, 30, 1, 2, 9]


@dataclass
class Words(Source):
    """Records of known lengths."""

    lengths: list[int] = field(default_factory=lambda: list(LENGTHS))
    """Letters of each input."""

    def load(self):
        def rows(first, lengths):
            return [{"id": f"r{first + n}", "input": "ab"[n % 2] * k, "target": "c" * (k + 2)} for n, k in lengths]

        return {"train": rows(0, enumerate(self.lengths)), "validation": rows(1000, enumerate([40, 3, 17]))}

    def fingerprint(self):
        return "1"


class Letters:
    """Turn letters into numbers."""

    encoded = 0

    def encode(self, records):
        self.encoded += len(records)
        return [
            {
                "source": np.frombuffer(r["input"].encode(), np.uint8).astype(np.int32),
                "target": np.frombuffer(r["target"].encode(), np.uint8).astype(np.int32),
                "weight": 0.5,
                "size": (len(r["input"]), len(r["target"])),
            }
            for r in records
        ]

    def collate(self, examples):
        def pad(name):
            longest = max(len(e[name]) for e in examples)
            return torch.tensor([[*e[name].tolist(), *[0] * (longest - len(e[name]))] for e in examples])

        weight = torch.tensor([float(e["weight"]) for e in examples])
        return {"source": pad("source"), "target": pad("target"), "weight": weight}


@dataclass
class Nothing(Architecture):
    """Reads two texts."""

    def build(self, tokenizer, labels):
        return Letters()


@dataclass
class Idle(Trainer):
    """No training."""

    def fit(self, run, model, data):
        pass


@dataclass
class Stutter(Augmenter):
    """Say the input some more times."""

    most: int = 3
    """Most times."""

    def apply(self, records, rng):
        return [{**r, "input": r["input"] * rng.randint(1, self.most)} for r in records]


@dataclass
class Stages(Words):
    """Records of which each says in which epochs it takes part, from its number on: [first, last]."""

    spans: list[list[object]] = field(default_factory=lambda: [[0, 2**31 - 1]])
    """[first epoch, last epoch] of record 0, 1, 2 ... and again."""

    def load(self):
        splits = super().load()
        for number, record in enumerate(splits["train"]):
            first, last = self.spans[number % len(self.spans)]
            record |= {"first_epoch": first, "last_epoch": last}
        return splits


def make_data(tmp_path, lengths=None, seed=1, model=None, source=None, **augmenters):
    recipe = Recipe(source or Words(lengths or LENGTHS), Nothing(), Idle(), augmenters=augmenters, seed=seed)
    data = Data(recipe, prepare(recipe, tmp_path), tmp_path)
    data.bind(model or Letters(), {}, {})
    return data


def taken(data, number, tokens=40, **options):
    """Return (epoch, row numbers, source) of the first batches."""
    batches = islice(data.train_batches(tokens, **options), number)
    return [(epoch, batch["rows"].tolist(), batch["source"].tolist()) for epoch, batch in batches]


def an_epoch(data, tokens=40, epoch=0):
    found = []
    for number, batch in data.train_batches(tokens):
        if number > epoch:
            return found
        if number == epoch:
            found.append(batch)


# Order -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 17, 1000, 4097])
def test_the_order_of_an_epoch_is_a_permutation(size):
    order = permuted(np.arange(size), size, "1/0")
    assert sorted(order.tolist()) == list(range(size))


def test_a_place_in_the_order_is_computed_alone():
    whole = permuted(np.arange(1000), 1000, "key")
    assert permuted(np.array([7, 999, 0]), 1000, "key").tolist() == [whole[7], whole[999], whole[0]]


def test_another_key_gives_another_order_that_looks_like_chance():
    one, other = (permuted(np.arange(1000), 1000, key) for key in ("1/0", "1/1"))
    assert (one == other).sum() < 20
    assert abs(np.corrcoef(np.arange(1000), one)[0, 1]) < 0.15
    assert (np.diff(one) == 1).sum() < 20


def test_the_order_of_a_key_stays_what_it_was():
    """A resumed run of an earlier version depends on it."""
    assert permuted(np.arange(10), 10, "1/0").tolist() == [4, 0, 3, 5, 9, 7, 1, 2, 6, 8]
    assert permuted(np.arange(3), 10**9, "1/0").tolist() == [4670173, 47856182, 508869010]


# Cutting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [1, 16, 40, 100, 10_000])
def test_no_batch_exceeds_its_tokens_unless_it_is_a_single_record(tokens):
    sizes = np.array([(k, 33 - k) for k in LENGTHS], dtype=np.int32)
    batches = cut(np.arange(len(sizes)), sizes, tokens)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(sizes)))
    for rows in batches:
        assert len(rows) == 1 or len(rows) * sizes[rows].max() <= tokens
    if tokens == 10_000:
        assert len(batches) == 1


def test_batches_are_full_where_lengths_are_alike():
    sizes = np.full((100, 1), 8, dtype=np.int32)
    assert [len(rows) for rows in cut(np.arange(100), sizes, 80)] == [10] * 10


def test_records_of_alike_length_stand_together():
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 60, (2000, 2)).astype(np.int32)
    batches = cut(np.arange(2000), sizes, 600)
    padded = sum(len(rows) * int(sizes[rows, 1].max()) for rows in batches)
    assert sizes[:, 1].sum() / padded > 0.9


# Batches ---------------------------------------------------------------------------------------------------------


def test_every_record_comes_once_an_epoch(tmp_path):
    data = make_data(tmp_path)
    for epoch in (0, 1, 2):
        rows = [row for batch in an_epoch(data, epoch=epoch) for row in batch["rows"].tolist()]
        assert sorted(rows) == list(range(len(LENGTHS)))


def test_a_batch_holds_what_its_rows_say(tmp_path):
    data = make_data(tmp_path)
    for batch in an_epoch(data):
        for row, source, weight in zip(batch["rows"].tolist(), batch["source"], batch["weight"], strict=True):
            text = bytes(number for number in source.tolist() if number).decode()
            assert text == "ab"[row % 2] * LENGTHS[row] and weight == 0.5
        assert data.names(batch) == [f"r{row}" for row in batch["rows"].tolist()]
        assert batch["rows"].dtype == torch.int64


def test_no_batch_of_an_epoch_exceeds_its_tokens(tmp_path):
    for batch in an_epoch(make_data(tmp_path), tokens=64):
        assert len(batch["rows"]) == 1 or max(batch["source"].numel(), batch["target"].numel()) <= 64


def test_starting_at_a_step_equals_skipping_to_it(tmp_path):
    data = make_data(tmp_path, noise=Stutter())
    whole = taken(data, 40)
    for start in (0, 1, 7, 25):
        assert taken(data, 40 - start, start=start) == whole[start:]
    assert {epoch for epoch, _, _ in whole} >= {0, 1, 2}


def test_another_process_on_the_same_cache_gives_the_same_batches(tmp_path):
    assert taken(make_data(tmp_path, noise=Stutter()), 20) == taken(make_data(tmp_path, noise=Stutter()), 20)


def test_a_world_of_processes_shares_out_the_batches(tmp_path):
    data = make_data(tmp_path)
    whole = taken(data, 24)
    for world in (2, 3):
        shares = [taken(data, 24 // world, rank=rank, world=world) for rank in range(world)]
        assert [share[n] for n in range(24 // world) for share in shares] == whole
        assert taken(data, 2, start=3, rank=1, world=world) == whole[3 * world + 1 :: world][:2]


def test_epochs_and_seeds_differ(tmp_path):
    data = make_data(tmp_path)
    orders = [[batch["rows"].tolist() for batch in an_epoch(data, epoch=epoch)] for epoch in (0, 1)]
    orders.append([batch["rows"].tolist() for batch in an_epoch(make_data(tmp_path, seed=2))])
    assert all(a != b for a, b in pairwise(orders)) and orders[0] != orders[2]


def test_an_epoch_of_several_windows_holds_every_record_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WINDOW", 5)
    data = make_data(tmp_path)
    rows = [row for batch in an_epoch(data) for row in batch["rows"].tolist()]
    assert sorted(rows) == list(range(len(LENGTHS)))
    first = {row for batch in an_epoch(data, tokens=1)[:5] for row in batch["rows"].tolist()}
    assert first == set(permuted(np.arange(5), len(LENGTHS), "1/0").tolist())


def test_a_record_takes_part_from_its_first_epoch_to_its_last(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WINDOW", 5)
    data = make_data(tmp_path, source=Stages(spans=[[0, 0], [0, 2**31 - 1], [1, 2]]))
    for epoch, thirds in enumerate([{0, 1}, {1, 2}, {1, 2}, {1}]):
        rows = [row for batch in an_epoch(data, epoch=epoch) for row in batch["rows"].tolist()]
        assert sorted(rows) == [row for row in range(len(LENGTHS)) if row % 3 in thirds]


def test_starting_at_a_step_equals_skipping_to_it_across_the_border_of_a_stage(tmp_path):
    data = make_data(tmp_path, source=Stages(spans=[[0, 0], [1, 1], [2, 9]]), noise=Stutter())
    whole = taken(data, 20)
    epochs = [epoch for epoch, _, _ in whole]
    assert epochs == sorted(epochs) and {0, 1, 2, 3} <= {*epochs}
    for start in range(20):
        assert taken(data, 20 - start, start=start) == whole[start:]


def test_records_that_take_part_in_every_epoch_make_the_batches_of_records_that_name_none(tmp_path):
    named = make_data(tmp_path / "a", source=Stages(spans=[[0, 2**31 - 1], [None, None]]))
    assert taken(named, 40) == taken(make_data(tmp_path / "b"), 40)


def test_an_epoch_without_records_and_an_epoch_that_is_no_number_are_told(tmp_path):
    data = make_data(tmp_path / "a", source=Stages(spans=[[1, 3]]))
    with pytest.raises(LamcoreError, match="Epoch 0 has no train record: see their columns first_epoch and last"):
        taken(data, 1)
    data = make_data(tmp_path / "b", source=Stages(spans=[["soon", 3]]))
    with pytest.raises(LamcoreError, match=r"Column 'first_epoch' of train must hold whole numbers: .*'soon'"):
        taken(data, 1)


def test_augmenters_vary_train_batches_by_step_and_leave_validation_alone(tmp_path):
    data = make_data(tmp_path, noise=Stutter())
    plain = make_data(tmp_path)
    longer = 0
    for noisy, batch in zip(an_epoch(data), an_epoch(plain), strict=True):
        assert noisy["rows"].tolist() == batch["rows"].tolist()
        longer += noisy["source"].shape != batch["source"].shape
    assert longer > 0
    for (rows, noisy), (same, batch) in zip(
        data.batches("validation", 40), plain.batches("validation", 40), strict=True
    ):
        assert rows.tolist() == same.tolist() and torch.equal(noisy["source"], batch["source"])


class Cut(Letters):
    """Reads the ids that a tokenizer gives."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def encode(self, records):
        read = {name: self.tokenizer.encode([r[name] for r in records]) for name in ("input", "target")}
        pairs = zip(read["input"], read["target"], strict=True)
        return [{"source": np.array(s), "target": np.array(t), "weight": 1, "size": (len(s), len(t))} for s, t in pairs]


def test_dropout_of_merges_varies_the_pieces_of_train_batches_alone_and_follows_from_the_step(tmp_path):
    plan = TokenizerPlan(size=12, dropout=0.5)
    recipe = Recipe(Words(), Nothing(), Idle(), tokenizer=plan, seed=1)
    data = Data(recipe, prepare(recipe, tmp_path), tmp_path)
    tokenizer, _ = vocabulary(recipe, data.ready["train"])
    data.bind(Cut(tokenizer["input"]), tokenizer, {})
    first, second = an_epoch(data), an_epoch(data, epoch=1)
    texts = {name: data.ready["train"][name] for name in ("input", "target")}
    for batch in first + second:
        for column, name in (("input", "source"), ("target", "target")):
            ids = [[i for i in row if i] for row in batch[name].tolist()]
            assert tokenizer[column].decode(ids) == [texts[column][row] for row in batch["rows"].tolist()]
    lengths = [sum(int((batch["source"] > 0).sum()) for batch in part) for part in (first, second)]
    assert lengths[0] != lengths[1] and min(lengths) > data.encoded("train").sizes[:, 0].sum()
    assert taken(data, 3, start=2) == taken(data, 5)[2:]
    for _, batch in data.batches("validation", 40):
        assert batch["source"].shape[1] <= data.encoded("validation").sizes[:, 0].max()


def test_two_augmenters_run_in_order_and_draw_apart(tmp_path):
    @dataclass
    class Note(Augmenter):
        """Note what it was given and drew."""

        seen: list[str] = field(default_factory=list, init=False)

        def apply(self, records, rng):
            self.seen.append((records[0]["input"], rng.random()))
            return [{**r, "input": "z" + r["input"]} for r in records]

    one, two = Note(), Note()
    taken(make_data(tmp_path, one=one, two=two), 1)
    assert two.seen[0][0] == "z" + one.seen[0][0] and one.seen[0][1] != two.seen[0][1]


def test_a_held_out_split_is_gone_through_once(tmp_path):
    data = make_data(tmp_path)
    rows = [row for rows, _ in data.batches("validation", 40) for row in rows.tolist()]
    assert sorted(rows) == [0, 1, 2]


def test_the_largest_batch_is_as_large_as_any(tmp_path):
    data = make_data(tmp_path)
    largest = data.largest_batch(100)
    most = largest["source"].numel() + largest["target"].numel()
    assert most == max(b["source"].numel() + b["target"].numel() for b in an_epoch(data, tokens=100))


# Encoding --------------------------------------------------------------------------------------------------------


def test_records_are_encoded_once_and_read_back_as_they_were(tmp_path):
    model, again = Letters(), Letters()
    first = taken(make_data(tmp_path, model=model), 8)
    assert model.encoded == len(LENGTHS)
    assert taken(make_data(tmp_path, model=again), 8) == first and again.encoded == 0


def test_what_the_tokenizer_or_the_labels_are_changes_what_is_encoded(tmp_path):
    make_data(tmp_path, model=(model := Letters())).largest_batch(40)
    data = make_data(tmp_path, model=model)
    data.bind(model, {}, {"intent": ["a", "b"]})
    data.largest_batch(40)
    assert model.encoded == 2 * len(LENGTHS)


# Vocabulary ------------------------------------------------------------------------------------------------------


@dataclass
class Reads(Nothing):
    """Reads what it is told."""

    reads: list[str] = field(default_factory=lambda: ["input", "target"])
    """Columns."""
    labels: list[str] = field(default_factory=list)
    """Classes."""


@dataclass
class Given(Source):
    """Rows that are given."""

    rows: list[dict[str, str]] = field(default_factory=list)
    """Rows."""

    def load(self):
        return {"train": self.rows, "validation": self.rows[:1]}


def learnt(tmp_path, rows, reads, labels=(), **plan):
    plan = TokenizerPlan(kind=Subwords.character, **plan)
    recipe = Recipe(Given(rows), Reads(list(reads), list(labels)), Idle(), tokenizer=plan)
    return vocabulary(recipe, prepare(recipe, tmp_path).ready["train"])


ROWS = [
    {"input": "ab", "target": "x", "intent": "on", "tags": ["p", "q"], "number": 3},
    {"input": "ba", "target": "y", "intent": "off", "tags": ["p"], "number": 4},
]


def test_the_tokenizer_learns_from_the_text_among_what_is_read(tmp_path):
    tokenizer, labels = learnt(tmp_path, ROWS, ["input", "intent", "tags", "number"], ["intent", "tags"])
    assert list(tokenizer) == ["input"] and tokenizer["input"].size == 4 + 3  # specials, the space, a and b
    assert labels == {"intent": ["off", "on"], "tags": ["p", "q"]}


def test_a_blank_is_no_label(tmp_path):
    rows = [*ROWS, {"input": "aa", "target": "z", "intent": "", "tags": [""], "number": 5}, {**ROWS[0], "intent": None}]
    assert learnt(tmp_path, rows, ["input"], ["intent", "tags"])[1] == {"intent": ["off", "on"], "tags": ["p", "q"]}


def test_without_a_text_column_there_is_no_tokenizer(tmp_path):
    assert learnt(tmp_path, ROWS, ["tags", "number"], ["tags"])[0] == {}


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path):
    words = (
        "The architecture reads the column 'audio', which the data lacks. There are: id, input, target, intent, tags"
    )
    with pytest.raises(LamcoreError, match=words):
        learnt(tmp_path, ROWS, ["input", "audio"])


def test_at_most_so_many_records_are_learnt_from_evenly(tmp_path):
    rows = [{"input": letter, "target": "x"} for letter in "abcdefghij"]
    tokenizer, _ = learnt(tmp_path, rows, ["input"], max_records=2)
    assert tokenizer["input"].encode(["abcdefghij"])[0].count(1) == 8
    assert tokenizer["input"].encode(["af"])[0].count(1) == 0


def test_an_empty_text_in_a_text_column_is_no_obstacle(tmp_path):
    rows = [{"input": "a", "target": None}, {"input": None, "target": "b"}]
    assert learnt(tmp_path, rows, ["input", "target"])[0]["input"].size == 4 + 3


def test_a_derived_record_names_its_parent_the_augmenter_and_the_seed():
    from lamcore.data import derived

    one, two = {"id": "a", "input": "x"}, {"id": "b", "input": "y"}
    again = derived([one, two], [one, {**two, "input": "z"}], "noise", "1/0/0/noise")
    assert again[0] is one
    assert again[1] == {"id": "b", "input": "z", "parent": "b", "augmenter": "noise", "seed": "1/0/0/noise"}
    assert derived([two], [again[1]], "typos", "s")[0]["parent"] == "b"


def test_an_augmenter_can_make_no_record_of_none_that_it_was_given():
    from lamcore.data import derived

    with pytest.raises(LamcoreError, match=r"'noise' made a record with the id 'c' of no given one"):
        derived([{"id": "a"}], [{"id": "c"}], "noise", "s")
