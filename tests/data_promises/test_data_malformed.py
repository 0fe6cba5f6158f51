"""A malformed file ends a real `lam train` in one line that names its place, with nothing half-written (D1).

The corpus itself stands in plugins/lamcore-files/tests/test_files_malformed.py; this is a tenth of it."""

from __future__ import annotations

import gzip

import pytest

PAIRS = b"".join(b'{"input": "a%d", "target": "b"}\n' % n for n in range(60))
TABLE = b"input,target\n" + b"".join(b"a%d,b\n" % n for n in range(60))
TABS = TABLE.replace(b",", b"\t")
LINES = b"".join(b"a%d\n" % n for n in range(60))

CASES = {
    "no JSON": ("jsonl", {"a.jsonl": PAIRS + b"{'input': 1}\n"}, "a.jsonl:61:2: this is no JSON"),
    "a row too short": ("csv", {"a.csv": TABLE + b"a\n"}, "a.csv:62:1: 1 fields, but the header has 2"),
    "unequal files": ("parallel_text", {"a.en": LINES, "a.de": LINES + b"a\n"}, "a.en:61:1: the file ends after line"),
    "a key twice": ("jsonl", {"a.jsonl": PAIRS + b'{"input": "a", "input": "b"}\n'}, "a.jsonl:61:16: the key 'input'"),
    "no UTF-8": ("jsonl", {"a.jsonl": PAIRS + b'{"input": "\xff"}\n'}, "a.jsonl:61:12: byte 0xFF is not UTF-8"),
    "an open quote": ("csv", {"a.csv": TABLE + b'"a,b\n'}, "a.csv:62:1: a quote of this row is never closed"),
    "UTF-16": ("csv", {"a.csv": TABLE.decode().encode("utf-16")}, "a.csv:1:1: this is UTF-16 text"),
    "a field too many": ("tsv", {"a.tsv": TABS + b"a\tb\tc\n"}, "a.tsv:62:1: 3 fields, but the header has 2"),
    "an empty line": ("tsv", {"a.tsv": TABS + b"\n"}, "a.tsv:62:1: the line is empty"),
    "cut gzip": ("tsv", {"a.tsv.gz": gzip.compress(TABS)[:-8]}, "a.tsv.gz:62:1: the gzip data ends too early"),
    "no gzip": ("jsonl", {"a.jsonl.gz": PAIRS}, "a.jsonl.gz:1:1: the gzip data is damaged"),
    "an empty side": ("parallel_text", {"a.en": LINES, "a.de": b""}, "a.de:1:1: the file is empty"),
    "no Parquet": ("parquet", {"a.parquet": b"PAR1" + TABLE + b"PAR1"}, "a.parquet:1:1: this is no sound Parquet"),
}
SHORT = list(CASES)[:3]


def check(cases, tmp_path, site, run_lam, echo):
    for number, (source, files, place) in enumerate(cases.values()):
        here = tmp_path / str(number)
        here.mkdir()
        for name, data in files.items():
            (here / name).write_bytes(data)
        words = [word for word in echo if not word.startswith(("source=", "metrics="))]
        words += [f"source={source}", f"source.train=[{','.join(files)}]", "metrics=[]", "cache=cache"]
        ended = run_lam("--quiet", "train", *words, "hydra.run.dir=run", cwd=here, site=site)
        assert ended.code == 2 and ended.err.startswith(f"lam: {place}") and ended.err.count("\n") == 1, ended.err
        assert " - " in ended.err and ended.out == ""
        assert all((here / name).read_bytes() == data for name, data in files.items())
        begun = {path.name for path in (here / "run").iterdir()}
        assert begun <= {"config.yaml", "environment.json", "provenance.json", "log.jsonl", ".lock"}, begun
        assert not [path for path in (here / "cache").rglob("*") if path.name == "done.json" or path.suffix == ".tmp"]
    print(
        f"\nD1: {len(cases)} of {len(cases)} malformed files ended `lam train` with 2 and one line, nothing half made"
    )


def test_a_malformed_file_ends_a_run_in_one_line(tmp_path, site, run_lam, echo):
    check({name: CASES[name] for name in SHORT}, tmp_path, site, run_lam, echo)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_tenth_of_the_malformed_files_ends_a_run_in_one_line(tmp_path, site, run_lam, echo):
    check(CASES, tmp_path, site, run_lam, echo)
