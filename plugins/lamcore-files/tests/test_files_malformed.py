"""Every malformed file ends in one line that names the true place."""

from __future__ import annotations

import gzip
import os
import re
import time
import zlib
from pathlib import Path

import pytest

from lamcore import LamcoreError
from lamcore.kinds import Recipe
from lamcore.prepare import prepare
from lamcore_files import Csv, Jsonl, ParallelText, Parquet, Tsv

GOOD = b'{"input": "a", "target": "b"}\n'
HEAD = b"input,target\n"
PACKED = gzip.compress(b"".join(b"%d\n" % n for n in range(1000)), mtime=0)

# name of the file, its bytes, line:column of the fault, what the message says
CASES = [
    # bytes
    ("a.jsonl", b"", "1:1", "the file is empty - fill it"),
    ("a.jsonl", b"\xef\xbb\xbf", "1:1", "the file is empty"),
    ("a.csv", b"", "1:1", "the file is empty"),
    ("a.csv.gz", gzip.compress(b""), "1:1", "the file is empty"),
    ("a.jsonl", GOOD + b'{"input": "\xff"}\n', "2:12", "byte 0xFF is not UTF-8 - save the file as UTF-8"),
    ("a.csv", HEAD + "äö,".encode() + b"\xe4\n", "2:4", "byte 0xE4 is not UTF-8"),
    ("a.csv", HEAD + b"a,b\na\xc3", "3:2", "byte 0xC3 is not UTF-8"),
    ("a.tsv", b"input\ttarget\na\t\xed\xa0\x80\n", "2:3", "byte 0xED is not UTF-8"),
    ("a.tsv", b"input\ttarget\n" + b"a\tb\n" * 300_000 + b"\xc0\xaf\tb\n", "300002:1", "byte 0xC0 is not UTF-8"),
    ("a.jsonl", "{}\n".encode("utf-16"), "1:1", "this is UTF-16 text, not UTF-8 text - save it as UTF-8"),
    ("a.csv", "input\n".encode("utf-16-be"), "1:1", "as in UTF-16 text - save the file as UTF-8"),
    ("a.csv", b"PK\x03\x04rest", "1:1", "this is a zip archive or a spreadsheet"),
    ("a.csv", b"PAR1rest", "1:1", "this is a Parquet file, not UTF-8 text - read it with source=parquet"),
    ("a.csv", PACKED, "1:1", "this is gzip data, not UTF-8 text - give the file a name that ends in .gz"),
    ("a.csv.gz", gzip.compress(PACKED), "1:1", "this is gzip data"),
    ("a.jsonl", b"BZh91AY&SY", "1:1", "this is bzip2 data"),
    ("a.jsonl", b"\xfd7zXZ\x00\x00", "1:1", "this is xz data"),
    ("a.jsonl", GOOD + b'{"input": "' + b"x" * (18 << 20), "2:1", "the line is longer than 16 MB - break it"),
    ("a.tsv", b"", "1:1", "the file is empty"),
    ("a.jsonl.gz", gzip.compress(b""), "1:1", "the file is empty"),
    ("a.csv", HEAD + b"a,\x80b\n", "2:3", "byte 0x80 is not UTF-8"),
    ("a.tsv", b"input\ttarget\na\t\xff\n", "2:3", "byte 0xFF is not UTF-8"),
    ("a.jsonl", GOOD * 5 + b'{"input": "\xc3\xa9\xc3"}\n', "6:13", "byte 0xC3 is not UTF-8"),
    ("a.csv", HEAD + b"a,b\n" * 70_000 + b"\xf5,b\n", "70002:1", "byte 0xF5 is not UTF-8"),
    ("a.csv.gz", gzip.compress(HEAD + b"a,b\nc,\xfe\n"), "3:3", "byte 0xFE is not UTF-8"),
    ("a.csv", "input,target\n".encode("utf-16"), "1:1", "this is UTF-16 text"),
    ("a.tsv", b"\xfe\xff\x00i\x00n", "1:1", "this is UTF-16 text"),
    ("a.jsonl", b"PK\x03\x04rest", "1:1", "this is a zip archive or a spreadsheet"),
    ("a.tsv", b"PK\x03\x04rest", "1:1", "this is a zip archive or a spreadsheet"),
    ("a.csv", b"\x28\xb5\x2f\xfdrest", "1:1", "this is zstd data"),
    ("a.tsv", PACKED, "1:1", "this is gzip data"),
    ("a.tsv", b"input\n" + b"x" * (18 << 20), "2:1", "the line is longer than 16 MB"),
    # gzip
    ("a.tsv.gz", b"input\ttarget\n", "1:1", "the gzip data is damaged"),
    ("a.tsv.gz", gzip.compress(b"input\n" + b"a\n" * 9 + b"b")[:-3], "11:1", "the gzip data ends too early"),
    ("a.tsv.gz", gzip.compress(b"input\na\nb\n", mtime=0)[:-8] + b"\0" * 8, "4:1", "damaged (Error -3"),
    ("a.tsv.gz", gzip.compress(b"input\na\n") + gzip.compress(b"b\nc\n")[:-1], "5:1", "ends too early"),
    ("a.tsv.gz", gzip.compress(b"input\na\n") + b"rubbish", "3:1", "the gzip data is damaged"),
    (
        "a.tsv.gz",
        gzip.compress(b"input\n" + b"a" * 3 * 2**20 + b"\n" + b"b" * 3 * 2**20),
        "3:1",
        "over 100 times its size",
    ),
    # JSON Lines
    ("a.jsonl", GOOD + b"\n", "2:1", "the line is empty - remove it"),
    ("a.jsonl", GOOD + b"  \t\r\n" + GOOD, "2:1", "the line is empty"),
    ("a.jsonl", GOOD + b'{"input": "a" "target": "b"}\n', "2:15", "this is no JSON (Expecting ',' delimiter)"),
    ("a.jsonl", GOOD * 2 + b'{"input": "a"', "3:14", "this is no JSON"),
    ("a.jsonl", b"[\n" + GOOD, "1:2", "this is no JSON (Expecting value) - write one whole object {...} a line"),
    ("a.jsonl", GOOD + GOOD.strip() + b" " + GOOD, "2:31", "this is no JSON (Extra data)"),
    ("a.jsonl", b"{'input': 'a'}\n", "1:2", "this is no JSON"),
    ("a.jsonl", b"hello\n", "1:1", "this is no JSON"),
    ("a.jsonl", GOOD + b'["a", "b"]\n', "2:1", "a list stands here - write one object"),
    ("a.jsonl", GOOD + b"null\n", "2:1", "null stands here"),
    ("a.jsonl", GOOD + b'"a"\n', "2:1", "text stands here"),
    ("a.jsonl", GOOD + b'{"input": "a", "input": "b"}\n', "2:16", "the key 'input' stands twice - keep one of them"),
    ("a.jsonl", b'{"input": "a", "x": {"y": 1, "y": 1}}\n', "1:30", "the key 'y' stands twice"),
    ("a.jsonl", b'{"input": "a", "x": NaN}\n', "1:21", "NaN is not JSON - write null"),
    ("a.jsonl", b'{"input": "a", "x": -Infinity}\n', "1:21", "-Infinity is not JSON"),
    ("a.jsonl", b'{"input": "a", "x": 1e999}\n', "1:21", "the number 1e999 is too large - write it as text"),
    ("a.jsonl", b'{"input": "a", "x": 123456789012345678901234567890}\n', "1:21", "needs more than 64 bits"),
    ("a.jsonl", b'{"x": ' + b"9" * 5000 + b"}\n", "1:7", "needs more than 64 bits"),
    ("a.jsonl", b'{"input": "\\ud800"}\n', "1:12", "\\ud800 is half a character (a lone surrogate)"),
    ("a.jsonl", b'{"input": "\\ud83d\\ude00 \\\\ud83d \\ude00"}\n', "1:33", "\\ude00 is half a character"),
    ("a.jsonl", b'{"input": "a\tb"}\n', "1:13", "this is no JSON (Invalid control character at)"),
    ("a.jsonl", b'{"x": ' + b"[" * 150 + b"]" * 150 + b"}\n", "1:1", "nested more than 100 deep - flatten them"),
    ("a.jsonl", b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n", "1:1", "nested more than 100 deep"),
    (
        "a.jsonl",
        GOOD + b'{"input": 7, "target": "b"}\n',
        "2:1",
        "input is a whole number ('7'), not text - write it in quotes",
    ),
    ("a.jsonl", GOOD + b'{"input": null, "target": "b"}\n', "2:1", "input is null"),
    (
        "a.jsonl",
        GOOD + b'{"input": "a"}\n',
        "2:1",
        "there is no column 'target' here - give every record 'input', 'target'",
    ),
    ("a.jsonl", GOOD + b'{"input": "a", "target": "b", "c": 1}\n', "2:1", "the column 'c' is new here"),
    ("a.jsonl", b'{"x": 1}\n{"x": null}\n{"x": "1"}\n', "3:1", "'x' is text here and a whole number before"),
    ("a.jsonl", b'{"x": 1}\n{"x": 1.5}\n', "2:1", "'x' is a number here and a whole number before"),
    ("a.jsonl", b'{"x": [1]}\n{"x": {"a": 1}}\n', "2:1", "'x' is an object here and a list before"),
    ("a.jsonl", b'{"input": "a", "target": "b"},\n', "1:30", "this is no JSON (Extra data)"),
    ("a.jsonl", b'{"input": "a", target: "b"}\n', "1:16", "this is no JSON (Expecting property name"),
    ("a.jsonl", GOOD + b'{"input": "a\x00"}\n', "2:13", "this is no JSON (Invalid control character at)"),
    ("a.jsonl", b'{"input": "\\x"}\n', "1:12", "this is no JSON (Invalid"),
    ("a.jsonl", GOOD + b'{"input": "a\n', "2:11", "this is no JSON (Unterminated string"),
    ("a.jsonl", b'{"input": 01}\n', "1:12", "this is no JSON"),
    ("a.jsonl", GOOD + b"// a remark\n", "2:1", "this is no JSON"),
    ("a.jsonl", GOOD * 2 + b"\xef\xbb\xbf" + GOOD, "3:1", "this is no JSON"),
    ("a.jsonl", b'{"input": "a"; "target": "b"}\n', "1:14", "this is no JSON"),
    ("a.jsonl", GOOD + b"7\n", "2:1", "a whole number stands here"),
    ("a.jsonl", b"true\n", "1:1", "true or false stands here"),
    ("a.jsonl", b'{"input": true, "target": "b"}\n', "1:1", "input is true or false"),
    ("a.jsonl", GOOD + b'{"input": {"a": 1}, "target": "b"}\n', "2:1", "input is an object"),
    ("a.jsonl", GOOD + b'{"input": "a", "target": 1.5}\n', "2:1", "target is a number ('1.5'), not text"),
    ("a.jsonl", b'{"x": ["a", Infinity]}\n', "1:13", "Infinity is not JSON"),
    ("a.jsonl.gz", gzip.compress(GOOD + b"x\n"), "2:1", "this is no JSON"),
    ("a.jsonl.gz", gzip.compress(GOOD * 9)[:-9], "10:1", "the gzip data ends too early"),
    # CSV
    ("a.csv", HEAD, "2:1", "no row stands under the header"),
    ("a.csv", HEAD + b"a\n", "2:1", "1 fields, but the header has 2 - write one field for each of 'input', 'target'"),
    ("a.csv", HEAD + b"a,b\na,b,c\n", "3:1", "3 fields, but the header has 2"),
    ("a.csv", HEAD + b"a,b\n\na,b\n", "3:1", "the line is empty"),
    ("a.csv", HEAD + b'a,"b\nc\nd"\na\n', "5:1", "1 fields, but the header has 2"),
    ("a.csv", HEAD + b'a,b\na,"b\nc,d\n', "3:1", "a quote of this row is never closed - close it"),
    ("a.csv", HEAD + b'a,"b\nc" d\n', "3:1", "this is no CSV (',' expected after '\"')"),
    ("a.csv", HEAD + b'a,"' + b"b\n" * 100_000, "2:1", "longer than 131072 characters, or its quote is never closed"),
    ("a.csv", HEAD + b"a\rb,c\n", "2:1", "a carriage return stands outside quotes"),
    ("a.csv", b"input,input\na,b\n", "1:1", "the column 'input' stands twice"),
    ("a.csv", b"input,,x\na,b,c\n", "1:1", "a column has no name"),
    ("a.csv", b"\ninput,target\n", "1:1", "a column has no name"),
    ("a.csv", b'"input,target\na,b\n', "1:1", "a quote of this row is never closed"),
    ("a.csv", HEAD + b'"a"b,c\n', "2:1", "this is no CSV"),
    ("a.csv", HEAD + b"a,b\n" * 3 + b'"a,b\n', "5:1", "a quote of this row is never closed"),
    ("a.csv", HEAD + b"a;b\n", "2:1", "1 fields, but the header has 2"),
    ("a.csv.gz", gzip.compress(HEAD + b"a\n"), "2:1", "1 fields, but the header has 2"),
    # TSV
    ("a.tsv", b"input\ttarget\na\tb\tc\n", "2:1", "3 fields, but the header has 2"),
    ("a.tsv", b"input\ttarget\na\tb\na b\n", "3:1", "1 fields, but the header has 2"),
    ("a.tsv", b"input\ttarget\na\tb\n\n", "3:1", "the line is empty"),
    ("a.tsv", b"input\tinput\na\tb\n", "1:1", "the column 'input' stands twice"),
    ("a.tsv", b"input\ttarget\n", "2:1", "no row stands under the header"),
    ("a.tsv", b"\ttarget\na\tb\n", "1:1", "a column has no name"),
    ("a.tsv", b"input\ttarget\n\ta\tb\n", "2:1", "3 fields, but the header has 2"),
    ("a.tsv.gz", gzip.compress(b"input\ttarget\na\tb\na\n"), "3:1", "1 fields, but the header has 2"),
    # Parquet
    ("a.parquet", b"", "1:1", "the file is empty"),
    ("a.parquet", b"hello", "1:1", "this is no sound Parquet"),
    ("a.parquet", b"PAR1" + b"x" * 100 + b"PAR1", "1:1", "this is no sound Parquet"),
    ("a.parquet", PACKED, "1:1", "this is no sound Parquet"),
    ("a.parquet", GOOD * 100, "1:1", "this is no sound Parquet"),
]
SOURCES = {"jsonl": Jsonl, "csv": Csv, "tsv": Tsv, "parquet": Parquet}


def refusal(source) -> str:
    """Read all of a source and return what it says when it stops."""
    with pytest.raises(LamcoreError) as caught:
        for rows in source.load().values():
            list(rows)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("name", "data", "place", "words"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
def test_a_malformed_file_names_its_true_place(tmp_path, name, data, place, words):
    path = tmp_path / name
    path.write_bytes(data)
    source = SOURCES[name.split(".")[1]](train=str(path), test=str(path))
    started = time.process_time()
    text = refusal(source)
    assert time.process_time() - started < 5
    assert text.startswith(f"{path}:{place}: ") and words in text and " - " in text


PARALLEL = [
    (
        [b"a\nb\nc\n", b"x\ny\n"],
        1,
        "3:1",
        "the file ends after line 2, but {0} has 3 - line n of each file must belong",
    ),
    ([b"a\nb", b"x\ny\nz\nz\nz"], 0, "3:1", "the file ends after line 2, but {1} has 5"),
    ([b"a\n", b"x\x0cy\xe2\x80\xa8z\rw\nv\n"], 0, "2:1", "the file ends after line 1, but {1} has 2"),
    ([b"a\nb\n", b"x\n\xff\n"], 1, "2:1", "byte 0xFF is not UTF-8"),
    ([b"", b"x\n"], 0, "1:1", "the file is empty"),
    ([b"a\n", b"x\n", b"1\n2\n"], 0, "2:1", "the file ends after line 1, but {2} has 2"),
    ([b"a\nb\n", b"x\n\n\ny\n"], 0, "3:1", "the file ends after line 2, but {1} has 4"),
    ([b"a\n", PACKED], 1, "1:1", "this is gzip data, not UTF-8 text - give the file a name that ends in .gz"),
    ([b"a\n", b"\xff\xfeb\x00\n\x00"], 1, "1:1", "this is UTF-16 text"),
]


@pytest.mark.parametrize(("contents", "at", "place", "words"), PARALLEL)
def test_malformed_parallel_files_name_the_file_and_the_line(tmp_path, contents, at, place, words):
    paths = [str(tmp_path / f"side{n}") for n in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        Path(path).write_bytes(data)
    text = refusal(ParallelText(train=paths, test=paths, columns=["input", "target", "domain"][: len(paths)]))
    assert text.startswith(f"{paths[at]}:{place}: ") and words.format(*paths) in text


def test_no_malformed_file_leaves_half_a_table(tmp_path):
    """All of them again, as a run reads them: into the cache."""
    cache, files, slowest = tmp_path / "cache", len(CASES) + len(PARALLEL), 0.0
    cases = [({kind: data}, kind.split(".")[1]) for kind, data, *_ in CASES]
    cases += [({f"side{n}": data for n, data in enumerate(contents)}, "parallel") for contents, *_ in PARALLEL]
    for contents, kind in cases:
        paths = [str(tmp_path / name) for name in contents]
        for path, data in zip(paths, contents.values(), strict=True):
            Path(path).write_bytes(data)
        columns = ["input", "target", "domain"][: len(paths)]
        if kind == "parallel":
            source = ParallelText(train=paths, validation=paths, test=paths, columns=columns)
        else:
            source = SOURCES[kind](train=paths, validation=paths, test=paths)
        started = time.process_time()
        with pytest.raises(LamcoreError) as caught:
            prepare(Recipe(source, None, None), cache)
        slowest = max(slowest, time.process_time() - started)
        assert re.match(rf"({'|'.join(map(re.escape, paths))}):[0-9]+:[0-9]+: .+ - .+", str(caught.value))
        assert not list(cache.rglob("done.json")) and not list(cache.rglob("*.tmp"))
        assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    print(f"\nD1: {files} of {files} malformed files ended with 2 and one line that names file, line and column;")
    print(f"   nothing half-written, slowest {slowest:.2f} s")
    assert files >= 120


def test_a_flipped_bit_in_gzip_data_is_found_where_it_is_or_at_the_end(tmp_path):
    path = tmp_path / "a.gz"
    for at in range(20, len(PACKED) - 8, 37):
        data = bytearray(PACKED)
        data[at] ^= 16
        path.write_bytes(data)
        assert str(path) in refusal(ParallelText(train=[str(path)], test=[str(path)], columns=["input"]))


def test_what_stands_before_damage_in_gzip_data_is_counted(tmp_path):
    path = tmp_path / "a.gz"
    packer = zlib.compressobj(wbits=31)
    sound = packer.compress(b"a\nb\nc\n") + packer.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(sound + b"\xff\xff\xff\xff")
    text = refusal(ParallelText(train=[str(path)], test=[str(path)], columns=["input"]))
    assert text.startswith(f"{path}:4:1: the gzip data is damaged")


def test_a_missing_file_names_the_nearest_in_its_folder(tmp_path):
    (tmp_path / "train.en").write_text("a\n")
    text = refusal(Jsonl(train=str(tmp_path / "trian.en")))
    assert text.startswith(f"{tmp_path}/trian.en: there is no such file - did you mean 'train.en'? paths count from ")


def test_a_missing_folder_is_named(tmp_path):
    text = refusal(Jsonl(train=str(tmp_path / "none" / "a.jsonl")))
    assert f"there is no folder '{tmp_path}/none' - check the path" in text


def test_every_file_is_looked_at_before_any_is_read(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    with pytest.raises(LamcoreError, match=r"b\.jsonl: there is no such file"):
        Jsonl(train=str(tmp_path / "a.jsonl"), tests={"news": str(tmp_path / "b.jsonl")}).load()


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    assert f"{tmp_path}: this is a folder - name a file in it ('a.jsonl')" == refusal(Csv(train=str(tmp_path)))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system's folders")
@pytest.mark.parametrize("kind", SOURCES.values())
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path, kind):
    os.mkfifo(tmp_path / "pipe")
    assert "this is a pipe or a device" in refusal(kind(train=str(tmp_path / "pipe")))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("https://example.org/a.csv", "files are read from disk, not from an address"),
        ("a\0b", "can't be read (embedded null byte)"),
        ("x" * 300, "can't be read (File name too long)"),
        ("/dev/null", "this is a pipe or a device"),
    ],
)
def test_what_is_no_path_is_refused_in_one_line(path, words):
    assert words in refusal(Csv(train=path))


def test_a_file_that_may_not_be_read_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(HEAD)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "can't be read (Permission denied)" in refusal(Csv(train=str(path)))


@pytest.mark.parametrize("kind", [Jsonl, Csv, Tsv])
def test_a_column_that_is_not_there_is_refused_with_those_there_are(tmp_path, kind):
    path = tmp_path / "a"
    path.write_bytes({Jsonl: b'{"en": "a", "de": "b"}\n', Csv: b"en,de\na,b\n", Tsv: b"en\tde\na\tb\n"}[kind])
    line = 1 if kind is Jsonl else 2
    with pytest.raises(LamcoreError) as caught:  # before anything is read on
        kind(train=str(path), test=str(path), columns={"input": "en", "target": "deu"}).load()
    assert str(caught.value) == f"{path}:{line}:1: there is no column 'deu' - did you mean 'de'? there are: 'en', 'de'"


def test_a_group_that_is_not_there_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    text = refusal(Jsonl(train=str(tmp_path / "a.jsonl"), group="talk"))
    assert "a.jsonl:1:1: there is no column 'talk' - there are: 'input', 'target'" in text


def test_files_of_one_split_are_held_to_the_same_columns(tmp_path):
    for name, data in (("a", b'{"x": 1}\n'), ("b", b'{"y": 1}\n')):
        (tmp_path / name).write_bytes(data)
    both = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert f"{both[1]}:1:1: there is no column 'x' here" in refusal(Jsonl(train=both, test=both[0]))


def test_a_null_in_parquet_names_its_row(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"input": ["a", None], "target": ["b", "c"]}), path)
    assert f"{path}:2:1: input is null" in refusal(Parquet(train=str(path), test=str(path)))


def test_a_truncated_parquet_file_is_refused_in_one_line(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"input": ["a"] * 1000, "target": ["b"] * 1000}), path)
    whole = path.read_bytes()
    for length in range(4, len(whole), len(whole) // 20):
        path.write_bytes(whole[:length])
        assert f"{path}:1:1: this is no sound Parquet" in refusal(Parquet(train=str(path), test=str(path)))


def test_odd_characters_of_a_file_dont_reach_the_message(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\x1b[31mred,b\na,b\n")
    assert "\x1b" not in refusal(Csv(train=str(path), columns={"input": "red"}))


def test_a_bomb_is_refused_in_little_time_and_memory(tmp_path):
    import resource

    path = tmp_path / "a.gz"
    packer = zlib.compressobj(9, wbits=31)
    path.write_bytes(
        b"".join(packer.compress((b"a" * 63 + b"\n") * 2**14) for _ in range(200)) + packer.flush()
    )  # 200 MB
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    text = refusal(ParallelText(train=[str(path)], test=[str(path)], columns=["input"]))
    assert "the file unpacks to over 100 times its size" in text
    assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
