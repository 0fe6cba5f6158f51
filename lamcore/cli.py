"""Words to calls; errors to one line and an exit code. Each verb imports what it needs when it is called."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamcore.errors import BAD_INPUT, BUG, INTERRUPTED, NO_ROOM, LamcoreError, unknown

if TYPE_CHECKING:
    from lamcore.plugins import Registry

EVERYWHERE = """Options of every verb: --no-plugin NAME (leave a plugin out), --lamfile FILE (read a plugin from a file),
--quiet (no progress), --debug (show tracebacks)."""
OVERRIDES = click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
HYDRA = {"ignore_unknown_options": True, "allow_interspersed_args": False}
RUN = click.argument("run", type=click.Path(path_type=Path))
FILE = click.Path(path_type=Path)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
DECODING = click.option("--decoding", "words", multiple=True, metavar="KEY=VALUE", help="Such as beam=5; repeatable.")


@dataclass
class Options:
    """What may stand anywhere on the command line."""

    block: list[str] = field(default_factory=list)
    lamfile: Path | None = None
    debug: bool = False


options = Options()


def registry(own_lamfile: bool = True) -> Registry:
    """Load the plugins; a lamfile.py in the working folder counts where the verb may run what lies there."""
    from lamcore.plugins import LAMFILE, load_plugins

    lamfile = options.lamfile
    if lamfile is None and own_lamfile and Path(LAMFILE).is_file():
        lamfile = Path(LAMFILE).absolute()
        click.echo(f"lam: using {LAMFILE} of this folder as a plugin", err=True)
    return load_plugins(options.block, lamfile)


@click.group(epilog=EVERYWHERE, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="lamcore", message="lamcore %(version)s")
def lam() -> None:
    """Train models that turn an input into an action, from plugins composed by configs."""


@lam.command(context_settings=HYDRA)
@OVERRIDES
def train(overrides: tuple[str, ...]) -> None:
    """Train a run.

    \b
    lam train experiment=translation/home_assistant
    lam train source=parallel_text "source.train=[A.en,A.de]" "source.validation=[B.en,B.de]"
    lam train experiment=NAME trainer.lr=1e-3,3e-4 --multirun

    \b
    GROUP=NAME chooses a component (source, architecture, trainer, decoding), GROUP=[NAMES] several in order
    (preprocessors, augmenters, metrics), GROUP.SETTING=VALUE sets one. `lam list` shows what there is,
    `lam config OVERRIDES` what a run would be. Hydra's flags work: --multirun, --cfg job, --config-dir.
    """
    from lamcore import config

    known = registry()

    def job(made: config.Composed) -> None:
        from lamcore import commands, console

        run = commands.start(known, made.values, made.written, made.origins, Path(made.folder))
        console.report(run.folder, run.scores)

    config.run(known, overrides, job)


@lam.command()
@RUN
def resume(run: Path) -> None:
    """Go on with the interrupted run in the folder RUN."""
    from lamcore import commands, console

    console.report(run, commands.resume(registry(), run).scores)


@lam.command()
@RUN
@DECODING
@JSON
def evaluate(run: Path, words: tuple[str, ...], as_json: bool) -> None:
    """Score the held-out splits of RUN again; with --decoding settings nothing is written."""
    from lamcore import commands, console

    scores = commands.evaluate(registry(own_lamfile=False), run, _settings(words)).scores
    click.echo(json.dumps(scores, ensure_ascii=False)) if as_json else console.scores(scores)


def _settings(words: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE words; a value is read as JSON where it is JSON."""
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.removeprefix("decoding.").partition("=")
        if not equals:
            raise LamcoreError(f"--decoding {word}: write KEY=VALUE, such as beam=5.")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


@lam.command()
@RUN
@click.argument("text", required=False)
@click.option("--in", "source", type=FILE, help="Texts, one a line, or records (.jsonl).")
@click.option("--out", "target", type=FILE, help="File for the answers; else standard output.")
@JSON
@DECODING
def predict(run: Path, text: str | None, source: Path | None, target: Path | None, as_json: bool, words: Any) -> None:
    """Answer TEXT, the lines of a file, or standard input, with the model of RUN."""
    from lamcore import commands, console

    trained = commands.load_model(run, registry(own_lamfile=False), commands.choose_device("auto"))
    decoding = commands.decoding_of(trained, _settings(words))
    asked = text is None and source is None and sys.stdin.isatty()
    inputs = iter([text]) if text is not None else _asked() if asked else _records(source)
    answers = (trained.predict([one], decoding)[0] for one in inputs) if asked else trained.stream(inputs, decoding)
    with _output(target) as put:
        for answer in answers:
            put(json.dumps(answer, ensure_ascii=False) if as_json else console.safe(console.answer_text(answer)))


def _asked() -> Iterator[str]:
    click.echo("Type a text and press Enter; end with Ctrl-D.", err=True)
    with contextlib.suppress(EOFError):
        while True:
            yield input("> ")


