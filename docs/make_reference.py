"""Write docs/reference/ from the code: hooks, kinds, components, columns, verbs, config and the core's files.

`python tasks.py docs` runs it; tests/test_reference_is_fresh.py holds the committed pages to what it gives.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import yaml

from lamcore import hookspecs, kinds, testing
from lamcore.make import Setting, describe
from lamcore.plugins import Registry, load_plugins

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Written by docs/make_reference.py from the code: change that, then run `python tasks.py docs`. -->\n"

COLUMNS = {
    "id": ("text", "The record's own name; a source that gives none gets `SPLIT-ROW`."),
    "parent": ("text", "The `id` of the record that this one was made from."),
    "input": ("text", "What the model reads."),
    "target": ("text", "What it should answer."),
    "prefix": ("text", "What the answer has to begin with, where a record has it."),
    "references": ("list of text", "Several right answers."),
    "intent": ("text", "A label of the whole record."),
    "tokens": ("list of text", "The input, cut into words."),
    "tags": ("list of text", "A label for each of `tokens`."),
    "tools": ("text", "The functions that may be called: canonical JSON."),
    "calls": ("text", "The function calls to make: canonical JSON; `[]` calls nothing, an empty answer is malformed."),
    "allowed": ("text", "What BFCL takes for right: JSON of `[{function: {argument: [values]}}]`."),
    "state": ("text", "How things stand before the calls: JSON."),
    "end_state": ("text", "How they stand after them: JSON."),
    "messages": ("list", "A conversation: `[{role, content, calls, name, train}]`."),
    "segments": ("list", "Text in pieces, each learnt from or only read: `[{text, train}]`."),
    "sentences": ("list of text", "The input, cut into sentences."),
    "text": ("text", "What a person wrote about `fields`."),
    "fields": ("text", "Names and values that a text tells: a canonical JSON object."),
    "act": ("text", "What kind of utterance it is: `inform`, `request`."),
    "tone": ("text", "How an answer is to sound, such as `formal`."),
    "length": ("text", "How long it is to be: `short`, `medium`, `long`."),
    "first": ("text", "Which field it is to begin with."),
    "chosen": ("text", "The better of two answers."),
    "rejected": ("text", "The worse of two answers."),
    "title": ("text", "The document's own title."),
    "context": ("text", "What stands before the input."),
    "document": ("text", "The name of the document that the record is a part of."),
    "input_lang": ("text", "The language of `input`: `en`, `de`."),
    "target_lang": ("text", "The language of `target`."),
    "domain": ("text", "The field or part it comes from; scores can be sliced by it."),
    "group": ("text", "Records of one group never stand in two splits."),
    "raw": ("true or false", "Whether a record is raw text, whose target is its clean input: `autoencode`."),
    "first_epoch": ("whole number", "The first epoch, from 0, that it takes part in: stages of `mix`, `curriculum`."),
    "last_epoch": ("whole number", "The last one; `2147483647` has no end."),
    "image": ("image", "A picture."),
    "audio": ("audio", "A sound."),
    "frames": ("array", "A sequence of vectors."),
}

ARGUMENTS = {
    "register": "`register(name, thing)`: offer a component class, or a click command, under a snake_case name",
    "run": "the run: `run.folder`, `run.seed`, `run.device`, `run.recipe` (what it is made of), `run.monitor`",
    "data": "the data: `data.raw[split]` as the source gave it, `data.ready[split]` as the model reads it",
    "model": "the model, a `torch.nn.Module`",
    "step": "how many updates of the weights were made",
    "values": "what the trainer says: `loss`, `tokens_per_second`, `learning_rate`, `epoch`, `steps`, `seconds_left`",
    "split": "the split's name: `validation`, `test` or another held-out one",
    "scores": "`{metric: {value, low, high, signature}}`",
    "path": "the checkpoint's folder",
    "batch": "the largest training batch: tensors by name",
    "error": "what ended the run, or None",
    "out": "the file that answers go into",
    "answered": "how many records are answered",
    "ended": "whether it is done",
}


def pages() -> dict[str, str]:
    """Return {file name: text} of every reference page."""
    registry = first_party()
    made = {
        "hooks.md": hooks(registry),
        "kinds.md": contracts(),
        "contracts.md": promised(),
        "components.md": components(registry),
        "columns.md": columns(registry),
        "cli.md": verbs(registry),
        "config.md": config(),
        "core.md": core(),
    }
    return {name: f"{NOTE}\n{text.rstrip()}\n" for name, text in made.items()}


def first_party() -> Registry:
    """Return a registry of the plugins of this repository, whatever else is installed."""
    files = sorted(ROOT.glob("plugins/*/pyproject.toml"))
    ours = {tomllib.loads(file.read_text(encoding="utf-8"))["project"]["name"] for file in files}
    before = os.environ.get("LAMCORE_PLUGINS")
    os.environ["LAMCORE_PLUGINS"] = ",".join(sorted(ours))
    try:
        registry = load_plugins()
    finally:
        os.environ.pop("LAMCORE_PLUGINS")
        if before is not None:
            os.environ["LAMCORE_PLUGINS"] = before
    lost = ours - {plugin.distribution for plugin in registry.plugins if plugin.state == "loaded"}
    if lost:
        states = "; ".join(f"{p.identity} {p.state} {p.reason}" for p in registry.plugins if p.distribution in lost)
        sys.exit(f"These plugins did not load: {', '.join(sorted(lost))}. {states} (python tasks.py dev installs them)")
    return registry


# ---- Markdown


def table(head: list[str], rows: Iterator[list[str]] | list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in line) + " |" for line in lines) + "\n"


def cell(text: str) -> str:
    """Return text that can stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: object) -> str:
    """Return text in code letters."""
    return f"`{text}`"


