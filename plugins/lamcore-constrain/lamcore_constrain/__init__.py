"""Answers held to a schema while they are written; light, the work is in its modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamcore import LamcoreError, Record, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from lamcore.decode import Allowed
    from lamcore.hookspecs import Register
    from lamcore.plugins import Registry
    from lamcore.run import Run
    from lamcore.tokenizer import Tokenizer


@hookimpl
def register_constraints(register: Register) -> None:
    """Offer `decoding.constrain=tools`, `schema:FILE` and `fields:FILE`."""
    register("tools", tools)
    register("schema", schema)
    register("fields", fields)


@hookimpl
def register_evaluations(register: Register) -> None:
    """Offer `--constrain` of `lam evaluate`."""
    register("constrain", command)


def tools(given: str, records: list[Record], tokenizer: Tokenizer, limits: Tensor) -> Allowed:
    """Hold answers to calls of the record's `tools`, `[]` (no call) always among them.

    `given`, a file or JSON text of tools, is for records that have none."""
    from lamcore_constrain.masks import Masks
    from lamcore_constrain.vocabulary import vocabulary_of

    return Masks([tools_of(given, record) for record in records], vocabulary_of(tokenizer), limits)


def tools_of(given: str, record: Record) -> tuple[str, str, str]:
    """Return the demand of a record's tools: its kind, the JSON text and where that is from."""
    from lamcore_constrain.grammar import demand

    own = _own(record, "tools")
    return ("tools", own, f"Record {record.get('id')!r}, tools") if own else demand("tools", given, record)


def schema(given: str, records: list[Record], tokenizer: Tokenizer, limits: Tensor) -> Allowed:
    """Hold answers to JSON of a JSON schema; `given` is a file, the schema itself, or a column that holds one each."""
    from lamcore_constrain.masks import Masks
    from lamcore_constrain.vocabulary import vocabulary_of

    return Masks([schema_of(given, record) for record in records], vocabulary_of(tokenizer), limits)


def schema_of(given: str, record: Record, kind: str = "schema") -> tuple[str, str, str]:
    """Return the demand of a schema: that of the record's column of this name, or else the same for all records."""
    from lamcore_constrain.grammar import demand

    own = _own(record, given)
    return (kind, own, f"Record {record.get('id')!r}, {given}") if own else demand(kind, given, record)


def _own(record: Record, column: str) -> str:
    own = record.get(column) or ""
    if not isinstance(own, str):
        what = f"Record {record.get('id')!r}: {column} must be JSON text, not a {type(own).__name__}"
        raise LamcoreError(f"{what}: write it as json.dumps does.")
    return own


def fields(given: str, records: list[Record], tokenizer: Tokenizer, limits: Tensor) -> Allowed:
    """Hold answers to JSON of a JSON schema, each text in it begun with a blank, as `fields_text.blank` writes it."""
    from lamcore_constrain.masks import Masks
    from lamcore_constrain.vocabulary import vocabulary_of

    return Masks([schema_of(given, record, "fields") for record in records], vocabulary_of(tokenizer), limits)


DEMANDS = {"tools": tools_of, "schema": schema_of, "fields": schema_of}
"""What a finished answer is held to; the blanks of `fields` are gone from it."""


@click.command("constrain")
@click.option(
    "--constrain",
    metavar="NAME",
    help="Score the tests free and constrained side by side: tools, tools:FILE, schema:FILE or fields:FILE.",
)
def command(registry: Registry, run: Run, as_json: bool, constrain: str) -> None:
    """Score the test sets with and without a constraint; nothing is written."""
    from lamcore_constrain.sides import compared, report

    report(compared(registry, run, constrain), as_json)
