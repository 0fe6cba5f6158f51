"""A stranger's model folder is data: it loads, or it is refused in one line; nothing that it brings runs (B1 to B6)."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import folders
import pytest
from folders import CPU, copy, known, put
from jail import jailed

from lamcore import LamcoreError
from lamcore.model import load_model

MB = 1 << 20
SEED = 20


def load(folder: Path, inside: bool = False):
    """Return what loads a folder as `lam predict` does (in it, where `inside`) and has it answer where it loads."""

    def do():
        os.chdir(folder if inside else folder.parent)
        load_model(folder, known(), CPU).predict(["Turn on the light", "a\tb \0日本", ""])

    return do


def batched(things, size: int):
    every = list(things)
    return [every[place : place + size] for place in range(0, len(every), size)]


def listing(folder: Path) -> dict[str, str]:
    """Return {name: kind, size and, of plain files, hash} of a folder's first thousand entries."""
    found = {}
    for path in sorted(folder.rglob("*"), key=os.fsencode)[:1000]:
        facts = path.lstat()
        small = path.is_file() and not path.is_symlink() and facts.st_size < MB
        sum_ = hashlib.sha256(path.read_bytes()).hexdigest() if small else ""
        found[os.fsdecode(path)] = f"{facts.st_mode} {facts.st_size} {sum_}"
    return found


def clear(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def tried(good, tmp_path_factory):
    """Give {name: how the load ended} of every hostile folder, the canary, and the folders that were changed."""
    base = tmp_path_factory.mktemp("hostile")
    canary, ended, touched = base / "canary", {}, []
    cases = folders.weights(canary) | folders.configs() | folders.manifests() | folders.special()
    cases["code beside a good model"] = lambda folder: folders.with_code(folder, canary)
    for batch in batched(cases.items(), 20):
        made = {name: copy(good, base / str(number)) for number, (name, _) in enumerate(batch)}
        for name, harm in batch:
            harm(made[name])
        was = {name: listing(folder) for name, folder in made.items()}
        ended |= zip(made, jailed(*(load(folder, inside=True) for folder in made.values())), strict=True)
        for name, folder in made.items():
            touched += [name] * (listing(folder) != was[name])
            clear(folder)
    return ended, canary, touched


def test_no_hostile_folder_runs_anything_crashes_hangs_or_writes(tried):
    ended, canary, touched = tried
    loaded = [name for name, end in ended.items() if end.code == 0]
    refused = [name for name, end in ended.items() if end.one_line]
    worst = max(ended, key=lambda name: ended[name].seconds)
    print(
        f"\nB1: {len(ended)} hostile folders: {len(refused)} refused in one line, {len(loaded)} loaded as plain data, "
        f"0 ran code; the slowest took {ended[worst].seconds:.2f} s ({worst})"
    )
    assert {name: end for name, end in ended.items() if name not in {*loaded, *refused}} == {}
    assert not canary.exists() and not touched
    assert len(ended) >= 120


def test_what_loads_of_hostile_folders_is_known(tried):
    ended, _, _ = tried
    assert sorted(name for name, end in ended.items() if end.code == 0) == LOADS


LOADS = ["code beside a good model", "config: positions = 'rotary'"]  # which has no weights


def test_a_load_imports_compiles_runs_connects_and_writes_nothing(tried, good):
    ended, _, _ = tried
    events = {name: end.events for name, end in ended.items() if end.events}
    print(f"\nB2: {len(ended)} loads under the audit hook: {sum(map(len, events.values()))} events")
    assert events == {}
    assert jailed(load(good))[0].events == []


def test_the_hook_sees_what_it_should(tmp_path):
    """Test the test."""
    import pickle

    bomb = pickle.dumps(folders.Payload(tmp_path / "x"))
    tricks = {
        "pickle.find_class": lambda: pickle.loads(bomb),
        "exec": lambda: exec("1"),
        "compile": lambda: compile("1", "x", "eval"),
        "import": lambda: __import__("antigravity_of_nowhere"),
        "subprocess.Popen": lambda: subprocess.run(["true"]),
        "os.system": lambda: os.system("true"),
        "socket.connect": lambda: __import__("socket").socket().connect(("127.0.0.1", 1)),
        "open": lambda: (tmp_path / "y").open("w"),
    }
    for event, trick in tricks.items():
        assert any(seen.startswith(event) for seen in jailed(trick)[0].events), event


def test_special_files_are_refused_at_once(tried):
    ended, _, _ = tried
    special = {name: end for name, end in ended.items() if name.startswith("special:")}
    slowest = max(end.seconds for end in special.values())
    late = [name for name, end in special.items() if end.seconds > 10]
    print(f"\nB6: {len(special)} special files: {len(special) - len(late)} at once, the slowest in {slowest:.2f} s")
    assert not late and all(end.one_line for name, end in special.items() if "control" not in name)


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.full)])
def test_a_folder_of_many_files_is_read_as_fast_as_one_of_six(good, tmp_path, count):
    folder = copy(good, tmp_path / "x")
    for number in range(count):
        os.mknod(folder / str(number))
    loaded = jailed(load(folder))[0]
    (folder / "config.json").unlink()
    refused = jailed(load(folder))[0]
    print(f"\nB6: a folder of {count} files: loaded in {loaded.seconds:.2f} s, refused in {refused.seconds:.2f} s")
    assert loaded.code == 0 and refused.one_line and max(loaded.seconds, refused.seconds) < 10


