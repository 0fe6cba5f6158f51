"""The step `clean`: what goes, and above all what stays."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pluggy
import pytest

from lamcore import Preprocessor, hookspecs
from lamcore_clean import Clean


def cleaned(text: str, **settings: Any) -> str:
    record = Clean(**settings).change({"id": "1", "input": text})
    assert record is not None
    return record["input"]


def test_the_plugin_offers_seven_steps():
    import lamcore_clean

    manager = pluggy.PluginManager("lamcore")
    manager.add_hookspecs(hookspecs)
    manager.register(lamcore_clean)
    found = {}
    manager.hook.register_preprocessors(register=lambda name, cls: found.update({name: cls}))
    names = ["clean", "deduplicate", "language_tag", "length_filter", "normalise", "placeholders", "prepend_context"]
    assert sorted(found) == names
    assert all(issubclass(cls, Preprocessor) and cls() for cls in found.values())


def test_the_entry_module_imports_nothing_heavy():
    heavy = "{'torch', 'datasets', 'ftfy', 'datasketch', 'numpy'}"
    code = f"import sys; sys.path[:] = {sys.path}; import lamcore_clean; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("schÃ¶n", "schön"),
        ("Itâ€™s on", "It’s on"),
        ("a\x00b\x07c\x9d", "abc"),
        ("one\x0ctwo\x1fthree\x0bfour", "one two three four"),
        ("wait\x85", "wait…"),  # a byte of Windows' code page, read as Latin-1
        ("\ufeffstart", "start"),
        ("lone \ud800surrogate", "lone surrogate"),
        ("  a\t b\r\n\u00a0c\u2028d  ", "a b c d"),
        ("Press <b>OK</b>!", "Press OK!"),
        ("one<br>two<BR/>three<br />four", "one two three four"),
        ("<p class=\"x\" id='y'>Hello</p><p>world</p>", "Hello world"),
        ('see <a href="https://a.b/c?d=1">here</a>.', "see here."),
        ("<img src=pic.png>shown", "shown"),
        ("a<!-- hidden <b> -->b", "a b"),
        ("<script>if (a < b) run()</script>Text", "Text"),
        ("Tom &amp; Jerry &lt;3 &#8364;&#x20AC;", "Tom & Jerry <3 €€"),
    ],
)
def test_damage_is_repaired(text, expected):
    assert cleaned(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello {name}, {count, plural, one {# item} other {# items}} left",
        "{a}<0> and <12> of {{ states('x') }}",
        "[%key:component::light::title%]",
        "2 < 3 and 5 > 4",
        "if a<b and c>d",
        "x <b and c> y",
        "List<T>, Map<K, V>, vector<a>",
        "ssh <address>, then <name> or <title>",
        "Power <59 min, 2048 < size < 30000",
        "{device_type} <{device_name}>",
        "mail <someone@example.org>",
        "it ends with </body> and a comment starts with <!--",
        '<a href="{url}">here</a>',
        "https://a.b/?x=1&copy=2&lt",
        "AT&T; R&D",
        "„schön“ — ça va ? Œuvre, naïve, Ångström, 東京, שלום, ŠKODA",
        "می‌خواهم 👩‍👩‍👧",
    ],
)
def test_what_is_no_damage_stays(text):
    assert cleaned(text) == text


def test_markup_and_spaces_can_stay():
    assert cleaned("<b>a</b> &amp;  b\n", markup=False) == "<b>a</b> &amp; b"
    assert cleaned("<b>a</b> &amp;  b\n\x00", spaces=False) == "a &  b\n"
    assert cleaned("one\x0ctwo\x1fthree", spaces=False) == "one two three"


def test_only_text_columns_that_are_named_change():
    record = {"id": "1", "input": " a ", "target": ["  b  "], "context": " c "}
    assert Clean().change(record) == {"id": "1", "input": "a", "target": ["  b  "], "context": " c "}
    assert Clean(columns=["context", "absent"]).change(record) == record | {"context": "c"}


def test_the_given_record_is_not_altered():
    record = {"id": "1", "input": "<b>a</b>", "target": " b "}
    new = Clean().change(record)
    assert record == {"id": "1", "input": "<b>a</b>", "target": " b "}
    assert new == {"id": "1", "input": "a", "target": "b"}


@pytest.mark.parametrize(
    "piece", ["<a ", "<a x=", "<a x=y ", "<a x='", "<!--", "<script>", "</b", "<p", "&#", "{", "<"]
)
def test_hostile_markup_takes_no_time(piece):
    start = time.process_time()
    assert cleaned(piece * 4000) == " ".join((piece * 4000).split())
    assert time.process_time() - start < 1.0
