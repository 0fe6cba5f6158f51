"""The metric `winomt`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lamcore import Answer, LamcoreError, Metric, Record
from lamcore_winomt.gender import Language, gender_of, lexicon

GENDERS = ("male", "female")
PARTS = ("pro", "anti")


@dataclass
class Winomt(Metric):
    """Percent of the professions whose gender is translated right, and the gaps between groups (WinoMT).

    Stanovsky et al. 2019, "Evaluating Gender Bias in Machine Translation". `accuracy`, `f1_male` and `f1_female` are 0
    to 100; `delta_g` is f1_male less f1_female; `delta_s` is the mean of both F1 on stereotypical sentences less that
    on anti-stereotypical ones, where records say which they are; `found` is the share of sentences whose translation
    shows a gender. Records without a male or female `gender`, or whose `occupation` the lexicon lacks, do not count."""

    column: str = "target"
    """Text column that holds the translation."""
    language: Language = Language.de
    """Language of the translation: de or es."""

    range = (-100.0, 100.0)
    differences = ("delta_g", "delta_s")

    @classmethod
    def example_records(cls) -> list[Record]:
        """Return records whose `target` is right, for checks: as many of each gender in each part."""
        texts = {
            ("male", "pro"): ("Der Mechaniker grüßte die Köchin.", "mechanic"),
            ("female", "pro"): ("Die Köchin grüßte den Mechaniker.", "cook"),
            ("male", "anti"): ("Der Koch grüßte die Mechanikerin.", "cook"),
            ("female", "anti"): ("Die Mechanikerin grüßte den Koch.", "mechanic"),
        }
        return [
            {"id": f"{n}-{gender}-{part}", "target": text, "gender": gender, "stereotype": part, "occupation": job}
            for n in range(3)
            for (gender, part), (text, job) in texts.items()
        ]

    @property
    def signature(self) -> str:
        """Say how gender is found, as published figures use morphological analysers and word alignment."""
        method = "gender:first noun of an own lexicon, article for nouns of common gender"
        return f"{method}|lang:{self.language.value}|gold:male+female|not comparable with published figures"

    def count(self, answer: Answer, record: Record) -> Mapping[str, float]:
        """Count a sentence, and its part (pro or anti) where it says so."""
        gold, occupation = record.get("gender"), record.get("occupation")
        if gold not in GENDERS or occupation not in lexicon(self.language):
            return {}
        if not isinstance(text := answer.get(self.column), str):
            raise LamcoreError(f"winomt: the answers have no text in {self.column!r}, only: {', '.join(answer)}.")
        said = gender_of(text, occupation, self.language)
        counts = {"records": 1.0, "found": float(said is not None)}
        for gender in GENDERS:
            counts[f"gold_{gender}"], counts[f"said_{gender}"] = float(gold == gender), float(said == gender)
            counts[f"right_{gender}"] = float(gold == said == gender)
        if (part := record.get("stereotype")) in PARTS:
            counts |= {f"{part}_{name}": value for name, value in counts.items()}
        return counts

    def score(self, sums: Mapping[str, float]) -> Mapping[str, float]:
        """Return percentages; nothing where no record counted."""
        if not sums:
            return {}
        male, female = (_f1(sums, gender) for gender in GENDERS)
        share = 100 / max(1.0, sums["records"])
        scores = {
            "accuracy": share * (sums["right_male"] + sums["right_female"]),
            "f1_male": male,
            "f1_female": female,
            "delta_g": male - female,
            "found": share * sums["found"],
        }
        if all(f"{part}_records" in sums for part in PARTS):
            pro, anti = (sum(_f1(sums, gender, f"{part}_") for gender in GENDERS) / 2 for part in PARTS)
            scores["delta_s"] = pro - anti
        return scores


def _f1(sums: Mapping[str, float], gender: str, part: str = "") -> float:
    """Return F1 of a gender: twice what is right, by all that is gold and all that is said."""
    both = sums[f"{part}gold_{gender}"] + sums[f"{part}said_{gender}"]
    return 200 * sums[f"{part}right_{gender}"] / both if both else 0.0
