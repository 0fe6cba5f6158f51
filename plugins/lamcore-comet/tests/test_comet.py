"""The metric `comet` with stand-ins for its command."""

from __future__ import annotations

import json
import sys

import pytest

from lamcore import LamcoreError
from lamcore.scores import scored
from lamcore.testing import check_package
from lamcore_comet import Comet

RECORDS = [
    {"id": "1", "input": "Good morning.", "target": "Guten Morgen."},
    {"id": "2", "input": "Where?\nHere.", "target": "Wo?", "references": ["Wohin?", "Wo?"]},
]
ANSWERS = [{"target": "Guten Tag."}, {"target": "Wo „hier“?"}]


@pytest.fixture
def comet(tmp_path):
    """Make a metric whose command is a Python program."""

    def make(program, **settings):
        file = tmp_path / "program.py"
        file.write_text(program, encoding="utf-8")
        return Comet(command=[sys.executable, "-S", str(file), str(tmp_path / "seen.jsonl")], **settings)

    return make


LENGTHS = """
import json, sys
rows = [json.loads(line) for line in sys.stdin]
with open(sys.argv[1], "a", encoding="utf-8") as file:
    file.write(json.dumps(rows) + "\\n")
print("loading a model", file=sys.stderr)
for row in rows:
    print(len(row["mt"]) / 10)
"""


def test_the_score_is_the_mean_of_what_the_command_gives(comet):
    scores = scored({"comet": comet(LENGTHS)}, ANSWERS, RECORDS)
    assert scores["comet"]["value"] == pytest.approx(1.0)
    assert (scores["comet"]["low"], scores["comet"]["high"]) == (1.0, 1.0)


def test_all_records_go_to_one_call_as_json_lines(comet, tmp_path):
    assert comet(LENGTHS).counts(ANSWERS, RECORDS) == [{"sum": 1.0, "records": 1.0}, {"sum": 1.0, "records": 1.0}]
    (seen,) = (tmp_path / "seen.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(seen) == [
        {"src": "Good morning.", "mt": "Guten Tag.", "ref": "Guten Morgen."},
        {"src": "Where?\nHere.", "mt": "Wo „hier“?", "ref": "Wohin?"},
    ]


def test_no_answers_start_no_command():
    assert Comet(command=["/no/such/program"]).counts([], []) == []


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise SystemExit(3)", "comet.command ended with exit code 3: nothing on standard error"),
        ("raise ValueError('no model')", "comet.command ended with exit code 1: ValueError: no model"),
        ("pass", "comet.command wrote 0 lines for 2 answers (nothing)"),
        ("print(0.5)", "comet.command wrote 1 lines for 2 answers ('0.5')"),
        ("print('a\\nb\\nc')", "comet.command wrote 3 lines for 2 answers ('a', 'b' and 1 more)"),
        ("print('0.5\\nsegment 0.7')", "comet.command: line 2 of its output is no number: 'segment 0.7'"),
    ],
)
def test_a_command_that_does_not_answer_as_it_should_ends_in_one_line(comet, program, said):
    with pytest.raises(LamcoreError) as error:
        comet(program).counts(ANSWERS, RECORDS)
    assert str(error.value).startswith(said) and "\n" not in str(error.value) and error.value.exit_code == 2


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(LamcoreError, match=r"'/no/such/program' can't be run: No such file or directory"):
        Comet(command=["/no/such/program"]).counts(ANSWERS, RECORDS)


def test_a_command_that_takes_too_long_is_ended(comet):
    slow = comet("import threading; threading.Event().wait()", timeout=0.3)
    with pytest.raises(LamcoreError, match=r"longer than 0.3 seconds for 2 answers: raise metrics.comet.timeout"):
        slow.counts(ANSWERS, RECORDS)


def test_a_score_that_is_not_finite_stops_the_evaluation(comet):
    with pytest.raises(LamcoreError, match="'comet' counted nan or inf at records 1"):
        scored({"comet": comet("print('nan\\n0.5')")}, ANSWERS, RECORDS)


def test_a_record_without_a_reference_is_named(comet):
    with pytest.raises(LamcoreError, match="record '7' has no text in its column 'target'"):
        comet(LENGTHS).counts([{"target": "a"}], [{"id": "7", "input": "a"}])


def test_the_signature_names_what_scores():
    assert Comet(command=["comet", "x"]).signature == "scorer:comet x|mean of segments"
    assert Comet(scorer="wmt22-comet-da").signature == "scorer:wmt22-comet-da|mean of segments"


@pytest.mark.parametrize("settings", [{"command": []}, {"timeout": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Comet(**settings)


def test_the_package_and_the_metric_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-comet")} == {"package", "metric comet"}
