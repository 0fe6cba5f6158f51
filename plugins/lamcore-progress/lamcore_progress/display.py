"""What is shown of a run: `Lines` writes a line now and then, `Panel` keeps a few lines of a terminal up to date.

Of a file of answers `Answering` does either."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lamcore import console

Clock = Callable[[], float]
EVERY = 10.0
"""Seconds between two plain lines about steps."""
LONGEST = 200
"""Most characters shown of a text that comes from data, a file name or an error."""


class Display(Protocol):
    """What the hooks tell."""

    def data(self, sizes: Mapping[str, int]) -> None: ...
    def model(self, parameters: int, device: str) -> None: ...
    def forecast(self, words: str) -> None: ...
    def log(self, step: int, values: Mapping[str, Any]) -> None: ...
    def scores(self, step: int, split: str, values: Mapping[str, Any]) -> None: ...
    def saved(self, step: int, path: Path) -> None: ...
    def finish(self, error: BaseException | None) -> None: ...


def open_display(name: str, folder: Path) -> Display:
    """Return a panel at a terminal that can show one, lines elsewhere."""
    screen = console.console(sys.stderr)
    return Panel(screen, name, folder) if _is_live(screen) else Lines(screen, name, folder)


def open_answering(out: Path, answered: int) -> Answering:
    """Return what shows how a file of answers grows."""
    screen = console.console(sys.stderr)
    return Answering(screen, out, answered, _is_live(screen))


def _is_live(screen: Console) -> bool:
    """Say whether a terminal can keep lines up to date."""
    return screen.is_terminal and not screen.is_dumb_terminal and not os.environ.get("CI")


# ---- numbers and names as text


def safe(text: object) -> str:
    """Return text that moves no cursor and turns no line around, and is not endless."""
    return console.safe(str(text)[:LONGEST])


def clock_time(seconds: float) -> str:
    """Write seconds as 4:05 or 1:04:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def number(value: object) -> str:
    """Write a count with separators, any other number with four digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else safe(value)


def position(step: int, values: Mapping[str, Any]) -> str:
    """Write where training stands: 120/2,400."""
    steps = values.get("steps")
    return f"{step:,}/{steps:,}" if isinstance(steps, int) and steps else f"{step:,}"


def pace(values: Mapping[str, Any]) -> str:
    """Write what a log line says, in reading order; what it does not say is left out."""
    words = [f"loss {number(values['loss'])}"] if "loss" in values else []
    if values.get("tokens_per_second"):
        words.append(f"{values['tokens_per_second']:,.0f} tokens/s")
    words += [f"{word} {number(values[key])}" for key, word in OTHERS.items() if values.get(key) is not None]
    if values.get("seconds_left") is not None:
        words.append(f"{clock_time(values['seconds_left'])} left")
    return "  ".join(words)


OTHERS = {"learning_rate": "rate", "epoch": "epoch", "trained_percent": "trained percent"}


def results(values: Mapping[str, Any]) -> str:
    """Write scores: bleu 20.1  loss 2.9."""
    return "  ".join(f"{safe(name)} {number(value)}" for name, value in values.items())


def ending(error: BaseException | None, seconds: float) -> str:
    """Write how a run ended."""
    how = "finished" if error is None else f"stopped by {type(error).__name__}: {safe(error) or 'no message'}"
    return f"{how} after {clock_time(seconds)}"


# ---- the two displays


class Lines:
    """Write a line for each event, and for steps at most one in `EVERY` seconds."""

    def __init__(self, screen: Console, name: str, folder: Path, clock: Clock = time.monotonic):
        self.screen, self.clock = screen, clock
        self.began = clock()
        self.due = self.began
        self.write(f"{safe(name)} in {safe(folder)}")

    def write(self, text: str) -> None:
        """Write one line, however wide: a log that is wrapped can't be searched."""
        self.screen.print(Text(text), soft_wrap=True)

    def data(self, sizes: Mapping[str, int]) -> None:
        self.write("data: " + ", ".join(f"{safe(split)} {size:,}" for split, size in sizes.items()))

    def model(self, parameters: int, device: str) -> None:
        self.write(f"model: {parameters:,} parameters on {safe(device)}")

    def forecast(self, words: str) -> None:
        self.write(f"forecast: {words}")

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        if self.clock() >= self.due:
            self.due = self.clock() + EVERY
            self.write(f"step {position(step, values)}  {pace(values)}")

    def scores(self, step: int, split: str, values: Mapping[str, Any]) -> None:
        self.write(f"{safe(split)} at step {step:,}: {results(values)}")

    def saved(self, step: int, path: Path) -> None:
        self.write(f"checkpoint of step {step:,}: {safe(path.name)}")

    def finish(self, error: BaseException | None) -> None:
        self.write(ending(error, self.clock() - self.began))