BOMBS = {
    "layers": ("architecture", "layers", 10**9),
    "decoder layers": ("architecture", "decoder_layers", 10**9),
    "width": ("architecture", "width", 10**6),
    "a wider width": ("architecture", "width", 10**9),
    "feed-forward": ("architecture", "feed_forward", 10**9),
    "endless feed-forward": ("architecture", "feed_forward", 10**13),
}


def bombs():
    """Return small files that ask for much memory."""
    made = {name: folders.edit("config.json", *keys, value=value) for name, (*keys, value) in BOMBS.items()}
    places = {"name": "transformer", "positions": "learned", "max_length": 10**9}
    made["a table of places"] = folders.edit("config.json", "architecture", value=places)
    steps = {f"s{number}": {"name": "normalise"} for number in range(100_000)}
    made["100,000 preprocessors"] = folders.edit("config.json", "preprocessors", value=steps)
    lists, pairs = b"[" + b"[]," * 5_000_000 + b"[]]", ",".join(f'"{n}":"{n}"' for n in range(900_000))
    full = ",".join(f'"{n}":{n}' for n in range(480_000))
    made["five million lists as config"] = put("config.json", lists)
    made["five million lists as labels"] = put("labels.json", lists)
    made["five million lists as tokenizer"] = put("tokenizer.json", lists)
    made["900,000 pairs as labels"] = put("labels.json", f"{{{pairs}}}")
    made["as many pairs as are read"] = put("labels.json", f"{{{full}}}")
    made["as many lists as are read"] = put("config.json", b"[" + b"[]," * 249_000 + b"[]]")
    made["as many names as are read"] = put(
        "model.safetensors", folders.header(lambda _: {f"{n}": {"dtype": "F32", "shape": [0]} for n in range(9_000)})
    )
    made["layers and as many names"] = lambda folder: (
        made["as many names as are read"](folder),
        made["layers"](folder),
    )
    made["manifest of 50,000 names"] = folders.manifests()["manifest: 50,000 names"]
    return made


def test_a_refused_folder_takes_no_memory(good, tmp_path):
    worst = 0
    cases = bombs()
    for name, harm in cases.items():
        folder = copy(good, tmp_path / "x")
        harm(folder)
        size = sum(path.stat().st_size for path in folder.iterdir())
        (end,) = jailed(load(folder), room=1 << 40)
        assert end.one_line and not end.events, (name, end)
        assert end.grown <= size + 200 * MB, f"{name}: grew by {end.grown / MB:.0f} MB, its files have {size / MB:.0f}"
        worst = max(worst, end.grown - size)
        clear(folder)
    print(
        f"\nB3: {len(cases)} of {len(cases)} refused within 200 MB; the most beside its files was {worst / MB:.0f} MB"
    )
    assert len(cases) >= 15


