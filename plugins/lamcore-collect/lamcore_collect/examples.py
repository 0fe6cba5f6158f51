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
