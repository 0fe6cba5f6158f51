"""`lam new`: start a plugin that is whole as it is: it installs, is tested, keeps its promises and trains."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamcore.kinds import KINDS

if TYPE_CHECKING:
    from lamcore.plugins import Registry

TEMPLATES = Path(__file__).parent / "templates"
"""`package` holds what all plugins have, the others what one kind has; the folder `module` takes the module's name."""
SUMMARIES = {
    "source": "Commands for a house, and what is to be done",
    "preprocessor": "Single spaces in place of other white space",
    "augmenter": "Inputs in which a word is said twice",
    "architecture": "A bag of words that chooses a target",
    "trainer": "Steps of Adam at one learning rate",
    "metric": "The share of answers that equal the target",
}
EXAMPLE = "source=tsv source.train=example.tsv source.validation=example.tsv"
SHORT = "architecture.layers=1 architecture.width=64 tokenizer.kind=character trainer.steps=300"
WORDS = {
    "source": f"source=$name {SHORT}",
    "preprocessor": f"{EXAMPLE} preprocessors=[$name] {SHORT}",
    "augmenter": f"{EXAMPLE} augmenters=[$name] {SHORT}",
    "architecture": f"{EXAMPLE} architecture=$name tokenizer.size=100 trainer.steps=300",
    "trainer": f"{EXAMPLE} architecture.layers=1 architecture.width=64 tokenizer.kind=character trainer=$name",
    "metric": f"{EXAMPLE} metrics=[$name] {SHORT}",
}
"""What a plugin's README trains with."""


@click.group("new")
def command() -> None:
    """Start something of your own."""


@command.command("plugin")
@click.argument("name")
@click.option("--kind", required=True, type=click.Choice(list(KINDS)), help="What its component is.")
@click.pass_obj
def plugin(registry: Registry, name: str, kind: str) -> None:
    """Make the folder lamcore-NAME: an installable plugin with one component of a kind.

    \b
    lam new plugin stutter --kind augmenter
    """
    folder = make_plugin(registry, name, kind, Path.cwd())
    click.echo(f"{folder.name} is a plugin with the {kind} {names(name)['name']}. Next:")
    click.echo(f'cd {folder.name}\npip install -e ".[dev]"\npytest\nlam check {folder.name}')


def names(name: str) -> dict[str, str]:
    """Return what the templates call a plugin; LamcoreError where no plugin can be called so."""
    from lamcore import LamcoreError

    short = name.removeprefix("lamcore-")
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", short) or len(short) > 30:
        advice = "Write small letters, digits and hyphens, a letter first, at most 30: my-noise."
        raise LamcoreError(f"{name!r} can't be a plugin's name. {advice}")
    words = re.split("[-_]", short)
    return {
        "name": "_".join(words),
        "module": f"lamcore_{'_'.join(words)}",
        "distribution": f"lamcore-{'-'.join(words)}",
        "Class": "".join(word.capitalize() for word in words),
    }


def make_plugin(registry: Registry, name: str, kind: str, into: Path) -> Path:
    """Write the folder of a new plugin, whole or not at all, and return it; LamcoreError where the name is taken."""
    import tempfile

    from lamcore import LamcoreError

    called = names(name)
    folder = into / called["distribution"]
    refuse_taken(registry, called, kind, folder)
    files = contents(kind, called)
    try:
        with tempfile.TemporaryDirectory(dir=into, prefix=".lam-new-") as unfinished:
            made = Path(unfinished) / folder.name
            for path, text in files.items():
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_text(text, encoding="utf-8", newline="\n")
            made.rename(folder)
    except OSError as error:
        raise LamcoreError(f"{folder} can't be made: {error.strerror}.") from error
    return folder


def refuse_taken(registry: Registry, called: dict[str, str], kind: str, folder: Path) -> None:
    """Raise LamcoreError where the folder, the distribution, the component's name or the class's is there already."""
    from lamcore import LamcoreError

    if folder.exists() or folder.is_symlink():
        raise LamcoreError(f"{folder.name} is here already: choose another name, or move it away.")
    if called["distribution"] in [plugin.distribution for plugin in registry.plugins]:
        raise LamcoreError(f"{called['distribution']} is installed already: choose another name, or uninstall it.")
    if offer := registry.components[kind].get(called["name"]):
        raise LamcoreError(f"{offer.distribution} offers the {kind} {called['name']!r} already: choose another name.")
    code = [text for path, text in templates(kind).items() if path.endswith(".py")]
    if any(re.search(rf"\b{called['Class']}\b", text) for text in code):
        raise LamcoreError(f"{called['Class']!r} is a word of lamcore's: choose another name.")


def templates(kind: str) -> dict[str, str]:
    """Return {path: text} of what a plugin of that kind is made from."""
    files = {
        file.relative_to(root).as_posix().removesuffix(".template"): file.read_text(encoding="utf-8")
        for root in (TEMPLATES / "package", TEMPLATES / kind)
        for file in sorted(root.rglob("*.template"))
    }
    return {path: text for path, text in files.items() if path != "example.tsv" or kind != "source"}


def contents(kind: str, called: dict[str, str]) -> dict[str, str]:
    """Return {path: text} of a new plugin."""
    from string import Template

    import lamcore

    major, minor = (int(number) for number in lamcore.__version__.split(".")[:2])
    range_ = f">={major}.{minor},<{major + 1}" if major else f">=0.{minor},<0.{minor + 1}"
    needs = [f"lamcore{range_}", *(["torch"] if kind in ("architecture", "trainer") else [])]
    train = f"lam train {Template(WORDS[kind]).substitute(called)} hydra.run.dir=runs/{called['name']}"
    filled = {
        **called,
        "kind": kind,
        "range": range_,
        "summary": SUMMARIES[kind],
        "dependencies": ", ".join(f'"{need}"' for need in needs),
        "command": train,
    }
    made = {path: Template(text).substitute(filled) for path, text in templates(kind).items()}
    return {path.replace("module/", f"{called['module']}/"): text for path, text in made.items()}
