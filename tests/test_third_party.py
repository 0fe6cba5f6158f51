"""The packages in examples/third_party, built as wheels, installed, checked and composed with first-party parts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "third_party"
PACKAGES = ["digits", "numerals", "window"]
pytest.importorskip("sklearn", reason="the digits come with scikit-learn")


def python(*words: str, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Give a folder that the three packages are installed in, from wheels, beside what this environment has."""
    folder = tmp_path_factory.mktemp("third_party")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    sources = [str(FOLDER / f"lamcore-{name}") for name in PACKAGES]
    wheels = str(folder / "wheels")
    python("-m", "pip", "wheel", *quiet, "--no-build-isolation", "--wheel-dir", wheels, *sources, cwd=folder)
    files = sorted(str(file) for file in (folder / "wheels").glob("*.whl"))
    assert [Path(file).name.split("-")[0] for file in files] == [f"lamcore_{name}" for name in PACKAGES]
    python("-m", "pip", "install", *quiet, "--target", str(folder / "site"), *files, cwd=folder)
    return folder / "site"


@pytest.fixture
def train(tmp_path, run_lam, installed):
    """Give train(*words): train, and return the run's folder and test scores."""

    def call(*words: str) -> tuple[Path, dict]:
        run = tmp_path / "run"
        ended = run_lam("--quiet", "train", *words, "device=cpu", f"hydra.run.dir={run}", cwd=tmp_path, site=installed)
        assert ended.code == 0, ended.err
        return run, json.loads((run / "scores.json").read_text())["test"]

    return call


def test_all_three_are_loaded_from_their_wheels(installed, run_lam, tmp_path):
    facts = json.loads(run_lam("plugins", "--json", cwd=tmp_path, site=installed).out)
    found = {fact["distribution"]: fact for fact in facts}
    assert [found[f"lamcore-{name}"]["state"] for name in PACKAGES] == ["loaded"] * 3
    assert found["lamcore-digits"]["provides"] == {
        "source": ["digits"],
        "architecture": ["pixel_classifier"],
        "metric": ["right_labels"],
    }


@pytest.mark.full
@pytest.mark.parametrize("name", PACKAGES)
def test_they_keep_every_promise_and_bring_their_licence(name, installed, run_lam, tmp_path):
    ended = run_lam("check", f"lamcore-{name}", "--json", cwd=tmp_path, site=installed)
    assert ended.code == 0, ended.out
    assert (FOLDER / f"lamcore-{name}" / "LICENSE").read_bytes() == (FOLDER.parents[1] / "LICENSE").read_bytes()
    assert list(installed.glob(f"lamcore_{name}-*.dist-info/**/LICENSE"))


@pytest.mark.parametrize(
    "name", ["numerals", *(pytest.param(name, marks=pytest.mark.full) for name in ("digits", "window"))]
)
def test_their_own_tests_pass(name, installed, run_pytest, tmp_path):
    words = ["-q", "--rootdir", str(tmp_path), "-c", os.devnull, "-p", "no:cacheprovider"]
    ended = run_pytest(*words, str(FOLDER / f"lamcore-{name}" / "tests"), cwd=tmp_path, site=installed)
    assert ended.code == 0, ended.out[-3000:] + ended.err[-3000:]
    assert " passed" in ended.out and " failed" not in ended.out


def test_pictures_are_learnt_without_text_and_without_a_tokenizer(train, run_lam, tmp_path, installed):
    words = ["source=digits", "architecture=pixel_classifier", "metrics=[right_labels]"]
    run, scores = train(*words, "trainer.steps=300", "trainer.lr=3e-3", "trainer.warmup=20", "trainer.batch_tokens=128")
    assert scores["right_labels"]["value"] > 0.85  # chance is 0.1
    assert not list((run / "model").glob("tokenizer*"))
    picture = {"image": [0.0] * 64}
    (tmp_path / "pictures.jsonl").write_text(json.dumps(picture) + "\n")
    ended = run_lam("predict", str(run), "--in", "pictures.jsonl", "--json", cwd=tmp_path, site=installed)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["intent"] in set("0123456789")


def test_an_experiment_of_theirs_trains_a_transformer_of_ours(train):
    _, scores = train("experiment=numerals", "trainer.steps=200", "trainer.validate_every=200")
    assert scores["digits_right"]["value"] > 0.3  # a digit in ten is right by chance


def test_parts_of_two_strangers_and_of_ours_are_composed_by_overrides(train):
    words = ["architecture=window_transformer", "architecture.window=12", "metrics=[digits_right,chrf]"]
    run, scores = train("experiment=numerals", *words, "augmenters=[hesitate,typos]", "trainer.steps=30")
    assert {"digits_right", "chrf"} <= set(scores)
    config = json.loads((run / "model" / "config.json").read_text())
    assert config["architecture"]["name"] == "window_transformer" and config["architecture"]["window"] == 12
