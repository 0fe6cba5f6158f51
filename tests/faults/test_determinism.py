"""A7: one config and one seed give one run, byte for byte, in whatever process."""

from __future__ import annotations

import hashlib

import pytest
from harness import log_lines

NOISE = ["augmenters=[typos]", "augmenters.typos.records=1", "architecture.dropout=0.1"]
OWN = ("model/", "checkpoints/", "scores.json", "predictions-test.jsonl", "config.yaml")
TIMED = {"manifest.json", "README.md", "state.json"}
"""Files that may tell times or versions; state.json is compared through the resumed runs of A1."""


def fingerprint(folder):
    """Return {file: checksum} of what a run learnt and answered, and its log without times."""
    found = {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (name := path.relative_to(folder).as_posix()).startswith(OWN) and path.name not in TIMED
    }
    found["log.jsonl"] = log_lines(folder)
    return found


def check(number, tmp_path, site, run_lam, words):
    """Train in so many fresh processes, every other with prepared data, each with other hashes; compare all."""
    prints = []
    for place in range(number):
        folder, cache = tmp_path / f"run-{place}", tmp_path / f"cache-{place // 2}"
        done = run_lam(
            *("train", *words, *NOISE, "seed=5", f"hydra.run.dir={folder}"),
            cwd=tmp_path,
            site=site,
            PYTHONHASHSEED=str(place),
            LAMCORE_CACHE=str(cache),
            warm="",
            OMP_NUM_THREADS="1",
        )
        assert done.code == 0, done.err
        prints.append(fingerprint(folder))
    names = set(prints[0])
    assert {"model/model.safetensors", "model/tokenizer.json", "scores.json", "predictions-test.jsonl"} <= names, names
    wrong = {name for other in prints[1:] for name in names | set(other) if other.get(name) != prints[0].get(name)}
    assert not wrong, f"runs of one config differ in {sorted(wrong)}"
    print(
        f"A7: {number} of {number} fresh processes: equal bytes in {len(names)} files (weights, optimizer, tokenizer,"
    )
    print("   answers, scores, log), with other hash seeds, with and without prepared data")
    return prints[0]


def test_the_same_config_and_seed_give_the_same_bytes(tmp_path, site, run_lam, toy_run):
    first = check(2, tmp_path, site, run_lam, toy_run)
    folder = tmp_path / "other-seed"
    done = run_lam("train", *toy_run, *NOISE, "seed=6", f"hydra.run.dir={folder}", cwd=tmp_path, site=site)
    assert done.code == 0, done.err
    other = fingerprint(folder)
    assert other["model/model.safetensors"] != first["model/model.safetensors"]  # what is compared can differ


@pytest.mark.full
@pytest.mark.timeout(600)
def test_ten_processes_give_the_same_bytes(tmp_path, site, run_lam, toy_run):
    check(10, tmp_path, site, run_lam, toy_run)
