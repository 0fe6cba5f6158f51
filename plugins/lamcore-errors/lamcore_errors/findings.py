"""What to look at next: groups of records that cost much, found and ordered by rules that are written here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamcore_errors import parts
from lamcore_errors.answered import Answered
from lamcore_errors.parts import code
from lamcore_evenness.slices import Slices

MOST = 5
"""Findings at most."""
SMALL = 10
"""Records of a slice below which it is no finding."""
FEW = 5
"""Records of another group below which it is none."""
GAINING = 0.01
"""Share by which the last validation, being the best, must be better than the one before to say: train longer."""
ENOUGH = "Has train enough of them? The source mix can give some more weight."
ADVICE = {
    "input_lang": ENOUGH,
    "target_lang": ENOUGH,
    "domain": ENOUGH,
    "length": "Has train enough records of that length? Read some of them.",
    "numbers": "Read some of them: what is asked there that is not asked elsewhere?",
    "unknown_words": "Smaller pieces (tokenizer.size), tokenizer.dropout=0.1 or architecture.copy=true, and more data.",
    "empty": "Do such records have a target in train?",
    "copy": "Has train targets that are their input? The preprocessor copies of lamcore-filters drops them.",
    "loop": "The model has learnt too little yet: train longer or on more data, or answer with decoding.beam=4.",
    "same": "The model has learnt too little yet: train longer or on more data.",
    "short": "Does decoding.max_length cut them off? decoding.beam=4 decoding.length_penalty=1.5 prefers longer ones.",
    "long": "See decoding.max_ratio; and does train hold targets that say more than their input?",
    "other_numbers": "architecture.copy=true carries them over, and so do placeholders.",
    "pair": "Could a person tell them apart by what the input says?",
    "field": "Does train say it in as many ways?",
    "rising": "Train longer: trainer.steps, trainer.minutes, trainer.patience.",
    "over": "What came later was of no use: more data, more dropout, a lower trainer.lr, or trainer.schedule=plateau.",
}
"""What to ask or to try, for each kind of finding."""


@dataclass
class Group:
    """Records that have something in common; none where it is about the training."""

    kind: str
    """A key of ADVICE."""
    what: str
    """What is found, in a sentence."""
    rows: list[int] = field(default_factory=list)
    gain: float = 0.0
    """By how much the score would be better if these records were as good as the others."""


def ranked(groups: Sequence[Group], loss: Sequence[float], more: Sequence[Group]) -> list[dict[str, Any]]:
    """Return at most MOST findings {kind, what, advice, more, gain, rows}: those that gain most first, `more` last.

    Where a group does not say what it would gain, that is its size times how much more its records' own scores lack
    than those of the others, a record of the split."""
    total = sum(loss)
    for group in groups:
        if not group.gain and len(group.rows) < len(loss):
            mine = sum(loss[row] for row in group.rows)
            others = (total - mine) / (len(loss) - len(group.rows))
            group.gain = (mine - others * len(group.rows)) / len(loss)
    costly = sorted((group for group in groups if group.gain > 0), key=lambda group: -group.gain)
    return [
        {
            "kind": group.kind,
            "what": group.what,
            "advice": ADVICE[group.kind],
            "more": f"lam errors RUN --finding {number}" if group.rows else "lam curve RUN",
            "gain": round(group.gain, 2),
            "rows": group.rows,
        }
        for number, group in enumerate([*costly, *more][:MOST], 1)
    ]


def slice_groups(
    done: Answered, slices: Mapping[str, Slices], rows: Sequence[Mapping[str, Any]], every: Mapping[str, Any]
) -> list[Group]:
    """Return the slices of SMALL or more records whose interval is worse than all of that of the other records.

    Of each column only the one that costs most."""
    bad = [row for row in rows if done.good(row["score"]["value"]) < done.good(every["value"])]
    suspects = [row for row in bad if row["records"] >= SMALL]
    others: dict[str, Slices] = {}
    for row in suspects:
        mine = {*slices[row["column"]][row["slice"]]}
        rest = [one for one in range(len(done.records)) if one not in mine]
        others.setdefault(row["column"], {})[row["slice"]] = rest
    rest_of = {(row["column"], row["slice"]): row["score"] for row in done.scores(others)}
    found: dict[str, Group] = {}
    for row in suspects:
        column, name, mine_, rest_ = row["column"], row["slice"], row["score"], rest_of[row["column"], row["slice"]]
        if _worse(done, mine_, rest_["low"]) and _worse(done, mine_, rest_["high"]):
            gain = abs(mine_["value"] - rest_["value"]) * row["records"] / len(done.records)
            what = f"{done.score} is {_score(mine_)} where {column} is {code(name)}, and {_score(rest_)} elsewhere."
            if column not in found or found[column].gain < gain:
                found[column] = Group(column, what, slices[column][name], gain)
    return list(found.values())


def _worse(done: Answered, score: Mapping[str, float], value: float) -> bool:
    """Say whether a whole interval is worse than a value; scores that are best at 0 have no such sides."""
    if done.direction == "zero":
        return False
    return score["low"] > value if done.direction == "lower" else score["high"] < value


def _score(score: Mapping[str, float]) -> str:
    return f"{score['value']:.1f} ({score['low']:.1f} to {score['high']:.1f})"


def sign_groups(done: Answered) -> list[Group]:
    """Return what is seen of FEW or more answers, and of 2 % of them or more."""
    made = []
    for sign, number in Counter(sign for sign in done.signs if sign).items():
        if number >= max(FEW, 0.02 * len(done.signs)):
            what = f"{number:,} of {len(done.signs):,} answers {parts.SIGNS[sign]}."
            made.append(Group(sign, what, [row for row, one in enumerate(done.signs) if one == sign]))
    return made


def pair_groups(done: Answered) -> list[Group]:
    """Return the most frequent mistake of each column of classes, where it is FEW records and 5 % of the mistakes."""
    made = []
    for pairs in done.classes.values():
        wrong = Counter(pair for pair in pairs if pair[0] != pair[1])
        for (wanted, said), number in wrong.most_common(1):
            if number >= max(FEW, 0.05 * wrong.total()):
                back = f", {wrong[said, wanted]:,} the other way round" if wrong[said, wanted] else ""
                what = (
                    f"{code(wanted)} is taken for {code(said)} {number:,} times{back}, of {wrong.total():,} mistakes."
                )
                rows = [row for row, pair in enumerate(pairs) if pair in ((wanted, said), (said, wanted))]
                made.append(Group("pair", what, rows))
    return made


def field_groups(done: Answered) -> list[Group]:
    """Return the field of each column that is wrong most often, where it is FEW times and a tenth of all."""
    made = []
    for each in done.outcomes.values():
        total = sum(each, Counter[tuple[str, str]]())
        wrong: Counter[str] = Counter()
        for (name, outcome), number in total.items():
            wrong[name] += number * (outcome != "right")
        for name, number in wrong.most_common(1):
            if number >= max(FEW, 0.1 * wrong.total()):
                ways = ", ".join(f"{one} {total[name, one]:,}" for one in parts.OUTCOMES[1:] if total[name, one])
                what = f"The field {code(name)} is wrong {number:,} times ({ways}) and right {total[name, 'right']:,}."
                rows = [row for row, one in enumerate(each) if any(one[name, way] for way in parts.OUTCOMES[1:])]
                made.append(Group("field", what, rows))
    return made


def curve_groups(folder: Path, score: str, direction: str, target: float | None = None) -> list[Group]:
    """Return what four or more validations of a training tell: it ended too early, or long after its best one.

    One that has reached its target has not ended too early."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    found = [(line["step"], line["validation"][score]) for line in lines if score in line.get("validation", {})]
    if len(found) < 4 or direction == "zero":
        return []
    step, best = (min if direction == "lower" else max)(found, key=lambda one: one[1])
    (last, end), (_, before) = found[-1], found[-2]
    reached = target is not None and (best <= target if direction == "lower" else best >= target)
    if end == best and abs(end - before) > GAINING * abs(before) and not reached:
        what = f"{score} of validation still got better at the end of training: {before:.4g}, {end:.4g}."
        return [Group("rising", what)]
    if 2 * step <= last:
        return [Group("over", f"{score} of validation was best, {best:.4g}, at update {step:,} of {last:,}.")]
    return []
