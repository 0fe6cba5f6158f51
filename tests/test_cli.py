"""The command line: light, helpful, and never more than one line about a mistake."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

VERBS = ["train", "resume", "evaluate", "predict", "list", "plugins", "config"]
HEAVY = ["torch", "datasets", "pyarrow", "numpy", "hydra", "tokenizers", "pandas"]


def imported(words, tmp_path):
    """Return which heavy modules a call of lam imports."""
    code = (
        f"import sys\nsys.argv = ['lam', *{words!r}]\nfrom lamcore.cli import main\n"
        f"try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('IMPORTED', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [["--help"], ["train", "--help"], ["list"], ["list", "metric"], ["plugins"], ["plugins", "--json"]],
    ids=" ".join,
)
def test_looking_around_imports_nothing_heavy(words, tmp_path):
    assert imported(words, tmp_path) == "IMPORTED []"


def test_help_names_every_verb_with_a_sentence(lam):
    shown = lam("--help").out
    for verb in VERBS:
        row = next(line for line in shown.splitlines() if line.split()[:1] == [verb])
        assert len(row.split()) > 3, row
    assert "--no-plugin" in shown and "--lamfile" in shown and "--debug" in shown
    assert lam("-h").out == shown


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_ends_with_nought(lam, verb):
    ended = lam(verb, "--help")
    assert ended.code == 0 and ended.out.startswith(f"Usage: lam {verb}")


def test_the_version_is_told(lam):
    assert lam("--version").out == "lamcore 0.1.0\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trian"], "No such command 'trian'"),
        (["list", "metrik"], "No kind is called 'metrik'. Did you mean 'metric'? Known: architecture, augmenter,"),
        (["list", "metric", "blue"], "No metric is called 'blue'."),
        (["resume"], "Missing argument 'RUN'"),
        (["plugins", "--jsn"], "No such option"),
        (["evaluate"], "Missing argument 'RUN'"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_two(lam, words, told):
    ended = lam(*words)
    assert ended.code == 2 and told in ended.err and ended.err.startswith("lam: ") and ended.err.count("\n") == 1
    assert ended.out == ""


def test_list_shows_components_of_a_kind_by_either_name(toy, lam):
    for kind in ("source", "sources"):
        facts = json.loads(lam("list", kind, "--json").out)
        assert {fact["kind"] for fact in facts} == {"source"}
        assert {"kind": "source", "name": "backwards", "plugin": "lamcore-toy"} | {
            "summary": "Give sentences and the same backwards."
        } in facts
    assert "backwards" in lam("list").out and "backwards" not in lam("list", "metric").out


def test_list_shows_every_setting_with_type_default_and_help(toy, lam):
    shown = lam("list", "source", "backwards").out
    assert "source backwards (lamcore-toy 1.0)" in shown and "Give sentences and the same backwards." in shown
    assert "train     a whole number  120      Train records." in shown
    facts = json.loads(lam("list", "source", "backwards", "--json").out)
    assert facts[0] == {
        "name": "train",
        "type": "a whole number",
        "default": 120,
        "help": "Train records.",
        "required": False,
    }


def test_list_shows_the_experiments_of_the_working_folder_too(lam, tmp_path):
    (tmp_path / "here" / "conf" / "experiment" / "mine").mkdir(parents=True)
    (tmp_path / "here" / "conf" / "experiment" / "mine" / "small.yaml").write_text("seed: 1\n")
    assert "mine/small" in [fact["name"] for fact in json.loads(lam("list", "experiment", "--json").out)]
    assert "mine/small" in lam("list", "experiments").out


def test_a_help_text_with_markup_and_escapes_is_shown_as_text(make_plugin, lam):
    code = (
        "from dataclasses import dataclass\nfrom lamcore import Preprocessor, hookimpl\n\n@dataclass\n"
        "class Odd(Preprocessor):\n    '''Cut [/x] :smile: \\x1b[31m.'''\n\n    a: str = '[b]\\x1b[0m'\n"
        "    '''A [red]text[/red].'''\n\n@hookimpl\ndef register_preprocessors(register):\n    register('odd', Odd)\n"
    )
    make_plugin("odd", code)
    for words in (["list"], ["list", "preprocessor", "odd"]):
        shown = lam(*words).out
        assert "Cut [/x] :smile: \\x1b[31m." in shown and "\x1b" not in shown
    assert "A [red]text[/red]." in shown


BUG = """
from dataclasses import dataclass
from lamcore import Source, hookimpl


@dataclass
class Broken(Source):
    '''A source with a bug.'''

    def load(self):
        return {}["nothing\\nhere"]


@hookimpl
def register_sources(register):
    register("broken", Broken)
"""


@pytest.fixture
def words(toy, make_plugin, echo):
    make_plugin("bug", BUG)
    return ["train", *(word for word in echo if not word.startswith("source")), "source=broken", "hydra.run.dir=run"]


def test_a_bug_is_one_line_with_its_trace_in_a_file_and_ends_with_seventy(words, lam, tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = lam(*words)
    assert ended.code == 70 and ended.err.count("\n") == 1
    assert ended.err.startswith("lam: A bug: KeyError: ")
    trace = next(tmp_path.glob("lam-*.txt"))
    assert str(trace) in ended.err and "lamcore_bug" in trace.read_text()


def test_debug_lets_the_trace_through(words, lam):
    with pytest.raises(KeyError, match="nothing"):
        lam(*words, "--debug")


def test_quiet_shows_no_progress_and_the_result_all_the_same(toy, lam, echo, capsys):
    ended = lam("train", *echo, "hydra.run.dir=run", "--quiet")
    assert ended.code == 0 and "95 % interval" in ended.out and ended.err == ""


def test_a_reader_that_goes_away_is_no_error(tmp_path, process):
    with subprocess.Popen(
        [*process, "list"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        running.stdout.close()
        assert running.wait(60) == 0 and running.stderr.read() == ""


def test_output_goes_through_a_terminal_that_knows_ascii_only(tmp_path, run_lam, write_plugin):
    code = (
        "from dataclasses import dataclass\nfrom lamcore import Preprocessor, hookimpl\n\n@dataclass\n"
        "class Odd(Preprocessor):\n    '''Grüße 日本.'''\n\n@hookimpl\n"
        "def register_preprocessors(register):\n    register('odd', Odd)\n"
    )
    write_plugin(tmp_path / "site", "odd", code)
    ended = run_lam("list", "preprocessor", cwd=tmp_path, site=tmp_path / "site", warm="", PYTHONIOENCODING="ascii")
    assert ended.code == 0 and "Gr\\xfc\\xdfe \\u65e5" in ended.out