class Panel:
    """Keep a few lines of a terminal up to date until the run ends."""

    def __init__(self, screen: Console, name: str, folder: Path, clock: Clock = time.monotonic):
        self.clock, self.began = clock, clock()
        self.title = f"{safe(name)} in {safe(folder)}"
        self.stage = "reading the data"
        self.done, self.total, self.where, self.pace = 0, 0, "", ""
        self.rows: dict[str, str] = {}  # what was said last about data, model, each split, checkpoint
        # stdout stays as it is: only what goes to standard error is written above the panel
        self.live = Live(console=screen, get_renderable=self.render, refresh_per_second=2, redirect_stdout=False)
        before = sys.stderr
        self.live.start()
        self.logs = [handler for handler in logging.root.handlers if getattr(handler, "stream", None) is before]
        self.send_logs()

    def send_logs(self) -> None:
        """Let what is logged to standard error go where that goes now: above the panel, or straight out."""
        for handler in self.logs:
            handler.setStream(sys.stderr)  # type: ignore[attr-defined]

    def render(self) -> RenderableType:
        """Return what the terminal shows now."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim")
        table.add_column(overflow="ellipsis", no_wrap=True)
        for name, text in self.rows.items():
            table.add_row(Text(name), Text(text))
        return Group(Text(self.title, style="bold"), self.head(), Text(self.pace), table)

    def head(self) -> RenderableType:
        """Return the line of the stage, with a bar where the end is known."""
        head = Table.grid(padding=(0, 2))
        bar = [ProgressBar(total=self.total, completed=self.done, width=40)] if self.total else []
        spent = f"{clock_time(self.clock() - self.began)} so far"
        head.add_row(Text(self.stage, style="cyan"), *bar, Text(self.where), Text(spent, style="dim"))
        return head

    def show(self, stage: str, name: str, text: str) -> None:
        """Enter a stage and keep a line about the one before."""
        self.stage, self.rows[name] = stage, text

    def data(self, sizes: Mapping[str, int]) -> None:
        self.show("building the model", "data", "  ".join(f"{safe(name)} {size:,}" for name, size in sizes.items()))

    def model(self, parameters: int, device: str) -> None:
        self.show("trying one batch", "model", f"{parameters:,} parameters on {safe(device)}")

    def forecast(self, words: str) -> None:
        self.show("training", "forecast", words)

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        self.stage, self.done, self.where, self.pace = "training", step, position(step, values), pace(values)
        self.total = values.get("steps") or 0

    def scores(self, step: int, split: str, values: Mapping[str, Any]) -> None:
        self.rows[safe(split)] = f"step {step:,}  {results(values)}"

    def saved(self, step: int, path: Path) -> None:
        self.rows["checkpoint"] = f"step {step:,}  {safe(path.name)}"

    def finish(self, error: BaseException | None) -> None:
        self.stage = ending(error, self.clock() - self.began)
        self.live.stop()
        self.send_logs()


class Answering:
    """Show how a file of answers grows: a line kept up to date, or one in `EVERY` seconds; at the end the pace."""

    def __init__(self, screen: Console, out: Path, answered: int, live: bool, clock: Clock = time.monotonic):
        self.screen, self.clock, self.began = screen, clock, clock()
        self.before = self.answered = answered  # an earlier call answered these
        self.due = self.began + EVERY
        if answered:
            self.write(f"{safe(out)}: going on after {answered:,} records")
        self.live = Live(console=screen, transient=True, redirect_stdout=False, redirect_stderr=False) if live else None
        if self.live:
            self.live.start()

    def write(self, text: str) -> None:
        """Write one line, however wide."""
        self.screen.print(Text(text), soft_wrap=True)

    def words(self) -> str:
        """Say how many records are answered, and how many a second since this call began."""
        new, seconds = self.answered - self.before, self.clock() - self.began
        return f"{self.answered:,} records, {seconds:,.1f} seconds, {new / max(seconds, 1e-9):,.1f} records/s"

    def show(self, answered: int) -> None:
        """Show that so many are answered."""
        self.answered = answered
        if self.live:
            self.live.update(Text(self.words(), style="cyan"))
        elif self.clock() >= self.due:
            self.due = self.clock() + EVERY
            self.write(self.words())

    def finish(self) -> None:
        """Give the terminal back and write the last line, where something was answered."""
        if self.live:
            self.live.stop()
        if self.answered > self.before:
            self.write(self.words())
