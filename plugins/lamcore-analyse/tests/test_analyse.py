"""`lam analyse`: what it counts of labels, texts, fields, numbers and calls, and the report that it writes."""

from __future__ import annotations

import base64
import csv
import json
import random
import re
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from lamcore import LamcoreError
from lamcore.testing import check_package
from lamcore_analyse import command, counting, scales
from lamcore_analyse.counting import analyse, change
from lamcore_analyse.report import markdown, tables
from lamcore_analyse.scales import Survey, days, grouping, items, length, numbers

DAY = date(2026, 1, 5)  # a Monday


def write(folder: Path, rows: list[dict[str, object]], name: str = "a.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def counts(found: dict, key: str = "of") -> dict[str, int]:
    return {group["name"]: group["records"] for group in found[key]["groups"]}


def survey_of(values: list[object]) -> Survey:
    survey = Survey()
    for value in values:
        survey.see(value)
    return survey


ROWS = [
    {"id": "1", "input": "hi", "intent": "greet", "region": "north", "day": "2026-01-05"},
    {"id": "2", "input": "hello", "intent": "greet", "region": "south", "day": "2026-01-06T10:00:00+02:00"},
    {"id": "3", "input": "bye", "intent": "leave", "region": "north", "day": "2026-01-08"},
    {"id": "4", "input": "hey", "intent": "greet", "region": "north", "day": "?"},
]


def test_labels_are_counted_the_largest_first_in_groups_and_over_days(tmp_path):
    found = analyse(write(tmp_path, ROWS), by="region", over="day")
    assert found["records"] == 4
    assert [(one["name"], one["records"], one["share"]) for one in found["of"]["groups"]] == [
        ("greet", 3, 0.75),
        ("leave", 1, 0.25),
    ]
    assert counts(found, "by") == {"north": 3, "south": 1}
    assert found["cross"] == [
        {"name": "greet", "records": {"north": 2, "south": 1}},
        {"name": "leave", "records": {"north": 1, "south": 0}},
    ]
    over = found["over"]
    assert (over["unit"], over["without"], over["records"]) == ("day", 1, [1, 1, 0, 1])
    assert over["steps"] == ["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08"]
    assert over["lines"] == [{"name": "greet", "records": [1, 1, 0, 0]}, {"name": "leave", "records": [0, 0, 0, 1]}]


def test_parquet_csv_and_json_lines_say_the_same(tmp_path):
    wanted = analyse(write(tmp_path, ROWS), by="region", over="day")
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(ROWS)
    for name in ("a.parquet", "a.csv"):
        assert analyse(tmp_path / name, by="region", over="day") == {**wanted, "file": name}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("greet", ["greet"]),
        ("", ["(empty)"]),
        (None, ["(empty)"]),
        (7, ["7"]),
        (
            '{"food": ["Thai", "Chinese"], "name": "Zizzi", "near": ""}',
            "food: Thai|food: Chinese|name: Zizzi|near: (empty)",
        ),
        ("{}", ["(none)"]),
        (
            '[{"name": "HassTurnOn", "arguments": {}}, {"name": "HassTurnOn", "arguments": {"area": "x"}}]',
            ["HassTurnOn"],
        ),
        ("[]", ["(none)"]),
        (["a", "b", "a"], ["a", "b"]),
        ("[not json", ["[not json"]),
    ],
)
def test_a_value_says_labels_items_calls_and_fields(value, said):
    assert items(value) == (said.split("|") if isinstance(said, str) else said)


def test_texts_are_counted_by_length_in_the_order_of_lengths(tmp_path):
    rows = [{"target": " ".join([f"w{n}"] * words)} for n, words in enumerate([0, 1, 2, 3, 4, 5, 8, 9, 16, 17] * 12)]
    found = analyse(write(tmp_path, rows))
    assert found["of"]["kind"] == "lengths"
    assert list(counts(found).items()) == [
        ("0 words", 12),
        ("1 word", 12),
        ("2 words", 12),
        ("3 to 4 words", 24),
        ("5 to 8 words", 24),
        ("9 to 16 words", 24),
        ("17 to 32 words", 12),
    ]


def test_few_texts_that_come_again_are_labels():
    assert grouping(survey_of([f"label {n}" for n in range(60)] * 3)).kind == "labels"
    assert grouping(survey_of([f"text {n}" for n in range(60)])).kind == "lengths"


