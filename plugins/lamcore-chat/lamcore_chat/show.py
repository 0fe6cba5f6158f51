"""A run's records as its model reads them, in parts that are learnt or only read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from lamcore import LamcoreError, Record, tokenizer
from lamcore.commands import read_config
from lamcore.config import composed
from lamcore.console import say
from lamcore.data import Data
from lamcore.errors import unknown
from lamcore.kinds import Architecture, Recipe
from lamcore.make import make
from lamcore.plugins import Registry
from lamcore.prepare import cache_folder, prepare
from lamcore.tokenizer import SPECIAL, Tokenizer

Part = dict[str, Any]
"""{"column", "text", "learnt"}; `column` is empty where it stands for tokens."""
LEARNT = "bold green"


def shown(registry: Registry, words: Sequence[str], split: str, number: int) -> list[dict[str, Any]]:
    """Return the first records of a split: id, split, parts, and of segments how many tokens are read and learnt."""
    folder = Path(words[0]) if len(words) == 1 and Path(words[0]).is_dir() else None
    if len(words) == 1 and not folder and "=" not in words[0]:
        raise LamcoreError(f"{words[0]} is no folder of a run, and no override, which has the form KEY=VALUE.")
    values = read_config(folder) if folder else composed(registry, words).values
    recipe = make(Recipe, values, find=registry.find)
    with tempfile.TemporaryDirectory() as temporary:
        cache = cache_folder(recipe.cache, folder or Path(temporary))
        data = Data(recipe, prepare(recipe, cache), cache)
        if split not in data.ready:
            raise unknown("split", split, data.ready, has="There are")
        records = data.ready[split].take(min(number, len(data.ready[split]))).to_list()
        if "segments" in data.ready[split].column_names and "target" in recipe.architecture.answers:
            return [
                {"id": r["id"], "split": split, **one}
                for r, one in zip(records, tokens(data, recipe, folder, records), strict=True)
            ]
        return [{"id": r["id"], "split": split, "parts": columns(recipe.architecture, r)} for r in records]


def columns(architecture: Architecture, record: Record) -> list[Part]:
    """Return what an architecture reads and learns of a record, a column a part."""
    learnt = [*architecture.answers, *architecture.labels]
    names = dict.fromkeys([*(name for name in architecture.reads if name not in learnt), *learnt])
    return [{"column": n, "text": _text(record[n]), "learnt": n in learnt} for n in names if n in record]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


def tokens(data: Data, recipe: Recipe, folder: Path | None, records: list[Record]) -> Iterator[dict[str, Any]]:
    """Yield, of each record, how many tokens are read and learnt, and runs of them as parts."""
    vocabulary = folder / "vocabulary" if folder else None
    files = (
        {file.name: file.read_text(encoding="utf-8") for file in vocabulary.glob("*.json")}
        if vocabulary and vocabulary.is_dir()
        else data.vocabulary()
    )
    names, labels = json.loads(files["columns.json"]), json.loads(files["labels.json"])
    made = tokenizer.read({name: text.encode() for name, text in files.items() if name.startswith("tokenizer")}, names)
    with torch.device("meta"):
        model: Any = recipe.architecture.build(made, labels)
    for record, example in zip(records, model.encode(records), strict=True):
        if "labels" not in example or "tokens" not in example:
            yield {"parts": columns(recipe.architecture, record)}
            continue
        marked = list(_marked(example["tokens"].tolist(), example["labels"].tolist(), made["target"].eos))
        runs = [(flag, [one for one, _ in run]) for flag, run in groupby(marked, key=lambda pair: pair[1])]
        parts = [{"column": "", "text": _decoded(made["target"], ids), "learnt": flag} for flag, ids in runs]
        yield {"tokens": len(example["tokens"]), "learnt": sum(flag for _, flag in marked), "parts": parts}


def _marked(read: list[int], labels: list[int], end: int) -> Iterator[tuple[int, bool]]:
    """Yield each token with whether it is learnt; an end mark that is learnt and not read stands there too."""
    for token, before in zip(read, [-1, *labels], strict=False):
        if before == end != token:
            yield end, True
        yield token, before == token
    if labels and labels[-1] == end:
        yield end, True


def _decoded(made: Tokenizer, ids: Iterable[int]) -> str:
    """Return the text of ids, with the names of special ones in it."""
    runs = [(special, list(run)) for special, run in groupby(ids, key=lambda one: one < len(SPECIAL))]
    return "".join("".join(SPECIAL[i] for i in run) if special else made.decode([run])[0] for special, run in runs)


def lines(records: Iterable[dict[str, Any]]) -> None:
    """Print records, a part in lines of its own: `learn` in colour, `read` as it is."""
    for record in records:
        counts = f": {record['tokens']} tokens, {record['learnt']} of them learnt" if "tokens" in record else ""
        say(f"{record['id']} ({record['split']}){counts}", "bold")
        wide = max((len(part["column"]) for part in record["parts"]), default=0)
        for part in record["parts"]:
            head = f"  {'learn' if part['learnt'] else 'read ':<5} {part['column']:<{wide}}{' ' * bool(wide)}"
            for number, line in enumerate(_lines(part["text"])):
                say(f"{head if number == 0 else ' ' * len(head)}{line}", LEARNT if part["learnt"] else "")


def _lines(text: str) -> list[str]:
    """Cut a text after its line breaks, which are shown."""
    *broken, last = text.split("\n")
    return [*(f"{line}↵" for line in broken), *([last] if last or not broken else [])]
