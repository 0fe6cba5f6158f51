"""Small folders of each form, for those who check the sources."""

from __future__ import annotations

from pathlib import Path

HEADER = 'msgid ""\nmsgstr ""\n"Language: de\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n'


def catalogue(folder: Path) -> str:
    """Write a catalogue of German messages and return its folder's name."""
    entries = [f'msgid "Open file {at}"\nmsgstr "Datei {at} öffnen"\n' for at in range(60)]
    (folder / "de.po").write_text("\n".join([HEADER, *entries]), encoding="utf-8")
    return str(folder)


def pages(folder: Path) -> str:
    """Write web pages and return their folder's name."""
    for at in range(8):
        texts = (f"Paragraph {part} of page {at} tells what there is to tell, at some length." for part in range(3))
        body = "".join(f"<p>{text}</p>" for text in texts)
        (folder / f"page-{at}.html").write_text(f"<html><body><article>{body}</article></body></html>", "utf-8")
    return str(folder)


def book(folder: Path) -> str:
    """Write a book and return its file's name."""
    paragraphs = (f"Chapter {at} begins here.\nIt is short. So it ends\nwith line {at}.\n" for at in range(30))
    (folder / "book.txt").write_text("\n".join(paragraphs), encoding="utf-8")
    return str(folder / "book.txt")


def documents(folder: Path) -> str:
    """Write documents of each form, each with its fields, and return their folder's name."""
    place = folder / "documents"
    place.mkdir()
    for at in range(30):
        text, end = f"Invoice {at} is over {at + 7} EUR.", ("txt", "html", "pdf")[at % 3]
        content = {"txt": text.encode(), "html": f"<p>{text}</p>".encode(), "pdf": pdf([[text]])}[end]
        (place / f"{at}.{end}").write_bytes(content)
        (place / f"{at}.json").write_text(f'{{"number": "{at}", "total": {at + 7}}}', encoding="utf-8")
    return str(place)


def pdf(pages: list[list[str]]) -> bytes:
    """Return a PDF of some lines a page, in Helvetica; parentheses and backslashes stand escaped."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    for lines in pages:
        shown = "BT /F1 12 Tf 14 TL 72 720 Td " + "".join(f"({line}) Tj T* " for line in lines) + "ET"
        font = f"/Resources << /Font << /F1 3 0 R >> >> /Contents {len(objects) + 2} 0 R"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {font} >>")
        objects.append(f"<< /Length {len(shown)} >>\nstream\n{shown}\nendstream")
    kids = " ".join(f"{number} 0 R" for number in range(4, len(objects) + 1, 2))
    objects[1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>"
    written, places = "%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(f"{len(written):010d} 00000 n \n")
        written += f"{number} 0 obj\n{one}\nendobj\n"
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{''.join(places)}"
    end = f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(written)}\n%%EOF\n"
    return (written + table + end).encode("latin-1")