def test_numbers_are_counted_in_steps_and_few_of_them_as_they_are(tmp_path):
    found = analyse(write(tmp_path, [{"p": n / 40} for n in range(41)]), of="p")
    assert list(counts(found).items())[:2] == [("0 to 0.1", 4), ("0.1 to 0.2", 4)]
    assert counts(found)["1 to 1.1"] == 1 and sum(counts(found).values()) == 41
    assert counts(analyse(write(tmp_path, [{"p": 1}, {"p": 2}, {"p": 1}]), of="p")) == {"1": 2, "2": 1}


@pytest.mark.parametrize(
    ("last", "unit", "first", "count"),
    [(61, "day", "2026-01-05", 62), (62, "week", "2026-01-05", 9), (7 * 62, "month", "2026-01", 15)],
)
def test_the_finest_of_days_weeks_and_months_with_few_enough_steps_is_taken(last, unit, first, count):
    scale = days(DAY, DAY + timedelta(last))
    assert (scale.unit, scale.name(0), scale.count) == (unit, first, count)
    assert scale.step(datetime(2026, 1, 11, 23, 59)) == {"day": 6, "week": 0, "month": 0}[unit]
    assert scale.step((DAY + timedelta(last)).isoformat()) == count - 1


@pytest.mark.parametrize(
    ("low", "high", "whole", "width", "count"),
    [
        (0, 1, False, 0.1, 11),
        (0, 19, True, 1, 20),
        (3, 3, True, 1, 1),
        (2000, 2026, True, 2, 14),
        (-5, 5, False, 1, 11),
    ],
)
def test_steps_of_numbers_are_round(low, high, whole, width, count):
    scale = numbers(low, high, whole)
    assert (scale.width, scale.count) == (pytest.approx(width), count)
    assert scale.step(low) == 0 and scale.step(str(high)) == count - 1


def test_three_tenths_lie_in_the_step_that_begins_there():
    scale = numbers(0, 1, False)
    assert [scale.name(scale.step(n / 10)) for n in range(11)] == "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1".split()


def test_a_change_is_the_difference_of_two_shares_with_its_interval():
    found = change([10, 10, 99, 20, 20], [50, 50, 100, 50, 50])
    assert (found["before"], found["after"]) == (0.2, 0.4)
    assert found["low"] == pytest.approx(0.2 - 1.96 * (0.2 * 0.8 / 100 + 0.4 * 0.6 / 100) ** 0.5)
    assert change([3], [3])["before"] is None and change([0, 3], [0, 3])["after"] is None


def test_labels_beyond_the_first_thousand_are_counted_together(tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "MOST", 2)
    monkeypatch.setattr(scales, "MOST", 2)
    rows = [{"fields": json.dumps({"name": name})} for name in "abcda"]
    assert counts(analyse(write(tmp_path, rows))) == {"name: a": 2, "(others)": 2, "name: b": 1}


def test_examples_are_drawn_evenly_and_the_same_at_every_call(tmp_path):
    rows = [{"id": str(n), "input": f"text {n}", "intent": "x"} for n in range(1000)]
    file = write(tmp_path, rows)
    first = analyse(file, most=50)["of"]["groups"][0]["examples"]
    assert first == analyse(file, most=50)["of"]["groups"][0]["examples"]
    assert len({one["id"] for one in first}) == 50
    assert 400 < sum(int(one["id"]) for one in first) / 50 < 600
    assert first[0]["text"] == f"text {first[0]['id']}"
    assert analyse(file, most=0)["of"]["groups"][0]["examples"] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            {"of": "intend"},
            "No column is called 'intend'. Did you mean 'intent'? The first record has: day, id, input,",
        ),
        ({"over": "region"}, "--over region: no value is a date, a time (ISO 8601) or a number, such as 'north'."),
    ],
)
def test_a_column_that_does_not_fit_is_named(tmp_path, words, told):
    with pytest.raises(LamcoreError, match=re.escape(told)):
        analyse(write(tmp_path, ROWS), **words)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.jsonl", "", "a.jsonl holds no records."),
        ("a.jsonl", '{"x": 1}\n', "which column is to be counted? Give --of one of: x."),
        ("a.jsonl", '"x"\n', "a.jsonl, record 1: an object with columns is wanted, not 'x'."),
        ("a.txt", "x\n", "a.txt: the name must end in .parquet, .jsonl, .csv."),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path, name, text, told):
    (tmp_path / name).write_text(text)
    with pytest.raises(LamcoreError, match=re.escape(told)):
        analyse(tmp_path / name)


