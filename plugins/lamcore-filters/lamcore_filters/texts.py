"""What all filters share: which records they judge.

`lam thresholds` finds a threshold for any preprocessor, of other packages too, that has
- a setting `threshold`, and `keeps(score)`, which says whether a record of that score stays;
- `scores(records)`, which gives a number a record, or None for one that it does not judge;
- the class variables `direction` ("higher" or "lower" scores are better, as a metric's) and `against`, the kind of
  noise that it is for: shuffled, copied, swapped, cut, garbled, script or digits (see `search.noise`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamcore import Record


def texts_of(record: Record, columns: Sequence[str]) -> list[str] | None:
    """Return the record's texts in these columns, or None where one is missing, blank or no text.

    So nothing is judged, and no model loaded, at `predict`, where the target is empty; `length_filter` drops blanks."""
    texts = [record.get(column) for column in columns]
    found = [text for text in texts if isinstance(text, str) and text.strip()]
    return found if len(found) == len(texts) else None


def judged(
    records: Sequence[Record], columns: Sequence[str], score: Callable[[list[str]], float]
) -> list[float | None]:
    """Return the score of each record's texts, None where it has not all of them."""
    every = [texts_of(record, columns) for record in records]
    return [None if texts is None else score(texts) for texts in every]


def check_pair(columns: Sequence[str]) -> None:
    """Raise ValueError unless there are two columns to compare."""
    if len(columns) != 2:
        raise ValueError(f"columns must be two, the text and its translation, not {list(columns)}")


def check_share(threshold: float) -> None:
    """Raise ValueError unless a threshold is a share."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be between 0 and 1, not {threshold}")
