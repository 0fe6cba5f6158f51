"""JSON schema -> the tree of what may be written; what can't be held to is refused, in one line.

What is written is a part of what the schema allows: keys that it does not name are written only where it names none,
one at a time and at most DEPTH deep; keys stand sorted; numbers that it does not bound lie within 10**15 and have no
exponent; a list of unique items has one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from lamcore_constrain.nodes import NUMBER, STRING, Either, Fields, Items, Leaf, Link, Node, Table, Words, settle

DEPTH = 4
"""Levels of lists and objects where a schema leaves open what may stand."""
DEEPEST, MOST_NODES, MOST_ITEMS = 60, 20_000, 1000
"""Bounds of a schema: levels, values in it, items of a list and characters of a text that it may count."""
WIDE = 10**15
"""Bound of numbers that have none of their own: such whole numbers are exact in every program."""
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
OF = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
    "array": ("items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""Keywords that hold for values of one type."""
REFUSED = (
    "not", "if", "then", "else", "contains", "minContains", "maxContains", "propertyNames", "patternProperties",
    "dependencies", "dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties",
    "$dynamicRef", "$recursiveRef",
)  # fmt: skip
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")
"""Formats that are held to; others say nothing."""


class Reader:
    """Reads one schema; `nodes` are all that were made, those within others first.

    `sample(schema)` is some short text of a plain schema, None where the vocabulary has none; `writable(text)` says
    whether the vocabulary has pieces for a text; `fits(node, text)` whether a text is a value of a node."""

    def __init__(
        self,
        sample: Callable[[dict[str, Any], str], str | None],
        writable: Callable[[str], bool],
        fits: Callable[[Node, str], bool],
    ):
        self.nodes: list[Node] = []
        self._sample, self._writable, self._fits = sample, writable, fits
        self._root: Any = {}
        self._links: dict[str, Link] = {}
        self._free: dict[int, Node] = {}
        self._named = 0

    def read(self, root: Any) -> Node:
        """Return the node of a schema; ValueError says what in it can't be held to. `$ref`s are within it."""
        self._root, self._links = root, {}
        return self._read(root, 0)

    def add(self, node: Node) -> Node:
        """Take a node into the tree."""
        self.nodes.append(node)
        if len(self.nodes) > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES:,} values")
        return node

    def words(self, values: list[Any]) -> Words:
        """Return the node of some values, without those that can't be written."""
        texts = dict.fromkeys(json.dumps(value, ensure_ascii=False, sort_keys=True) for value in values)
        node = Words([text for text in texts if self._writable(text)])
        self.add(node)
        return node

    def _read(self, schema: Any, depth: int) -> Node:
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")
        if schema is True or schema == {}:
            return self._anything(DEPTH)
        if schema is False:
            return self.words([])
        if not isinstance(schema, dict):
            raise ValueError(f"{_brief(schema)} is no schema")
        if odd := [key for key in REFUSED if key in schema]:
            raise ValueError(f"the keyword {odd[0]!r} can't be held to while an answer is written")
        if depth and "$id" in schema:
            raise ValueError("'$id' within a schema can't be held to: its $refs would begin there")
        for key, read in (("$ref", self._link), ("allOf", self._all), ("anyOf", self._any), ("oneOf", self._one)):
            if key in schema:
                return read(schema, depth)
        if "enum" in schema or "const" in schema:
            return self._enum(schema, depth)
        return self._typed(schema, depth)

    def _alone(self, schema: dict[str, Any], key: str, *also: str) -> None:
        """Refuse other keywords that hold beside one."""
        every = {"$ref", "allOf", "anyOf", "oneOf", "enum", "const", "type", *(k for keys in OF.values() for k in keys)}
        if beside := sorted(every & schema.keys() - {key, *also}):
            raise ValueError(f"{key!r} can't be held to together with {beside[0]!r}")

    def _link(self, schema: dict[str, Any], depth: int) -> Node:
        self._alone(schema, "$ref")
        name = schema["$ref"]
        if name not in self._links:
            target = _pointed(self._root, name)
            self._named += 1
            link = self._links[name] = Link(f"value{self._named}")
            link.target = self._read(target, depth + 1)
            self.add(link)
        return self._links[name]

    def _all(self, schema: dict[str, Any], depth: int) -> Node:
        self._alone(schema, "allOf")
        if not isinstance(schema["allOf"], list) or len(schema["allOf"]) != 1:
            raise ValueError("'allOf' is held to only where it has one schema")
        return self._read(schema["allOf"][0], depth + 1)

    def _any(self, schema: dict[str, Any], depth: int, key: str = "anyOf") -> Node:
        types = schema.get("type")
        self._alone(schema, key, *(() if types is None else ("type",)))
        branches = schema[key]
        if not isinstance(branches, list) or not branches:
            raise ValueError(f"{key!r} must be a list of schemas")
        if types is not None:
            branches = [self._narrowed(one, types, key) for one in branches]
        return self.add(Either([self._read(one, depth + 1) for one in branches]))

    def _narrowed(self, branch: Any, types: Any, key: str) -> Any:
        """Return a branch held to the types that stand beside `anyOf` or `oneOf` as well."""
        if branch is True or not isinstance(branch, dict):
            return {"type": types} if branch is True else branch
        outer = types if isinstance(types, list) else [types]
        own = self._resolved(branch).get("type", outer)
        own = own if isinstance(own, list) else [own]
        if any(one not in TYPES for one in [*own, *outer]):
            return branch  # refused where it is read
        both = [one for one in TYPES if _holds(own, one) and _holds(outer, one)]
        both = [one for one in both if one != "integer" or "number" not in both]
        if "$ref" not in branch:
            return {**branch, "type": both} if both else False
        if "type" in self._resolved(branch) and all(_holds(both, one) for one in own):
            return branch
        raise ValueError(f"a $ref in {key!r} can't be held to together with the 'type' beside that")

    def _one(self, schema: dict[str, Any], depth: int) -> Node:
        node = self._any(schema, depth, "oneOf")
        branches = [one if isinstance(one, dict) else {} for one in schema["oneOf"]]
        kinds = [_kinds(self._resolved(one), schema.get("type")) for one in branches]
        marks = [
            _marks([self._resolved(one) for one in branches], key) for key in _shared(map(self._resolved, branches))
        ]
        if not _apart(kinds) and not any(map(_apart, marks)):
            raise ValueError("'oneOf' is held to only where its schemas differ in type or in a required constant")
        return node

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        found = _pointed(self._root, schema["$ref"]) if "$ref" in schema else schema
        return found if isinstance(found, dict) else {}

    def _enum(self, schema: dict[str, Any], depth: int) -> Node:
        values = schema.get("enum", [schema.get("const")])
        if not isinstance(values, list) or not values:
            raise ValueError("'enum' must be a list of values")
        if "const" in schema:
            values = [value for value in values if value == schema["const"] and type(value) is type(schema["const"])]
        node = self.words(values)
        rest = {key: value for key, value in schema.items() if key not in ("enum", "const")}
        if any(key in rest for keys in OF.values() for key in keys):
            begin = len(self.nodes)
            allowed = self._typed(rest, depth)
            settle(self.nodes[begin:])
            node.texts = [text for text in node.texts if self._fits(allowed, text)]
        elif "type" in rest:
            types = rest["type"] if isinstance(rest["type"], list) else [rest["type"]]
            node.texts = [text for text in node.texts if _is_of(json.loads(text), types)]
        return node

    def _typed(self, schema: dict[str, Any], depth: int) -> Node:
        types = schema.get("type") or [
            t for t in ("object", "array", "string", "number") if any(key in schema for key in OF[t])
        ]
        types = [types] if isinstance(types, str) else types
        if not isinstance(types, list) or (odd := [one for one in types if one not in TYPES]):
            raise ValueError(f"{_brief(odd[0] if isinstance(types, list) else types)} is no type: {', '.join(TYPES)}")
        if not types:
            return self._anything(DEPTH)
        if len(types) > 1:
            return self.add(Either([self._typed({**schema, "type": one}, depth) for one in dict.fromkeys(types)]))
        if types[0] in ("boolean", "null"):
            return self.words([True, False] if types[0] == "boolean" else [None])
        return getattr(self, f"_{types[0]}")(schema, depth)  # type: ignore[no-any-return]

    def _string(self, schema: dict[str, Any], depth: int) -> Node:
        kept = {key: schema[key] for key in OF["string"] if key in schema}
        if kept.get("format") not in FORMATS:
            kept.pop("format", None)
        kept |= {key: n for key in ("minLength", "maxLength") if (n := _count(schema, key, None)) is not None}
        if kept.get("minLength") == 0:
            del kept["minLength"]
        return self._leaf({"type": "string", **kept}, STRING)

    def _number(self, schema: dict[str, Any], depth: int) -> Node:
        kept = {key: schema[key] for key in OF["number"] if key in schema}
        for key, value in kept.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{key!r} must be a number, not {_brief(value)}")
        least = max([kept[key] for key in ("minimum", "exclusiveMinimum") if key in kept], default=None)
        most = min([kept[key] for key in ("maximum", "exclusiveMaximum") if key in kept], default=None)
        if least is None:
            kept["minimum"] = -WIDE if most is None else min(-WIDE, math.floor(most) - 1)
        if most is None:
            kept["maximum"] = WIDE if least is None else max(WIDE, math.ceil(least) + 1)
        return self._leaf({"type": schema.get("type", "number"), **kept}, NUMBER)

    def _integer(self, schema: dict[str, Any], depth: int) -> Node:
        return Reader._number(self, {**schema, "type": "integer"}, depth)

    def _leaf(self, described: dict[str, Any], mark: str) -> Node:
        node = Leaf(described, mark)
        node.least = self._sample(described, mark)
        return self.add(node)

    def _array(self, schema: dict[str, Any], depth: int) -> Node:
        first, others = schema.get("prefixItems", []), schema.get("items", True)
        if isinstance(others, list):  # as it was written before 2020
            first, others = others, schema.get("additionalItems", True)
        fewest, most = _count(schema, "minItems", 0), _count(schema, "maxItems", None)
        if schema.get("uniqueItems"):
            most = 1 if most is None else min(most, 1)
        if not isinstance(first, list) or (most is not None and most < (fewest or 0)):
            raise ValueError("a list in it can't have as many items as it must")
        nodes = [self._read(one, depth + 1) for one in first]
        return self.add(Items(nodes, self._read(others, depth + 1), fewest or 0, most))

    def _object(self, schema: dict[str, Any], depth: int) -> Node:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise ValueError("'properties' must be an object and 'required' a list")
        more = schema.get("additionalProperties", True)
        every = {**{key: more for key in required if isinstance(key, str)}, **properties}
        least, most = _count(schema, "minProperties", 0) or 0, _count(schema, "maxProperties", None)
        if least > len(every.keys() & set(required)) or (most is not None and most < len(every)):
            raise ValueError("'minProperties' and 'maxProperties' can't be held to while an answer is written")
        if not every and more is not False and "properties" not in schema and most is None:
            return self.add(Table(self._read(more, depth + 1)))
        for key in every:
            if not self._writable(json.dumps(key, ensure_ascii=False)):
                every[key] = False
        fields = [(key, self._read(every[key], depth + 1), key in required) for key in sorted(every)]
        return self.add(Fields(fields))

    def _anything(self, depth: int) -> Node:
        """Return the node of any JSON, at most `depth` levels of it."""
        if depth not in self._free:
            nodes = [self._typed({"type": one}, 0) for one in ("string", "number", "boolean", "null")]
            if depth:
                within = self._anything(depth - 1)
                nodes += [self.add(Items([], within, 0, None)), self.add(Table(within))]
            link = Link(f"any{depth}")
            link.target = self.add(Either(nodes))
            self._free[depth] = self.add(link)
        return self._free[depth]


