"""Before the first step: does what a model reads, learns and answers fit together, record by record?"""

from __future__ import annotations

import logging
import os.path
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamcore import Example, LamcoreError, Record
from lamcore.errors import safe
from lamcore_chat.conversation import answers, conversation, escaped, read, rendered
from lamcore_chat.template import END, SPECIAL, Generated, Message

if TYPE_CHECKING:
    from lamcore.run import Run
    from lamcore.tokenizer import Tokenizer
    from lamcore_chat import ChatTemplate, Segment
    from lamcore_chat.conversation import Turn

MOST, CHUNK = 5_000, 1000
"""Records that are checked, and how many of them at once."""
SHOWN = 60
"""Characters of a text that a problem shows."""
Problem = tuple[str, str]
log = logging.getLogger("lamcore")


def check(run: Run, label: str, step: ChatTemplate) -> None:
    """Raise LamcoreError where a train record fails; each kind of failure is one line, with the first such record."""
    from lamcore.tables import open_table

    tokenizer: Tokenizer | None = run.trained.tokenizer.get("target")
    for one in run.trained.tokenizer.values():
        check_marks(label, step, one)
    before = run.data.folders[list(run.recipe.preprocessors).index(label)] / "train"
    rows = open_table(before)
    count = min(len(rows), MOST)
    chosen = np.arange(count) * len(rows) // count
    failed: dict[str, list[str]] = {}
    for start in range(0, count, CHUNK):
        columns = rows[chosen[start : start + CHUNK]]
        records = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        for kind, line in problems(step, records, tokenizer, run.model):
            failed.setdefault(kind, []).append(line)
    checked = f"{count:,} train records" if count == len(rows) else f"{count:,} of {len(rows):,} train records"
    cut = failed.pop("cut", [])
    told = [f"{label}: {lines[0]}{_more(len(lines) - 1, checked)}" for lines in failed.values()]
    for line in told[1:]:
        log.error("%s", line)
    if told:
        raise LamcoreError(told[0])
    log.info("%s: checked %s: their answers are learnt whole, and can be read back", label, checked)
    if cut:
        log.warning("%s: %s%s", label, cut[0], _more(len(cut) - 1, checked))


def _more(number: int, checked: str) -> str:
    return f" So it is with {number:,} more of {checked}." if number else ""


def check_marks(label: str, step: ChatTemplate, tokenizer: Tokenizer) -> None:
    """Raise LamcoreError unless each mark of the template is one piece of the vocabulary."""
    marks = step.parts.marks
    cut = [m for m, ids in zip(marks, tokenizer.encode(marks), strict=True) if len(ids) != 1 or ids[0] == tokenizer.unk]
    if cut:
        symbols = ",".join(f"'{mark}'" for mark in marks if mark not in SPECIAL)
        what = f"{label}: the template's mark {cut[0]} is not one piece of the vocabulary"
        raise LamcoreError(f'{what}. Add "tokenizer.symbols=[{symbols}]" to the run.')


def problems(
    step: ChatTemplate, records: Sequence[Record], tokenizer: Tokenizer | None, model: Any
) -> Iterator[tuple[str, str]]:
    """Yield (kind, line) for each record, as it comes to `step`, of which something is wrong.

    Where `model.encode` says what is read and learnt, as `tokens`, `labels` (-1: nothing) and `prompt`, those are held
    to the segments too. The kind "cut" is for a remark: the answer is whole, but not all before it is read."""
    changed = [step.change(record) for record in records]
    examples: list[Example] = model.encode(changed)
    for record, new, example in zip(records, changed, examples, strict=True):
        turns, learnt = step.learnt(conversation(record))
        found = _problem(step, record, turns, learnt) or _problem_of_prompt(step, record, turns, new["segments"])
        if not found and tokenizer and {"tokens", "labels", "prompt"} <= example.keys():
            answered = [message for (message, _), flag in zip(turns, learnt, strict=True) if flag]
            found = _problem_of_tokens(step, answered, new["segments"], tokenizer, example)
        if found:
            yield found[0], f"record {safe(record['id'])}: {found[1]}"


