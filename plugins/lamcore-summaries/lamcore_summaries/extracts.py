"""Summaries that take no training, scored beside a run's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamcore import LamcoreError, Record
from lamcore.kinds import records_of
from lamcore.run import Run
from lamcore.scores import scored
from lamcore_summaries.rouge import KINDS, Rouge, rouge
from lamcore_summaries.sentences import sentences_of

LEAD = (1, 2, 3)


def compared(run: Run) -> list[dict[str, Any]]:
    """Return for each held-out split the ROUGE of the run's answers, of the first sentences, and of the best one."""
    given = [metric for metric in run.recipe.metrics.values() if isinstance(metric, Rouge)]
    metric = given[0] if given else Rouge()
    rows = []
    for split in run.data.raw:
        if split == "train":
            continue
        records = list(records_of(run.data.raw[split]))
        if lacking := [record["id"] for record in records if not record.get("target")]:
            raise LamcoreError(f"--extracts: {split} has no summary of {lacking[0]!r}: its target is empty.")
        asked = ({**record, **run.trained.empty} for record in records)
        rows.append(_row(split, "this run", metric, run.trained.predict(asked, run.recipe.decoding), records))
        for name, extract in _extracts(metric).items():
            rows.append(_row(split, name, metric, [{"target": extract(record)} for record in records], records))
    return rows


def _extracts(metric: Rouge) -> Mapping[str, Callable[[Record], str]]:
    def oracle(record: Record) -> str:
        right = record.get("references") or [record["target"]]
        return max(sentences_of(record), key=lambda sentence: rouge(sentence, right, metric.stem)["1"])

    def lead(number: int) -> Callable[[Record], str]:
        return lambda record: " ".join(sentences_of(record)[:number])

    return {**{f"lead-{number}": lead(number) for number in LEAD}, "oracle": oracle}


def _row(split: str, name: str, metric: Rouge, answers: list[Any], records: list[Record]) -> dict[str, Any]:
    scores = scored({"rouge": metric}, answers, records)
    cells = {f"rouge.{one}": _cell(scores[f"rouge.{one}"]) for one in KINDS}
    words = sum(len(answer["target"].split()) for answer in answers) / len(answers)
    return {"split": split, "summary": name, **cells, "words": f"{words:.1f}"}


def _cell(score: Mapping[str, Any]) -> str:
    return f"{score['value']:.2f} ({score['low']:.2f} to {score['high']:.2f})"
