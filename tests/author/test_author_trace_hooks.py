"""`--trace-hooks`: every hook call on standard error, with plugin, arguments and seconds."""

from __future__ import annotations

import json
import logging
import re

import pytest

HOOKS = """
from lamcore import hookimpl

@hookimpl
def on_log(run, step, values):
    if step == 2:
        raise ValueError("no")

@hookimpl
def on_start():
    pass
"""


@pytest.fixture(autouse=True)
def _untraced():
    yield
    logging.getLogger("lamcore.hooks").setLevel(logging.NOTSET)


def traced(err):
    """Return (hook, arguments, plugin) of each line that tells of a hook call."""
    return re.findall(r"^lam: (\w+)\((.*)\) of plugin (\S+): \d+\.\d{4} s$", err, re.M)


def test_every_hook_call_is_told_with_plugin_arguments_and_seconds(toy, make_plugin, run_lam, echo, tmp_path):
    make_plugin("hooks", HOOKS)
    words = ["train", *echo, f"hydra.run.dir={tmp_path / 'run'}", "--quiet"]
    ended = run_lam(*words, "--trace-hooks", cwd=tmp_path, site=tmp_path / "site")
    assert ended.code == 0, ended.err
    calls = traced(ended.err)
    assert ("on_start", "", "lamcore-hooks:hooks") in calls
    assert ("register_sources", "register=function", "lamcore-toy:toy") in calls
    logged = [arguments for hook, arguments, plugin in calls if (hook, plugin) == ("on_log", "lamcore-hooks:hooks")]
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [int(re.match(r"run=Run, step=(\d+), values=\{", one)[1]) for one in logged] == steps
    assert any(plugin == "lamcore-toy:toy" and hook == "on_save" for hook, _, plugin in calls)


def test_without_it_no_hook_call_is_told(toy, make_plugin, lam):
    make_plugin("hooks", HOOKS)
    assert traced(lam("plugins").err) == []
    assert lam("plugins", "--trace-hooks", "--json").out.startswith("[{")