def _count(schema: dict[str, Any], key: str, default: int | None) -> int | None:
    value = schema.get(key, default)
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(f"{key!r} must be a whole number from 0, not {_brief(value)}")
    if value is not None and value > MOST_ITEMS:
        if key.startswith("min"):
            raise ValueError(f"{key!r} is more than {MOST_ITEMS:,}")
        return MOST_ITEMS
    return value


def _pointed(root: Any, name: Any) -> Any:
    """Return what a `$ref` within the schema points to."""
    if not isinstance(name, str) or not name.startswith("#"):
        raise ValueError(f"$ref {_brief(name)} points out of the schema")
    if name[1:] and name[1] != "/":
        raise ValueError(f"$ref {_brief(name)} names an anchor, which is not looked up: write a path such as #/$defs/x")
    found = root
    for part in name[1:].split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            raise ValueError(f"$ref {_brief(name)} points to nothing")
        found = found[key]
    return found


def _kinds(schema: dict[str, Any], outer: Any) -> set[Any] | None:
    """Return the types of a schema's values, None where it leaves that open; a number may be whole."""
    if "enum" in schema or "const" in schema:
        return {_type(value) for value in schema.get("enum", [schema.get("const")])}
    types = schema.get("type", outer)
    types = [types] if isinstance(types, str) else types
    return None if types is None else {"number" if one == "integer" else one for one in types}


