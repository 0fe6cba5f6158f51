"""Write the same text in the same way: Unicode form, punctuation, case."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, cast

from lamcore import Preprocessor, Record
from lamcore_clean.text import braces, with_text


class Form(Enum):
    """How a character that Unicode can write in several ways is written."""

    nfc = "nfc"
    nfkc = "nfkc"
    none = "none"


class Case(Enum):
    """What happens to capitals."""

    keep = "keep"
    lower = "lower"


_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    }
)


@dataclass
class Normalise(Preprocessor):
    """Write text in one Unicode form, and where asked with plain quotes and dashes and in lower case.

    Metrics compare with what the source gave, so what is lost in `target` (case, curly quotes) counts as an error:
    for those settings, narrow `columns` to [input].
    """

    columns: list[str] = field(default_factory=lambda: ["input", "target"])
    """Text columns to normalise; those that a record lacks are passed over."""
    form: Form = Form.nfc
    """nfc (composed letters, nothing lost), nfkc (also full width, ligatures, superscripts made plain) or none."""
    plain: bool = False
    """Write curly and angle quotes as ' and ", every dash and the minus sign as -."""
    case: Case = Case.keep
    """keep, or lower (outside `{...}`, whose names must stay as they are)."""

    def change(self, record: Record) -> Record | None:
        """Return the record with its text normalised."""
        return with_text(record, self.columns, self._normalised)

    def _normalised(self, text: str) -> str:
        if not text.isascii():
            if self.form is not Form.none:
                text = unicodedata.normalize(cast(Literal["NFC", "NFKC"], self.form.value.upper()), text)
            if self.plain:
                text = text.translate(_PLAIN)
        return text if self.case is Case.keep else _lower(text)


def _lower(text: str) -> str:
    parts, at = [], 0
    for start, end in braces(text):
        parts += [text[at:start].lower(), text[start:end]]
        at = end
    return "".join(parts) + text[at:].lower()