def doc(thing: Any) -> str:
    """Return a docstring, whole."""
    return inspect.getdoc(thing) or ""


def first_line(thing: Any) -> str:
    """Return the first line of a docstring."""
    return doc(thing).partition("\n")[0]


def signature(function: Callable[..., Any]) -> str:
    """Return `name(argument: type) -> type`."""
    return (
        f"{function.__name__}{inspect.signature(function)}".replace("'", "")
        .replace("(self, ", "(")
        .replace("(self)", "()")
    )


def settings(cls: type) -> str:
    """Return the table of a component's settings."""
    return table(["setting", "type", "default", "what it is"], [setting_row(setting) for setting in describe(cls)])


def setting_row(setting: Setting) -> list[str]:
    """Return a setting's cells."""
    default = "must be set" if setting.required else code(yaml_text(setting.default))
    return [code(setting.name), setting.type, default, setting.help]


def yaml_text(value: Any) -> str:
    """Return a plain value as one writes it in a config."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


# ---- the pages


def hooks(registry: Registry) -> str:
    """Return the page of every hook."""
    intro = (
        "# Hooks\n\nA plugin is a module with functions of these names under `@hookimpl`. A function takes only those "
        "arguments that it names. `register_KINDS` adds, `on_EVENT` watches: a watcher that fails is reported and "
        "never stops a run. The order of plugins decides nothing.\n\n"
        f"This is version {hookspecs.API} of the plugin API: a module that states `lamcore_api = {hookspecs.API}` is "
        "refused, in one line, by a lamcore whose version is another. What is to go warns for one minor release first "
        "([Public API](public-api.md)).\n\n"
        "```python\nfrom lamcore import hookimpl\n\n\n@hookimpl\ndef on_save(step, path):\n"
        '    """Note each checkpoint."""\n```\n'
    )
    specs = {name: function for name, function in vars(hookspecs).items() if hasattr(function, "lamcore_spec")}
    rows = [[f"[{name}](#{name})", *since_cells(function)] for name, function in specs.items()]
    summary = table(["hook", "since", "arguments, and since when", "warns"], rows)
    return f"{intro}\n{summary}" + "".join(
        f"\n## {name}\n\n```text\n{signature(function)}\n```\n\n{doc(function)}\n\n{argument_table(function)}\n"
        f"Used by {', '.join(users(registry, name)) or 'no shipped plugin'}.\n"
        for name, function in specs.items()
    )


def since_cells(function: Callable[..., Any]) -> list[str]:
    """Return since when a hook and each of its arguments exist, as its docstring says, and what of it will go."""
    hook, later = since(function)
    arguments = [f"{code(name)} {later.get(name, hook)}" for name in signature_names(function)]
    options = function.lamcore_spec  # type: ignore[attr-defined]
    warns = [options["warn_on_impl"], *(options["warn_on_impl_args"] or {}).values()]
    return [hook, ", ".join(arguments), " ".join(str(warning) for warning in warns if warning)]


def since(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return the version that brought a hook, and {argument: version} of those that came later."""
    found = re.search(r"Since (\d+\.\d+)\b", doc(function))
    if found is None:
        raise ValueError(f"{function.__name__} does not say since which version it is there: end with 'Since 0.1.'")
    return found[1], dict(re.findall(r"`(\w+)` since (\d+\.\d+)\b", doc(function)))


