"""One grammar: what an answer may be, compiled for a vocabulary, and the shortest way to its end from anywhere."""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from llguidance import LLMatcher
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

from lamcore import LamcoreError, Record
from lamcore.errors import safe
from lamcore.store import content_of, loads
from lamcore_constrain.blanks import blanked
from lamcore_constrain.nodes import NUMBER, STRING, WHOLE_STRING, Defined, Either, Fields, Items, Leaf, Node, settle
from lamcore_constrain.reading import Reader
from lamcore_constrain.vocabulary import Vocabulary

Demand = tuple[str, str, str]
"""What an answer is held to: "tools", "schema" or "fields", its JSON text, and where that is from, for messages."""
MOST_TEXT = 2**20
"""Characters of the largest tools or schema."""
MOST_STEPS = 300
"""Characters after which the end of a string or a number is given up."""
MOST_WAYS = 8
"""Ways to the end that are tried."""
LONGEST_ERROR = 200
OPEN = {"additionalProperties", "$ref", "allOf", "anyOf", "oneOf"}
"""Keywords by which parameters say themselves what arguments there are."""
ROOM = 8
"""Pieces by which a way to the end may grow where a piece of it is cut, or a character begun."""
NO_FORCING = '%llguidance {"no_forcing": true}'
"""Which pieces write a text that must come is the model's to say: it was taught the tokenizer's way."""
OPTIONS = {
    "item_separator": ", ",
    "key_separator": ": ",
    "whitespace_flexible": False,
    "json_allowed_escapes": 'nrtbf\\"',
}


def demand(kind: str, given: str, record: Record) -> Demand:
    """Return what is given for all records: JSON text, or a file of it."""
    if not given:
        what = f"Record {record.get('id')!r} has no `tools`: " if kind == "tools" else ""
        raise LamcoreError(f"{what}decoding.constrain={kind} needs a file here: {kind}:FILE.")
    return (kind, given, f"decoding.constrain={kind}") if given[0] in "[{" else (kind, _content(given), given)


@lru_cache(maxsize=16)
def _content(file: str) -> str:
    try:
        return content_of(Path(file).expanduser(), MOST_TEXT).decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LamcoreError(f"decoding.constrain: {file} can't be read: {reason}.") from error


