"""No secret leaves: values of the environment are used, and written nowhere (B7)."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

VALUES = {
    "CANARY_TOKEN": "kw7-in-a-setting",
    "AWS_SECRET_ACCESS_KEY": "kw7-in-the-environment",
    "HF_TOKEN": "kw7-of-a-hub",
    "CANARY_DEFAULT": "kw7-with-a-default",
    "CANARY_INSIDE": "kw7-inside-a-text",
}
SOURCE = '''
from dataclasses import dataclass
import os
from lamcore import Source, hookimpl
from lamcore_toy import Backwards


@dataclass
class Secret(Backwards):
    """Backwards, behind a token."""

    token: str = ""
    """What lets one in."""
    address: str = ""
    """Where it is."""
    other: str = ""
    """Another token."""
    fails: bool = False
    """Whether it has a bug."""

    def load(self):
        assert self.token == os.environ["CANARY_TOKEN"] and os.environ["CANARY_INSIDE"] in self.address
        if self.fails:
            raise ZeroDivisionError("nothing to see")
        return super().load()


@hookimpl
def register_sources(register):
    register("secret", Secret)
'''
HOME = "home-of-kw8user"


@pytest.fixture
def told(lam, toy, make_plugin, echo, tmp_path, monkeypatch):
    """Give {place: bytes} of all that a run, an answer, an evaluation and some errors write."""
    make_plugin("zsecret", SOURCE)
    home = tmp_path / HOME
    home.mkdir()
    for name, value in {**VALUES, "HOME": str(home), "USER": "kw8user", "LOGNAME": "kw8user"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "traces"))
    (tmp_path / "traces").mkdir()
    monkeypatch.chdir(home)
    words = [
        *(word for word in echo if not word.startswith("source=")),
        "source=secret",
        "source.token=${oc.env:CANARY_TOKEN}",
        "source.address='https://x/${oc.env:CANARY_INSIDE}/y'",
        "source.other='${oc.env:CANARY_DEFAULT,none}'",
        "hydra.run.dir=run",
    ]
    calls = {
        "train": (["train", *words], 0),
        "train again": (["train", *words], 2),
        "resume": (["resume", "run"], 0),
        "predict --json": (["predict", "run", "one two", "--json"], 0),
        "evaluate --json": (["evaluate", "run", "--json"], 0),
        "config": (["config", *words], 0),
        "config --why": (["config", "--why", *words], 0),
        "plugins --json": (["plugins", "--json"], 0),
        "an unknown setting": (["train", *words, "source.tokn=${oc.env:CANARY_TOKEN}"], 2),
        "a wrong type": (["train", *words, "source.train=${oc.env:CANARY_TOKEN}"], 2),
        "a wrong choice": (["train", *words, "tokenizer.kind=${oc.env:CANARY_TOKEN}"], 2),
        "a component there is not": (["train", *words, "source.name=${oc.env:CANARY_TOKEN}"], 2),
        "a name for the model": (["train", *words, "name=${oc.env:CANARY_TOKEN}", "hydra.run.dir=named"], 2),
        "a bug": (["train", *words, "source.fails=true", "hydra.run.dir=bug"], 70),
    }
    found = {}
    for name, (call, code) in calls.items():
        ended = lam(*call)
        assert ended.code == code, (name, ended)
        found[f"output of {name}"] = (ended.out + ended.err).encode()
    for path in [*home.rglob("*"), *(tmp_path / "traces").rglob("*")]:
        if path.is_file():
            found[str(path.relative_to(tmp_path))] = path.read_bytes()
    return found


def test_no_value_of_the_environment_is_written_anywhere_and_no_home_is_handed_on(told):
    leaks = {place: value for place, content in told.items() for value in VALUES.values() if value.encode() in content}
    kinds = sorted({Path(place).name for place in told})
    print(f"\nB7: {len(VALUES)} secrets found {len(leaks)} times in {len(told)} files and outputs")
    assert leaks == {}
    needed = (
        "config.yaml",
        "provenance.json",
        "environment.json",
        "log.jsonl",
        "README.md",
        "state.json",
        "config.json",
        "scores.json",
        "predictions-test.jsonl",
        "tensors.safetensors",
        "manifest.json",
    )
    assert set(needed) <= set(kinds) and len(told) >= 12 and any(place.startswith("traces/") for place in told)
    kept = next(content for place, content in told.items() if place.endswith("run/config.yaml")).decode()
    assert "${oc.env:CANARY_TOKEN}" in kept and "https://x/${oc.env:CANARY_INSIDE}/y" in kept
    # and what is handed on names no home and no user
    model = {place: content for place, content in told.items() if "/model/" in place}
    assert len(model) >= 5
    own = (b"kw8user", os.fsencode(Path(tempfile.gettempdir()).parent), HOME.encode())
    assert {place: one for place, content in model.items() for one in own if one in content} == {}
    config = json.loads(next(content for place, content in model.items() if place.endswith("config.json")))
    assert "source" not in config and "trainer" not in config