def test_the_tables_are_printed_or_json_and_an_odd_report_is_refused(tmp_path):
    file = write(tmp_path, ROWS)
    shown = CliRunner().invoke(command, [str(file), "--over", "day"]).output
    assert "intent in 4 records" in shown and "greet   3        75.0 %" in shown
    assert "intent over day: days from 2026-01-05 to 2026-01-08, 1 without one" in shown
    assert "greet   100.0 %     0.0 %        -100.0 to -100.0" in shown
    assert json.loads(CliRunner().invoke(command, [str(file), "--json"]).output)["records"] == 4
    for out, told in (("a.pdf", "must end in .html"), ("none/a.html", "there is no folder")):
        assert told in str(CliRunner().invoke(command, [str(file), "--out", str(tmp_path / out)]).exception)


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a|b\n# c",
    "[x](javascript:alert(1))",
    "\x1b[2J\u202e",
]
HOSTILE += [
    '"><svg onload=alert(1)>',
    "![x](https://evil.example/x.png)",
    "]]>",
    "&lt;b&gt;",
    "x" * 500,
    "{{7*7}}",
    "`x`",
]


SHAPES = ["g", "path", "text", "tspan", "rect", "line", "defs", "clipPath", "linearGradient", "stop", "title"]


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags: set[str] = set()
        self.values: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.values += [value or "" for _, value in attrs]


def test_a_report_opens_offline_and_shows_any_text_as_text(tmp_path):
    rows = [
        {"id": one, "input": one, "intent": one, "<b>by": one, "day": f"2026-01-{n + 1:02}"}
        for n, one in enumerate(HOSTILE)
    ]
    out = tmp_path / "report.html"
    words = [str(write(tmp_path, rows, "<i>.jsonl")), "--by", "<b>by", "--over", "day", "--out", str(out), "--json"]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.exception
    names = {path.name for path in tmp_path.glob("report*")}
    svgs = {"report-counts.svg", "report-groups.svg", "report-trend.svg"}
    assert names == {"report.html", "report.md", "report.json", *svgs}
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == json.loads(done.output)

    page = out.read_text(encoding="utf-8")
    html = Tags(page)
    assert html.tags == {"meta", "title", "style", "h1", "h2", "img", "table", "tr", "th", "td"}
    assert not [value for value in html.values if "//" in value and not value.startswith("data:image/svg+xml;base64,")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "\x1b" not in page and "\u202e" not in page
    drawn = [base64.b64decode(image) for image in re.findall(r"base64,([^\"]+)", page)]
    assert sorted(drawn) == sorted((tmp_path / name).read_bytes() for name in svgs)
    for svg in drawn:
        parts = list(ElementTree.fromstring(svg).iter())
        assert {part.tag.split("}")[1] for part in parts} <= {"svg", *SHAPES}
        assert not [name for part in parts for name in part.attrib if name.startswith("on") or "href" in name]

    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert all(line.count(" | ") in (2, 3, 12) for line in text.split("\n") if line.startswith("|"))
    shown = Tags(rendered(text))
    assert {"script", "svg"} & shown.tags == set()
    assert not [value for value in shown.values if "//" in value or "javascript" in value]


def rendered(text: str) -> str:
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


def test_a_table_shows_fifty_rows_and_says_of_how_many(tmp_path):
    rng = random.Random(1)
    rows = [{"intent": f"label {rng.randrange(80)}"} for _ in range(1000)]
    found = analyse(write(tmp_path, rows))
    title, _, shown = next(tables(found))
    assert title == "intent in 1,000 records: the first 50 of 80" and len(shown) == 50
    assert markdown(found, {}).startswith("# What a.jsonl says\n")
    assert length("a b c") == "3 to 4 words"


def test_the_package_keeps_its_promises():
    assert {what for what, _ in check_package("lamcore-analyse")} == {"package"}
