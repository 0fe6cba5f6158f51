from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

import lamcore_progress
from lamcore_progress.display import Answering, Lines, Panel, clock_time, number, safe


def a_console(terminal: bool = False, width: int = 100) -> Console:
    file = io.StringIO()
    return Console(
        file=file, width=width, force_terminal=terminal, color_system=None, markup=False, emoji=False, highlight=False
    )


def written(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined]


class Hand:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_tell_a_run_from_start_to_end():
    console, hand = a_console(), Hand()
    lines = Lines(console, "small", Path("runs/small"), hand)
    lines.data({"train": 63034, "validation": 3300})
    lines.model(1_300_000, "cpu")
    lines.log(1, {"loss": 8.01234, "tokens_per_second": 9812.4, "learning_rate": 1e-3, "epoch": 0, "steps": 2400})
    lines.scores(600, "validation", {"loss": 2.5, "bleu": 20.125})
    lines.saved(600, Path("runs/small/checkpoints/step-00000600"))
    hand.now = 305.2
    lines.finish(None)
    assert written(console) == (
        "small in runs/small\n"
        "data: train 63,034, validation 3,300\n"
        "model: 1,300,000 parameters on cpu\n"
        "step 1/2,400  loss 8.012  9,812 tokens/s  rate 0.001  epoch 0\n"
        "validation at step 600: loss 2.5  bleu 20.12\n"
        "checkpoint of step 600: step-00000600\n"
        "finished after 5:05\n"
    )


def test_plain_lines_about_steps_are_ten_seconds_apart():
    console, hand = a_console(), Hand()
    lines = Lines(console, "small", Path("runs/small"), hand)
    for step in range(1, 26):
        hand.now = float(step)  # a step a second
        lines.log(step, {"loss": 1.0})
    assert [line.split()[1] for line in written(console).split("\n") if line.startswith("step")] == ["1", "11", "21"]


def test_a_line_is_never_wrapped():
    console = a_console(width=20)
    Lines(console, "a-name-that-is-much-longer-than-the-terminal", Path("runs"), Hand())
    assert written(console).count("\n") == 1


def test_the_panel_shows_stage_step_loss_pace_time_left_scores_and_checkpoint():
    console, hand = a_console(terminal=True), Hand()
    panel = Panel(console, "small", Path("runs/small"), hand)
    panel.data({"train": 63034})
    panel.model(1_300_000, "cpu")
    panel.log(600, {"loss": 2.5, "tokens_per_second": 9812.4, "steps": 2400, "seconds_left": 245.0})
    panel.scores(600, "validation", {"bleu": 20.125})
    panel.saved(600, Path("step-00000600"))
    plain = a_console()
    plain.print(panel.render())
    panel.finish(None)
    shown = written(plain)
    for text in (
        "small in runs/small",
        "training",
        "600/2,400",
        "loss 2.5  9,812 tokens/s  4:05 left",
        "train 63,034",
        "1,300,000 parameters on cpu",
        "step 600  bleu 20.12",
        "step 600  step-00000600",
    ):
        assert text in shown
    assert "finished after 0:00" in written(console)


def test_the_panel_names_each_stage_before_training():
    panel = Panel(a_console(terminal=True), "small", Path("runs"), Hand())
    stages = [panel.stage]
    panel.data({"train": 1})
    stages.append(panel.stage)
    panel.model(1, "cpu")
    stages.append(panel.stage)
    panel.finish(None)
    assert stages == ["reading the data", "building the model", "trying one batch"]


def test_a_run_of_unknown_length_has_no_bar():
    panel = Panel(a_console(terminal=True), "small", Path("runs"), Hand())
    panel.log(7, {"loss": 1.0, "steps": None})
    panel.finish(None)
    assert (panel.total, panel.where) == (0, "7")


@pytest.mark.parametrize("kind", [Lines, Panel])
def test_an_error_is_named_with_its_message_and_the_terminal_is_given_back(kind):
    console = a_console(terminal=kind is Panel)
    kind(console, "small", Path("runs"), Hand()).finish(ValueError("loss is nan"))
    assert "stopped by ValueError: loss is nan after 0:00" in written(console)
    assert not written(console).endswith("\x1b[?25l")  # the cursor is not left hidden


