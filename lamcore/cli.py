"""Words to calls; errors to one line and an exit code. Each verb imports what it needs when it is called."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamcore.errors import BAD_INPUT, BUG, ENDING, INTERRUPTED, NO_ROOM, LamcoreError, safe

if TYPE_CHECKING:
    from lamcore.plugins import Registry

EVERYWHERE = """Options of every verb: --no-plugin NAME (leave a plugin out), --lamfile FILE (read a plugin from a
file), --quiet (no progress), --debug (show tracebacks), --trace-hooks (tell of every hook call)."""
SHOWN = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
HYDRA = {"ignore_unknown_options": True}
ALONE = {"doctor": "lamcore-author"}
"""A verb for when plugins can't be loaded, and the only distribution that is loaded for it."""
MOST_SHOWN = 4000
"""Characters of an error's line."""
FILE = click.Path(path_type=Path)
RUN = click.argument("run", type=FILE)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
DECODING = click.option("--decoding", "words", multiple=True, metavar="KEY=VALUE", help="Such as beam=5; repeatable.")


@dataclass
class Options:
    """What may stand anywhere on the command line."""

    block: list[str] = field(default_factory=list)
    lamfile: Path | None = None
    debug: bool = False


options = Options()


def registry(own_lamfile: bool = True, alone: str | None = None) -> Registry:
    """Load the plugins; a lamfile.py in the working folder counts where the verb may run what lies there."""
    from lamcore.plugins import LAMFILE, load_plugins

    lamfile = options.lamfile
    own_lamfile = own_lamfile and "_LAM_COMPLETE" not in os.environ  # the Tab key runs nothing that lies in a folder
    if lamfile is None and own_lamfile and Path(LAMFILE).is_file():
        lamfile = Path(LAMFILE).absolute()
        click.echo(f"lam: using {LAMFILE} of this folder as a plugin", err=True)
    return load_plugins(options.block, lamfile, alone)