def _problem(step: ChatTemplate, record: Record, turns: list[Turn], learnt: list[bool]) -> Problem | None:
    """Return (kind, what) that is wrong with a record as text."""
    if not any(learnt):
        return "trained", "nothing of it is learnt. Give it an answer that is (calls, target or a last message)."
    if not answers(turns):
        return "trained", f"it ends with a turn of the {turns[-1][0]['role']}. End it with the last answer."
    messages, tools = escaped(step.parts, record, turns)
    whole = rendered(step.parts, record, messages, tools, prompt=False)
    places = iter([place for place, piece in enumerate(whole) if isinstance(piece, Generated)])
    for number, (message, _) in enumerate(turns):
        place = next(places) if message["role"] == "assistant" else 0
        if learnt[number]:
            prompt = "".join(rendered(step.parts, record, messages[:number], tools, prompt=True))
            full = "".join(whole[:place])
            if prompt != full:
                same = len(os.path.commonprefix([prompt, full]))  # noqa: RUF071 - characters are meant
                shown = f"{_shown(full[same:])} is learnt where a prompt has {_shown(prompt[same:])}"
                return "prefix", f"before message {number}, {shown}. Mend add_generation_prompt in the template."
            if problem := _problem_of_reading(step, message, whole[place]):
                return "parse", f"message {number} {problem}. A template such as chatml tells calls from text."
    return None


def _problem_of_prompt(
    step: ChatTemplate, record: Record, turns: list[Turn], segments: list[Segment]
) -> Problem | None:
    """Find other segments before the answer than there are where it is asked for: their tokens would differ."""
    if answers(turns[:-1]) or step.segments(record, turns[:-1])[:-1] == segments[:-1]:
        return None
    return "prefix", "where its answer is asked for, what stands before it is cut into other segments than in training."


def _problem_of_reading(step: ChatTemplate, message: Message, text: str) -> str:
    given = {name: message[name] for name in ("content", "calls")}
    back = dict(zip(given, read(step.parts, text), strict=True))
    return next(
        (f"has the {n} {_shown(given[n])}, read back as {_shown(back[n])}" for n in given if given[n] != back[n]), ""
    )


def _problem_of_tokens(
    step: ChatTemplate, answered: list[Message], segments: list[Segment], tokenizer: Tokenizer, example: Example
) -> Problem | None:
    """Return (kind, what) that is wrong with the ids which the model reads and learns; `answered`: the learnt turns."""
    trained = tokenizer.encode([segment["text"] for segment in segments if segment["train"]])
    wanted = [one for ids in trained for one in (*ids, tokenizer.eos)]
    tokens, labels, prompt = (np.asarray(example[name]).tolist() for name in ("tokens", "labels", "prompt"))
    if (got := [one for one in labels if one >= 0]) != wanted:
        what = f"{len(got)} tokens of it are learnt, and its answers and their ends have {len(wanted)}"
        return "truncation", f"{what}. Raise architecture.max_length, or shorten it."
    for message, text in zip(answered, tokenizer.decode(trained), strict=True):
        if problem := _problem_of_reading(step, message, text):
            return "vocabulary", f"through the vocabulary, a turn {problem}. tokenizer.kind=byte_bpe keeps everything."
    stop = tokenizer.encode([step.parts.stop])[0]
    if step.parts.stop != END and any(ids[-1:] != stop for ids in trained):
        return "stop", f"the mark {step.parts.stop} that ends an answer is not learnt."
    if tokens == [*prompt, *trained[-1]]:
        return None
    count = 1 + sum(map(len, tokenizer.encode([segment["text"] for segment in segments])))  # with the begin mark
    if len(tokens) < count or len(prompt) < count - len(trained[-1]):
        return "cut", f"not all of its {count} tokens are read. Raise architecture.max_length to read them."
    return "prefix", "the tokens of its prompt are not those before its answer in training."


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