HOSTILE = [
    "[/x] [bold]loud[/bold]",
    ":smile:",
    "\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[2Jgone",
    "up\x1b[A",
    "a\rb",
    "two\nlines",
    "nul\x00",
    "c1\x9b31m",
    "\u202eright to left",
    "lone \ud800 surrogate",
    "x" * 1_000_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", [Lines, Panel])
def test_no_text_of_others_moves_the_cursor(kind, text):
    console, plain = a_console(), a_console(width=400)
    display = kind(console, text, Path("runs"), Hand())
    display.data({text: 1})
    display.model(1, text)
    display.log(1, {"loss": text})
    display.scores(1, text, {text: 0.5})
    display.saved(1, Path(text.replace("\x00", "")))
    if kind is Panel:
        plain.print(display.render())
    display.finish(ValueError(text))
    shown = written(plain) + written(console)
    assert all(character == "\n" or character.isprintable() for character in shown)
    assert max(map(len, shown.split("\n"))) < 1000


def test_what_is_logged_goes_above_the_panel_while_it_is_there(monkeypatch):
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    handler = logging.StreamHandler(err)
    monkeypatch.setattr(logging.root, "handlers", [handler])
    panel = Panel(a_console(terminal=True), "small", Path("runs"), Hand())
    assert handler.stream is not err
    panel.finish(None)
    assert handler.stream is err


def test_markup_and_emoji_names_are_shown_as_they_are():
    console = a_console()
    Lines(console, "[bold]:smile:[/bold]", Path("runs"), Hand())
    assert written(console) == "[bold]:smile:[/bold] in runs\n"


def test_what_cannot_be_printed_is_written_as_an_escape():
    assert safe("a\x1b[2J\u202e\ud800é") == r"a\x1b[2J\u202e\ud800é"


def test_numbers_read_as_people_write_them():
    assert [number(v) for v in (1234567, 0.000123456, 20.125, None)] == ["1,234,567", "0.0001235", "20.12", "None"]
    assert [clock_time(s) for s in (0, 59.6, 245, 3845)] == ["0:00", "1:00", "4:05", "1:04:05"]


def tell(run: SimpleNamespace, error: BaseException | None = None) -> None:
    """Call every hook as the core does."""
    weights = SimpleNamespace(numel=lambda: 6)
    lamcore_progress.on_start(run)
    lamcore_progress.on_data(run, SimpleNamespace(ready={"train": [1, 2, 3]}))
    lamcore_progress.on_model(run, SimpleNamespace(parameters=lambda: [weights, weights]))
    lamcore_progress.on_log(run, 1, {"loss": 1.5})
    lamcore_progress.on_evaluate(run, 1, "test", {"bleu": {"value": 30.0, "low": 29.0, "high": 31.0}})
    lamcore_progress.on_save(run, 1, Path("step-00000001"))
    lamcore_progress.on_finish(run, error)


def a_run() -> SimpleNamespace:
    return SimpleNamespace(recipe=SimpleNamespace(name="small"), folder=Path("runs/small"), device="cpu")


def test_the_hooks_write_plain_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.delenv("LAMCORE_QUIET", raising=False)
    monkeypatch.setenv("CI", "1")  # also where FORCE_COLOR makes of everything a terminal
    tell(a_run())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.split("\n")[:-2] == [
        "small in runs/small",
        "data: train 3",
        "model: 12 parameters on cpu",
        "step 1  loss 1.5",
        "test at step 1: bleu 30",
        "checkpoint of step 1: step-00000001",
    ]


def test_quiet_is_silent(capsys, monkeypatch):
    monkeypatch.setenv("LAMCORE_QUIET", "1")
    tell(a_run())
    assert capsys.readouterr() == ("", "")


def test_nothing_is_kept_of_a_run_that_ended(monkeypatch):
    monkeypatch.delenv("LAMCORE_QUIET", raising=False)
    tell(a_run(), KeyboardInterrupt())
    assert lamcore_progress._displays == {}


def test_the_plugin_loads_without_rich_or_torch():
    code = "import sys, lamcore_progress; print([m for m in ('rich', 'torch', 'datasets') if m in sys.modules])"
    path = os.pathsep.join(sys.path)
    answer = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "[]", answer.stderr


def test_a_file_of_answers_is_told_every_ten_seconds_and_at_the_end_with_the_pace():
    console, hand = a_console(), Hand()
    shown = Answering(console, Path("a.parquet"), 0, live=False, clock=hand)
    for second in range(1, 26):
        hand.now = float(second)
        shown.show(2000 * second)
    hand.now = 25.5
    shown.finish()
    assert written(console) == (
        "20,000 records, 10.0 seconds, 2,000.0 records/s\n"
        "40,000 records, 20.0 seconds, 2,000.0 records/s\n"
        "50,000 records, 25.5 seconds, 1,960.8 records/s\n"
    )


def test_records_that_an_earlier_call_answered_count_for_no_pace():
    console, hand = a_console(), Hand()
    shown = Answering(console, Path("a.parquet"), 4000, live=False, clock=hand)
    hand.now = 2.0
    shown.show(5000)
    shown.finish()
    assert written(console) == (
        "a.parquet: going on after 4,000 records\n5,000 records, 2.0 seconds, 500.0 records/s\n"
    )


def test_a_call_that_answers_nothing_has_no_pace():
    console = a_console()
    Answering(console, Path("a.parquet"), 0, live=False, clock=Hand()).finish()
    assert written(console) == ""


def test_a_terminal_keeps_one_line_of_answers_and_gets_its_cursor_back():
    console, hand = a_console(terminal=True), Hand()
    shown = Answering(console, Path("a.parquet"), 0, live=True, clock=hand)
    hand.now = 2.0
    shown.show(10)
    shown.finish()
    assert "\x1b[?25h" in written(console)
    assert written(console).endswith("10 records, 2.0 seconds, 5.0 records/s\n")


def test_answers_are_told_on_standard_error_unless_silence_is_asked_for(monkeypatch, capsys):
    for quiet in ("", "1"):
        monkeypatch.setenv("LAMCORE_QUIET", quiet)
        lamcore_progress.on_predict(Path("a.txt"), 0, False)
        lamcore_progress.on_predict(Path("a.txt"), 3, True)
    lamcore_progress.on_predict(Path("b.txt"), 0, True)  # a call that was refused
    assert capsys.readouterr().err.startswith("3 records, ")
    assert lamcore_progress._answering == {}
