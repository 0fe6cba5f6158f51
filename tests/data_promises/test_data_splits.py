"""Splits stay apart: what stands in two of them is found, rows keep their split, derived records know where they are
from, and nothing that is kept was learnt from test (D5)."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lamcore import LamcoreError, Source
from lamcore.data import Data
from lamcore.kinds import Recipe
from lamcore.prepare import prepare
from lamcore.testing.toy import Idle, Intents
from lamcore_clean.overlap import seen_in
from lamcore_files import Csv, Jsonl, ParallelText, Parquet, Tsv
from lamcore_noise import Typos

SEED = 47
RNG = random.Random(SEED)
LENGTHS = [2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9]
WORDS = ["".join(RNG.choices("etaoinshrdlucmfwyp", k=RNG.choice(LENGTHS))) for _ in range(8000)]
WEIGHTS = [1 / (rank + 3) for rank in range(len(WORDS))]


@dataclass
class Given(Source):
    """Splits as they are given."""

    splits: dict[str, list[str]] = field(default_factory=dict)
    """Split -> inputs."""

    def load(self):
        return {split: [{"input": t, "target": t} for t in texts] for split, texts in self.splits.items()}


@dataclass
class Cut(Given):
    """The same, as if we had cut them."""

    makes_splits = True


def sentence(rng, least=8):
    return rng.choices(WORDS, WEIGHTS, k=rng.randint(least, 24))


def rewritten(text, rng):
    """Return another text that counts as the same: case, Unicode form, blanks."""
    ways = [
        str.upper,
        str.title,
        lambda t: t.replace(" ", "  ") + " ",
        lambda t: t.replace(" ", "\u00a0"),
        lambda t: "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in t),  # full width
    ]
    return rng.choice(ways)(text)


def changed(words, rng):
    """Return a sentence with one or two of its words replaced, taken out or put in."""
    words = list(words)
    for _ in range(rng.randint(1, 2)):
        at, way = rng.randrange(len(words)), rng.choice(["replace", "insert", "delete"])
        words[at : at + (way != "insert")] = [] if way == "delete" else rng.choices(WORDS, WEIGHTS)
    return words


def planted(rows, rng):
    """Return train, and a test split whose first 50 rows stand in train, 25 of them written otherwise."""
    train = [" ".join(sentence(rng)) for _ in range(rows)]
    new = [" ".join(sentence(rng)) for _ in range(rows // 20)]
    same = rng.sample(train, 50)
    return train, [*same[:25], *(rewritten(text, rng) for text in same[25:]), *new]


@pytest.mark.parametrize("rows", [2_000, pytest.param(19_000, marks=pytest.mark.full)])
def test_planted_duplicates_are_found_and_nothing_else(tmp_path, rows):
    train, test = planted(rows, random.Random(SEED))
    splits = {"train": train, "validation": test[50:90], "test": test[:50] + test[90:]}
    found = prepare(Recipe(Given(splits), Intents(), Idle()), tmp_path).overlap["test"]
    false = len([row for row in found if row >= 50])
    held = len(splits["test"])
    print(f"\nD5: {len(found) - false} of 50 exact and rewritten duplicates found among {rows} train rows, "
          f"{false} false of {held - 50}, seed {SEED}")  # fmt: skip
    assert found == list(range(50))
    with pytest.raises(LamcoreError, match="^50 inputs of test stand in train too, such as "):
        prepare(Recipe(Cut(splits), Intents(), Idle()), tmp_path)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rows", [2_000, pytest.param(19_000, marks=pytest.mark.full)])
def test_planted_near_duplicates_are_found(rows):
    rng = random.Random(SEED)
    train = [sentence(rng) for _ in range(rows)]
    near, other = rows // 40, rows // 40
    held = [changed(words, rng) for words in rng.sample(train, near)] + [sentence(rng) for _ in range(other)]
    records = ({"input": " ".join(words)} for words in train)
    seen = seen_in(records, {"test": [" ".join(words) for words in held]}, 0.5)["test"]
    found, false = len([row for row in seen if row < near]), len([row for row in seen if row >= near])
    print(f"\nD5: {found} of {near} near duplicates found among {rows} train rows, "
          f"{false} false of {other}, seed {SEED}")  # fmt: skip
    assert found >= 0.95 * near and false <= 0.01 * other


# Where a row stands ----------------------------------------------------------------------------------------------


def lines(values):
    return "".join(f"{value}\n" for value in values).encode()


def sources(folder, inputs):
    """Return one source a format of the same rows."""
    import pyarrow
    from pyarrow import parquet

    folder.mkdir()
    (folder / "a.txt").write_bytes(lines(inputs))
    (folder / "a.csv").write_bytes(lines(["input", *inputs]))
    (folder / "a.tsv").write_bytes(lines(["input", *inputs]))
    (folder / "a.jsonl").write_bytes(lines(json.dumps({"input": one}) for one in inputs))
    parquet.write_table(pyarrow.table({"input": inputs}), folder / "a.parquet")
    made = {kind.__name__: kind(train=str(folder / name)) for kind, name in
            ((Csv, "a.csv"), (Tsv, "a.tsv"), (Jsonl, "a.jsonl"), (Parquet, "a.parquet"))}  # fmt: skip
    return {**made, "ParallelText": ParallelText(train=[str(folder / "a.txt")], columns=["input"])}


def test_adding_rows_in_any_place_moves_no_other_row(tmp_path):
    rng = random.Random(SEED)
    few = [f"row {n} {rng.random()}" for n in range(1_000)]
    many = [*few, *(f"new {n} {rng.random()}" for n in range(2_000))]
    rng.shuffle(many)
    before, after = sources(tmp_path / "few", few), sources(tmp_path / "many", many)
    moved, kinds = 0, 0
    for kind in before:
        place = {row["input"]: split for split, rows in after[kind].load().items() for row in rows}
        stood = {row["input"]: split for split, rows in before[kind].load().items() for row in rows}
        assert set(stood.values()) == {"train", "validation", "test"} and len(stood) == 1_000
        moved, kinds = moved + sum(place[one] != split for one, split in stood.items()), kinds + 1
    print(f"\nD5: {moved} of {kinds * 1_000} rows in {kinds} formats changed their split when 2000 were put among them")
    assert moved == 0


# Lineage ---------------------------------------------------------------------------------------------------------


class Reads:
    """A model that keeps what it is asked to encode."""

    def __init__(self):
        self.records = []

    def encode(self, records):
        self.records += records
        return [{"size": 1} for _ in records]

    def collate(self, examples):
        return {}


def test_every_derived_record_names_its_parent_the_augmenter_and_the_seed_and_stays_in_its_split(tmp_path):
    rng = random.Random(SEED)
    splits = {split: [" ".join(sentence(rng)) for _ in range(200)] for split in ("train", "validation", "test")}
    recipe = Recipe(Given(splits), Intents(), Idle(), augmenters={"typos": Typos(), "more": Typos(rate=0.5)})
    data, model = Data(recipe, prepare(recipe, tmp_path), tmp_path), Reads()
    data.bind(model, {}, {})
    for split in splits:
        list(data.batches(split, 20))
    held, model.records = model.records, []
    batches = data.train_batches(20)
    while next(batches)[0] < 2:  # two epochs
        pass
    derived = [record for record in model.records if record.get("augmenter")]
    named = [r for r in derived if r["parent"].startswith("train-") and r["augmenter"] in ("typos", "more")
             and r["seed"].startswith("1/") and r["seed"].endswith(f"/{r['augmenter']}")]  # fmt: skip
    print(f"\nD5: {len(named)} of {len(derived)} derived records name parent, augmenter and seed; "
          f"{sum('parent' in r for r in held)} of {len(held)} held-out or plain ones do")  # fmt: skip
    assert len(derived) > 200 and named == derived
    assert not any("parent" in record for record in held)
    assert {r["id"].partition("-")[0] for r in model.records} == {"train"}
    assert Counter(r["augmenter"] for r in derived).keys() == {"typos", "more"}


# Canary ----------------------------------------------------------------------------------------------------------

CANARIES = ["zyxcanary", "Ω∰Ж", "kanarienvogelstrauß"]
"""Words that only test and validation hold."""
LETTERS = "Ω∰Ж"
OWN = ("predictions-test.jsonl", "predictions-validation.jsonl")
"""What speaks of single held-out records."""
LABELLED = """
from dataclasses import dataclass

