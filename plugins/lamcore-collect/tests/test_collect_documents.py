"""The sources `web_pages` and `books`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamcore import LamcoreError
from lamcore_collect import Books, Unit, WebPages

PAGE = """<!DOCTYPE html><html><head><title>Garden</title><script>var x = "code";</script></head><body>
<nav><a href="/">Home</a> <a href="/about">About us</a></nav>
<article><h1>The garden in May</h1>
<p>In May the garden wakes up &amp; there is much to do. Water it in the morning!</p>
<p>The <b>roses</b> need the most light of all the flowers that stand in a garden.</p></article>
<footer>Copyright by nobody</footer></body></html>"""
FIRST = "In May the garden wakes up & there is much to do. Water it in the morning!"
SECOND = "The roses need the most light of all the flowers that stand in a garden."


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def train(source: Any) -> list[dict[str, Any]]:
    return list(source.load()["train"])


def texts(source: Any) -> list[str]:
    return [record["input"] for record in train(source)]


def test_a_page_gives_its_paragraphs_without_menu_footer_and_markup(tmp_path):
    write(tmp_path / "plants" / "2026" / "may.html", PAGE)
    records = train(WebPages(folder=str(tmp_path), split=[1, 0, 0], languages=["en", "de"]))
    assert [record["input"] for record in records] == ["The garden in May", FIRST, SECOND]
    assert {name: value for name, value in records[1].items() if name != "input"} == {
        "id": "plants/2026/may.html#1", "document": "plants/2026/may.html", "group": "plants/2026/may.html",
        "domain": "plants", "input_lang": "en", "target_lang": "de",
    }  # fmt: skip


def test_a_page_may_be_one_record_or_its_sentences(tmp_path):
    write(tmp_path / "may.htm", PAGE)
    (whole,) = train(WebPages(folder=str(tmp_path), split=[1, 0, 0], unit=Unit.document))
    assert (whole["id"], whole["input"]) == ("may.htm", f"The garden in May\n{FIRST}\n{SECOND}")
    assert whole["domain"] == tmp_path.name
    sentences = texts(WebPages(folder=str(tmp_path), split=[1, 0, 0], unit=Unit.sentence))
    assert sentences == [
        "The garden in May", "In May the garden wakes up & there is much to do.", "Water it in the morning!", SECOND,
    ]  # fmt: skip


def test_a_page_in_another_encoding_that_it_names_is_read(tmp_path):
    page = PAGE.replace("<head>", '<head><meta charset="iso-8859-1">').replace("roses", "Röschen")
    (tmp_path / "may.html").write_bytes(page.encode("iso-8859-1"))
    assert texts(WebPages(folder=str(tmp_path), split=[1, 0, 0]))[2] == SECOND.replace("roses", "Röschen")


def test_pages_without_text_are_counted_and_passed_over(tmp_path, caplog):
    write(tmp_path / "may.html", PAGE)
    write(tmp_path / "empty.html", "")
    (tmp_path / "zip.html").write_bytes(b"PK\x03\x04\x00\x00\xff")
    with caplog.at_level("INFO", "lamcore"):
        assert len(texts(WebPages(folder=str(tmp_path), split=[1, 0, 0]))) == 3
    assert "web_pages: 2 of 3 pages hold no text" in caplog.text


def test_a_page_stays_in_one_split_and_new_pages_move_none(tmp_path):
    for number in range(30):
        write(tmp_path / f"{number}.html", PAGE.replace("the garden", f"garden {number}"))
    source = WebPages(folder=str(tmp_path), split=[1, 1, 1])
    before = {record["document"]: split for split, rows in source.load().items() for record in rows}
    assert set(before.values()) == {"train", "validation", "test"}
    write(tmp_path / "more.html", PAGE)
    after = {record["document"]: split for split, rows in source.load().items() for record in rows}
    assert {document: after[document] for document in before} == before


def test_a_held_out_text_that_stands_in_train_too_is_left_out(tmp_path):
    for number in range(30):
        write(tmp_path / f"{number}.html", PAGE.replace("roses", f"roses of bed {number}"))
    loaded = WebPages(folder=str(tmp_path), split=[1, 1, 1]).load()
    assert {record["input"] for record in loaded["test"]} & {FIRST, "The garden in May"} == set()
    assert FIRST in {record["input"] for record in loaded["train"]}


def test_wrapped_lines_are_joined_and_empty_lines_end_a_paragraph(tmp_path):
    book = write(tmp_path / "novel.txt", "\ufeffIt was late.\r\nThe rain\r\n  fell. \r\n\r\n \t\r\nA new day.\r\n")
    assert texts(Books(folder=str(book), unit=Unit.paragraph, split=[1, 0, 0])) == [
        "It was late. The rain fell.", "A new day.",
    ]  # fmt: skip
    sentences = train(Books(folder=str(book), split=[1, 0, 0]))
    assert [(one["id"], one["input"], one["group"]) for one in sentences] == [
        ("novel.txt#0.0", "It was late.", "novel.txt#0"),
        ("novel.txt#0.1", "The rain fell.", "novel.txt#0"),
        ("novel.txt#1.0", "A new day.", "novel.txt#1"),
    ]


def test_lines_may_be_paragraphs_and_a_file_one_record(tmp_path):
    write(tmp_path / "news" / "a.txt", "One line.\n\nAnother.\n")
    source = Books(folder=str(tmp_path), wrapped=False, unit=Unit.paragraph, split=[1, 0, 0])
    assert texts(source) == ["One line.", "Another."]
    (whole,) = train(Books(folder=str(tmp_path), unit=Unit.document, split=[1, 0, 0]))
    assert (whole["id"], whole["input"], whole["domain"]) == ("news/a.txt", "One line.\n\nAnother.", "news")


def test_sentences_end_where_the_language_says(tmp_path):
    book = write(tmp_path / "a.txt", "Das ist z. B. Dr. Müller. Wirklich?\n")
    german = Books(folder=str(book), languages=["de"], split=[1, 0, 0])
    assert texts(german) == ["Das ist z. B. Dr. Müller.", "Wirklich?"]


def test_sentences_of_one_paragraph_stay_in_one_split(tmp_path):
    paragraphs = (f"Day {number} began. On day {number} it rained.\n" for number in range(60))
    book = write(tmp_path / "a.txt", "\n".join(paragraphs))
    splits = Books(folder=str(book), split=[1, 1, 1]).load()
    groups = {split: {record["group"] for record in rows} for split, rows in splits.items()}
    assert all(groups.values())
    assert sum(len(group) for group in groups.values()) == 60


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (lambda folder: WebPages(folder=f"{folder}/no"), "no is no folder - paths count from "),
        (lambda folder: WebPages(folder=str(folder)), r"holds no \.html or \.htm or \.xhtml file"),
        (lambda folder: Books(folder=str(folder / "sub")), r"holds no \.txt file"),
        (lambda folder: Books(folder=str(folder)), r"latin\.txt:2: byte 0xFC is not UTF-8 - save the file as UTF-8"),
        (lambda folder: Books(folder=str(folder / "one.txt")), "no record fell into (train|validation|test): there is"),
    ],
)
def test_what_can_not_be_read_is_one_line_that_says_where(tmp_path, source, says):
    (tmp_path / "latin.txt").write_bytes("ja\nTür\n".encode("latin-1"))
    write(tmp_path / "one.txt", "One.\n")
    (tmp_path / "sub").mkdir()
    with pytest.raises(LamcoreError, match=says):
        for rows in source(tmp_path).load().values():
            list(rows)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="languages must be one code, or two"):
        WebPages(folder=".", languages=["en", "de", "fr"])
    with pytest.raises(ValueError, match="split must be three shares"):
        Books(folder=".", split=[0, 1, 1])


def test_a_changed_file_changes_the_fingerprint(tmp_path):
    book = write(tmp_path / "a.txt", "One.\n")
    before = Books(folder=str(tmp_path)).fingerprint()
    assert Books(folder=str(tmp_path)).fingerprint() == before
    write(book, "Another.\n")
    assert Books(folder=str(tmp_path)).fingerprint() != before
