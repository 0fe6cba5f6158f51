"""A grammar of JSON text as a tree: its shortest text, how it goes on after a beginning, and its JSON schema.

llguidance says which pieces may come next; this tree says how the shortest way to an end goes on from a text half
written, which no mask tells. Texts have the separators ", " and ": " and keys in the order of `Fields`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

STRING, NUMBER = "\0", "\1"
"""In a way: the rest of a string with its quote, or of a number; only the matcher knows it."""
LONGEST = 10_000
"""Characters of the longest shortest value."""
WHOLE_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
WHOLE_NUMBER = re.compile(r"[-+.0-9eE]+")
Way = int | str
"""Where in the text a value is complete, or what is missing where the text ends within it."""
Defined = dict[str, Any]
"""$defs of the schema that is written."""


@dataclass
class Node:
    """One kind of value; `least` is its shortest text, None where there is none (yet)."""

    least: str | None = field(default=None, init=False)

    def shortest(self) -> str | None:
        """Return the shortest text, as far as the `least` of the nodes within say."""
        return self.least

    def ways(self, text: str, at: int) -> Iterator[Way]:
        """Give each way in which the text, from `at` on, begins with this value; it ends after `at`."""
        raise NotImplementedError

    def openings(self) -> Iterator[str]:
        """Give what may become due when a piece more is written within this value."""
        yield self.least or ""

    def schema(self, defined: Defined) -> Any:
        """Return the JSON schema of the values that can be written."""
        raise NotImplementedError

    def go(self, text: str, at: int) -> Iterator[Way]:
        """Give the ways, also where the text ends at `at`."""
        if self.least is not None:
            if at >= len(text):
                yield self.least
            else:
                yield from self.ways(text, at)


@dataclass
class Words(Node):
    """One of some texts."""

    texts: Sequence[str]

    def shortest(self) -> str | None:
        return min(self.texts, key=len, default=None)

    def ways(self, text: str, at: int) -> Iterator[Way]:
        for word in self.texts:
            if text.startswith(word, at):
                yield at + len(word)
            elif word.startswith(text[at:]):
                yield word[len(text) - at :]

    def openings(self) -> Iterator[str]:
        yield from self.texts

    def schema(self, defined: Defined) -> Any:
        return {"enum": [json.loads(text) for text in self.texts]}


@dataclass
class Leaf(Node):
    """Strings or numbers that a plain schema describes; its shortest text is found by the matcher."""

    described: dict[str, Any]
    mark: str

    def ways(self, text: str, at: int) -> Iterator[Way]:
        whole = (WHOLE_STRING if self.mark == STRING else WHOLE_NUMBER).match(text, at)
        if whole and (self.mark == STRING or whole.end() < len(text)):
            yield whole.end()
        elif whole or (self.mark == STRING and text[at] == '"'):
            yield self.mark

    def schema(self, defined: Defined) -> Any:
        return self.described


@dataclass
class Either(Node):
    """A value of one of several kinds."""

    nodes: list[Node] = field(default_factory=list)

    def shortest(self) -> str | None:
        return min((node.least for node in self.nodes if node.least is not None), key=len, default=None)

    def ways(self, text: str, at: int) -> Iterator[Way]:
        for node in self.nodes:
            yield from node.go(text, at)

    def schema(self, defined: Defined) -> Any:
        return {"anyOf": [node.schema(defined) for node in self.nodes if node.least is not None]}


@dataclass
class Link(Node):
    """Another node by name: what `$ref` says, so that a tree may hold itself."""

    name: str
    target: Node = field(default_factory=lambda: Words([]), repr=False)

    def shortest(self) -> str | None:
        return self.target.least

    def ways(self, text: str, at: int) -> Iterator[Way]:
        yield from self.target.ways(text, at)

    def schema(self, defined: Defined) -> Any:
        if self.name not in defined:
            defined[self.name] = {}
            defined[self.name] = self.target.schema(defined)
        return {"$ref": f"#/$defs/{self.name}"}


@dataclass
class Items(Node):
    """A list: first one item of each of `first`, then `others`; at least `fewest` and at most `most` in all."""

    first: list[Node]
    others: Node | None
    fewest: int
    most: int | None

    def _node(self, number: int) -> Node | None:
        """Return what item `number` is, None where there may be none."""
        if self.most is not None and number >= self.most:
            return None
        node = self.first[number] if number < len(self.first) else self.others
        return node if node is not None and node.least is not None else None

    def _rest(self, number: int, some: bool = False) -> str | None:
        """Return the shortest way on from where item `number` may begin (it must where `some`), to the end."""
        due = [self._node(n) for n in range(number, max(self.fewest, number + some))]
        texts = [node.least for node in due if node is not None and node.least is not None]
        return ", ".join(texts) + "]" if len(texts) == len(due) else None

    def shortest(self) -> str | None:
        rest = self._rest(0)
        return None if rest is None else "[" + rest

    def ways(self, text: str, at: int) -> Iterator[Way]:
        if text[at] == "[":
            yield from _listed(text, at + 1, 0, "]", self._values, lambda n, some: self._rest(n, some))

    def _values(self, text: str, at: int, number: int) -> Iterator[tuple[Way, int]]:
        if node := self._node(number):
            yield from ((way, number + 1) for way in node.go(text, at))

    def openings(self) -> Iterator[str]:
        yield self.least or ""
        yield from (f", {node.least}" for node in [*self.first, self.others] if node is not None and node.least)

    def schema(self, defined: Defined) -> Any:
        made: dict[str, Any] = {"type": "array", "minItems": self.fewest}
        written = []
        for number in range(len(self.first)):
            if (node := self._node(number)) is None:
                break
            written.append(node.schema(defined))
        if written:
            made["prefixItems"] = written
        others = self._node(len(self.first)) if len(written) == len(self.first) else None
        made["items"] = False if others is None else others.schema(defined)
        most = self.most if others is not None else len(written)
        return made if most is None else {**made, "maxItems": most}


@dataclass
class Fields(Node):
    """An object with some keys in this order, [(key, its value, required)]."""

    fields: list[tuple[str, Node, bool]]

    def __post_init__(self) -> None:
        self._keys = [json.dumps(key, ensure_ascii=False) + ": " for key, _, _ in self.fields]

    def _rest(self, number: int, some: bool = False) -> str | None:
        """Return the shortest way on from where the key `number` or a later one may begin, to the end."""
        rest = list(enumerate(self.fields))[number:]
        texts = [None if v.least is None else self._keys[n] + v.least for n, (_, v, required) in rest if required]
        if some and not texts:
            optional = [self._keys[n] + v.least for n, (_, v, _) in rest if v.least is not None]
            texts = [min(optional, key=len, default=None)]
        return None if None in texts else ", ".join(text for text in texts if text) + "}"

    def shortest(self) -> str | None:
        rest = self._rest(0)
        return None if rest is None else "{" + rest

    def ways(self, text: str, at: int) -> Iterator[Way]:
        if text[at] == "{":
            yield from _listed(text, at + 1, 0, "}", self._values, lambda n, some: self._rest(n, some))

    def _values(self, text: str, at: int, number: int) -> Iterator[tuple[Way, int]]:
        for n in range(number, len(self.fields)):
            _, value, required = self.fields[n]
            for way in _expect(text, at, self._keys[n]) if value.least is not None else ():
                if isinstance(way, int):
                    yield from ((more, n + 1) for more in value.go(text, way))
                else:
                    yield f"{way}{value.least}", n + 1
            if required:
                return

    def openings(self) -> Iterator[str]:
        yield self.least or ""
        yield from (f", {key}{value.least}" for key, (_, value, _) in zip(self._keys, self.fields, strict=True))

    def schema(self, defined: Defined) -> Any:
        kept = [(key, value, required) for key, value, required in self.fields if value.least is not None]
        properties = {key: value.schema(defined) for key, value, _ in kept}
        required = [key for key, _, required in kept if required]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


@dataclass
class Table(Node):
    """An object with one key of any text or none: of two, the second could be the first once more."""

    value: Node

    def shortest(self) -> str | None:
        return "{}"

    def ways(self, text: str, at: int) -> Iterator[Way]:
        if text[at] == "{":
            yield from _listed(text, at + 1, 0, "}", self._values, lambda n, some: None if some else "}")

    def _values(self, text: str, at: int, number: int) -> Iterator[tuple[Way, int]]:
        key = WHOLE_STRING.match(text, at)
        if key is None:
            yield f"{STRING}: {self.value.least}", number + 1
            return
        for way in _expect(text, key.end(), ": "):
            if isinstance(way, int):
                yield from ((more, number + 1) for more in self.value.go(text, way))
            else:
                yield f"{way}{self.value.least}", number + 1

    def openings(self) -> Iterator[str]:
        yield f'"": {self.value.least}'

    def schema(self, defined: Defined) -> Any:
        more = False if self.value.least is None else self.value.schema(defined)
        return {"type": "object", "additionalProperties": more, "maxProperties": 1}


def _expect(text: str, at: int, wanted: str) -> Iterator[Way]:
    """Give where the text is after what is wanted, or what of that is missing."""
    if text.startswith(wanted, at):
        yield at + len(wanted)
    elif wanted.startswith(text[at:]):
        yield wanted[len(text) - at :]


def _listed(text: str, at: int, number: int, close: str, values: Any, rest: Any) -> Iterator[Way]:
    """Give the ways of values between commas up to `close`; `rest(number, some)` is the shortest way to there."""
    stack = [(at, number)]
    while stack:
        at, number = stack.pop()
        if at >= len(text):
            yield from _known(rest(number, number > 0))
            continue
        if number == 0 and text[at] == close and rest(0, False) == close:
            yield at + 1
        for way, after in values(text, at, number):
            following = rest(after, False)
            if isinstance(way, str):
                yield from _known(following, way, close)
            elif way >= len(text):
                yield from _known(following, "", close)
            elif text[way] == close and following == close:
                yield way + 1
            elif text[way] == ",":
                for there in _expect(text, way, ", "):
                    if isinstance(there, int):
                        stack.append((there, after))
                    else:
                        yield from _known(rest(after, True), there)


def _known(rest: str | None, before: str = "", close: str | None = None) -> Iterator[str]:
    """Give the rest after what is before it, with a comma where it begins with a value."""
    if rest is not None:
        comma = ", " if close is not None and rest != close else ""
        yield f"{before}{comma}{rest}"


def settle(nodes: Sequence[Node]) -> None:
    """Find the shortest text of every node: repeat until none gets shorter (Knuth 1977, in rounds)."""
    changed = True
    while changed:
        changed = False
        for node in nodes:
            found = node.shortest()
            if found is not None and len(found) > LONGEST:
                raise ValueError(f"its shortest value has more than {LONGEST:,} characters")
            if found is not None and (node.least is None or len(found) < len(node.least)):
                node.least, changed = found, True