def argument_table(function: Callable[..., Any]) -> str:
    """Return the table of a hook's arguments."""
    return table(["argument", "what it is"], [[code(name), ARGUMENTS[name]] for name in signature_names(function)])


def signature_names(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments."""
    return list(inspect.signature(function).parameters)


def users(registry: Registry, hook: str) -> list[str]:
    """Return the distributions that implement a hook."""
    return sorted({plugin.distribution for plugin in registry.plugins if hasattr(plugin.module, hook)})


def contracts() -> str:
    """Return the page of the six kinds and the model."""
    classes = [*kinds.KINDS.values(), kinds.Model]
    aliases = table(["name", "what it is"], [[code(name), text] for name, text in below_names(kinds)])
    return (
        "# Kinds\n\nA component is a dataclass that extends one of six classes: its fields are its settings, its "
        "methods are its work. All of them are imported from `lamcore`.\n\n"
        + "".join(contract(cls) for cls in classes)
        + f"## Names of types\n\n{aliases}"
    )


def contract(cls: type) -> str:
    """Return the part about one class."""
    methods = [member for name, member in vars(cls).items() if is_public_method(name, member)]
    attributes = table(["attribute", "what it is"], [[code(name), text] for name, text in below_fields(cls)])
    return (
        f"## {cls.__name__}\n\n{doc(cls)}\n\n"
        + (f"{attributes}\n" if below_fields(cls) else "")
        + "".join(f"### {cls.__name__}.{m.__name__}\n\n```text\n{signature(m)}\n```\n\n{doc(m)}\n\n" for m in methods)
    )


def is_public_method(name: str, member: Any) -> bool:
    """Say whether a member of a class is a method to document."""
    return inspect.isfunction(member) and not name.startswith("_")


def below_fields(cls: type) -> list[tuple[str, str]]:
    """Return (name, the string under it) of a class body."""
    return list(below(ast.parse(inspect.getsource(cls)).body[0].body))  # type: ignore[attr-defined]


def below_names(module: Any) -> list[tuple[str, str]]:
    """Return (name, the string under it) of a module."""
    return list(below(ast.parse(inspect.getsource(module)).body))


def below(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield each assignment that has a string under it."""
    for above, text in itertools.pairwise(body):
        target = getattr(above, "target", None) or next(iter(getattr(above, "targets", [])), None)
        if target is not None and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            yield ast.unparse(target), " ".join(str(text.value.value).split())


def promised() -> str:
    """Return the page of every promise that `lamcore.testing` holds a component or package to."""
    every: list[type[testing.Contract]] = [testing.ComponentContract, *testing.CONTRACTS.values()]
    every.append(testing.PackageContract)
    number = sum(len(own_promises(cls)) for cls in every)
    intro = (
        "# Contracts\n\nWhat each kind of component, and a package of them, promises. The list is what the check does: "
        "`lam check PACKAGE`, `check_KIND(component)` and the class that a test extends try these "
        f"{number} promises, in this order ([Check a plugin](../how-to/check-a-plugin.md)). A component is held to "
        "those of every component and to those of its kind. A promise that does not apply is skipped, and says why.\n\n"
        "A component with settings that must be set offers a classmethod `example(folder)`, which returns one to be "
        "tried and may write small files into the folder; without one the defaults are tried. One that needs columns "
        "which the toy records lack (`lamcore.testing.toy`) offers a classmethod `example_records()`, a list.\n"
    )
    return intro + "".join(promises_of(cls) for cls in every)


def promises_of(cls: type[testing.Contract]) -> str:
    """Return the part about one contract: what can be set, and its own promises."""
    rows = [[name.removeprefix("test_").replace("_", " "), says] for name, says in own_promises(cls).items()]
    given = [[code(name), text] for name, text in below_fields(cls) if name != "kind"]
    set_ = f"{table(['attribute', 'what it is'], given)}\n" if given else ""
    return f"\n## {cls.__name__}\n\n{doc(cls)}\n\n{set_}{table(['promise', 'what it says'], rows)}"


def own_promises(cls: type[testing.Contract]) -> dict[str, str]:
    """Return the promises that a contract adds to those of every component."""
    return {name: says for name, says in testing.promises(cls).items() if name in vars(cls)}


def components(registry: Registry) -> str:
    """Return the page of every component of this repository."""
    intro = (
        "# Components\n\nWhat the plugins of this repository offer. `lam list KIND NAME` shows the same for everything "
        "that is installed, third parties' too.\n"
    )
    return intro + "".join(
        f"\n## {kinds.PLURALS[kind].capitalize()}\n"
        + "".join(
            f"\n### {name}\n\n{doc(offer.cls)}\n\nFrom `{offer.distribution}`.\n\n{settings(offer.cls)}"
            for name, offer in offers.items()
        )
        for kind, offers in registry.components.items()
    )


def columns(registry: Registry) -> str:
    """Return the page of the columns that have a fixed meaning."""
    architectures = {name: offer.cls for name, offer in registry.components["architecture"].items()}

    def used(column: str, where: str) -> str:
        return ", ".join(name for name, cls in architectures.items() if column in column_names(cls, where))

    rows = [
        [code(name), kind, meaning, used(name, "reads"), used(name, "answers")]
        for name, (kind, meaning) in COLUMNS.items()
    ]
    return (
        "# Columns\n\nA record is a row: column to value. These names mean the same in every plugin; a source may give "
        "other columns too, and they stay with the record.\n\n"
        + table(["column", "holds", "what it is", "read by", "answered by"], rows)
    )


def column_names(cls: type, where: str) -> tuple[str, ...]:
    """Return the columns that an architecture names in `reads` or `answers`, where they don't depend on settings."""
    names = getattr(cls, where, ())
    return tuple(names) if isinstance(names, (list, tuple)) else ()


def verbs(registry: Registry) -> str:
    """Return the page of `lam --help` and of each verb's."""
    from lamcore.cli import lam as group

    width = {**group.context_settings, "terminal_width": 100}
    context = click.Context(group, info_name="lam", obj=registry, **width)
    text = f"# The lam command\n\n```text\n{group.get_help(context)}\n```\n"
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            inner = click.Context(command, info_name=name, parent=context, terminal_width=100)
            text += f"\n## lam {name}\n\n```text\n{command.get_help(inner)}\n```\n"
    return text + exit_codes()


def exit_codes() -> str:
    """Return the table of exit codes."""
    rows = [
        ["0", "fine"],
        ["1", "a check that you asked for failed"],
        ["2", "bad input or config: one line says where, what was found and what would be right"],
        ["3", "a number that is not finite: the last good checkpoint is kept"],
        ["4", "the run folder is in use"],
        ["5", "a damaged checkpoint or model folder"],
        ["6", "no room: the disk is full, or memory"],
        ["70", "a bug of lamcore: the trace is in a file"],
        ["75", "interrupted: `lam resume RUN` goes on"],
    ]
    return "\n## Exit codes\n\n" + table(["code", "what it means"], rows)


def config() -> str:
    """Return the page of the root of a config."""
    helps = {setting.name: setting for setting in describe(kinds.Recipe)}
    groups = table(["group", "what it is"], [[code(n), helps[n].help] for n in helps if is_group(n)])
    keys = table(["key", "type", "default", "what it is"], [setting_row(s) for n, s in helps.items() if is_key(n)])
    shipped = table(["file", "what it is"], [[code(name), text] for name, text in shipped_files()])
    return (
        "# Config\n\nA run is composed by Hydra from values and names. A node never names Python: `_target_` is "
        "refused. `lam config WORDS` shows what the words compose to, and `--why` where each value comes from.\n\n"
        f"## Keys of the root\n\n{keys}\n## Groups\n\n{groups}\n"
        f"## tokenizer\n\n{settings(kinds.TokenizerPlan)}\n## decoding\n\n{settings(kinds.Decoding)}\n"
        f"## Files that come with lamcore\n\n{shipped}"
    )


def is_group(name: str) -> bool:
    """Say whether a root key is chosen by name."""
    return name in {*kinds.KINDS, *kinds.PLURALS.values(), "decoding"}


def is_key(name: str) -> bool:
    """Say whether a root key is a plain value."""
    return name in {f.name for f in fields(kinds.Recipe)} and not is_group(name) and name != "tokenizer"


def shipped_files() -> Iterator[tuple[str, str]]:
    """Yield each config file and the comment that it begins with."""
    for file in sorted((ROOT / "conf").rglob("*.yaml")):
        lines = file.read_text(encoding="utf-8").split("\n")
        comment = next((line.lstrip("# ") for line in lines if line.startswith("#") and "@package" not in line), "")
        yield file.relative_to(ROOT / "conf").with_suffix("").as_posix(), comment


def core() -> str:
    """Return the page of the core's files, with what each is for."""
    rows = []
    for file in sorted((ROOT / "lamcore").glob("*.py")):
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        rows.append([code(file.name), text.partition("\n")[0]])
    return "# The core, file by file\n\nA file imports only from floors below it; tests hold that.\n\n" + table(
        ["file", "what it is for"], rows
    )


def main() -> None:
    """Write the pages that changed."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        file = REFERENCE / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
