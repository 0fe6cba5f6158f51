"""The source `gettext`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polib
import pytest

from lamcore import LamcoreError
from lamcore_collect import Gettext
from lamcore_collect.catalogues import find

POLISH = "nplurals=3; plural=n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2;"


def po(path: Path, *entries: dict[str, Any], language: str = "", plural: str = "", mo: bool = False) -> None:
    """Write a catalogue."""
    file = polib.POFile()
    file.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Language": language, "Plural-Forms": plural}
    file.extend(polib.POEntry(**entry) for entry in entries)
    path.parent.mkdir(parents=True, exist_ok=True)
    (file.save_as_mofile if mo else file.save)(str(path))


def pairs(source: Gettext) -> list[tuple[str, str]]:
    return [(record["input"], record["target"]) for rows in source.load().values() for record in rows]


def german(folder: Path, **more: Any) -> Gettext:
    return Gettext(languages=["en", "de"], folder=str(folder), split=[1, 0, 0], **more)


@pytest.mark.parametrize("mo", [False, True])
def test_a_record_holds_message_context_domain_and_languages(tmp_path, mo):
    file = tmp_path / "locale" / "de" / "LC_MESSAGES" / ("app.mo" if mo else "app.po")
    po(file, {"msgctxt": "a month", "msgid": "May", "msgstr": "Mai"}, {"msgid": "Off", "msgstr": "Aus"}, mo=mo)
    records = sorted(german(tmp_path).load()["train"], key=lambda record: record["input"])
    known = {"domain": "app", "input_lang": "en", "target_lang": "de"}
    assert [{name: value for name, value in record.items() if name != "id"} for record in records] == [
        {"input": "May", "target": "Mai", "context": "a month", **known},
        {"input": "Off", "target": "Aus", "context": "", **known},
    ]


@pytest.mark.parametrize(
    "text", ["{name} has %(count)d of %s\n", "  two blanks ", "&File…\tCtrl+O", '"quoted" \\n', "%d %%"]
)
def test_texts_are_as_they_stand_in_the_file(tmp_path, text):
    po(tmp_path / "de.po", {"msgid": text, "msgstr": f"<{text}>"}, language="de")
    assert pairs(german(tmp_path)) == [(text, f"<{text}>")]


@pytest.mark.parametrize(("encoding", "named"), [("utf-8-sig", "UTF-8"), ("iso-8859-2", "ISO-8859-2")])
def test_a_catalogue_is_read_in_the_encoding_that_it_names(tmp_path, encoding, named):
    head = f'msgid ""\nmsgstr "Language: cs\\nContent-Type: text/plain; charset={named}\\n"\n\n'
    (tmp_path / "cs.po").write_bytes(f'{head}msgid "Colour"\nmsgstr "Barva světlé žárovky"\n'.encode(encoding))
    czech = Gettext(languages=["en", "cs"], folder=str(tmp_path), split=[1, 0, 0])
    assert pairs(czech) == [("Colour", "Barva světlé žárovky")]


def test_what_is_not_translated_obsolete_or_fuzzy_is_left_out(tmp_path):
    entries = [
        {"msgid": "a", "msgstr": "A"},
        {"msgid": "b", "msgstr": ""},
        {"msgid": "c", "msgstr": "C", "flags": ["fuzzy"]},
        {"msgid": "d", "msgstr": "D", "obsolete": True},
    ]
    po(tmp_path / "de.po", *entries, language="de")
    assert pairs(german(tmp_path)) == [("a", "A")]
    assert pairs(german(tmp_path, fuzzy=True)) == [("a", "A"), ("c", "C")]


def test_singular_goes_with_the_form_for_one_and_plural_with_that_for_most_numbers(tmp_path):
    forms = {0: "%d plik", 1: "%d pliki", 2: "%d plików"}
    po(tmp_path / "pl.po", {"msgid": "%d file", "msgid_plural": "%d files", "msgstr_plural": forms},
       language="pl", plural=POLISH)  # fmt: skip
    source = Gettext(languages=["en", "pl"], folder=str(tmp_path), split=[1, 0, 0])
    assert pairs(source) == [("%d file", "%d plik"), ("%d files", "%d plików")]


def test_a_language_without_plurals_gives_its_one_form_for_both(tmp_path):
    po(tmp_path / "ja.po", {"msgid": "day", "msgid_plural": "days", "msgstr_plural": {0: "日"}},
       language="ja", plural="nplurals=1; plural=0;")  # fmt: skip
    assert pairs(Gettext(languages=["en", "ja"], folder=str(tmp_path), split=[1, 0, 0])) == [
        ("day", "日"),
        ("days", "日"),
    ]


def test_a_template_that_nobody_filled_in_counts_plurals_as_english_does(tmp_path):
    po(tmp_path / "de.po", {"msgid": "day", "msgid_plural": "days", "msgstr_plural": {0: "Tag", 1: "Tage"}},
       language="de", plural="nplurals=INTEGER; plural=EXPRESSION;")  # fmt: skip
    assert pairs(german(tmp_path)) == [("day", "Tag"), ("days", "Tage")]


def test_two_translations_are_paired_by_their_message(tmp_path):
    po(tmp_path / "po" / "de.po", {"msgid": "Off", "msgstr": "Aus"}, {"msgid": "x", "msgstr": "X"}, language="de")
    po(tmp_path / "po" / "fr.po", {"msgid": "Off", "msgstr": "Éteint"}, {"msgid": "y", "msgstr": "Y"}, language="fr")
    source = Gettext(languages=["de", "fr"], folder=str(tmp_path), split=[1, 0, 0])
    assert pairs(source) == [("Aus", "Éteint")]


def test_keys_that_are_no_language_are_never_read_as_text(tmp_path):
    po(tmp_path / "en.po", {"msgid": "menu.off", "msgstr": "Off"}, language="en")
    po(tmp_path / "de.po", {"msgid": "menu.off", "msgstr": "Aus"}, language="de")
    assert pairs(german(tmp_path, msgid_lang=None)) == [("Off", "Aus")]


def test_the_other_direction_reads_the_same_catalogue(tmp_path):
    po(tmp_path / "de.po", {"msgid": "Off", "msgstr": "Aus"}, language="de")
    assert pairs(Gettext(languages=["de", "en"], folder=str(tmp_path), split=[1, 0, 0])) == [("Aus", "Off")]


def test_of_a_catalogue_that_is_there_twice_the_source_is_read(tmp_path):
    place = tmp_path / "de" / "LC_MESSAGES"
    po(place / "app.po", {"msgid": "Off", "msgstr": "Aus"})
    po(place / "app.mo", {"msgid": "Off", "msgstr": "Abgeschaltet"}, mo=True)
    assert pairs(german(tmp_path)) == [("Off", "Aus")]


@pytest.mark.parametrize(
    ("place", "header", "language", "domain"),
    [
        ("de/LC_MESSAGES/app.po", "", "de", "app"),
        ("shop/locale/pt_BR/LC_MESSAGES/app.po", "", "pt_br", "shop/app"),
        ("de.UTF-8/LC_MESSAGES/app.po", "", "de", "app"),
        ("po/pt-BR.po", "pt_BR", "pt_br", "catalogues"),
        ("po/gui.de.po", "de", "de", "gui"),
        ("i18n/de.po", "", "de", "catalogues"),
        ("help/german.po", "de", "de", "help/german"),
    ],
)
def test_language_and_domain_are_told_from_place_and_header(tmp_path, place, header, language, domain):
    po(tmp_path / "catalogues" / place, {"msgid": "Off", "msgstr": "Aus"}, language=header)
    (found,) = find(str(tmp_path / "catalogues"), None)
    assert (found.language, found.domain) == (language, domain)


def test_the_language_of_a_header_is_not_that_of_the_source_and_is_found_in_a_long_mo(tmp_path):
    header = 'msgid ""\nmsgstr ""\n"X-Source-Language: en\\n"\n"Language: de\\n"\n\n'
    (tmp_path / "app.po").write_text(header + 'msgid "Off"\nmsgstr "Aus"\n', encoding="utf-8")
    assert [one.language for one in find(str(tmp_path), None)] == ["de"]
    (tmp_path / "app.po").unlink()
    many = [{"msgid": f"Message number {n} of many", "msgstr": f"Nachricht {n}"} for n in range(800)]
    po(tmp_path / "app.mo", *many, language="de", mo=True)
    assert [one.language for one in find(str(tmp_path), None)] == ["de"]


def test_an_installed_distribution_gives_its_catalogues(tmp_path, monkeypatch):
    po(tmp_path / "shop" / "locale" / "de" / "LC_MESSAGES" / "shop.mo", {"msgid": "Off", "msgstr": "Aus"}, mo=True)
    info = tmp_path / "shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n", encoding="utf-8")
    (info / "RECORD").write_text("shop/locale/de/LC_MESSAGES/shop.mo,,\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    source = Gettext(languages=["en", "de"], distribution="shop", split=[1, 0, 0])
    assert pairs(source) == [("Off", "Aus")]
    assert [record["domain"] for record in source.load()["train"]] == ["shop/shop"]


def test_messages_that_differ_in_case_and_blanks_alone_stay_in_one_split(tmp_path):
    words = [f"word {at}" for at in range(40)]
    entries = [{"msgid": text, "msgstr": "x"} for word in words for text in (word, f" {word.upper()}\n")]
    po(tmp_path / "de.po", *entries, language="de")
    splits = Gettext(languages=["en", "de"], folder=str(tmp_path), split=[1, 1, 1]).load()
    places = {split: {record["input"].strip().lower() for record in rows} for split, rows in splits.items()}
    assert sum(len(found) for found in places.values()) == 40


def test_a_changed_catalogue_changes_the_fingerprint(tmp_path):
    po(tmp_path / "de.po", {"msgid": "Off", "msgstr": "Aus"}, language="de")
    before = german(tmp_path).fingerprint()
    po(tmp_path / "de.po", {"msgid": "Off", "msgstr": "Ausgeschaltet"}, language="de")
    assert german(tmp_path).fingerprint() != before


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "exactly one of folder and distribution must be set"),
        ({"folder": "a", "distribution": "b"}, "exactly one of folder and distribution must be set"),
        ({"folder": "a", "languages": ["en"]}, "two different codes"),
        ({"folder": "a", "languages": ["en", "en"]}, "two different codes"),
        ({"folder": "a", "split": [0, 1, 1]}, "three shares"),
    ],
)
def test_settings_out_of_range_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        Gettext(**{"languages": ["en", "de"], **settings})


def test_what_can_not_be_read_is_one_line_that_says_where(tmp_path):
    with pytest.raises(LamcoreError, match=r"missing is no folder - paths count from "):
        Gettext(languages=["en", "de"], folder=str(tmp_path / "missing")).load()
    with pytest.raises(LamcoreError, match=r"holds no \.po or \.mo file"):
        german(tmp_path).load()
    with pytest.raises(LamcoreError, match=r"distribution=no-such-thing is not installed"):
        Gettext(languages=["en", "de"], distribution="no-such-thing").load()
    po(tmp_path / "de.po", {"msgid": "Off", "msgstr": "Aus"}, language="de")
    with pytest.raises(LamcoreError, match=r"No language is called 'dr'. Did you mean 'de'\? There are: de\."):
        pairs(Gettext(languages=["en", "dr"], folder=str(tmp_path)))
    (tmp_path / "de.po").write_text('msgid "Off\nLanguage: de\n', encoding="utf-8")
    with pytest.raises(
        LamcoreError, match=r'de\.po:1: msgid "Off is no line of a \.po - close its quotes, or remove it$'
    ):
        pairs(german(tmp_path))
    (tmp_path / "de.po").write_text('msgid "Off"\nmsgstr Aus"\n', encoding="utf-8")
    with pytest.raises(LamcoreError, match=r"de\.po:2: msgstr Aus"):
        pairs(german(tmp_path))
    (tmp_path / "de.po").write_text('msgstr "Aus"\nmsgstr "An"\n', encoding="utf-8")
    with pytest.raises(LamcoreError, match=r"de\.po: can't be read as a gettext catalogue \(.+\) - mend or remove it$"):
        pairs(german(tmp_path))
    (tmp_path / "de.po").unlink()
    (tmp_path / "de.mo").write_bytes(b"\xde\x12\x04\x95\x00\x00")
    with pytest.raises(LamcoreError, match=r"de\.mo: can't be read as a gettext catalogue"):
        pairs(german(tmp_path))


def test_too_few_messages_for_a_split_is_an_error_that_says_so(tmp_path):
    po(tmp_path / "de.po", {"msgid": "Off", "msgstr": "Aus"}, language="de")
    with pytest.raises(LamcoreError, match=r"no record fell into (train|validation|test): there is too little for "):
        pairs(Gettext(languages=["en", "de"], folder=str(tmp_path)))
