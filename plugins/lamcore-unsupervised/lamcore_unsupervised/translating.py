"""Translate texts with the model as it stands, and have it learn the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lamcore import LamcoreError, Record
from lamcore_unsupervised.dictionary import dictionary, look_up
from lamcore_unsupervised.passes import answers_to, batch_of, drawn, records_behind
from lamcore_unsupervised.raw import tags_and_text
from lamcore_unsupervised.translation import Translate, UnsupervisedTranslation

if TYPE_CHECKING:
    from lamcore.data import Data
    from lamcore.run import Run


@contextmanager
def translating(settings: UnsupervisedTranslation, run: Run, model: Any, data: Data) -> Iterator[None]:
    """Within, a share of the batches in training is not learnt as it is, but translated back."""
    own, translate = model.forward, settings.translate(run, model, data)
    restored = run.restore()
    passes = restored[0] * settings.accumulation if restored else 0

    def forward(batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        nonlocal passes
        if not model.training:
            return own(batch)
        update = passes // settings.accumulation + 1
        passes += 1
        if drawn().random() >= settings.share:
            return own(batch)
        return own(batch_of(translate(records_behind(batch, data), update), run, model))

    model.forward = forward
    try:
        yield
    finally:
        model.forward = own


def translator(word_by_word: int, run: Run, model: Any, data: Data) -> Translate:
    """Return what gives each record a translation of its target as input, tagged to be translated back."""
    tags = tags_of(data)
    first, second = tags
    other = {first: second, second: first}
    found = dict(zip(tags, dictionary(*(_texts(data, one) for one in tags)), strict=True)) if word_by_word else {}

    def translate(records: list[Record], update: int) -> list[Record]:
        if update <= word_by_word:
            made = [look_up(record["target"], found[record["target_lang"]]) for record in records]
        else:
            asked = [{**record, "input": tags[other[record["target_lang"]]] + record["target"]} for record in records]
            made = [answer["target"] for answer in answers_to(asked, run, model)]
        return [
            {**record, "input": tags[record["target_lang"]] + text} for record, text in zip(records, made, strict=True)
        ]

    return translate


def _texts(data: Data, language: str) -> list[str]:
    train = data.ready["train"]
    return [text for text, own in zip(train["target"], train["target_lang"], strict=True) if own == language]


def tags_of(data: Data) -> dict[str, str]:
    """Return language -> the tags before the input of records that are to be written in it; there must be two."""
    train = data.ready["train"]
    if "target_lang" not in train.column_names:
        raise LamcoreError("trainer unsupervised_translation needs to know languages: set source.languages.")
    languages = sorted({str(one) for one in train.unique("target_lang")})
    if len(languages) != 2:
        what = f"trainer unsupervised_translation needs texts of two languages, and train has {', '.join(languages)}"
        raise LamcoreError(f"{what}: each record's target_lang says which it is.")
    written = train["target_lang"]
    tags = {one: tags_and_text(train[written.index(one)]["input"])[0] for one in languages}
    if not all(tags.values()) or len({*tags.values()}) < 2:
        what = "trainer unsupervised_translation tells the model what to write by a tag before the input"
        raise LamcoreError(f"{what}, and there is none: put language_tag after autoencode among the preprocessors.")
    return tags
