"""Answers in a file: in order, each once, also where the call was broken off; nothing else is gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lamcore
from lamcore import Decoding, LamcoreError, answers
from lamcore.store import locked

TEXTS = ["cat dog", "moon", "sun sea tree red blue", "one", "", "two six"]


@pytest.fixture
def model(trained, toy, monkeypatch, tmp_path):
    """Give a model, in an empty folder, that answers two records at a time."""
    monkeypatch.setattr(answers, "CHUNK", 2)
    monkeypatch.chdir(tmp_path)
    return lamcore.load(trained)


def answer(model, records, out, decoding=None, **options):
    """Answer into a file; return the numbers that were told."""
    told = []
    options["tell"] = lambda answered, ended: told.append((answered, ended))
    answers.answer_file(model, iter(records), Path(out), decoding or model.parts.decoding, **options)
    return told


def failing(records):
    """Give records and then fail, as a reader of a bad line does."""
    yield from records
    raise LamcoreError("a bad line")


def write_jsonl(name, records):
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def test_parquet_holds_id_kept_columns_and_answer_a_row_a_record_in_order(model):
    records = [{"id": 10 + n, "input": text, "day": f"day {n}"} for n, text in enumerate(TEXTS)]
    assert answer(model, records, "a.parquet", keep=["day"])[-1] == (6, True)
    alike = [one for n in (0, 2, 4) for one in model.predict(TEXTS[n : n + 2])]
    wanted = [{"id": str(r["id"]), "day": r["day"], **one} for r, one in zip(records, alike, strict=True)]
    assert pq.read_table("a.parquet").to_pylist() == wanted
    assert [path.name for path in Path().glob("a.*")] == ["a.parquet"]


def test_json_lines_are_those_of_json_on_standard_output_and_other_files_hold_text(trained, toy, lam):
    write_jsonl("in.jsonl", [{"input": text} for text in TEXTS])
    for out, words in (("a.jsonl", []), ("a.txt", []), ("b.txt", ["--json"])):
        shown = lam("predict", str(trained), "--in", "in.jsonl", *words, *["--json"] * out.endswith("jsonl")).out
        assert lam("predict", str(trained), "--in", "in.jsonl", "--out", out, *words).out == ""
        assert Path(out).read_text(encoding="utf-8") == shown and shown.count("\n") == 6


HOOKED = """
from lamcore import hookimpl

@hookimpl
def on_predict(out, answered, ended):
    print(out, answered, ended)
