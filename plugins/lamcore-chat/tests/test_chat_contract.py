"""The preprocessor and its package keep the promises of their kinds."""

from __future__ import annotations

import pytest

from lamcore.testing import PackageContract, PreprocessorContract, check_package
from lamcore.testing.toy import AWKWARD, records
from lamcore_actions.calls import canonical
from lamcore_chat import ChatTemplate, Turns

CONVERSATIONS = [
    {
        "id": record["id"],
        "tools": canonical([{"name": "say", "description": record["input"], "parameters": {"type": "object"}}]),
        "messages": [
            {"role": "system", "content": AWKWARD[at % len(AWKWARD)], "calls": "", "name": ""},
            {"role": "user", "content": record["input"], "calls": "", "name": ""},
            {"role": "assistant", "content": "", "calls": _call(record["target"]), "name": ""},
            {"role": "tool", "content": record["target"], "calls": "", "name": "say"},
        ],
        "calls": _call(record["input"]) if at % 2 else "",
        "target": "" if at % 2 else f"done: {record['target']}",
    }
    for _call in [lambda text: canonical([{"name": "say", "arguments": {"text": text}}])]
    for at, record in enumerate(records(40))
]


@pytest.mark.full
class TestChatMl(PreprocessorContract):
    component = ChatTemplate("chatml")


class TestConversations(PreprocessorContract):
    component = ChatTemplate("llama3", Turns.last)
    records = CONVERSATIONS
    answers = ("target", "calls")

    def same(self, undone, given):
        return undone == given or given == ""  # of a turn that is calls only, `target` is their JSON


class TestPackage(PackageContract):
    distribution = "lamcore-chat"


@pytest.mark.full  # of all that it provides: in the short form the classes above try each
def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-chat")} == {"package", "preprocessor chat_template"}
