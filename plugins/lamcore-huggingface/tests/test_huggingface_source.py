"""The source `huggingface`, on folders: nothing here reaches for a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from lamcore import LamcoreError
from lamcore.testing import check_package
from lamcore_huggingface import HuggingFace


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Keep what `datasets` prepares out of the user's cache, and the hub out of all this."""
    folder = str(tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_DATASETS_CACHE", folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def jsonl(folder: Path, **splits: list[dict[str, Any]]) -> str:
    folder.mkdir(exist_ok=True)
    for split, rows in splits.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return str(folder)


def loaded(**settings: Any) -> dict[str, list[dict[str, Any]]]:
    return {split: list(rows) for split, rows in HuggingFace(**settings).load().items()}


TURNS = [{"translation": {"en": f"door {at}", "de": f"Tür {at}", "fr": f"porte {at}"}} for at in range(10)]


def test_a_folder_gives_its_splits_and_columns(tmp_path):
    path = jsonl(tmp_path / "data", train=[{"input": "a", "n": 1}], test=[{"input": "b", "n": 2}])
    assert loaded(path=path) == {"train": [{"input": "a", "n": 1}], "test": [{"input": "b", "n": 2}]}


def test_a_translation_gives_input_target_and_languages(tmp_path):
    path = jsonl(tmp_path / "data", train=TURNS[:1])
    known = {"input_lang": "de", "target_lang": "en"}
    assert loaded(path=path, languages=["de", "en"])["train"] == [{"input": "Tür 0", "target": "door 0", **known}]


def test_columns_are_renamed_and_dots_lead_inside(tmp_path):
    path = jsonl(tmp_path / "data", train=[{"x": {"y": {"z": "deep"}}, "a.b": "flat", "other": 1}])
    columns = {"input": "x.y.z", "target": "a.b"}
    assert loaded(path=path, columns=columns)["train"] == [{"input": "deep", "target": "flat"}]


def test_splits_are_renamed_and_sliced(tmp_path):
    path = jsonl(tmp_path / "data", train=TURNS)
    splits = {"train": "train[:70%]", "validation": "train[70%:]"}
    made = loaded(path=path, splits=splits, columns={"input": "translation.en"})
    assert [len(rows) for rows in made.values()] == [7, 3]
    assert made["validation"][0] == {"input": "door 7"}


def test_numbers_that_name_records_become_ids_of_their_split(tmp_path):
    path = jsonl(tmp_path / "data", train=[{"id": 7, "input": "a"}], test=[{"id": 7, "input": "b"}])
    assert [row["id"] for rows in loaded(path=path).values() for row in rows] == ["train/7", "test/7"]


def test_what_save_to_disk_wrote_is_read_and_labels_become_their_names(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["on", "off"]),
         "translation": datasets.Translation(languages=["en", "de"])}
    )  # fmt: skip
    rows = [{"text": "a", "label": label, "translation": {"en": "e", "de": "d"}} for label in (1, 0, -1)]
    table = datasets.Dataset.from_list(rows, features=features)
    datasets.DatasetDict({"train": table, "dev": table}).save_to_disk(str(tmp_path / "both"))
    table.save_to_disk(str(tmp_path / "one"))
    made = loaded(path=str(tmp_path / "both"), splits={"validation": "dev"}, columns={"intent": "label"})
    assert made == {"validation": [{"intent": "off"}, {"intent": "on"}, {"intent": None}]}
    one = loaded(path=str(tmp_path / "one"), languages=["en", "de"])["train"][0]
    assert (one["input"], one["target"], one["text"]) == ("e", "d", "a")


def test_pictures_stay_the_bytes_that_they_are(tmp_path):
    table = datasets.Dataset.from_list([{"image": {"bytes": b"no png", "path": ""}, "input": "a"}])
    table.cast_column("image", datasets.Image()).save_to_disk(str(tmp_path / "saved"))
    assert loaded(path=str(tmp_path / "saved"))["train"][0]["image"] == {"bytes": b"no png", "path": ""}


def test_code_in_a_folder_is_never_run(tmp_path):
    folder, ran = tmp_path / "script", tmp_path / "ran"
    folder.mkdir()
    (folder / "script.py").write_text(f"open({str(ran)!r}, 'w')\n", encoding="utf-8")
    for path in (folder, folder / "script.py"):
        with pytest.raises(LamcoreError, match="scripts are no longer supported"):
            loaded(path=str(path))
    assert not ran.exists()


def test_changed_files_change_the_fingerprint(tmp_path):
    path = jsonl(tmp_path / "data", train=TURNS)
    before = HuggingFace(path=path).fingerprint()
    assert HuggingFace(path=path).fingerprint() == before
    jsonl(tmp_path / "data", train=TURNS[:4])
    assert HuggingFace(path=path).fingerprint() != before


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "source.languages must say which of en, de, fr are input and target"),
        ({"languages": ["en", "dee"]}, "No language is called 'dee'. Did you mean 'de'?"),
        ({"columns": {"input": "transaltion.en"}}, "No column is called 'transaltion.en'. Did you mean 'translation'?"),
        ({"columns": {"input": "translation.it"}}, "source.columns: there is no 'translation.it' in "),
        ({"splits": {"train": "trian"}}, "can't be read - ValueError: Unknown split"),
        ({"config": "de-en"}, "can't be read - ValueError: BuilderConfig 'de-en' not found"),
    ],
)
def test_what_is_not_there_is_one_line_that_says_so(tmp_path, settings, says):
    path = jsonl(tmp_path / "data", train=TURNS)
    with pytest.raises(LamcoreError) as caught:
        loaded(path=path, **settings)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_split_of_a_saved_data_set_that_is_not_there_is_named(tmp_path):
    datasets.DatasetDict({"train": datasets.Dataset.from_list(TURNS)}).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(LamcoreError, match=r"No split is called 'dev'\. There are: train\."):
        loaded(path=str(tmp_path / "saved"), splits={"validation": "dev"})


def test_a_hub_out_of_reach_is_one_line(tmp_path):
    with pytest.raises(LamcoreError, match=r"^source\.path=nobody/nothing can't be read - "):
        loaded(path="nobody/nothing")


def test_languages_are_two_or_none():
    with pytest.raises(ValueError, match="languages must be two codes"):
        HuggingFace(path="x", languages=["en"])


def test_the_package_and_all_that_it_provides_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-huggingface")} == {"package", "source huggingface"}