"""


def test_the_command_keeps_columns_and_plugins_watch_the_file_grow(trained, toy, make_plugin, lam, monkeypatch):
    monkeypatch.setattr(answers, "CHUNK", 2)
    make_plugin("watches", HOOKED)
    Path("in.csv").write_text("input,day\nmoon,1\nsun,2\none,3\n")
    ended = lam("predict", str(trained), "--in", "in.csv", "--out", "a.parquet", "--keep", "day", "--keep", "input")
    assert ended.err == "a.parquet 0 False\na.parquet 2 False\na.parquet 3 False\na.parquet 3 True\n"
    found = pq.read_table("a.parquet")
    assert found.column_names[:3] == ["id", "day", "input"] and found["day"].to_pylist() == ["1", "2", "3"]
    assert found["id"].to_pylist() == ["predict-0", "predict-1", "predict-2"]


def test_lines_json_lines_csv_and_parquet_are_read_alike(model):
    rows = [{"id": str(n), "input": text} for n, text in enumerate(TEXTS)]
    write_jsonl("in.jsonl", rows)
    Path("in.txt").write_text("\n".join(TEXTS) + "\n")
    Path("in.csv").write_text("\ufeffid,input\n" + "".join(f'{row["id"]},"{row["input"]}"\n' for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), "in.parquet")
    assert list(answers.read(Path("in.txt"))) == TEXTS
    for name in ("in.jsonl", "in.csv", "in.parquet"):
        assert list(answers.read(Path(name))) == rows


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b'id,input\n1,x\n2,"y\n', "a.csv, record 2: unexpected end of data"),
        ("a.parquet", b"PAR1", "a.parquet, record 1: "),
        ("a.jsonl", b'"x"\n{"input"\n', "a.jsonl:2: "),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_place(name, content, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    with pytest.raises(LamcoreError, match=told):
        list(answers.read(Path(name)))


@pytest.mark.parametrize("out", ["a.parquet", "a.jsonl", "a.txt"])
def test_a_call_that_was_broken_off_goes_on_after_the_last_answers_on_disk(model, out):
    with pytest.raises(LamcoreError, match="a bad line"):
        answer(model, failing(TEXTS[:5]), out)
    assert not Path(out).exists()
    assert answer(model, TEXTS, out) == [(4, False), (6, False), (6, True)]
    assert answer(model, TEXTS, f"whole.{out}")[0] == (0, False)
    assert Path(out).read_bytes() == Path(f"whole.{out}").read_bytes()
    assert not list(Path().glob("*.unfinished"))


def test_what_is_broken_off_before_the_first_answers_leaves_nothing(model):
    with pytest.raises(LamcoreError, match="a bad line"):
        answer(model, failing(TEXTS[:1]), "a.parquet")
    assert not list(Path().glob("a.*"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"records": ["cat", *TEXTS[1:]]}, "its inputs are not these"),
        ({"records": TEXTS[:3]}, "its inputs are not these"),
        ({"decoding": Decoding(max_length=2)}, "its decoding are not these"),
        ({"keep": ["input"]}, "its keep are not these"),
    ],
)
def test_another_call_than_the_one_broken_off_is_refused_and_harms_nothing(model, change, told):
    given = {"records": TEXTS, **change}
    with pytest.raises(LamcoreError):
        answer(model, failing(TEXTS[:5]), "a.jsonl")
    with pytest.raises(LamcoreError, match=f"a.jsonl.unfinished holds 4 answers .* {told}. Give the same to go on"):
        answer(model, given.pop("records"), "a.jsonl", **given)
    assert answer(model, TEXTS, "a.jsonl")[0] == (4, False)


def test_what_is_added_after_the_answered_inputs_is_answered_too(model):
    with pytest.raises(LamcoreError):
        answer(model, failing(TEXTS[:4]), "a.txt")
    assert answer(model, [*TEXTS[:4], "tree"], "a.txt")[0] == (4, False)
    assert len(Path("a.txt").read_text().splitlines()) == 5


@pytest.mark.parametrize("damage", ["rows", "state.json"])
def test_answers_that_cannot_be_trusted_are_made_anew(model, damage):
    with pytest.raises(LamcoreError):
        answer(model, failing(TEXTS[:5]), "a.jsonl")
    file = Path("a.jsonl.unfinished", damage)
    file.write_bytes(file.read_bytes()[:-5])
    assert answer(model, TEXTS, "a.jsonl")[0] == (0, False)


def test_two_calls_do_not_write_one_file(model):
    with locked(Path("a.txt.unfinished")), pytest.raises(LamcoreError, match="a.txt.unfinished is in use") as error:
        answer(model, TEXTS, "a.txt")
    assert error.value.exit_code == 4


@pytest.mark.parametrize(
    ("out", "keep", "told"),
    [
        ("a.jsonl", "day", "--keep day: record 'predict-1' has none, only: id, target, input."),
        ("a.jsonl", "target", "--keep target: the answers have a column of that name."),
        ("a.txt", "day", "--keep: a.txt is to hold a line of text an answer. Name it .jsonl or .parquet."),
    ],
)
def test_a_column_that_cannot_be_kept_is_named(model, out, keep, told):
    with pytest.raises(LamcoreError, match=f"^{told}$"):
        answer(model, [{"input": "cat", "day": 1}, {"input": "dog"}], out, keep=[keep])
    assert not list(Path().glob("a.*"))


def test_keep_is_for_files(trained, toy, lam):
    ended = lam("predict", str(trained), "cat", "--keep", "id")
    assert (
        ended.code == 2
        and ended.err == "lam: --keep: it is for files of answers. Give --out FILE.jsonl or FILE.parquet.\n"
    )


def test_parquet_takes_columns_and_numbers_that_come_late(tmp_path, monkeypatch):
    monkeypatch.setattr(answers, "BATCH", 1)
    rows = [{"id": "a", "n": 1}, {"id": "b", "n": 2.5, "all": []}, {"id": "c", "all": ["x"]}]
    (tmp_path / "rows").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = pq.read_table(answers._as_parquet(tmp_path / "rows")).to_pylist()
    assert found == [
        {"id": "a", "n": 1.0, "all": None},
        {"id": "b", "n": 2.5, "all": []},
        {"id": "c", "n": None, "all": ["x"]},
    ]


def test_parquet_refuses_a_column_of_two_types_and_keeps_the_answers(tmp_path):
    (tmp_path / "rows").write_text('{"id": "a", "n": 1}\n{"id": "b", "n": "x"}\n')
    with pytest.raises(LamcoreError, match="Values of a column are of two types: .* All are in .*rows, as JSON."):
        answers._as_parquet(tmp_path / "rows")


def test_no_records_make_an_empty_file(model):
    for out in ("a.parquet", "a.jsonl", "a.txt"):
        assert answer(model, [], out) == [(0, False), (0, True)]
    assert pq.read_table("a.parquet").num_rows == 0
    assert Path("a.txt").read_bytes() == Path("a.jsonl").read_bytes() == b""