import lamcore_toy
from lamcore import hookimpl


@dataclass
class Tagged(lamcore_toy.Echo):
    '''Echo that also reads a label.'''

    reads = ("input", "target", "tag")
    labels = ("tag",)


@hookimpl
def register_architectures(register):
    register("tagged", Tagged)
"""


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [
        ("transformer", "character"),
        pytest.param("transformer", "bpe", marks=pytest.mark.full),
        pytest.param("transformer", "byte_bpe", marks=pytest.mark.full),
        pytest.param("tagged", "character", marks=pytest.mark.full),
    ],
)
def test_a_word_that_only_held_out_splits_hold_is_in_nothing_that_is_kept(
    lam, toy, make_plugin, toy_run, architecture, kind
):
    make_plugin("tagged", LABELLED)
    rng = random.Random(SEED)
    for split, rows in {"train": 60, "validation": 20, "test": 20}.items():
        words = [] if split == "train" else CANARIES
        texts = [" ".join([*rng.choices(WORDS[:40], k=4), *words]) for _ in range(rows)]
        tags = [f"tag{n % 3}" if split == "train" else CANARIES[n % 2] for n in range(rows)]
        table = lines(json.dumps({"id": f"{split}{n}", "input": t, "target": t, "tag": g})
                      for n, (t, g) in enumerate(zip(texts, tags, strict=True)))  # fmt: skip
        Path(f"{split}.jsonl").write_bytes(table)
    dropped = ("source=", "architecture", "tokenizer.kind", "metrics")
    words = [word for word in toy_run if not word.startswith(dropped)]
    files = [f"source.{split}={split}.jsonl" for split in ("train", "validation", "test")]
    small = ["layers=1", "width=32", "heads=2", "feed_forward=64"] if architecture == "transformer" else []
    words += ["source=jsonl", *files, f"architecture={architecture}", *(f"architecture.{one}" for one in small)]
    words += [f"tokenizer.kind={kind}", "metrics=[same]", "cache=cache", "hydra.run.dir=run"]
    words += [] if kind == "character" else [f"tokenizer.size={150 if kind == 'bpe' else 300}"]
    ended = lam("train", *words)
    assert ended.code == 0, ended.err
    kept = [path for path in Path("run").rglob("*") if path.is_file() and path.name not in OWN]
    learnt = [path for path in Path("cache").glob("vocabulary-*/*") if path.is_file()]
    forms = {form for word in CANARIES for form in (word.encode(), json.dumps(word)[1:-1].encode())}
    hits = [str(path) for path in (*kept, *learnt) if any(form in path.read_bytes() for form in forms)]
    vocabularies = [path for path in (*kept, *learnt) if path.suffix == ".json" and kind != "byte_bpe"]
    hits += [str(path) for path in vocabularies if {*LETTERS} & {*path.read_text(encoding="utf-8")}]
    held = [path for path in Path("cache").rglob("test/*.arrow") if CANARIES[0].encode() in path.read_bytes()]
    print(f"\nD5: {len(CANARIES)} canaries in {len(hits)} of {len(kept) + len(learnt)} files kept ({architecture}, "
          f"{kind}); they stand in {len(held)} tables of test")  # fmt: skip
    assert hits == [] and held and len(learnt) >= 1
    assert {path.name for path in kept} >= {"labels.json", "config.json", "model.safetensors", "log.jsonl"}
    assert any(path.name.startswith("tokenizer") for path in kept)
    if architecture == "tagged":
        assert json.loads(Path("run/model/labels.json").read_text()) == {"tag": ["tag0", "tag1", "tag2"]}