class Verbs(click.Group):
    """The core's verbs, and under other names those of plugins, which get the registry by `click.pass_obj`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every verb; help runs no lamfile."""
        ctx.obj = ctx.obj or registry(own_lamfile=False)
        return sorted({*self.commands, *ctx.obj.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb, loading plugins only where it is none of the core's."""
        if cmd_name not in self.commands:
            ctx.obj = ctx.obj or registry(cmd_name not in ALONE, ALONE.get(cmd_name))
        return self.commands.get(cmd_name) or ctx.obj.commands.get(cmd_name)


@click.group(cls=Verbs, epilog=EVERYWHERE, context_settings=SHOWN)
@click.version_option(package_name="lamcore", message="lamcore %(version)s")
def lam() -> None:
    """Train models that turn an input into an action, from plugins composed by configs."""


@lam.command(context_settings=HYDRA)
@click.option("--locked", type=FILE, metavar="RUN", help="Refuse other versions than RUN used; alone, train RUN anew.")
@click.option("--dry-run", is_flag=True, help="Try the largest batch, say what the run would take, and train nothing.")
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def train(overrides: tuple[str, ...], locked: Path | None, dry_run: bool) -> None:
    """Train a run.

    \b
    lam train experiment=translation/home_assistant
    lam train source=parallel_text "source.train=[A.en,A.de]" "source.validation=[B.en,B.de]"
    lam train experiment=NAME trainer.lr=1e-3,3e-4 --multirun

    \b
    GROUP=NAME chooses a component (source, architecture, trainer, decoding), GROUP=[NAMES] several in order
    (preprocessors, augmenters, metrics), GROUP.SETTING=VALUE sets one. `lam list` shows what there is,
    `lam config OVERRIDES` what a run would be. Hydra's flags work: --multirun, --cfg job, --config-dir."""
    from lamcore import config

    known = registry()
    if locked:
        from lamcore import commands

        commands.check_unchanged(known, locked)
        if not overrides:
            commands.again(known, locked)
            return

    def job(made: config.Composed) -> float | None:
        from lamcore import commands

        run = commands.start(known, made.values, made.written, made.origins, Path(made.folder))
        return run.best[1] if run.best else None

    if dry_run:
        from lamcore import commands

        commands.rehearse(known, config.composed(known, overrides).values)
    elif os.environ.get("RANK", "0") != "0":  # one of torchrun's processes that write nothing: Hydra makes a folder
        if {"--multirun", "-m"} & {*overrides}:
            raise LamcoreError("torchrun starts the processes of one run: leave out --multirun.")
        job(config.composed(known, overrides))
    else:
        config.run(known, overrides, job)


@lam.command()
@RUN
def resume(run: Path) -> None:
    """Go on with the interrupted run in the folder RUN."""
    from lamcore import commands

    commands.resume(registry(), run)


class Evaluate(click.Command):
    """The verb `evaluate`, with the options of plugins' evaluations."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the core's own parameters and those of every evaluation."""
        ctx.obj = ctx.obj or registry(own_lamfile=False)
        return [*(one for more in ctx.obj.evaluations.values() for one in more.params), *super().get_params(ctx)]


@lam.command(cls=Evaluate)
@RUN
@DECODING
@JSON
@click.pass_obj
def evaluate(known: Registry, run: Path, words: tuple[str, ...], as_json: bool, **more: Any) -> None:
    """Score the held-out splits of RUN again; with --decoding settings nothing is written."""
    from lamcore import commands, console

    offered = {one: {p.name: more[p.name] for p in one.params} for one in known.evaluations.values()}
    wanted = {one: given for one, given in offered.items() if {*given.values()} - {None, False, ()}}
    with contextlib.redirect_stdout(sys.stderr):  # what components print is no answer
        again = (commands.reopen if wanted else commands.evaluate)(known, run, _settings(words))
    for one, options in wanted.items():
        one.callback(known, again, as_json, **options)
    if not wanted:
        click.echo(console.as_json(again.scores)) if as_json else console.scores(again.scores)


def _settings(words: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE words; a value is read as JSON where it is JSON."""
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.removeprefix("decoding.").partition("=")
        if not equals:
            raise LamcoreError(f"--decoding {word}: write KEY=VALUE, such as beam=5.")
        found[key] = value
        with contextlib.suppress(ValueError):
            found[key] = json.loads(value)
    return found


@lam.command()
@RUN
@click.argument("text", required=False)
@click.option("--in", "source", type=FILE, help="Texts, one a line, or records: .jsonl, .csv, .parquet.")
@click.option("--out", "target", type=FILE, help="File for the answers: .jsonl, .parquet, lines; else standard output.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Column to write beside the answers; repeatable.")
@JSON
@DECODING
def predict(
    run: Path, text: str | None, source: Path | None, target: Path | None, keep: Any, as_json: bool, words: Any
) -> None:
    """Answer TEXT, the lines of a file, or standard input, with the model of RUN.

    With --out a call that was broken off goes on where it was when you give the same words again."""
    from lamcore import answers, commands, console

    with contextlib.redirect_stdout(sys.stderr):
        known = registry(own_lamfile=False)
        trained = commands.load_model(run, known, commands.choose_device("auto"))
    decoding = commands.decoding_of(trained, _settings(words))
    if source and target and target.exists() and target.samefile(source):
        raise LamcoreError(f"--out {target} is the file of --in: give it a name of its own.")
    asked = text is None and source is None and sys.stdin.isatty()
    inputs = iter([text]) if text is not None else _asked() if asked else answers.read(source)
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what components print is no answer
        if target:
            tell = partial(known.notify, "on_predict", out=target)
            answers.answer_file(trained, inputs, target, decoding, as_json, keep, tell)
        elif keep:
            raise LamcoreError("--keep: it is for files of answers. Give --out FILE.jsonl or FILE.parquet.")
        else:
            alone = (trained.predict([one], decoding)[0] for one in inputs)
            for answer in alone if asked else trained.stream(inputs, decoding):
                click.echo(console.as_json(answer) if as_json else safe(console.answer_text(answer)), file=out)


def _asked() -> Iterator[str]:
    click.echo("Type a text and press Enter; end with Ctrl-D.", err=True)
    with contextlib.suppress(EOFError):
        while True:
            yield input("> ")


@lam.command()
@JSON
def plugins(as_json: bool) -> None:
    """List plugins: distribution, version, state (loaded, blocked, clash, broken) and what each provides."""
    from lamcore.console import facts

    known = registry()
    shown = ("distribution", "name", "version", "state", "reason")
    facts([{n: getattr(p, n) for n in shown} | {"provides": known.provided(p)} for p in known.plugins], as_json)


def _take_options(words: list[str]) -> list[str]:
    """Take the options of every verb out of the command line, wherever they stand before `--`."""
    rest: list[str] = []
    coming = iter(words)
    for word in coming:
        key, equals, value = word.partition("=")
        if word == "--":
            return [*rest, word, *coming]
        if word == "--debug":
            options.debug = True
        elif word == "--quiet":
            os.environ["LAMCORE_QUIET"] = "1"
        elif word == "--trace-hooks":
            logging.getLogger("lamcore.hooks").setLevel(logging.DEBUG)
        elif key == "--lamfile":
            options.lamfile = Path(value if equals else next(coming, "")).absolute()
        elif key == "--no-plugin":
            options.block.append(value if equals else next(coming, ""))
        else:
            rest.append(word)
    return rest


def main() -> None:
    """Run `lam`; end with the exit codes of lamcore.errors."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    logging.basicConfig(format="lam: %(message)s", stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_make_safe)
    logging.getLogger("lamcore").setLevel(logging.INFO)
    _on_signals(signal.default_int_handler)
    try:
        with lam.make_context("lam", _take_options(sys.argv[1:]) or ["--help"]) as context:
            lam.invoke(context)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever read us has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, KeyboardInterrupt) as error:
        _on_signals(signal.SIG_DFL, 0)  # a second one ends at once and shows nothing
        if options.debug:
            raise
        message, code = _line(error)
        message = safe(" ".join(message[:MOST_SHOWN].split()))
        click.echo(f"lam: {message}{' ...' * (len(message) >= MOST_SHOWN)}", err=True)
        sys.exit(code)
    sys.exit(0)


def _make_safe(record: logging.LogRecord) -> bool:
    """Write out what could move the cursor in a message from data or a file's name."""
    record.msg, record.args = safe(record.getMessage()), ()
    return True


def _on_signals(handler: Any, first: int = 1) -> None:
    """Handle the signals that ask for an end, usually beside SIGINT; only the main thread can."""
    for number in ENDING[first:]:
        with contextlib.suppress(ValueError):
            signal.signal(number, handler)


def _line(error: BaseException) -> tuple[str, int]:
    """Return what to say of an error, and the exit code."""
    if isinstance(error, LamcoreError):
        return str(error), error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "Interrupted.", INTERRUPTED
    if isinstance(error, click.ClickException):
        return error.format_message(), BAD_INPUT
    if isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error):
        return "Out of memory: lower trainer.batch_tokens or decoding.batch_tokens.", NO_ROOM
    with tempfile.NamedTemporaryFile("w", prefix="lam-", suffix=".txt", delete=False, encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    return f"A bug: {type(error).__name__}: {error} (trace in {file.name}; --debug shows it)", BUG
