"""`lam completion`: print the script that completes `lam` in a shell, and answer what that script asks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

SHELLS = ("bash", "zsh", "fish")
SCRIPTS = Path(__file__).parent / "scripts"
FLAGS = ("--debug", "--lamfile", "--no-plugin", "--quiet")
"""Options that every verb takes, which click does not know of."""
ASKED = "_LAM_COMPLETE"
"""The variable that a script sets, beside click's own COMP_WORDS and COMP_CWORD, to ask what may stand there."""


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script that completes `lam` in a shell; its first lines say how to install it.

    \b
    lam completion bash > ~/.lam.bash && echo '. ~/.lam.bash' >> ~/.bashrc
    """
    script = SCRIPTS / f"lam.{shell}"
    click.echo(answer(context, shell) if ASKED in os.environ else script.read_text(encoding="utf-8"), nl=False)


def answer(context: click.Context, shell: str) -> str:
    """Return what may stand at the cursor, in the form that the shell's script reads."""
    from click.shell_completion import CompletionItem, get_completion_class

    registry, root = context.obj, context.find_root().command
    base: Any = get_completion_class(shell)

    class Completion(base):  # type: ignore[misc]
        """Click's own, with the overrides of a run's config, and the options of every verb."""

        def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
            verb = root.get_command(context, args[0]) if args and isinstance(root, click.Group) else None
            takes = verb is not None and "overrides" in [parameter.name for parameter in verb.params]
            if takes and not incomplete.startswith("-"):
                from lamcore_author.overrides import complete

                found = complete(registry, args[1:], incomplete)
                kept = [CompletionItem(one) for one in found] if found is not None else []
                return kept if found is not None else [CompletionItem(incomplete, type="file")]
            flags = [CompletionItem(flag) for flag in FLAGS if incomplete[:1] == "-" and flag.startswith(incomplete)]
            return [*super().get_completions(args, incomplete), *flags]

    answered = Completion(root, {"obj": registry}, "lam", ASKED).complete()
    return f"{answered}\n" if answered else ""