@lru_cache(maxsize=1024)
def grammar_of(vocabulary: Vocabulary, kind: str, text: str, where: str) -> Grammar:
    """Return the grammar of tools or of a schema, made once for each text."""
    if len(text) > MOST_TEXT:
        raise LamcoreError(f"{where}: {len(text):,} characters are more than {MOST_TEXT:,}.")
    try:
        value = loads(text.encode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise LamcoreError(f"{where}: it is no JSON: {_line(error)}.") from error
    return Grammar(vocabulary, kind, value, where)


class Grammar:
    """What answers of one kind may be, as a matcher that says which piece may follow and a tree that finds the end."""

    def __init__(self, vocabulary: Vocabulary, kind: str, value: Any, where: str):
        self.vocabulary, self.where = vocabulary, where
        reader = Reader(self._sample, self._writable, self._fits)
        try:
            schema = blanked(value) if kind == "fields" else value
            self.root = self._tools(reader, value) if kind == "tools" else reader.read(schema)
            settle(reader.nodes)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise LamcoreError(f"{where}: {_line(error)}.") from error
        if self.root.least is None:
            raise LamcoreError(f"{where}: the vocabulary has no pieces for any value of it.")
        self.start = self._matcher(self.root)
        texts = {opened for node in reader.nodes if node.least is not None for opened in node.openings()}
        self.step = max(vocabulary.worst(text.encode()) for text in texts)
        """Most pieces that become due with one choice."""
        self.margin = vocabulary.choices * self.step + ROOM
        """Most pieces by which the way to the end may grow with one piece."""

    def _tools(self, reader: Reader, tools: Any) -> Node:
        """Return the list of calls: no call, or calls of these tools with arguments by each one's schema."""
        if not isinstance(tools, list):
            raise ValueError("tools must be a list of {name, description, parameters}")
        calls: list[Node] = []
        for number, tool in enumerate(tools):
            if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
                raise ValueError(f"tool {number + 1} has no name")
            parameters = tool.get("parameters") or {}
            try:
                if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
                    raise ValueError("its parameters must be the schema of an object")
                closed: dict[str, Any] = {} if OPEN & parameters.keys() else {"properties": {}}
                arguments = reader.read({"type": "object", **closed, **parameters})
            except ValueError as error:
                raise ValueError(f"tool {tool['name']!r}: {error}") from error
            name = reader.words([tool["name"]])
            calls.append(reader.add(Fields([("name", name, True), ("arguments", arguments, True)])))
        return reader.add(Items([], reader.add(Either(calls)), 0, None))

    def _matcher(self, node: Node) -> LLMatcher:
        defined: Defined = {}
        schema = {"x-guidance": OPTIONS, **node.schema(defined), "$defs": defined}
        text = f"{NO_FORCING}\nstart: %json {json.dumps(schema)}"
        matcher = LLMatcher(self.vocabulary.for_grammars, text, log_level=0)
        if matcher.is_error():
            raise LamcoreError(f"{self.where}: {_line(matcher.get_error())}.")
        return matcher

    def _sample(self, described: dict[str, Any], mark: str) -> str | None:
        """Return a short text of strings or numbers, None where the vocabulary has no pieces for one."""
        key = json.dumps(described)
        if key not in self.vocabulary.samples:
            written = self._end(self._matcher(Leaf(described, mark)), mark, b"", b"")
            self.vocabulary.samples[key] = None if written is None else written.decode("utf-8", "ignore")
        return self.vocabulary.samples[key]

    def _writable(self, text: str) -> bool:
        return self.vocabulary.fewest(text.encode()) is not None

    def _fits(self, node: Node, text: str) -> bool:
        return node.least is not None and self._accepts(self._matcher(node), text)

    def accepts(self, text: str) -> bool:
        """Say whether a text is one that can be written: whole, canonical and valid."""
        return self._accepts(self.start.deep_copy(), text)

    def _accepts(self, matcher: LLMatcher, text: str) -> bool:
        ids = self.vocabulary.fewest(text.encode("utf-8", "surrogatepass"))
        return ids is not None and matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()

    @cached_property
    def first(self) -> np.ndarray:
        """Which pieces may come first, a bit a piece; also some that begin with a space which is left out there."""
        bits = allocate_token_bitmask(1, self.vocabulary.size)
        fill_next_token_bitmask(self.start, bits)
        allowed = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little")).tolist()
        begins = {self.vocabulary.pieces[n][:1] for n in allowed} | {b""}
        for token, text in self.vocabulary.begins.items():
            ids = self.vocabulary.fewest(text) if text[:1] in begins else None
            if ids is not None and self.start.validate_tokens(ids) == len(ids):
                set_bit(bits[0], token)
        return bits[0]

    def way_out(self, matcher: LLMatcher, written: bytes) -> tuple[list[int], bool] | None:
        """Return the pieces of the shortest end found of what is written, None where none is found.

        The second says whether plain text may go on before them: they begin with the quote of any string."""
        for way in self.ways(written.decode("utf-8", "ignore")):
            begin, mark, rest = _parted(way)
            after = matcher.deep_copy()
            end = self._end(after.deep_copy(), mark, written, rest[:1].encode()) if mark else begin.encode()
            ids = None if end is None else self.vocabulary.fewest(end + rest.encode())
            if ids is not None and after.try_consume_tokens(ids) == len(ids) and after.is_accepting():
                return ids, mark == STRING and end == b'"'
        return None

    def ways(self, text: str) -> list[str]:
        """Return the shortest ways to the end of a text; a mark stands for what the matcher has to finish."""
        try:
            every = {"" if way == len(text) else way for way in self.root.go(text, 0)}
        except RecursionError:
            return []
        return sorted((way for way in every if isinstance(way, str)), key=lambda way: (len(way), way))[:MOST_WAYS]

    def _end(self, matcher: LLMatcher, mark: str, before: bytes, following: bytes) -> bytes | None:
        """Return what ends a string that `before` ends in, its quote too, or a number, which `following` comes after.

        Of the characters that may come, those that came least often are taken, so that no loop of a pattern is for
        ever; None where that finds no end, or where there are no pieces for one."""
        vocabulary, written, used = self.vocabulary, b"", dict[int, int]()
        quote = vocabulary.id_of.get(b'"')
        inside, escaped = _inside(before)
        for _ in range(MOST_STEPS):
            if mark == NUMBER and self._over(matcher, following):
                return written
            bits = matcher.compute_bitmask()
            allowed = [n for n in vocabulary.singles if bits[n >> 3] >> (n & 7) & 1]
            if not allowed:
                return None
            best = min(allowed, key=lambda n: (used.get(n, 0), vocabulary.singles[n] in b".-+eE\\", n))
            best = quote if mark == STRING and quote in allowed else best
            matcher.consume_token(best)
            written, used[best] = written + vocabulary.singles[best], used.get(best, 0) + 1
            if mark == STRING and best == quote and inside and not escaped:
                return written
            inside, escaped = True, vocabulary.singles[best] == b"\\" and not escaped
        return None

    def _over(self, matcher: LLMatcher, following: bytes) -> bool:
        """Say whether a number may end here."""
        after = self.vocabulary.id_of.get(following)
        return matcher.is_accepting() if after is None else matcher.validate_tokens([after]) == 1


def set_bit(bits: np.ndarray, token: int) -> None:
    """Allow one piece."""
    bits.view(np.uint32)[token >> 5] |= np.uint32(1 << (token & 31))


def _inside(text: bytes) -> tuple[bool, bool]:
    """Say whether a text ends within a string, and there after an open backslash."""
    rest = WHOLE_STRING.sub("", text.decode("utf-8", "ignore"))
    at = rest.find('"')
    return at >= 0, (len(rest) - len(rest.rstrip("\\"))) % 2 == 1


def _parted(way: str) -> tuple[str, str, str]:
    """Return what of a way is before the mark, the mark and what is after it."""
    mark = next((mark for mark in (STRING, NUMBER) if mark in way), "")
    return (way, "", "") if not mark else way.partition(mark)


def _line(problem: object) -> str:
    plain = str(problem).partition(" 1 | ")[0].partition("\n1 | ")[0]  # what follows is the grammar
    text = safe(" ".join(plain.split())).rstrip(".")
    return text if len(text) <= LONGEST_ERROR else text[: LONGEST_ERROR - 3] + "..."
