"""What goes in comes out, and splits are cut the same for ever."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
import tracemalloc
import unicodedata

import pytest

from lamcore import LamcoreError
from lamcore_files import Csv, Jsonl, ParallelText, Parquet, Tsv, readers

AWKWARD = [
    "NA", "N/A", "nan", "NaN", "null", "NULL", "None", "none", "~", "-", "", " ", "  two blanks  ", "\t", "a\tb",
    "007", "1e3", "1_000", "0x1F", "1.0", "-0", "+1", "Infinity", "123456789012345678901234567890", "1,5", ".5",
    "no", "yes", "on", "off", "true", "False", "y", "12:30", "12:30:00", "2026-11-23", "???", "${oc.env:HOME}",
    "${x}", "{a}", "[1, 2]", "{\"a\": 1}", "'single'", '"double"', 'a "b" c', '""', "back\\slash", "\\n", "\\u0041",
    "# no comment", "a, b; c | d", "=1+1", "@cmd", "!!python/none", "&anchor *alias", "%41", "<b>&amp;</b>",
    "NUL \x00 in it", "bell \x07 \x1b[31m", "form\x0cfeed", "vertical\x0btab", "file\x1cgroup\x1drecord\x1eunit\x1f",
    "next\x85line", "line\u2028separator", "paragraph\u2029separator", "lone \r carriage return", "\ufeffmark inside",
    "bidi \u202e\u2066abc\u2069\u202c", "e\u0301 against \u00e9", "\ufb01ne \uff21", "zero\u200bwidth\u200djoiner",
    "\u00a0no-break\u00a0", "\U0001f469\u200d\U0001f4bb \U0001f1e9\U0001f1ea", "\u0938\u094d\u0924\u0947", "\ue000",
    "\ufffd\uffff\U0010ffff", "\u0130I\u0131i \u00df \u1e9e", "w" * 20_000, "\u6f22" * 7_000,
]  # fmt: skip
WITH_LINE_ENDS = ["two\nlines", "crlf\r\ninside", "\n", "ends in cr\r", "\r\n\r\n"]


def rows(source, split="train"):
    return list(source.load()[split])


def write(path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def as_csv(values: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["input"], *([value] for value in values)])
    return text.getvalue().encode()


def as_jsonl(values: list[str], ascii_only: bool) -> bytes:
    return "".join(json.dumps({"input": value}, ensure_ascii=ascii_only) + "\n" for value in values).encode()


def lines(values: list[str]) -> bytes:
    return "".join(f"{value}\n" for value in values).encode()


def test_there_are_sixty_awkward_values_and_more():
    assert len(set(AWKWARD)) == len(AWKWARD) >= 60


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_awkward_text_comes_through_parallel_files_unchanged(tmp_path, pack):
    name = "a.gz" if pack is gzip.compress else "a"
    other = [str(n) for n in range(len(AWKWARD))]
    paths = [write(tmp_path / name, pack(lines(AWKWARD))), write(tmp_path / "b", lines(other))]
    expected = [{"input": value, "target": number} for value, number in zip(AWKWARD, other, strict=True)]
    assert rows(ParallelText(train=paths, test=paths)) == expected


@pytest.mark.parametrize("ascii_only", [True, False])
def test_awkward_text_comes_through_json_lines_unchanged(tmp_path, ascii_only):
    values = AWKWARD + WITH_LINE_ENDS
    path = write(tmp_path / "a.jsonl", as_jsonl(values, ascii_only))
    assert [row["input"] for row in rows(Jsonl(train=path, test=path))] == values


def test_awkward_text_comes_through_csv_unchanged(tmp_path):
    values = AWKWARD + WITH_LINE_ENDS
    path = write(tmp_path / "a.csv", as_csv(values))
    assert [row["input"] for row in rows(Csv(train=path, test=path))] == values


def test_awkward_text_comes_through_tsv_unchanged(tmp_path):
    values = [value for value in AWKWARD if value and "\t" not in value]
    path = write(tmp_path / "a.tsv", lines(["input", *values]))
    assert [row["input"] for row in rows(Tsv(train=path, test=path))] == values


def test_awkward_text_comes_through_parquet_unchanged(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    values = AWKWARD + WITH_LINE_ENDS
    parquet.write_table(pyarrow.table({"input": values}), tmp_path / "a.parquet")
    path = str(tmp_path / "a.parquet")
    assert [row["input"] for row in rows(Parquet(train=path, test=path))] == values


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
def test_the_size_of_blocks_changes_nothing(tmp_path, monkeypatch, block):
    monkeypatch.setattr(readers, "BLOCK", block)
    data = "\ufeffä\r\n\n€\rx\r\r\n😀 last".encode()
    assert list(readers.read_lines(write(tmp_path / "a", data))) == ["ä", "", "€\rx\r", "😀 last"]
    monkeypatch.setattr(readers, "PACKED_BLOCK", block)
    assert list(readers.read_lines(write(tmp_path / "a.gz", gzip.compress(data)))) == ["ä", "", "€\rx\r", "😀 last"]


def test_gzip_members_and_padding_are_read_as_one_file(tmp_path):
    data = gzip.compress(b"a\nb") + gzip.compress(b"c\n") + b"\0" * 512
    assert list(readers.read_lines(write(tmp_path / "a.gz", data))) == ["a", "bc"]


def test_a_large_gzip_file_is_read_whole(tmp_path):
    text = [f"{n * n} {n ^ 0x5555}" for n in range(300_000)]
    assert list(readers.read_lines(write(tmp_path / "a.gz", gzip.compress(lines(text))))) == text


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = write(tmp_path / "a.csv", b"\xef\xbb\xbfinput;target\r\na;b\r\n")
    assert rows(Csv(train=path, test=path, delimiter=";")) == [{"input": "a", "target": "b"}]


def test_rows_of_csv_know_the_line_they_begin_on(tmp_path):
    path = write(tmp_path / "a.csv", b'x,y\n1,"a\nb"\n"2\n",c\n3,d\n')
    assert [number for number, _ in readers.read_csv(path)] == [2, 4, 6]


def test_columns_are_chosen_and_renamed(tmp_path):
    path = write(tmp_path / "a.tsv", b"de\ten\tdomain\nja\tyes\tx\n")
    assert rows(Tsv(train=path, test=path, columns={"input": "en", "target": "de"})) == [
        {"input": "yes", "target": "ja"}
    ]
    assert rows(Tsv(train=path, test=path)) == [{"de": "ja", "en": "yes", "domain": "x"}]


def test_languages_become_columns(tmp_path):
    paths = [write(tmp_path / "a", b"yes\n"), write(tmp_path / "b", b"ja\n")]
    expected = {"input": "yes", "target": "ja", "input_lang": "en", "target_lang": "de"}
    assert rows(ParallelText(train=paths, test=paths, languages=["en", "de"])) == [expected]


def test_values_of_json_keep_their_types(tmp_path):
    record = {
        "input": "a",
        "whole": 9223372036854775807,
        "part": 0.1,
        "yes": True,
        "list": [1, None],
        "deep": {"a": "b"},
    }
    path = write(tmp_path / "a.jsonl", json.dumps(record).encode())
    assert rows(Jsonl(train=path, test=path)) == [record]


def test_files_of_a_split_are_read_one_after_another(tmp_path):
    paths = [write(tmp_path / name, f"input\n{name}\n".encode()) for name in "ab"]
    assert rows(Csv(train=paths, test=paths[0])) == [{"input": "a"}, {"input": "b"}]


def test_any_number_of_tests_can_be_named(tmp_path):
    path = write(tmp_path / "a.csv", b"input\na\n")
    source = Csv(train=path, validation=path, test=path, tests={"news": path, "talks_2": [path, path]})
    assert {split: len(list(found)) for split, found in source.load().items()} == {
        "train": 1, "validation": 1, "test": 1, "news": 1, "talks_2": 2,
    }  # fmt: skip
    assert not source.makes_splits


# Splits


def numbered(tmp_path, count: int, name: str = "a.csv", group=None) -> str:
    head = "input,group" if group else "input"
    body = [f"{n},{group(n)}" if group else f"{n}" for n in range(count)]
    return write(tmp_path / name, lines([head, *body]))


def placed(source) -> dict[str, str]:
    return {row["input"]: split for split, found in source.load().items() for row in found}


def test_train_alone_is_cut_into_three_splits(tmp_path):
    source = Csv(train=numbered(tmp_path, 10_000))
    sizes = {split: len(list(found)) for split, found in source.load().items()}
    assert source.makes_splits and sum(sizes.values()) == 10_000
    assert 8_850 < sizes["train"] < 9_150 and 400 < sizes["validation"] < 600 and 400 < sizes["test"] < 600


def test_adding_rows_never_moves_others(tmp_path):
    few, many = numbered(tmp_path, 1_000), numbered(tmp_path, 3_000, "b.csv")
    before, after = placed(Csv(train=few)), placed(Csv(train=many))
    assert before == {text: after[text] for text in before}


def test_a_seed_names_the_cut(tmp_path):
    path = numbered(tmp_path, 1_000)
    assert placed(Csv(train=path)) == placed(Csv(train=path, seed=1)) != placed(Csv(train=path, seed=2))


def test_the_cut_is_the_same_for_ever(tmp_path):
    found = placed(Csv(train=numbered(tmp_path, 40)))
    assert [text for text, split in found.items() if split == "validation"] == ["10"]
    assert [text for text, split in found.items() if split == "test"] == ["2", "16"]


def test_the_cut_is_the_same_for_every_format(tmp_path):
    text = [str(n) for n in range(500)]
    table, objects = numbered(tmp_path, 500), write(tmp_path / "a.jsonl", as_jsonl(text, True))
    plain = ParallelText(train=[write(tmp_path / "a", lines(text))], columns=["input"])
    assert placed(Csv(train=table)) == placed(Jsonl(train=objects)) == placed(plain)


def test_rows_of_a_group_stay_together(tmp_path):
    path = numbered(tmp_path, 2_000, group=lambda n: f"talk {n % 100}")
    for source in (Csv(train=path), Csv(train=path, columns={"input": "input", "group": "group"})):
        found = placed(source)
        assert all(found[str(n)] == found[str(n % 100)] for n in range(2_000))
        assert len(set(found.values())) == 3


def test_a_column_of_another_name_can_be_the_group(tmp_path):
    path = write(tmp_path / "a.csv", lines(["input,talk", *(f"{n},{n % 50}" for n in range(1_000))]))
    found = list(Csv(train=path, group="talk").load()["train"])
    assert found[0].keys() == {"input", "talk", "group"} and found[0]["group"] == found[0]["talk"]
    chosen = placed(Csv(train=path, columns={"input": "input"}, group="talk"))
    assert all(chosen[str(n)] == chosen[str(n % 50)] for n in range(1_000))


def test_inputs_that_count_as_one_fall_into_one_split(tmp_path):
    text = [form for n in range(300) for form in (f"Straße ﬁ {n}", f"STRASSE FI {n}", f"strasse fi {n}")]
    path = write(tmp_path / "a.jsonl", as_jsonl(text, True))
    splits = {split: {unicodedata.normalize("NFKC", row["input"]).casefold() for row in found}
              for split, found in Jsonl(train=path).load().items()}  # fmt: skip
    assert not splits["train"] & (splits["validation"] | splits["test"]) and not splits["validation"] & splits["test"]


def test_a_share_of_nothing_makes_no_split(tmp_path):
    assert list(Csv(train=numbered(tmp_path, 200), split=[90, 10, 0]).load()) == ["train", "validation"]


def test_a_file_too_small_to_cut_is_refused(tmp_path):
    with pytest.raises(
        readers.LamcoreError, match=r"no row fell into validation: too few rows for source\.split - name"
    ):
        Csv(train=numbered(tmp_path, 2)).load()


# Settings


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (ParallelText, {"train": ["a"]}, r"train needs one file a column \(input, target\), not 1"),
        (ParallelText, {"train": ["a", "b"], "tests": {"x": ["a"]}}, "x needs one file a column"),
        (ParallelText, {"train": ["a", "b"], "columns": ["input", "input"]}, "columns must be different names"),
        (Jsonl, {"train": "a", "split": [90, 10]}, r"split must be three shares, such as \[90, 5, 5\], not \[90, 10\]"),
        (Jsonl, {"train": "a", "split": [0, 5, 5]}, "split must be three shares"),
        (Jsonl, {"train": "a", "languages": ["en"]}, "languages must be two codes"),
        (Tsv, {"train": "a", "tests": {"train": "b"}}, "tests: a name is a-z"),
        (Tsv, {"train": "a", "tests": {"../x": "b"}}, "tests: a name is a-z"),
        (Csv, {"train": "a", "delimiter": ";;"}, "delimiter must be one character"),
        (Csv, {"train": "a", "delimiter": '"'}, "delimiter must be one character"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_was_found(kind, settings, words):
    with pytest.raises(ValueError, match=words):
        kind(**settings)


def test_no_file_at_all_is_refused():
    with pytest.raises(readers.LamcoreError, match=r"source\.train names no file"):
        Csv(train=[]).load()


def test_the_fingerprint_follows_the_files(tmp_path):
    path = numbered(tmp_path, 3)
    before = Csv(train=path).fingerprint()
    assert before == Csv(train=path).fingerprint()
    assert before != Csv(train=path, test=path).fingerprint()
    with open(path, "a") as file:
        file.write("9\n")
    assert before != Csv(train=path).fingerprint()


def test_paths_count_from_the_working_folder_and_home(tmp_path, monkeypatch):
    numbered(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    assert rows(Csv(train="a.csv", test="a.csv")) == [{"input": "0"}]
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert rows(Csv(train="~/a.csv", test="~/a.csv")) == [{"input": "0"}]


def test_memory_does_not_grow_with_the_file(tmp_path):
    paths = [write(tmp_path / name, lines([f"{n} some words" for n in range(200_000)])) for name in "ab"]
    source = ParallelText(train=paths, test=paths)
    tracemalloc.start()
    assert sum(1 for _ in source.load()["train"]) == 200_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15e6  # the records would take 75 MB at once


def test_the_plugin_stays_light():
    code = "import lamcore_files, sys; print(sorted({'torch', 'datasets', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_list_of_right_answers_becomes_references_and_its_first_the_target(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"en": "Hi.", "de": "Hallo!"}\n')
    (tmp_path / "test.jsonl").write_text('{"en": "Hi.", "de": ["Hallo!", "Tag!"]}\n')
    files = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "test")}
    splits = Jsonl(columns={"input": "en", "target": "de"}, **files).load()
    assert list(splits["train"]) == [{"input": "Hi.", "target": "Hallo!"}]
    assert list(splits["test"]) == [{"input": "Hi.", "target": "Hallo!", "references": ["Hallo!", "Tag!"]}]


@pytest.mark.parametrize("several", ["[]", '["Tag", 3]'])
def test_a_list_that_holds_no_texts_is_no_target(tmp_path, several):
    (tmp_path / "train.jsonl").write_text(f'{{"en": "Hi.", "de": {several}}}\n')
    splits = Jsonl(train=str(tmp_path / "train.jsonl"), columns={"input": "en", "target": "de"}, split=[1, 0, 0])
    with pytest.raises(LamcoreError, match="target is a list"):
        list(splits.load()["train"])
