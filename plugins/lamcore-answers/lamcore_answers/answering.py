"""Records -> what a trained model answers to them -> records to learn from."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset

import lamcore
from lamcore import LamcoreError, Record
from lamcore.commands import decoding_of
from lamcore.kinds import records_of
from lamcore.prepare import key_of
from lamcore.store import MANIFEST

if TYPE_CHECKING:
    from lamcore_answers import RunAnswers

CHUNK = 2000
"""Records answered at once."""
log = logging.getLogger("lamcore")


def fingerprint(source: RunAnswers) -> str | None:
    """Return a text that changes when the model does, or the texts; None where those give none."""
    manifest = _folder(source.run) / MANIFEST
    if not manifest.is_file():
        raise LamcoreError(f"source.run={source.run} is no run with a finished model and no model folder.")
    found = source.source.fingerprint()
    model = hashlib.blake2b(manifest.read_bytes(), digest_size=12).hexdigest()
    return None if found is None else f"{model} {key_of(source.source, found)}"


def _folder(run: str) -> Path:
    folder = Path(run).expanduser()
    return folder / "model" if (folder / "model").is_dir() else folder


def answered(source: RunAnswers) -> dict[str, Iterable[Record]]:
    """Return train with the run's answers, and the held-out splits that have both texts."""
    given = source.source.load()
    if "train" not in given:
        raise LamcoreError(f"source.source gives no split 'train', only: {', '.join(given)}.")
    splits: dict[str, Iterable[Record]] = {"train": _train(source, _records(given["train"]))}
    for split, rows in given.items():
        records = _records(rows) if split != "train" else iter(())
        first: Record = next(records, {})
        if first.get("input") and first.get("target"):
            splits[split] = _held_out(source, chain([first], records))
    return splits


def _records(rows: Any) -> Iterator[Record]:
    return records_of(rows) if isinstance(rows, Dataset) else iter(rows)


def _held_out(source: RunAnswers, records: Iterator[Record]) -> Iterator[Record]:
    other = _other(source.column)
    for record in records:
        yield _turned(source, record, record[other])


def _train(source: RunAnswers, records: Iterator[Record]) -> Iterator[Record]:
    """Yield a record for each answer that is kept; raise LamcoreError where none is."""
    with _seeded(0):
        trained = lamcore.load(source.run, source.device)
    if "target" not in trained.parts.architecture.answers:
        told = ", ".join(trained.parts.architecture.answers)
        raise LamcoreError(f"source.run={source.run} answers {told}, and no target to learn from.")
    decoding = decoding_of(trained, source.decoding)
    named = ({"id": f"train-{number}", **record} for number, record in enumerate(records))
    blank = low = kept = 0
    best = -math.inf
    while chunk := list(islice(named, CHUNK)):
        with _seeded(blank + low + kept):
            answers = trained.predict((_asked(source, record) for record in chunk), decoding)
        for record, answer in zip(chunk, answers, strict=True):
            if not answer["target"].strip():
                blank += 1
            elif source.keep_score is not None and (score := _score(source, answer)) < source.keep_score:
                low, best = low + 1, max(best, score)
            else:
                kept += 1
                new = _turned(source, record, answer["target"])
                tagged = f"{source.tag} {new['input']}" if source.tag else new["input"]
                yield new | {"id": f"{record['id']}/answer", "parent": record["id"], "input": tagged}
        log.info("run_answers: %d answers kept, %d blank, %d below keep_score", kept, blank, low)
    if not kept:
        what = f"none of {blank + low} answers of {source.run} is kept: {blank} are blank, the best score is {best:.2f}"
        raise LamcoreError(f"{what} - lower source.keep_score, or answer with another run")


@contextlib.contextmanager
def _seeded(number: int) -> Iterator[None]:
    """Set torch's random numbers, for a search that samples, and put them back at the end."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(number)
        yield


def _asked(source: RunAnswers, record: Record) -> Record:
    """Return a record as the run is asked: its text as input, no answer, the languages to match."""
    column, other = source.column, _other(source.column)
    if not isinstance(record.get(column), str):
        raise LamcoreError(f"Record {record['id']!r} of source.source has no text in {column!r}: name its column.")
    spoken = {"input_lang": record.get(f"{column}_lang"), "target_lang": record.get(f"{other}_lang")}
    return {**record, "input": record[column], "target": "", **{k: lang for k, lang in spoken.items() if lang}}


def _score(source: RunAnswers, answer: dict[str, Any]) -> float:
    if "score" not in answer:
        raise LamcoreError(f"source.keep_score is set, but the answers of {source.run} have no score.")
    return float(answer["score"])


def _turned(source: RunAnswers, record: Record, text: str) -> Record:
    """Return a record with `text` beside the one that is answered, on the sides that `swap` says."""
    column, other = source.column, _other(source.column)
    answered_side, new_side = ("target", "input") if source.swap else ("input", "target")
    changes: dict[str, Any] = {answered_side: record[column], new_side: text}
    if f"{column}_lang" in record or f"{other}_lang" in record:
        changes[f"{answered_side}_lang"] = record.get(f"{column}_lang")
        changes[f"{new_side}_lang"] = record.get(f"{other}_lang")
    return {**{k: value for k, value in record.items() if k != "references"}, **changes}


def _other(column: str) -> str:
    return "target" if column == "input" else "input"
