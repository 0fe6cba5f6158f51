"""What is told of a run's mistakes, and that telling it never ends a run."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from lamcore import Architecture, Metric
from lamcore.cli import lam
from lamcore.commands import start
from lamcore.kinds import KINDS, Recipe
from lamcore.plugins import Component, Plugin, Registry
from lamcore.store import dumps
from lamcore.testing import check_package
from lamcore.testing.toy import Commands, Given, Idle, Intents
from lamcore_errors import command, on_evaluate
from lamcore_errors.analysis import analyse
from lamcore_errors.findings import Group, curve_groups, ranked
from lamcore_errors.page import finding_page, page
from lamcore_errors.parts import class_of, fields_of, outcomes, sign_of


@dataclass
class Right(Metric):
    """Percent of the answers that are right in each column that is answered."""

    range = (0.0, 100.0)

    def count(self, answer, record):
        return {"right": all(answer[name] == record[name] for name in answer if name in record), "all": 1}

    def score(self, sums):
        return {"right": 100 * sums.get("right", 0) / max(1, sums.get("all", 0))}


@dataclass
class Writes(Architecture):
    """Text to text."""

    def build(self, tokenizer, labels):
        raise NotImplementedError


# What an answer consists of ---------------------------------------------------------------------------------------


def test_slots_are_read_from_tags_with_their_words():
    tags = ["B-room", "I-room", "O", "I-device", "B-device", "I-room"]
    found = [("room", "a b"), ("device", "d"), ("device", "e"), ("room", "f")]
    assert fields_of("tags", tags, "a b c d e f".split()) == found


def test_arguments_of_calls_and_values_of_an_object_are_fields():
    calls = [{"name": "dim", "arguments": {"room": "hall", "level": 3}}, {"name": "dim", "arguments": {"room": "x"}}]
    assert fields_of("calls", json.dumps(calls)) == [("room", "hall"), ("level", "3"), ("room", "x")]
    assert fields_of("fields", '{"area": ["north", "south"], "open": true}') == [
        ("area", "north"), ("area", "south"), ("open", "true"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", '[{"name": "x"}]', None])
def test_calls_that_are_none_have_no_fields_and_a_class_of_their_own(text):
    assert fields_of("calls", text) == []
    assert class_of("calls", text) == "(malformed)"


def test_the_class_of_calls_is_their_tools():
    calls = [{"name": name, "arguments": {}} for name in ("open", "dim")]
    assert class_of("calls", json.dumps(calls)) == "dim + open"
    assert class_of("calls", "[]") == "(no call)" and class_of("intent", "oos") == "oos"


def test_a_field_is_right_or_has_another_value_or_is_missed_or_not_wanted():
    wanted = [("room", "hall"), ("room", "attic"), ("level", "3"), ("level", "4")]
    said = [("room", "hall"), ("room", "cellar"), ("level", "3"), ("time", "now")]
    assert outcomes(wanted, said) == {
        ("room", "right"): 1, ("level", "right"): 1, ("room", "other value"): 1, ("level", "missed"): 1,
        ("time", "not wanted"): 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "wanted", "said", "sign"),
    [
        ("Good day.", "Guten Tag.", "guten  tag.", None),
        ("Good day.", "Guten Tag.", "", "empty"),
        ("Good day.", "Guten Tag.", "good day.", "copy"),
        ("Good day.", "Guten Tag.", "Gutututututen", "loop"),
        ("Good day.", "Guten Tag.", "Ein Mann.", "same"),
        ("Good day.", "Guten Tag.", "Gut.", "short"),
        ("Good day.", "Guten Tag.", "Guten Tag und guten Abend.", "long"),
        ("At 12:30.", "Um 12:30.", "Um 12:40.", "other_numbers"),
        ("Good day.", "Guten Tag.", "Guten Abend.", None),
        ("ha ha ha ha", "ha ha ha ha", "he he he he", None),
    ],
)
def test_what_can_be_seen_of_a_text(asked, wanted, said, sign):
    assert sign_of(asked, wanted, said, {"Ein Mann."}) == sign


# A split ----------------------------------------------------------------------------------------------------------


def analysed(
    folder, records, answers, architecture=None, train=None, finding=None, log=(), monitor="loss", metric=None
):
    """Analyse a validation split whose answers are written down."""
    from lamcore.prepare import prepare

    splits = {"train": train or [{"id": "t", **records[0]}], "validation": records}
    recipe = Recipe(Given(splits, mark=repr(splits)), architecture or Intents(), Idle(), monitor=monitor)
    recipe.metrics = {"right": metric or Right()}
    raw = prepare(recipe, folder / "cache").raw
    run = folder / "run"
    run.mkdir(exist_ok=True)
    lines = []
    for record, answer in zip(raw["validation"], answers, strict=True):
        wanted = record["target"] if "target" in record else {name: record[name] for name in answer if name in record}
        row = {"id": record["id"], "input": record["input"], "reference": wanted, "answer": answer}
        lines.append(json.dumps(row) + "\n")
    (run / "predictions-validation.jsonl").write_text("".join(lines), encoding="utf-8")
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log), encoding="utf-8")
    return analyse(recipe, raw, run, "validation", finding)


def house(number, intent, said, domain="house", text="open it"):
    """Return that many records of an intent, and answers to them."""
    return [({"input": f"{text} {n}", "intent": intent, "domain": domain}, {"intent": said}) for n in range(number)]


def both(*parts):
    pairs = [pair for part in parts for pair in part]
    return [record for record, _ in pairs], [answer for _, answer in pairs]


def test_the_worst_are_the_surest_of_the_wrong_and_each_mistake_stands_once(tmp_path):
    records, answers = both(house(3, "on", "on"), house(2, "on", "off"), house(1, "dim", "off"))
    for answer, sure in zip(answers, (0.9, 0.9, 0.9, 0.5, 0.7, 0.6), strict=True):
        answer["probability"] = sure
    found = analysed(tmp_path, records, answers)
    assert (found["score"], found["value"], found["records"]) == ("right", 50.0, 6)
    assert [(one["id"], one["wanted"], one["said"], one["score"], one["probability"]) for one in found["worst"]] == [
        ("validation-4", {"intent": "on"}, {"intent": "off"}, 0.0, 0.7),
        ("validation-5", {"intent": "dim"}, {"intent": "off"}, 0.0, 0.6),
    ]


def test_classes_make_a_confusion_matrix_and_the_most_confused_pair_a_finding(tmp_path):
    records, answers = both(house(20, "on", "on"), house(5, "on", "off"), house(2, "off", "on"), house(1, "dim", "on"))
    found = analysed(tmp_path, records, answers)
    assert found["confused"]["intent"] == [
        {"wanted": "on", "said": "on", "records": 20}, {"wanted": "on", "said": "off", "records": 5},
        {"wanted": "off", "said": "on", "records": 2}, {"wanted": "dim", "said": "on", "records": 1},
    ]  # fmt: skip
    (finding,) = found["next"]
    assert finding["what"] == "`on` is taken for `off` 5 times, 2 the other way round, of 8 mistakes."
    # the 7 records score 0, the other 21 100 * 20 / 21: 7 / 28 of that
    assert (finding["rows"], finding["gain"], finding["more"]) == (7, 23.81, "lam errors RUN --finding 1")
    text = page(found, "runs/x")
    assert [line.replace(" ", "") for line in text.split("\n") if line.startswith("| `")][:3] == [
        "|`dim`|.|.|1|", "|`off`|.|.|2|", "|`on`|.|5|20|",
    ]  # fmt: skip


def test_a_finding_shows_its_records(tmp_path):
    records, answers = both(house(20, "on", "on"), house(5, "on", "off"))
    found = analysed(tmp_path, records, answers, finding=1)
    assert [one["id"] for one in found["answers"]] == [f"validation-{n}" for n in range(20, 25)]
    shown = finding_page(found, "runs/x")
    assert shown.startswith("# `on` is taken for `off` 5 times, of 5 mistakes.\n") and shown.count("- said `off`") == 5


def test_a_slice_whose_interval_lies_under_the_others_is_a_finding(tmp_path):
    good = house(40, "on", "on"), house(4, "on", "off")
    garden = house(12, "on", "off", "garden"), house(4, "on", "on", "garden")
    found = analysed(tmp_path, *both(*good, *garden))
    rows = {row["slice"]: (row["records"], round(row["score"]["value"], 1)) for row in found["slices"]}
    assert rows["house"] == (44, 90.9) and rows["garden"] == (16, 25.0)
    finding = found["next"][1]
    assert finding["kind"] == "domain" and finding["what"].startswith("right is 25.0 (")
    assert " where domain is `garden`, and 90.9 (" in finding["what"]
    assert finding["gain"] == round((90.909 - 25) * 16 / 60, 2) and finding["rows"] == 16


def test_a_slice_that_chance_may_have_made_bad_or_of_few_records_is_none(tmp_path):
    even = house(40, "on", "on"), house(10, "on", "off"), house(12, "on", "on", "car"), house(4, "on", "off", "car")
    few = house(9, "on", "off", "garden")
    found = analysed(tmp_path, *both(*even, few))
    assert {row["slice"] for row in found["slices"]} >= {"house", "car", "garden"}
    assert [one["kind"] for one in found["next"]] == ["pair"]


def test_slices_tell_numbers_and_words_that_train_lacks(tmp_path):
    texts = ["open it", "open 3 doors", "Open IT", "shut it"]
    records = [{"input": text, "intent": "on"} for text in texts]
    train = [{"id": "t", "input": "open it doors", "intent": "on"}]
    found = analysed(tmp_path, records, [{"intent": "on"}] * 4, train=train)
    assert {(row["column"], row["slice"]): row["records"] for row in found["slices"]} == {
        ("length", "2"): 3, ("length", "3"): 1, ("numbers", "false"): 3, ("numbers", "true"): 1,
        ("unknown_words", "false"): 2, ("unknown_words", "true"): 2,
    }  # fmt: skip
    assert found["worst"] == [] and found["next"] == []
    assert "Nothing stands out" in page(found, "runs/x")


def test_answers_of_text_are_looked_at_for_loops_copies_and_lengths(tmp_path):
    records = [{"input": f"the cat {n}", "target": f"die graue Katze {n}"} for n in range(40)]
    said = ["die"] * 6 + [f"the cat {n}" for n in range(6, 16)] + ["na na na na"] * 4
    said += [record["target"] for record in records[20:]]
    found = analysed(tmp_path, records, [{"target": text} for text in said], Writes())
    assert found["signs"] == {"copy": 10, "same": 6, "loop": 4} and found["confused"] == {}
    assert [one["what"] for one in found["next"]] == [
        "10 of 40 answers are their input.", "6 of 40 answers are one answer to many inputs.",
    ]  # fmt: skip
    assert [one["gain"] for one in found["next"]] == [16.67, 8.82]  # 10 of 40 times 20 / 30, 6 of 40 times 20 / 34


def test_the_field_that_is_wrong_most_often_is_a_finding(tmp_path):
    def call(room, level):
        return {"calls": json.dumps([{"name": "dim", "arguments": {"level": level, "room": room}}])}

    records = [{"input": f"dim {n}", **call("hall", 3)} for n in range(30)]
    answers = [call("hall", 4)] * 6 + [call("attic", 3)] + [call("hall", 3)] * 23
    found = analysed(tmp_path, records, answers)
    assert found["fields"]["calls"] == [
        {"field": "level", "right": 24, "other value": 6, "missed": 0, "not wanted": 0},
        {"field": "room", "right": 29, "other value": 1, "missed": 0, "not wanted": 0},
    ]
    assert found["next"][0]["what"] == "The field `level` is wrong 6 times (other value 6) and right 24."


def test_of_an_answer_that_is_no_call_its_text_is_shown(tmp_path):
    records = [{"input": "dim", "calls": "[]"}]
    found = analysed(tmp_path, records, [{"target": "[{dim", "calls": ""}])
    assert found["worst"][0]["said"] == {"calls": "[{dim"}
    assert found["confused"]["calls"] == [{"wanted": "(no call)", "said": "(malformed)", "records": 1}]


def test_slots_are_shown_with_their_words(tmp_path):
    records = [{"input": "dim the hall", "tokens": ["dim", "the", "hall"], "tags": ["O", "O", "B-room"]}]
    found = analysed(tmp_path, records, [{"tags": ["O", "B-room", "I-room"]}])
    assert "   - wanted `room: hall`\n   - said `room: the hall`\n" in page(found, "runs/x")


def test_of_a_score_that_is_better_when_lower_the_highest_are_the_worst(tmp_path):
    @dataclass
    class Wrong(Right):
        """Percent wrong."""

        direction = "lower"

        def score(self, sums):
            return {"wrong": 100 - super().score(sums)["right"]}

    records, answers = both(house(40, "on", "on"), house(12, "on", "off", "garden"))
    found = analysed(tmp_path, records, answers, metric=Wrong())
    assert [one["score"] for one in found["worst"]] == [100.0]
    assert {one["kind"] for one in found["next"]} == {"domain", "pair"}
    assert "If they were as good as the others: -23.1." in page(found, "runs/x")


# What is found ----------------------------------------------------------------------------------------------------


def validations(*losses):
    return "".join(json.dumps({"step": 10 * n, "validation": {"loss": x}}) + "\n" for n, x in enumerate(losses, 1))


@pytest.mark.parametrize(
    ("losses", "kinds"),
    [
        ((4.0, 3.0, 2.0, 1.9), ["rising"]),
        ((4.0, 3.0, 2.0, 1.99), []),
        ((4.0, 3.0, 3.5, 3.6), ["over"]),
        ((4.0, 3.5, 3.0, 3.6), []),
        ((4.0, 3.0, 2.0), []),
    ],
)
def test_the_log_tells_of_a_training_that_ended_early_or_went_on_in_vain(tmp_path, losses, kinds):
    (tmp_path / "log.jsonl").write_text('{"step": 5, "loss": 9.0}\n' + validations(*losses))
    assert [group.kind for group in curve_groups(tmp_path, "loss", "lower")] == kinds
    assert [group.kind for group in curve_groups(tmp_path, "loss", "lower", target=1.8)] == kinds


def test_a_training_that_has_reached_its_target_did_not_end_early(tmp_path):
    (tmp_path / "log.jsonl").write_text(validations(4.0, 3.0, 2.0, 1.5))
    assert curve_groups(tmp_path, "loss", "lower", target=1.5) == []
    assert curve_groups(tmp_path, "loss", "higher", target=4.5)[0].kind == "over"


def test_at_most_five_findings_stand_in_the_order_of_what_they_cost_and_the_training_comes_last():
    groups = [Group("pair", f"{n}", [*range(n)]) for n in (2, 5, 3)] + [Group("domain", "slice", [0, 1], gain=90.0)]
    found = ranked(groups, [100.0] * 5 + [0.0] * 5, [Group("over", "training"), Group("rising", "training")])
    assert [(one["what"], one["gain"]) for one in found] == [
        ("slice", 90.0), ("5", 50.0), ("3", 21.43), ("2", 12.5), ("training", 0.0),
    ]  # fmt: skip
    assert [one["more"] for one in found][3:] == ["lam errors RUN --finding 4", "lam curve RUN"]


def test_a_group_that_is_no_worse_than_the_others_is_no_finding():
    assert ranked([Group("pair", "x", [0])], [10.0, 10.0], []) == []


# A run ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def registry():
    made, plugin = Registry(), Plugin("lamcore-toy", "toy", "1")
    for name, cls in {"commands": Commands, "intents": Intents, "idle": Idle, "right": Right}.items():
        kind = next(kind for kind, contract in KINDS.items() if issubclass(cls, contract))
        made.offers.append(Component(kind, name, cls, plugin))
    made.offers.append(Component("command", "errors", command, plugin))
    return made


@pytest.fixture(scope="module")
def run(registry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    values = {"source": {"name": "commands"}, "architecture": {"name": "intents"}, "trainer": {"name": "idle"}}
    values |= {"tokenizer": {"kind": "character"}, "metrics": {"right": {"name": "right"}}}
    values |= {"device": "cpu", "cache": str(folder / "cache"), "seed": 3}
    made = start(registry, values, values, {}, folder / "run")
    (made.folder / "log.jsonl").touch()
    return made


def test_the_finished_models_validation_is_kept_in_the_runs_folder(run):
    on_evaluate(run=run, split="validation", scores={"right": {"value": 1.0}})  # of training
    on_evaluate(run=run, split="test", scores=run.scores["test"])
    assert not (run.folder / "errors.json").exists()
    on_evaluate(run=run, split="validation", scores=run.scores["validation"])
    found = json.loads((run.folder / "errors.json").read_text(encoding="utf-8"))
    assert found["records"] == 30 and found["value"] == run.scores["validation"]["right"]["value"]
    assert (found["low"], found["high"]) == tuple(run.scores["validation"]["right"][end] for end in ("low", "high"))
    assert sum(cell["records"] for cell in found["confused"]["intent"]) == 30
    assert (run.folder / "errors.md").read_text(encoding="utf-8").startswith("# What `")


def test_the_verb_prints_the_same(registry, run):
    on_evaluate(run=run, split="validation", scores=run.scores["validation"])
    kept = (run.folder / "errors.md").read_text(encoding="utf-8"), (run.folder / "errors.json").read_text("utf-8")
    shown = CliRunner().invoke(lam, ["errors", str(run.folder)], obj=registry)
    as_json = CliRunner().invoke(lam, ["errors", str(run.folder), "--json"], obj=registry)
    assert (shown.stdout, dumps(json.loads(as_json.stdout))) == kept


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--split", "tset"], "No held-out split is called 'tset'. Did you mean 'test'?"),
        (["--split", "train"], "No held-out split is called 'train'."),
        (["--finding", "99"], "--finding 99: there are "),
    ],
)
def test_what_there_is_not_is_one_line(registry, run, words, told):
    done = CliRunner().invoke(lam, ["errors", str(run.folder), *words], obj=registry)
    assert told in str(done.exception) and done.stdout == ""


def test_answers_to_other_records_are_refused(registry, run, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    file = copy / "predictions-validation.jsonl"
    lines = file.read_text(encoding="utf-8").split("\n")
    for text, told in (
        ("\n".join(lines[1:]), "answers other records than the source gives now. Use lam evaluate"),
        ("{", "can't be read"),
    ):
        file.write_text(text, encoding="utf-8")
        assert told in str(CliRunner().invoke(lam, ["errors", str(copy)], obj=registry).exception)
    file.unlink()
    gone = CliRunner().invoke(lam, ["errors", str(copy)], obj=registry)
    assert "has no predictions-validation.jsonl: finish it by lam resume" in str(gone.exception)


def test_what_goes_wrong_is_a_warning(run, monkeypatch, caplog):
    monkeypatch.setattr(run, "folder", run.folder / "gone")
    with caplog.at_level(logging.WARNING, "lamcore"):
        on_evaluate(run=run, split="validation", scores=run.scores["validation"])
    assert caplog.records[0].message.startswith("no errors.md: LamcoreError: ")


def test_texts_of_the_data_are_no_markup(tmp_path):
    records = [{"input": "a `b` | c\n# d", "intent": "<i>on</i>"}]
    text = page(analysed(tmp_path, records, [{"intent": "`x`\n## y"}]), "runs/x")
    assert "`a 'b' ¦ c\\x0a# d`" in text and "`<i>on</i>`" in text and "\n## y" not in text


def test_the_package_keeps_its_promises():
    assert {what for what, _ in check_package("lamcore-errors")} == {"package"}
