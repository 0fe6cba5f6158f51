from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import pytest

from lamcore import LamcoreError
from lamcore_home_assistant import HomeAssistant, fetch
from lamcore_home_assistant.strings import read_splits, split_of

# Integrations of known splits; a change of the hash would move everyone's rows.
TRAIN, TRAIN_2, VALIDATION, TEST = "light", "hue", "deconz", "tado"


def wheel(path: Path, strings: dict[str, dict[str, object]], folder: str = "homeassistant/components") -> Path:
    """Write a wheel of {integration: {language: nested strings}}."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("homeassistant/__init__.py", "raise SystemExit('a wheel is only read')")
        for integration, languages in strings.items():
            for language, nested in languages.items():
                archive.writestr(f"{folder}/{integration}/translations/{language}.json", json.dumps(nested))
    return path


def small() -> dict[str, dict[str, object]]:
    english = {"on": "On", "deep": {"er": "Off"}, "same": "OK", "number": 3, "only": "English"}
    german = {"on": "An", "deep": {"er": "Aus"}, "same": "OK", "number": 4, "nur": "Deutsch"}
    return {
        TRAIN: {"en": english, "de": german},
        VALIDATION: {"en": {"a": "Door"}, "de": {"a": "Tür"}, "fr": {"a": "Porte"}},
        TEST: {"en": {"a": "Window"}, "de": {"a": "Fenster"}},
    }


def load(path: Path, language: str = "de") -> dict[str, list[dict[str, str]]]:
    return {split: list(rows) for split, rows in HomeAssistant(target_lang=language, wheel=str(path)).load().items()}


def test_integrations_keep_their_splits_for_ever():
    assert [split_of(name) for name in (TRAIN, TRAIN_2, VALIDATION, TEST)] == ["train", "train", "validation", "test"]


def test_equal_keys_of_an_integration_become_pairs(tmp_path):
    splits = load(wheel(tmp_path / "w.whl", small()))
    known = {"domain": "light", "input_lang": "en", "target_lang": "de"}
    assert splits["train"] == [
        {"id": "light/deep.er", "input": "Off", "target": "Aus"} | known,
        {"id": "light/on", "input": "On", "target": "An"} | known,
    ]
    assert [row["id"] for row in splits["validation"]] == [f"{VALIDATION}/a"]
    assert [(row["input"], row["target"]) for row in splits["test"]] == [("Window", "Fenster")]


def test_a_pair_is_kept_once_where_train_first_has_it(tmp_path):
    strings = small()
    strings[TEST]["en"]["b"], strings[TEST]["de"]["b"] = "Scene", "Szene"
    strings[TRAIN]["en"]["b"], strings[TRAIN]["de"]["b"] = "Scene", "Szene"
    strings[TRAIN_2] = {"en": {"x": "Scene"}, "de": {"x": "Szene"}}
    splits = load(wheel(tmp_path / "w.whl", strings))
    assert [row["id"] for rows in splits.values() for row in rows if row["input"] == "Scene"] == [f"{TRAIN_2}/x"]


@pytest.mark.parametrize("twin", ["On", "ON", "on", "Ｏn", " On\n"])
def test_no_english_string_stands_in_two_splits(tmp_path, twin):
    strings = small()
    for held_out in (TEST, VALIDATION):
        strings[held_out]["en"]["b"], strings[held_out]["de"]["b"] = twin, f"ein {held_out}"
    strings[VALIDATION]["en"]["c"], strings[VALIDATION]["de"]["c"] = "WINDOW", "Scheibe"
    splits = load(wheel(tmp_path / "w.whl", strings))
    assert [row["input"] for row in splits["test"]] == ["Window"]
    assert [row["input"] for row in splits["validation"]] == ["Door"]


def test_the_splits_are_called_ours():
    assert HomeAssistant().makes_splits


def test_a_wheel_without_strings_is_refused(tmp_path):
    path = wheel(tmp_path / "w.whl", small(), folder="other")
    with pytest.raises(LamcoreError, match=r"w\.whl: holds no homeassistant/components/\*/translations - name a wheel"):
        load(path)


def test_an_unknown_language_is_refused_with_the_nearest_and_the_list(tmp_path):
    with pytest.raises(LamcoreError, match=r"No language is called 'dee'. Did you mean 'de'\? There are: de, fr\."):
        load(wheel(tmp_path / "w.whl", small()), "dee")


def test_english_is_no_language_to_translate_into(tmp_path):
    with pytest.raises(LamcoreError, match="No language is called 'en'"):
        load(wheel(tmp_path / "w.whl", small()), "en")


def test_a_language_with_too_few_strings_is_refused(tmp_path):
    with pytest.raises(LamcoreError, match=r"too few strings in 'fr' \(train is empty\) - take another language"):
        load(wheel(tmp_path / "w.whl", small()), "fr")


def test_a_file_that_is_no_wheel_is_refused_in_one_line(tmp_path):
    (tmp_path / "w.whl").write_bytes(b"hello")
    with pytest.raises(
        LamcoreError, match=r"w\.whl: can't be read as a wheel \(File is not a zip file\) - name another"
    ):
        load(tmp_path / "w.whl")


def test_a_wheel_that_is_not_there_is_refused_in_one_line(tmp_path):
    with pytest.raises(LamcoreError, match=r"none\.whl: can't be read as a wheel \(No such file or directory\)"):
        load(tmp_path / "none.whl")
    with pytest.raises(LamcoreError, match=r"source\.wheel=.*none\.whl: can't be read"):
        HomeAssistant(wheel=str(tmp_path / "none.whl")).fingerprint()


def test_a_damaged_member_is_refused_in_one_line(tmp_path):
    path = wheel(tmp_path / "w.whl", small())
    data = bytearray(path.read_bytes())
    at = data.index(b"light/translations/de.json") + len(b"light/translations/de.json")
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(LamcoreError, match=r"w\.whl: can't be read as a wheel"):
        load(path)


def test_strings_that_are_no_json_are_refused_by_name(tmp_path):
    path = wheel(tmp_path / "w.whl", small())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("homeassistant/components/hue/translations/en.json", "{")
        archive.writestr("homeassistant/components/hue/translations/de.json", "{}")
    with pytest.raises(LamcoreError, match=r"hue/translations/en\.json is no JSON"):
        load(path)


def test_a_member_that_unpacks_too_large_is_refused(tmp_path):
    strings = small() | {TRAIN_2: {"en": {"a": " " * 9_000_000}, "de": {"a": "b"}}}
    with pytest.raises(LamcoreError, match=r"hue/translations/en\.json is larger than 8 MB"):
        load(wheel(tmp_path / "w.whl", strings))


def test_a_path_in_a_wheel_reaches_nothing(tmp_path):
    path = wheel(tmp_path / "w.whl", small())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../homeassistant/components/x/translations/de.json", '{"a": "b"}')
    before = sorted(tmp_path.rglob("*"))
    load(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_fingerprint_names_wheel_and_language(tmp_path):
    path = str(wheel(tmp_path / "w.whl", small()))
    prints = [HomeAssistant(), HomeAssistant("fr"), HomeAssistant(wheel=path), HomeAssistant("fr", wheel=path)]
    assert len({source.fingerprint() for source in prints}) == 4
    assert fetch.SHA256 in HomeAssistant().fingerprint()


# Fetching: the real pip, which is given a folder in place of the registry.


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Give pip no registry and an empty folder of wheels; keep every cache inside the test."""
    pytest.importorskip("pip")
    for name in ("wheels", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("LAMCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a small wheel of the right name where pip finds it, and expect its sum."""
    path = wheel(folder / fetch.FILE, small())
    with zipfile.ZipFile(path, "a") as archive:
        info = f"homeassistant-{fetch.VERSION}.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: homeassistant\nVersion: {fetch.VERSION}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setattr(fetch, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_the_wheel_is_fetched_once_and_checked(offline, monkeypatch, caplog):
    published = publish(offline / "wheels", monkeypatch)
    caplog.set_level("INFO", logger="lamcore")
    splits = HomeAssistant().load()
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [2, 1, 1]
    assert [path.name for path in (offline / "cache").iterdir()] == [fetch.FILE]
    assert caplog.messages[0] == f"Fetching Home Assistant 2026.11.0 (67.6 MB) into {offline / 'cache'}, once"
    published.unlink()  # from now on there is nothing to fetch
    assert HomeAssistant().load() == splits


def test_an_empty_cache_without_a_network_is_one_line_that_says_what_to_do(offline):
    with pytest.raises(LamcoreError) as caught:
        HomeAssistant().load()
    text = str(caught.value)
    assert "\n" not in text and text.startswith("Home Assistant can't be fetched (ERROR: No matching distribution")
    assert "run `pip download --no-deps --only-binary=:all: --python-version 3.14.2 homeassistant==2026.11.0`" in text
    assert f"put {fetch.FILE} into {offline / 'cache'}, or set source.wheel to it" in text
    assert not list((offline / "cache").iterdir())


def test_a_fetched_file_of_another_sum_is_set_aside(offline, monkeypatch):
    publish(offline / "wheels", monkeypatch)
    monkeypatch.setattr(fetch, "SHA256", "0" * 64)
    with pytest.raises(LamcoreError, match=r"not the file that was published .* it is now .*\.whl\.bad; run again"):
        HomeAssistant().load()
    assert [path.name for path in (offline / "cache").iterdir()] == [f"{fetch.FILE}.bad"]


def test_a_spoilt_cache_is_set_aside_and_fetched_anew(offline, monkeypatch):
    publish(offline / "wheels", monkeypatch)
    (offline / "cache").mkdir()
    (offline / "cache" / fetch.FILE).write_bytes(b"half a file")
    with pytest.raises(LamcoreError, match="run again to fetch it anew"):
        HomeAssistant().load()
    assert len(HomeAssistant().load()["train"]) == 2


def test_a_shared_cache_is_looked_in_first_and_never_written(offline, monkeypatch):
    (offline / "shared").mkdir()
    publish(offline / "shared", monkeypatch)
    assert len(HomeAssistant(shared_cache=str(offline / "shared")).load()["train"]) == 2
    assert [path.name for path in (offline / "shared").iterdir()] == [fetch.FILE]
    assert not (offline / "cache").exists()


def test_the_working_folder_serves_where_the_cache_cant_be_written(offline, monkeypatch):
    publish(offline / "wheels", monkeypatch)
    (offline / "cache").write_text("a file where the folder should be")
    HomeAssistant().load()
    assert (offline / "work" / ".lamcore-cache" / fetch.FILE).is_file()


def test_the_cache_is_the_setting_then_the_variable_then_the_users_folder(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("LAMCORE_CACHE", "/named")
    assert [fetch.cache_folder("/set"), fetch.cache_folder()] == [Path("/set"), Path("/named")]
    monkeypatch.delenv("LAMCORE_CACHE")
    assert fetch.cache_folder() == Path("/xdg/lamcore")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert fetch.cache_folder() == Path.home() / ".cache" / "lamcore"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert fetch.cache_folder() == Path.home() / "Library" / "Caches" / "lamcore"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert fetch.cache_folder() == Path("/local/lamcore")


def test_a_python_without_pip_is_told_so(offline, monkeypatch):
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        LamcoreError, match=r"This Python has no pip .* - uv pip install pip, or where there is a network"
    ):
        HomeAssistant().load()


def test_the_plugin_stays_light():
    heavy = "{'torch', 'datasets', 'subprocess'}"
    code = f"import lamcore_home_assistant, sys; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_comparison_is_at_least_as_wide_as_nfkc_and_casefold(tmp_path):
    strings = small()
    strings[TRAIN]["en"]["ß"], strings[TRAIN]["de"]["ß"] = "Straße ﬁne", "x"
    strings[TEST]["en"]["ß"], strings[TEST]["de"]["ß"] = "STRASSE FINE", "y"
    rows = read_splits(wheel(tmp_path / "w.whl", strings), "de")
    inputs = {name: {unicodedata.normalize("NFKC", row["input"]).casefold() for row in rows[name]} for name in rows}
    assert not inputs["train"] & inputs["test"]
