"""Verbs for authors; light: each verb is a file whose click command imports what it needs when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamcore import hookimpl
from lamcore_author import check, check_resume, completion, diff, doctor, new

if TYPE_CHECKING:
    from lamcore.hookspecs import Register

lamcore_api = 1


@hookimpl
def register_commands(register: Register) -> None:
    """Offer each verb: the `command` of the file that tells it."""
    register("check", check.command)
    register("check-resume", check_resume.command)
    register("completion", completion.command)
    register("diff", diff.command)
    register("doctor", doctor.command)
    register("new", new.command)
