"""Conversations: chat templates that know what is learnt, a gate before the first step, and `lam data show`.

Light: jinja2, torch and the rest are imported when they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from lamcore import Answer, Preprocessor, Record, hookimpl

if TYPE_CHECKING:
    from lamcore.hookspecs import Register
    from lamcore.run import Run
    from lamcore_chat.conversation import Turn
    from lamcore_chat.template import Template

Segment = dict[str, Any]
"""{"text", "train"}: a part of what a model reads, and whether it learns from it."""


class Turns(Enum):
    """Which turns of the assistant are learnt."""

    last = "last"
    all = "all"


@dataclass
class ChatTemplate(Preprocessor):
    """Write a conversation as `segments`, by a chat template that says itself what the assistant generates.

    It reads `messages` and `tools`, or `input`; the answer is the last message where that is the assistant's, else the
    column `calls` or `target`. The last segment is the answer, empty where one is to come; each other learnt turn is a
    segment of its own. `target` becomes the answer's text, `input` all that stands before it."""

    template: str = "plain"
    """plain, chatml, llama3, a file that ends in .jinja, or the template's own text; a model keeps the text."""
    train: Turns = Turns.last
    """Turns of the assistant that are learnt: the last, or all; a message's own `train`, true or false, goes before."""

    def __post_init__(self) -> None:
        from lamcore_chat.template import compiled, text_of

        self.template = text_of(self.template)
        compiled(self.template)

    @property
    def parts(self) -> Template:
        """The template, ready to render."""
        from lamcore_chat.template import compiled

        return compiled(self.template)

    def change(self, record: Record) -> Record:
        """Add `segments`, `input` and `target`."""
        from lamcore_chat.conversation import conversation

        segments = self.segments(record, conversation(record))
        *before, answer = (segment["text"] for segment in segments)
        return {
            **record,
            "segments": segments,
            "input": "".join(before),
            "target": answer.removesuffix(self.parts.stop),
        }

    def segments(self, record: Record, turns: list[Turn]) -> list[Segment]:
        """Return the segments of a conversation; LamcoreError names the record where it can't be rendered."""
        from lamcore_chat.conversation import answers, escaped, rendered

        turns, learnt = self.learnt(turns)
        pieces = rendered(self.parts, record, *escaped(self.parts, record, turns), prompt=not answers(turns))
        flags = [flag for flag, (message, _) in zip(learnt, turns, strict=True) if message["role"] == "assistant"]
        segments = _segments(pieces, flags, self.parts.stop)
        while answers(turns) and not segments[-1]["train"]:
            segments.pop()
        return segments if answers(turns) else [*segments, {"text": "", "train": True}]

    def learnt(self, turns: list[Turn]) -> tuple[list[Turn], list[bool]]:
        """Return the turns that are read, and of each whether it is learnt.

        A conversation that ends with the assistant ends with its last learnt turn: what follows teaches nothing."""
        own = {number for number, (message, _) in enumerate(turns) if message["role"] == "assistant"}
        usual = own if self.train is Turns.all else own & {len(turns) - 1}
        learnt = [n in own and (n in usual if train is None else train) for n, (_, train) in enumerate(turns)]
        end = len(turns)
        while end and turns[end - 1][0]["role"] == "assistant" and not learnt[end - 1]:
            end = max([n + 1 for n in range(end) if learnt[n]], default=end - 1)
        return turns[:end], learnt[:end]

    def undo(self, answer: Answer, record: Record) -> Answer:
        """Read a turn's text: `calls` is canonical JSON, [] where it is words alone, "" where calls are malformed.

        `target` is the content; where a turn is calls only, their JSON, with the template's mark or, as an answer that
        is held to its tools (`decoding.constrain`) has them, without. Alternatives are read too."""
        new = self._read(answer, record)
        if answer.get("alternatives"):
            new["alternatives"] = [self._read(other, record) for other in answer["alternatives"]]
        return new

    def _read(self, answer: Answer, record: Record) -> Answer:
        from lamcore_actions.calls import canonical, parse
        from lamcore_chat.conversation import abstains, read

        text = answer.get("target") or ""
        content, calls = read(self.parts, text)
        if not calls and (bare := parse(content)) is not None:
            content, calls = "", canonical(bare)
        new = {**answer, "target": content or calls}
        if calls or {"calls", "messages", "tools"} & record.keys():
            new["calls"] = calls or ("[]" if abstains(self.parts, text) else "")
        return new


def _segments(pieces: list[Any], learnt: list[bool], stop: str) -> list[Segment]:
    """Put pieces that are only read together; `learnt` says of each generated one whether it is learnt.

    A stop mark that is the end mark of every vocabulary is only read: what learns a segment learns that it ends."""
    from lamcore_chat.template import END, Generated

    flags, segments = iter(learnt), list[Segment]()

    def add(text: str, train: bool) -> None:
        if segments and not train and not segments[-1]["train"]:
            segments[-1]["text"] += text
        elif text or train:
            segments.append({"text": text, "train": train})

    for piece in pieces:
        train = isinstance(piece, Generated) and next(flags)
        end = stop if train and stop == END else ""
        add(str(piece).removesuffix(end), train)
        add(end, False)
    return segments


@hookimpl
def register_preprocessors(register: Register) -> None:
    """Offer the chat template."""
    register("chat_template", ChatTemplate)


@hookimpl
def on_model(run: Run, model: Any) -> None:
    """Check what is read and learnt of a run with a chat template, before the first step."""
    for label, step in run.recipe.preprocessors.items():
        if isinstance(step, ChatTemplate):
            from lamcore_chat.gate import check

            check(run, label, step)


@hookimpl
def register_commands(register: Register) -> None:
    """Offer `lam data`."""
    from lamcore_chat.verb import data

    register("data", data)
