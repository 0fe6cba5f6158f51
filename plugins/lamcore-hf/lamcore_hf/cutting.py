"""Cut text with a checkpoint's own tokenizer, checked before the library sees it: some files kill a process.

A tokenizer may have the parts that lamcore's own may have, marks that it adds itself, a SentencePiece character map of
bounded size and regexes that are listed here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tokenizers as hf

from lamcore import LamcoreError
from lamcore.tokenizer import LONGEST_PIECE, LONGEST_SETTING, OPEN, PARTS, SEQUENCES, guarded

MOST_TOKENIZER = 100 * 2**20
"""Bytes of the largest tokenizer."""
MOST_MAP = 2**20
"""Characters of the largest SentencePiece character map (that of T5 has 316,720)."""
MOST_MARKS = 10_000
"""Characters of the longest description of the marks around a text."""
ALLOWED = {part: [*kinds.split()] for part, kinds in PARTS.items()}
ALLOWED["normalizer"] += ["Precompiled"]
ALLOWED["pre_tokenizer"] += ["Split"]
MARKS = {"BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"}
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
MARKED = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
REGEXES = {" {2,}", r"\s+", SHORT + WORDS % "", SHORT + WORDS % "{1,3}", SHORT + MARKED}
"""Blanks (of SentencePiece models), and words as Qwen 2, Llama 3 and Qwen 3.5 cut them: each takes linear time."""
NEVER = "\0"
"""Begins a piece that stands for a token but in no text."""


class Cutter:
    """Text to ids and back; `content` is JSON: {"source": a tokenizer.json, "target": one where it is another}.

    `unknown` in it is the id that stands for all from `rows`, how many the model has, on."""

    def __init__(self, content: bytes, rows: int):
        self.content, self.rows = content, rows
        if len(content) > MOST_TOKENIZER:
            raise LamcoreError(f"The checkpoint's tokenizer has more than {MOST_TOKENIZER:,} bytes.")
        with guarded("The checkpoint's tokenizer can't be used"):
            given = json.loads(content)
            self.unknown: int | None = given.get("unknown")
            self.source = self._made(given["source"])
            self.target = self._made(given["target"]) if "target" in given else self.source
            self.never = sorted(self._never(given.get("target", given["source"])["model"]))
            self.begin = self.source.encode("").ids
            """What the tokenizer puts around a text of the source."""
            self.around = {*self.target.encode("").ids}
            """What it puts around one of the target."""

    def _made(self, given: dict[str, Any]) -> hf.Tokenizer:
        given = {**given, "padding": None, "truncation": None}
        for part, allowed in ALLOWED.items():
            _check(part, [*_within(given.get(part))], allowed)
        marks = given.get("post_processor")
        if len(json.dumps(marks)) > MOST_MARKS or {one["type"] for one in _within(marks, "processors")} - MARKS:
            raise ValueError(f"its post_processor may be short, and of {', '.join(sorted(MARKS))}")
        every = _pieces(given)
        if self.unknown is None and max(every.values()) >= self.rows:
            raise ValueError(f"it has ids up to {max(every.values())}, and the model {self.rows} rows")
        made = hf.Tokenizer.from_str(json.dumps(given))
        if made.get_vocab_size() != len(every):
            raise ValueError(f"it has {len(every)} pieces, of which {made.get_vocab_size()} can be used")
        return made

    def _never(self, model: Mapping[str, Any]) -> set[int]:
        """Return the ids that no text has: the unknown piece, and rows of the model without a piece."""
        unknown = {model.get("unk_id"), self.id_of(model.get("unk_token")), self.unknown} - {None}
        return {*unknown, *({*range(self.rows)} - {*self.target.get_vocab().values()})}

    def id_of(self, piece: str | None) -> int | None:
        """Return the id of a piece of the target, or None."""
        return None if piece is None else self.target.token_to_id(piece)

    def ids(self, texts: Sequence[str], target: bool = False, marks: bool = True) -> list[list[int]]:
        """Return each text's ids, with the marks that the tokenizer puts around a text unless `marks` is false."""
        side = self.target if target else self.source
        with guarded("A text can't be cut into pieces"):
            if self.unknown is not None:
                cut = side.encode_batch(list(texts), add_special_tokens=marks)
                return [[self._known(side, *one) for one in zip(text.ids, text.tokens, strict=True)] for text in cut]
            found = [text.ids for text in side.encode_batch_fast(list(texts), add_special_tokens=marks)]
        if any(ids and max(ids) >= self.rows for ids in found):
            raise LamcoreError(f"The checkpoint's tokenizer gives ids of more than the model's {self.rows} rows.")
        return found

    def _known(self, side: hf.Tokenizer, number: int, piece: str) -> int:
        """Return a piece's id; one that only the other side has is known as well, one beyond the rows unknown."""
        if number == self.unknown:
            number = side.token_to_id(NEVER + piece) or number
        return number if number < self.rows else self.unknown  # type: ignore[return-value]

    def texts(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of each row of ids."""
        with guarded("Pieces can't be joined to a text"):
            texts = self.target.decode_batch([list(row) for row in rows], skip_special_tokens=False)
        return texts if self.unknown is None else [text.replace(NEVER, "").strip() for text in texts]


def _within(part: Any, inner: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield a part of a tokenizer and the parts within."""
    if part:
        yield part
        for name in (inner,) if inner else SEQUENCES:
            for one in part.get(name, ()):
                yield from _within(one, inner)


def _check(part: str, components: list[dict[str, Any]], allowed: list[str]) -> None:
    """Raise ValueError for a component that is not allowed, or that could make a text endless."""
    kinds = [one["type"] for one in components]
    if odd := {*kinds} - {*allowed}:
        raise ValueError(f"its {part} has {', '.join(map(str, sorted(odd)))}; it may have {', '.join(allowed)}")
    if more := {kind for kind in {*kinds} - {"Replace", "Sequence", "Split"} if kinds.count(kind) > 1}:
        raise ValueError(f"its {part} has {', '.join(more)} more than once")
    for one in components:
        settings = {key: value for key, value in one.items() if key not in OPEN and value is not None}
        if one["type"] == "Precompiled" and len(settings.pop("precompiled_charsmap")) > MOST_MAP:
            raise ValueError(f"its character map has more than {MOST_MAP:,} characters")
        if "pattern" in one:
            _check_pattern(one)
        if not all(
            isinstance(value, int | float | str) and len(str(value)) <= LONGEST_SETTING for value in settings.values()
        ):
            raise ValueError(f"a {one['type']} in it has a setting that is too long")


def _check_pattern(one: Mapping[str, Any]) -> None:
    """Raise ValueError where a text is looked for that may be nothing or grow, or a regex that is not listed."""
    pattern = one["pattern"]
    if "Regex" in pattern and pattern["Regex"] not in REGEXES:
        raise ValueError(f"its regex {pattern['Regex'][:80]!r} is none of those known: {len(REGEXES)} are")
    text = pattern.get("String", " ")
    if not text or len(one.get("content", "")) > len(text):
        raise ValueError("in it a Replace puts a longer text for a shorter one")


def _pieces(given: Mapping[str, Any]) -> dict[str, int]:
    """Return {piece: id}; raise ValueError where two pieces share an id, or a piece is empty or endless."""
    pieces = given["model"]["vocab"]
    ids = pieces if isinstance(pieces, dict) else {piece: i for i, (piece, _) in enumerate(pieces)}
    added = {one["content"]: one["id"] for one in given.get("added_tokens") or []}
    every = {**ids, **added}
    if any(ids.get(piece, i) != i for piece, i in added.items()) or len(ids) < len(pieces):
        raise ValueError("a piece in it has two ids")
    if len({*every.values()}) < len(every) or not all(isinstance(i, int) and i >= 0 for i in every.values()):
        raise ValueError("its ids are not whole numbers from 0 on, each for one piece")
    if not every or not all(0 < len(piece) <= LONGEST_PIECE for piece in every):
        raise ValueError(f"it has no piece, or one that is empty or longer than {LONGEST_PIECE}")
    return every