def _records(path: Path | None) -> Iterator[Any]:
    """Read texts (or records of a .jsonl) line by line, as bytes, cut at LF only."""
    name = str(path) if path else "standard input"
    try:
        file = path.open("rb") if path else sys.stdin.buffer
    except OSError as error:
        raise LamcoreError(f"{name} can't be read: {error.strerror}.") from error
    with file:
        for number, line in enumerate(file, 1):
            try:
                one = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
                yield json.loads(one) if name.endswith(".jsonl") else one
            except ValueError as error:
                raise LamcoreError(f"{name}:{number}: {error}") from error


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[Any]:
    """Give a function that writes a line; a file appears only when all is written."""
    if path is None:
        yield click.echo
        return
    from lamcore.store import room

    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        with room(path), temporary.open("w", encoding="utf-8", newline="\n") as file:
            yield lambda line: file.write(f"{line}\n")
        os.replace(temporary, path)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise LamcoreError(f"--out {path} can't be written: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)


@lam.command("list")
@click.argument("kind", required=False)
@click.argument("name", required=False)
@JSON
def list_(kind: str | None, name: str | None, as_json: bool) -> None:
    """List components and experiments: all, those of a KIND, or the settings of the one called NAME."""
    from lamcore import console
    from lamcore.kinds import KINDS
    from lamcore.make import describe

    known, one = registry(), (kind or "").removesuffix("s")
    found = [c for named in known.components.values() for c in named.values() if one in ("", c.kind)]
    facts = [{"kind": c.kind, "name": c.name, "plugin": c.distribution, "summary": c.summary} for c in found]
    if one in ("", "experiment"):
        facts += [{"kind": "experiment", "name": n, "plugin": "", "summary": s} for n, s in known.experiments().items()]
    if one not in ("", "experiment", *KINDS):
        raise unknown("kind", kind or "", [*KINDS, "experiment"])
    if name is None or one == "experiment":
        _print(facts, as_json)
    elif as_json:
        click.echo(json.dumps([vars(setting) for setting in describe(known.find(one, name))], ensure_ascii=False))
    else:
        console.component(known.component(one, name))


@lam.command()
@JSON
def plugins(as_json: bool) -> None:
    """List plugins: distribution, version, state (loaded, blocked, clash, broken) and what each provides."""
    known = registry()
    facts = [
        {"distribution": p.distribution, "name": p.name, "version": p.version, "state": p.state, "reason": p.reason}
        | {"provides": known.provided(p)}
        for p in known.plugins
    ]
    _print(facts, as_json)


@lam.command("config", context_settings=HYDRA)
@click.option("--why", is_flag=True, help="Name the file, plugin or override behind each value.")
@JSON
@OVERRIDES
def config_(overrides: tuple[str, ...], why: bool, as_json: bool) -> None:
    """Show the config that OVERRIDES compose to, checked as `lam train` checks it."""
    import yaml

    from lamcore import config

    words = [word for word in overrides if word not in ("--why", "--json")]
    as_json = as_json or "--json" in overrides
    made = config.composed(registry(), words)
    if why or "--why" in overrides:
        rows = config.leaves(made.written)
        _print([{"key": k, "value": v, "from": made.origins.get(k, "default of lamcore")} for k, v in rows], as_json)
    else:
        text = json.dumps(made.written) if as_json else yaml.safe_dump(made.written, sort_keys=False, allow_unicode=True)
        click.echo(text.rstrip())


def _print(facts: list[dict[str, Any]], as_json: bool) -> None:
    """Print facts as JSON or as a table."""
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    from lamcore import console

    columns = [key for key in (facts[0] if facts else {}) if any(fact[key] not in ("", {}) for fact in facts)]
    console.table(columns, [[_cell(fact[key]) for key in columns] for fact in facts])


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {', '.join(names)}" for key, names in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# Errors ----------------------------------------------------------------------------------------------------------


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
    logging.getLogger("lamcore").setLevel(logging.INFO)
    words = _take_options(sys.argv[1:])
    try:
        sys.exit(lam.main(words, prog_name="lam", standalone_mode=False) or 0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever read us has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (Exception, KeyboardInterrupt) as error:
        if options.debug:
            raise
        sys.exit(_say(*_line(error)))


def _line(error: BaseException) -> tuple[str, int]:
    """Return what to say of an error, and the exit code."""
    if isinstance(error, LamcoreError):
        return str(error), error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "Interrupted.", INTERRUPTED
    if isinstance(error, click.ClickException):
        return error.format_message(), BAD_INPUT
    if isinstance(error, MemoryError):
        return "Out of memory: lower trainer.batch_tokens or decoding.batch_tokens.", NO_ROOM
    with tempfile.NamedTemporaryFile("w", prefix="lam-", suffix=".txt", delete=False, encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    return f"A bug: {type(error).__name__}: {error} (trace in {file.name}; --debug shows it)", BUG


def _say(message: str, code: int) -> int:
    """Print one line on standard error, whatever the message holds; return the exit code."""
    from lamcore.console import safe

    print(f"lam: {safe(' '.join(message.split()))}", file=sys.stderr)
    return code
