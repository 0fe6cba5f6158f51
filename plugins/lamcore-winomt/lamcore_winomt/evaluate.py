"""`lam evaluate --winomt`: score a finished run on WinoMT."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from lamcore import LamcoreError, console
from lamcore.errors import unknown
from lamcore.run import Run
from lamcore.scores import scored
from lamcore.store import dumps, line, locked, replacing, write
from lamcore_winomt.gender import Language, gender_of, lexicon
from lamcore_winomt.metric import Winomt
from lamcore_winomt.source import read


def evaluate(run: Run, as_json: bool, folder: Path | None, language: str | None) -> None:
    """Translate the sentences and print their scores; write them unless --decoding asked for other answers."""
    if folder is None:
        raise LamcoreError("--winomt-language needs --winomt FOLDER.")
    metric, records = Winomt(language=language_of(run, language)), read(folder)
    with contextlib.redirect_stdout(sys.stderr):  # what components print is no answer
        asked = ({**record, **run.trained.empty} for record in records)
        answers = run.trained.predict(asked, run.recipe.decoding)
        scores = {"winomt": scored({"winomt": metric}, answers, records)}
    if run.recipe.decoding == run.trained.parts.decoding:
        with locked(run.folder):
            write(run.folder / "winomt.json", dumps(scores))
            with replacing(run.folder / "winomt.jsonl") as file:
                for record, answer in zip(records, answers, strict=True):
                    known = record["occupation"] in lexicon(metric.language)
                    said = gender_of(answer["target"], record["occupation"], metric.language) if known else None
                    shown = {name: record[name] for name in ("id", "input", "occupation", "gender", "stereotype")}
                    file.write(line({**shown, "answer": answer["target"], "said": said}))
    click.echo(console.as_json(scores)) if as_json else console.scores(scores)


def language_of(run: Run, asked: str | None) -> Language:
    """Return the language asked for, or the one that the run's validation records are translated into."""
    known = [language.value for language in Language]
    rows = run.data.raw["validation"]
    found = asked or (rows[0]["target_lang"] if "target_lang" in rows.column_names else None)
    if found is None:
        raise LamcoreError(f"RUN's records do not say their target_lang: add --winomt-language {'|'.join(known)}.")
    if found not in known:
        raise unknown("language with a lexicon", found, known)
    return Language(found)