def test_a_hostile_tokenizer_ends_no_process(good, tmp_path):
    cases, loaded = folders.tokenizers(), []
    for batch in batched(cases.items(), 10):
        made = {name: copy(good, tmp_path / str(number)) for number, (name, _) in enumerate(batch)}
        for name, change in batch:

            def changed(content: bytes, change=change) -> bytes:
                found = json.loads(content)
                change(found)
                return json.dumps(found).encode()

            put("tokenizer.json", changed)(made[name])
        for name, end in zip(made, jailed(*map(load, made.values())), strict=True):
            assert end.code == 0 or end.one_line, (name, end)
            assert not end.events, (name, end.events)
            loaded += [name] * (end.code == 0)
            clear(made[name])
    print(f"\nB4: {len(cases)} hostile tokenizers: 0 aborts, 0 panics, {len(loaded)} harmless: {', '.join(loaded)}")
    assert len(cases) >= 40


@pytest.mark.parametrize("count", [500, pytest.param(5000, marks=pytest.mark.full)])
def test_every_flip_and_truncation_of_any_file_is_refused(good, tmp_path, count):
    chance, folder = random.Random(SEED), copy(good, tmp_path / "x")
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 6
    kept = []
    for number in range(count):
        path = folder / names[number % len(names)]
        whole = path.read_bytes()
        place = chance.randrange(len(whole))
        cut = number // len(names) % 3 == 2
        flipped = whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :]
        path.write_bytes(whole[:place] if cut else flipped)
        try:
            load_model(folder, known(), CPU)
            kept.append((path.name, place, cut))
        except LamcoreError as error:
            assert error.exit_code in (2, 5) and "\n" not in str(error)
        path.write_bytes(whole)
    print(f"\nB5: {count - len(kept)} of {count} flips and truncations refused (seed {SEED})")
    assert kept == []
    load_model(folder, known(), CPU)


# ------------------------------------------------------------------------------------------ as the working directory

LAM = Path(sys.executable).with_name("lam")
LOADED = """
import sys
sys.path = [place for place in sys.path if place]
import lamcore
print(lamcore.load(".").predict(["Turn on"])[0].keys())
print(sorted({name.partition(".")[0] for name in sys.modules} & {"hydra", "hydra_plugins", "omegaconf", "antlr4"}))
"""


@pytest.fixture
def here(good, tmp_path, monkeypatch):
    """Give a hostile folder that is the working directory, and its canary."""
    folder, canary = copy(good, tmp_path / "here"), tmp_path / "canary"
    folders.with_code(folder, canary)
    monkeypatch.chdir(folder)
    return folder, canary


def called(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.skipif(not LAM.exists(), reason="lam is not installed beside this Python")
@pytest.mark.parametrize("harmed", [False, True], ids=["good weights", "a pickle for weights"])
def test_predict_in_a_hostile_working_directory_runs_nothing_of_it(here, harmed):
    folder, canary = here
    if harmed:
        folders.weights(canary)["weights: a pickle"](folder)
    was = listing(folder)
    done = called(str(LAM), "predict", ".", "Turn on", "--json")
    assert done.returncode == (5 if harmed else 0), done.stderr
    assert done.stderr.count("\n") == harmed and not canary.exists() and listing(folder) == was
    assert harmed or set(json.loads(done.stdout)) == {"target", "score"}


@pytest.mark.full
def test_load_and_predict_never_import_hydra(here):
    _, canary = here
    done = called(sys.executable, "-P", "-c", LOADED)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "dict_keys(['target', 'score'])\n[]\n" and not canary.exists()
