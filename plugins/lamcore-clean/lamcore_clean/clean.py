"""Repair text that came damaged: wrong decoding, control characters, markup, stray white space."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from lamcore import Preprocessor, Record
from lamcore_clean.text import with_text

_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u206a-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
_SEPARATOR = re.compile("[\x0b\x0c\x1c-\x1f\x85]")  # control characters that stand between words
_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,24};")  # only with its semicolon: "?a=1&copy=2" is no copyright sign
_HIDDEN = re.compile(
    r"<\?xml\b[^<>]*\?>|<!doctype\b[^<>]*>"
    r"|<!--(?:.*?-->|(?P<rest>.*))"  # what never ends takes the rest, so that it is looked through once
    r"|<(?P<code>script|style)\b[^<>]*>(?:.*?</(?P=code)\s*>|(?P<tail>.*))",
    re.IGNORECASE | re.DOTALL,
)
_BREAKS = (
    "address|article|aside|blockquote|br|caption|center|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]"
    "|header|hr|li|main|nav|ol|option|p|pre|section|select|summary|table|tbody|td|tfoot|th|thead|title|tr|ul"
)
_INLINE = (
    "a|abbr|acronym|audio|b|bdi|bdo|big|body|button|canvas|cite|code|data|del|details|dfn|dialog|em|font|head|html|i"
    "|iframe|img|input|ins|kbd|label|legend|link|map|mark|menu|meta|object|output|picture|q|s|samp|small|source|span"
    "|strike|strong|sub|sup|svg|time|tt|u|var|video|wbr"
)
_TAG = re.compile(
    rf"<(?P<end>/?)(?:(?P<breaks>{_BREAKS})|(?P<inline>{_INLINE}))\b"
    r"""(?P<attributes>(?:\s+[a-z_:][\w:.-]*+\s*+=\s*+(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>=`]+))*+)\s*+/?>""",
    re.IGNORECASE,
)


@dataclass
class Clean(Preprocessor):
    """Repair wrongly decoded text, and remove control characters, HTML tags and stray white space."""

    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """Text columns to clean; those that a record lacks are passed over."""
    markup: bool = True
    """Remove HTML tags and comments, and decode entities such as &amp;."""
    spaces: bool = True
    """Fold every run of white space, line breaks too, into one space, and strip both ends."""

    def change(self, record: Record) -> Record | None:
        """Return the record with its text cleaned."""
        return with_text(record, self.columns, self._cleaned)

    def _cleaned(self, text: str) -> str:
        if not text.isascii():
            text = _decoded(text)
        if self.markup:
            text = without_markup(text)
        if not text.isprintable():  # true for most texts, and far quicker than the patterns
            text = _CONTROL.sub("", _SEPARATOR.sub(" ", text))
        return " ".join(text.split()) if self.spaces else text


def without_markup(text: str) -> str:
    """Return the text without HTML: inline tags vanish, tags that break a line become a space, entities are decoded.

    Only well-formed tags of HTML's own go, and bare ones (`<b>`, `</b>`) only where their partner stands in the text:
    "ssh <address>", "a <b> c", `{name}`, `<0>` and `List<T>` stay as they are. So does every tag of a name that holds
    a placeholder (`<a href="{url}">here</a>`).
    """
    if "<" in text:
        if "<!" in text or "<?" in text or "</" in text:
            text = _HIDDEN.sub(lambda part: " " if part["rest"] is part["tail"] is None else part[0], text)
        text = _without_tags(text)
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if "&" in text else text


def _without_tags(text: str) -> str:
    tags = list(_TAG.finditer(text))
    bound = {_name(tag) for tag in tags if "{" in tag["attributes"]}
    paired = {_name(tag) for tag in tags if tag["end"]} & {_name(tag) for tag in tags if not tag["end"]}
    known = (paired | {"br", "hr", "wbr"}) - bound  # these three never have a partner

    def replacement(tag: re.Match[str]) -> str:
        if _name(tag) in known or (tag["attributes"] and _name(tag) not in bound):
            return " " if tag["breaks"] else ""
        return tag[0]

    return _TAG.sub(replacement, text) if tags else text


def _name(tag: re.Match[str]) -> str:
    return (tag["breaks"] or tag["inline"]).lower()


@cache
def _ftfy() -> tuple[Callable[[str], bool], Callable[[str], str]]:
    from ftfy import fix_encoding
    from ftfy.badness import is_bad

    return is_bad, fix_encoding


def _decoded(text: str) -> str:
    """Return text that was read in the wrong encoding ("schÃ¶n") as it was meant ("schön")."""
    is_bad, fix_encoding = _ftfy()
    return fix_encoding(text) if is_bad(text) else text
