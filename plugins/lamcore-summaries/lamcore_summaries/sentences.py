"""Sentences of a text, and which of them sums it up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lamcore import Answer, Preprocessor, Record
from lamcore_summaries.rouge import rouge

_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])")
"""Behind a mark that ends a sentence, before what can begin one; nothing is known of abbreviations."""


def sentences_of(record: Record) -> list[str]:
    """Return a record's `sentences`, or its input cut behind full stops, question and exclamation marks."""
    if given := record.get("sentences"):
        return list(given)
    text = " ".join(record["input"].split())
    ends = [0, *(found.end() for found in _END.finditer(text)), len(text)]
    return [text[begin:end].strip() for begin, end in pairwise(ends)]


def best_of(sentences: Sequence[str], right: Sequence[str]) -> int:
    """Return the number of the sentence with the highest mean of ROUGE-1 and ROUGE-2; of equals the first.

    What Nallapati et al. 2017 choose, where one sentence is enough."""
    found = [rouge(sentence, right) for sentence in sentences]
    return max(range(len(found)), key=lambda at: (found[at]["1"] + found[at]["2"], -at))


@dataclass
class Sentences(Preprocessor):
    """Cut the input into `sentences` behind full stops, question and exclamation marks, where a record has none.

    Going up, the number of a `sentence` that an answer names becomes that sentence, word for word, in `target`."""

    def change(self, record: Record) -> Record:
        """Return the record with `sentences`."""
        return {**record, "sentences": sentences_of(record)}

    def undo(self, answer: Answer, record: Record) -> Answer:
        """Return the answer with the sentence that it names, in place of its number."""
        if "sentence" not in answer:
            return answer
        others = {name: value for name, value in answer.items() if name != "sentence"}
        return {**others, "target": sentences_of(record)[answer["sentence"]]}
