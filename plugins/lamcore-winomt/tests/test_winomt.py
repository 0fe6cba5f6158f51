"""WinoMT: gender, metric, source and `lam evaluate --winomt`; the sentences are this test's own."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from lamcore import Architecture, LamcoreError
from lamcore.cli import lam
from lamcore.commands import start
from lamcore.plugins import Component, Plugin, Registry
from lamcore.scores import scored
from lamcore.testing import check_package
from lamcore.testing.toy import Commands, Idle
from lamcore_winomt import Language, Winomt, WinomtSource, command
from lamcore_winomt.gender import gender_of, lexicon
from lamcore_winomt.source import read

DE, ES = Language.de, Language.es


@pytest.mark.parametrize(
    ("text", "occupation", "gender"),
    [
        ("Die Entwicklerin stritt mit dem Designer.", "developer", "female"),
        ("Die Entwicklerin stritt mit dem Designer.", "designer", "male"),
        ("Er half dem Kunden des Bäckers.", "customer", "male"),
        ("Er half dem Kunden des Bäckers.", "baker", "male"),
        ("Die Ärztin rief den Arzt an.", "physician", "female"),
        ("Die Softwareentwicklerin ging.", "developer", "female"),
        ("Die Software-Entwicklerin ging.", "developer", "female"),
        ("Der Bauarbeiter sah die Arbeiterin.", "laborer", "female"),
        ("Die Krankenschwester kam.", "nurse", "female"),
        ("Der Angestellte kam, weil er Zeit hatte.", "clerk", "male"),
        ("Ein Angestellter kam.", "clerk", "male"),
        ("Die junge Angestellte kam.", "clerk", "female"),
        ("Sie dankte der freundlichen Angestellten.", "clerk", "female"),
        ("Sie dankte dem Angestellten.", "clerk", "male"),
        ("Die Angestellten kamen.", "clerk", None),
        ("Die CEO kam.", "CEO", "female"),
        ("Er sprach mit einer CEO.", "CEO", "female"),
        ("Unser neuer CEO kam.", "CEO", "male"),
        ("Er ging zur Vorsitzenden.", "CEO", "female"),
        ("Sie ging zum Sheriff.", "sheriff", "male"),
        ("Die Lehrer:in und die Lehrer/Lehrerin kamen.", "teacher", None),
        ("Die Person kam.", "teacher", None),
        ("Wir kochen heute.", "cook", None),
        ("Der Feuerwehrmann traf die Feuerwehrfrau.", "firefighter", "male"),
        ("Die Kauffrau lachte.", "salesperson", "female"),
        ("", "cook", None),
    ],
)
def test_gender_in_german(text, occupation, gender):
    assert gender_of(text, occupation, DE) == gender


@pytest.mark.parametrize(
    ("text", "occupation", "gender"),
    [
        ("La desarrolladora discutió con el diseñador.", "developer", "female"),
        ("La desarrolladora discutió con el diseñador.", "designer", "male"),
        ("El paciente habló con la recepcionista.", "patient", "male"),
        ("El paciente habló con la recepcionista.", "receptionist", "female"),
        ("Dio las gracias al joven gerente.", "manager", "male"),
        ("Vino una nueva gerente.", "manager", "female"),
        ("Vino la jefa.", "chief", "female"),
        ("Vino la guardiana.", "guard", "female"),
        ("Vino alguien.", "guard", None),
    ],
)
def test_gender_in_spanish(text, occupation, gender):
    assert gender_of(text, occupation, ES) == gender


@pytest.mark.parametrize("language", [DE, ES])
def test_no_noun_of_a_lexicon_is_of_two_kinds(language):
    for occupation, nouns in lexicon(language).items():
        assert not nouns.gendered.keys() & nouns.common.keys(), occupation
        assert {*nouns.gendered.values()} in ({"male", "female"}, {"female"}, set()), occupation


# The metric --------------------------------------------------------------------------------------------------------

MEN = {"gender": "male", "occupation": "cook"}
WOMEN = {"gender": "female", "occupation": "cook"}


def score(said, records):
    texts = {"m": "Der Koch lachte.", "f": "Die Köchin lachte.", "-": "Jemand lachte."}
    answers = [{"target": texts[one]} for one in said]
    records = [{"id": str(n), **record} for n, record in enumerate(records)]
    return {name: found["value"] for name, found in scored({"winomt": Winomt()}, answers, records).items()}


def test_scores_worked_out_by_hand():
    # male: 3 gold, 4 said, 3 right: F1 6/7; female: 3 gold, 1 said, 1 right: F1 2/4; one is not found
    found = score("mmmmf-", [MEN, MEN, MEN, WOMEN, WOMEN, WOMEN])
    assert found == pytest.approx({
        "winomt.accuracy": 100 * 4 / 6, "winomt.f1_male": 600 / 7, "winomt.f1_female": 50,
        "winomt.delta_g": 600 / 7 - 50, "winomt.found": 500 / 6,
    })  # fmt: skip


def test_delta_s_is_what_stereotypes_gain():
    pro = [{**MEN, "stereotype": "pro"}, {**WOMEN, "stereotype": "pro"}]
    anti = [{**MEN, "stereotype": "anti"}, {**WOMEN, "stereotype": "anti"}]
    assert score("mfmm", [*pro, *anti])["winomt.delta_s"] == pytest.approx(100 - 100 * (2 / 3 + 0) / 2)


def test_neutral_sentences_and_unknown_professions_do_not_count():
    extra = [{"gender": "neutral", "occupation": "cook"}, {"gender": "male", "occupation": "someone"}]
    assert score("mff-", [MEN, WOMEN, *extra]) == score("mf", [MEN, WOMEN])


def test_records_that_are_not_of_winomt_give_no_score():
    assert score("mf", [{"target": "Der Koch lachte."}, {"target": "Die Köchin lachte."}]) == {}


def test_the_signature_says_that_published_figures_are_not_comparable():
    assert "lang:es" in Winomt(language=ES).signature and "not comparable" in Winomt().signature


# The source --------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    rows = [
        {"gender": "male", "index": 1, "text": "The cook said that he was late.", "occupation": "cook"},
        {"gender": "female", "index": 1, "text": "The cook said that she was late.", "occupation": "cook"},
        {"gender": "neutral", "index": 1, "text": "The cook said that they were late.", "occupation": "cook"},
    ]
    (tmp_path / "en.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    (tmp_path / "en_pro.jsonl").write_text(f"{json.dumps(rows[1])}\n", encoding="utf-8")
    (tmp_path / "en_anti.jsonl").write_text(f"{json.dumps(rows[0])}\n", encoding="utf-8")
    return tmp_path


def test_the_files_are_read_as_records(folder):
    first, second, third = read(folder)
    assert first == {
        "id": "winomt-0", "input": "The cook said that he was late.", "target": "", "input_lang": "en",
        "gender": "male", "occupation": "cook", "position": 1, "stereotype": "anti",
    }  # fmt: skip
    assert (second["stereotype"], third["stereotype"], third["gender"]) == ("pro", "", "neutral")


def test_tab_separated_files_give_the_same_records(folder, tmp_path_factory):
    tabs = tmp_path_factory.mktemp("tabs")
    for part in ("en", "en_pro", "en_anti"):
        rows = [json.loads(line) for line in (folder / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()]
        lines = [f"{row['gender']}\t{row['index']}\t{row['text']}\t{row['occupation']}\n" for row in rows]
        (tabs / f"{part}.txt").write_text("".join(lines), encoding="utf-8")
    assert read(tabs) == read(folder)


def test_winomt_is_one_more_split_of_another_source(folder):
    splits = WinomtSource(folder=str(folder), source=Commands()).load()
    assert [*splits] == ["train", "validation", "test", "winomt"] and splits["winomt"] == read(folder)


def test_a_folder_without_the_files_is_refused(tmp_path):
    with pytest.raises(LamcoreError, match=r"has none of en.jsonl.gz, en.jsonl, en.txt: name the folder"):
        read(tmp_path)


@pytest.mark.parametrize("line", ["male\tone\tA cook.\tcook", "male\t1\tA cook.", "male\t-1\tA cook.\tcook"])
def test_a_line_that_is_no_sentence_is_named(tmp_path, line):
    (tmp_path / "en.txt").write_text(f"male\t1\tThe cook said that he was late.\tcook\n{line}\n", encoding="utf-8")
    with pytest.raises(LamcoreError, match=r"en.txt:2 is no sentence of WinoMT: gender, index, text, occupation"):
        read(tmp_path)


# A run -------------------------------------------------------------------------------------------------------------


@dataclass
class AllMen(Architecture):
    """Translate every sentence with a man in it."""

    def build(self, tokenizer, labels):
        import torch

        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = torch.nn.Parameter(torch.ones(1))

            def encode(self, records):
                return [{"number": n, "size": 1} for n, _ in enumerate(records)]

            def collate(self, examples):
                return {"number": torch.tensor([int(example["number"]) for example in examples])}

            def forward(self, batch):
                return self.weight * torch.ones(len(batch["number"])), torch.ones(len(batch["number"]))

            def predict(self, batch, decoding):
                return [{"target": "Der Koch kam zu spät."} for _ in batch["number"]]

        return Model()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    made, plugin = Registry(), Plugin("lamcore-toy", "toy", "1")
    made.offers = [
        Component("source", "commands", Commands, plugin), Component("architecture", "men", AllMen, plugin),
        Component("trainer", "idle", Idle, plugin), Component("evaluation", "winomt", command, plugin),
    ]  # fmt: skip
    place = tmp_path_factory.mktemp("runs")
    values = {
        key: {"name": name} for key, name in (("source", "commands"), ("architecture", "men"), ("trainer", "idle"))
    }
    values |= {"tokenizer": {"kind": "character"}, "device": "cpu", "cache": str(place / "cache")}
    return made, start(made, values, values, {}, place / "run").folder


def test_a_finished_run_is_scored(run, folder):
    registry, place = run
    done = CliRunner().invoke(lam, ["evaluate", str(place), "--winomt", str(folder), "--json"], obj=registry)
    scores = json.loads(done.stdout)
    assert scores == json.loads((place / "winomt.json").read_text(encoding="utf-8"))
    values = {name: found["value"] for name, found in scores["winomt"].items()}
    assert values == pytest.approx({
        "winomt.accuracy": 50, "winomt.f1_male": 200 / 3, "winomt.f1_female": 0, "winomt.delta_g": 200 / 3,
        "winomt.delta_s": -50, "winomt.found": 100,
    })  # fmt: skip
    lines = [json.loads(line) for line in (place / "winomt.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["gender"], line["said"]) for line in lines] == [
        ("male", "male"), ("female", "male"), ("neutral", "male"),
    ]  # fmt: skip


def test_a_language_without_a_lexicon_is_refused(run, folder):
    registry, place = run
    done = CliRunner().invoke(
        lam, ["evaluate", str(place), "--winomt", str(folder), "--winomt-language", "fi"], obj=registry
    )
    assert done.exit_code == 2 and "'fi' is not one of 'de', 'es'" in done.output


def test_the_package_the_metric_and_the_source_keep_their_promises():
    assert {what for what, _ in check_package("lamcore-winomt")} == {"package", "metric winomt", "source winomt"}
