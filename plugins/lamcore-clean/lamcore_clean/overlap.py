"""`lam overlap`: which held-out inputs of a run stand in train, exactly or nearly, and its scores without them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamcore_clean.near import Index, folded, shingles, similarity

if TYPE_CHECKING:
    from lamcore.kinds import Answer, Recipe, Record
    from lamcore.plugins import Registry

SHOWN = 3
"""Examples printed of a split."""


@click.command("overlap")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--near",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    help="Least similarity that counts, 0 to 1.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(registry: Registry, run: Path, near: float, as_json: bool) -> None:
    """Find held-out inputs that train holds too, exactly or nearly, and score RUN with and without them.

    Similarity is the share of runs of four characters that two texts have in common, after NFKC, case folding and
    folding of blanks: 0.5 finds most sentences of ten words or more of which one or two were changed."""
    from lamcore.commands import read_config
    from lamcore.kinds import Recipe
    from lamcore.make import make

    recipe = make(Recipe, read_config(run), find=registry.find)
    found = report(recipe, run, near)
    if as_json:
        from lamcore.console import as_json as text_of

        click.echo(text_of(found))
    else:
        show(found)


def report(recipe: Recipe, run: Path, near: float) -> dict[str, Any]:
    """Return {split: {rows, seen, scores, unseen}}: `seen` holds the held-out rows that stand in train, each with the
    most similar train input; `scores` counts all rows, `unseen` those that are left."""
    from dataclasses import replace

    from lamcore.kinds import records_of
    from lamcore.prepare import cache_folder, prepare
    from lamcore.scores import scored

    raw = prepare(replace(recipe, preprocessors={}), cache_folder(recipe.cache, run)).raw
    held = {split: list(records_of(rows)) for split, rows in raw.items() if split != "train"}
    alike = seen_in(records_of(raw["train"]), {split: map(_input, records) for split, records in held.items()}, near)
    found = {}
    for split, records in held.items():
        answers = _answers(run / f"predictions-{split}.jsonl", records)
        rest = [row for row in range(len(records)) if row not in alike[split]]
        left = scored(recipe.metrics, [answers[row] for row in rest], [records[row] for row in rest]) if rest else {}
        seen = [
            {"id": records[row]["id"], "input": records[row]["input"], "train": text, "similarity": round(share, 3)}
            for row, (share, text) in sorted(alike[split].items())
        ]
        scores = scored(recipe.metrics, answers, records)
        found[split] = {"rows": len(records), "seen": seen, "scores": scores, "unseen": left}
    return found


def seen_in(
    train: Iterable[Record], held: Mapping[str, Iterable[str]], near: float
) -> dict[str, dict[int, tuple[float, str]]]:
    """Return {split: {row: (similarity, train input)}} of the held-out inputs that train holds, exactly or nearly.

    Held-out inputs are kept in memory, train is gone through once."""
    places: dict[str, list[tuple[str, int]]] = {}
    for split, texts in held.items():
        for row, text in enumerate(texts):
            if key := folded(text):
                places.setdefault(key, []).append((split, row))
    index = Index(near)
    for key in places:
        index.add(key, index.signature(shingles(key)))
    best: dict[str, tuple[float, str]] = {}
    for text in map(_input, train):
        runs = shingles(folded(text))
        for key in index.candidates(index.signature(runs)):
            share = similarity(runs, shingles(key))
            if share >= near and share > best.get(key, (0.0, ""))[0]:
                best[key] = (share, text)
    seen: dict[str, dict[int, tuple[float, str]]] = {split: {} for split in held}
    for key, found in best.items():
        for split, row in places[key]:
            seen[split][row] = found
    return seen


def _input(record: Record) -> str:
    text = record.get("input", "")
    return text if isinstance(text, str) else ""


def _answers(file: Path, records: list[Record]) -> list[Answer]:
    """Return what a run answered to these records; raise LamcoreError where it answered others or is not finished."""
    from lamcore.errors import LamcoreError

    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
    except OSError as error:
        raise LamcoreError(f"{file.parent} has no {file.name}: finish it by lam resume {file.parent}") from error
    if [(one["id"], one["input"]) for one in lines] != [(one["id"], one.get("input")) for one in records]:
        raise LamcoreError(f"{file} answers other records than the source gives now. Use lam evaluate {file.parent}")
    return [one["answer"] for one in lines]


def show(found: Mapping[str, Any]) -> None:
    """Print a line a split, examples, and the scores of all rows and of those that train lacks."""
    from lamcore import console

    for split, facts in found.items():
        exact = sum(one["similarity"] == 1 for one in facts["seen"])
        near = len(facts["seen"]) - exact
        console.say(f"{split}: of {facts['rows']} inputs {exact} stand in train too and {near} nearly", "bold")
        for one in sorted(facts["seen"], key=lambda one: -one["similarity"])[:SHOWN]:
            console.say(f"  {one['similarity']:.2f}  {one['input']}  ~  {one['train']}")
    console.scores(dict(_both(found)))


def _both(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for split, facts in found.items():
        yield split, facts["scores"]
        if facts["seen"] and facts["unseen"]:
            yield f"{split} without {len(facts['seen'])} seen", facts["unseen"]
