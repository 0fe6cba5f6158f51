"""The source `documents` and the verb of its name: plain text, HTML and PDF, with fields beside them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from pypdf import PdfReader, PdfWriter

from lamcore import LamcoreError
from lamcore.cli import lam
from lamcore_collect import Documents
from lamcore_collect.examples import pdf

PAGE = "<html><head><title>Garden</title></head><body><nav>Home</nav><article><p>{}</p></article></body></html>"
LONG = "In May the garden wakes up &amp; there is much to do. Water it in the morning, and once more at night!"


def read(*files: Path, **settings: int) -> list[dict[str, object]]:
    names = [str(path) for path in files]
    return list(Documents(files=names, split=[1, 0, 0], **settings).load()["train"])


def with_password(folder: Path) -> Path:
    writer = PdfWriter(PdfReader(io.BytesIO(pdf([["secret"]]))))
    writer.encrypt("key", algorithm="RC4-128")
    writer.write(folder / "locked.pdf")
    return folder / "locked.pdf"


def test_text_of_every_form_is_read_whole(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("\ufeffDear Ann,\r\n\r\nyes.\r\n", encoding="utf-8")
    (tmp_path / "b.HTML").write_text(PAGE.format(f"{LONG} " * 4), encoding="utf-8")
    (tmp_path / "c.pdf").write_bytes(pdf([["Invoice 12", "Total: 30 EUR"], ["Thank you"]]))
    (tmp_path / "d.doc").write_bytes(b"\xd0\xcf")
    assert read(tmp_path) == [
        {"id": name, "text": text, "title": title, "document": name, "group": name}
        for name, text, title in (
            ("b.HTML", " ".join([LONG.replace("&amp;", "&")] * 4), "Garden"),
            ("c.pdf", "Invoice 12\nTotal: 30 EUR\n\nThank you", ""),
            ("letters/a.txt", "Dear Ann,\n\nyes.", ""),
        )
    ]


def test_a_pdf_without_line_ends_in_its_objects_is_read_as_others_read_it(tmp_path):
    writer = PdfWriter(PdfReader(io.BytesIO(pdf([["one"], ["two"]]))))
    writer.add_metadata({"/Title": "Offer"})
    writer.write(tmp_path / "offer.pdf")
    assert [(one["text"], one["title"]) for one in read(tmp_path / "offer.pdf")] == [("one\n\ntwo", "Offer")]


def test_fields_beside_every_document_are_read_as_canonical_text(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name, encoding="utf-8")
        (tmp_path / f"{name}.json").write_text('{"total":30.5,"name":["é"]}', encoding="utf-8")
    assert {record["fields"] for record in read(tmp_path)} == {'{"name": ["é"], "total": 30.5}'}
    (tmp_path / "a.json").unlink()
    with pytest.raises(
        LamcoreError, match=r"a\.txt: there is no a\.json with its fields beside it, though .*b\.txt has"
    ):
        read(tmp_path)


def test_long_text_is_cut_and_what_has_no_text_passed_over_and_both_are_told(tmp_path, caplog):
    (tmp_path / "scan.pdf").write_bytes(pdf([[]]))
    (tmp_path / "long.txt").write_text("word " * 10, encoding="utf-8")
    with caplog.at_level("INFO", "lamcore"):
        assert [record["text"] for record in read(tmp_path, most_text=9)] == ["word word"]
    assert "1 hold no text that can be read (a scan?), and are passed over, such as scan.pdf" in caplog.text
    assert "1 hold more than 9 characters, and are cut there, such as long.txt" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.pdf", pdf([["x"]])[:250], r"a\.pdf: this is no PDF, or a damaged one \(.+\) - leave it out"),
        ("a.pdf", b"MZ\x00", r"a\.pdf: this is no PDF, or a damaged one"),
        ("a.pdf", b"", r"a\.pdf: this is no PDF, or a damaged one"),
        ("a.txt", "ja\nTür".encode("latin-1"), r"a\.txt:2: byte 0xFC is not UTF-8"),
        ("a.txt", b"x" * 1001, r"a\.txt: 1,001 bytes are more than most_bytes=1,000"),
        ("a.doc", b"x", r"a\.doc: no document that can be read - its name must end in \.txt, "),
        ("a.json", b"{}", r"a\.json: no document that can be read"),
    ],
)
def test_a_file_that_can_not_be_read_is_named_in_one_line(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LamcoreError, match=says) as caught:
        read(tmp_path / name, most_bytes=1000)
    assert "\n" not in str(caught.value)


def test_other_faults_are_named_too(tmp_path):
    with pytest.raises(LamcoreError, match=r"locked\.pdf: this PDF has a password"):
        read(with_password(tmp_path))
    with pytest.raises(LamcoreError, match=r"no is no folder - paths count from "):
        read(tmp_path / "no")
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    with pytest.raises(LamcoreError, match=r"a\.txt: a document of the same name is .*a\.txt - rename one"):
        read(tmp_path / "a.txt", tmp_path / "a.txt")
    for side, says in {
        "{": "this is no JSON",
        "[1]": "this is no JSON object of fields",
        '{"a": NaN}': "is no JSON",
    }.items():
        (tmp_path / "a.json").write_text(side, encoding="utf-8")
        with pytest.raises(LamcoreError, match=rf"a\.json: .*{says}"):
            read(tmp_path / "a.txt")
    with pytest.raises(ValueError, match="most_bytes and most_text must be 1 or more"):
        Documents(files=".", most_text=0)


def test_documents_become_lines_that_a_run_can_answer(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo", encoding="utf-8")
    (tmp_path / "b.pdf").write_bytes(pdf([["three"]]))
    out = tmp_path / "documents.jsonl"
    asked = ["documents", str(tmp_path), "--out", str(out)]
    assert CliRunner().invoke(lam, asked).exit_code == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(row["id"], row["text"]) for row in rows] == [("a.txt", "one\ntwo"), ("b.pdf", "three")]
    assert "exists: name another file" in str(CliRunner().invoke(lam, asked).exception)
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4")
    again = CliRunner().invoke(lam, ["documents", str(tmp_path), "--out", str(tmp_path / "more.jsonl")])
    assert "b.pdf: this is no PDF" in str(again.exception) and not (tmp_path / "more.jsonl").exists()


def test_a_changed_document_and_changed_fields_change_the_fingerprint(tmp_path):
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    seen = {Documents(files=str(tmp_path)).fingerprint()}
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    seen.add(Documents(files=str(tmp_path)).fingerprint())
    (tmp_path / "a.txt").write_text("other", encoding="utf-8")
    assert len(seen | {Documents(files=str(tmp_path)).fingerprint()}) == 3