def _holds(types: list[Any], one: str) -> bool:
    """Say whether one type is among some types; a whole number is a number."""
    return one in types or (one == "integer" and "number" in types)


def _is_of(value: Any, types: list[Any]) -> bool:
    return _type(value) in types or ("integer" in types and _type(value) == "number" and value == int(value))


def _type(value: Any) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _shared(schemas: Any) -> set[str]:
    """Return the properties that all of some objects must have."""
    required = [{one for one in schema.get("required", []) if isinstance(one, str)} for schema in schemas]
    return set.intersection(*required) if required else set()


def _marks(schemas: list[dict[str, Any]], key: str) -> list[set[Any] | None]:
    """Return the constants that a property has in each of some objects, None where it is not constant."""
    found: list[set[Any] | None] = []
    for schema in schemas:
        value = (schema.get("properties") or {}).get(key)
        values = value.get("enum", [value["const"]] if "const" in value else None) if isinstance(value, dict) else None
        found.append(None if values is None else {json.dumps(one, sort_keys=True) for one in values})
    return found


def _apart(sets: list[set[Any] | None]) -> bool:
    """Say whether no two of some sets share anything; None shares with all."""
    known = [one for one in sets if one is not None]
    return len(known) == len(sets) and sum(map(len, known)) == len(set().union(*known))


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
