"""What a person sees: any text is shown as text, whatever it holds."""

from __future__ import annotations

import io
import json

from lamcore import console

HOSTILE = "a\x1b[31mred\x1b]0;title\x07 [bold]x[/x] :smile: \r\n\x9b1m ‮evil⁦ [link=http://x]y[/link]"


def shown(thing, width=300):
    out = io.StringIO()
    printer = console.console(out)
    printer.width = width
    printer.print(thing)
    return out.getvalue()


def raw(text):
    return {c for c in text if ord(c) < 32 and c != "\n" or 0x7F <= ord(c) < 0xA0 or c in "‎‏‪‫‬‭‮⁦⁧⁨⁩"}


def test_control_escape_and_direction_characters_are_written_out():
    assert console.safe("a\x1b[31m\x07\r\n\x7f\x9b‮⁩؜") == (
        "a\\x1b[31m\\x07\\x0d\\x0a\\x7f\\x9b\\u202e\\u2069\\u061c"
    )
    assert console.safe("tab\tstays, ü too, 日本 and \U0001f600") == "tab\tstays, ü too, 日本 and \U0001f600"
    assert console.safe(3.5) == "3.5"


def test_half_a_character_can_be_printed():
    assert console.safe("x\ud800y") == "x\\ud800y"


def test_a_table_holds_no_control_character_and_takes_nothing_for_markup():
    text = shown(console.table(("input",), [(HOSTILE,)], title=HOSTILE))
    assert not raw(text)
    assert text.count("[bold]x[/x] :smile:") == 2 and "[link=http://x]y[/link]" in text and "\\x1b[31m" in text


def test_the_examples_at_the_end_of_a_run_are_safe(tmp_path):
    row = {"id": "1", "input": HOSTILE, "reference": HOSTILE, "answer": {"target": HOSTILE}}
    (tmp_path / "predictions-test.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    scores = {HOSTILE: {HOSTILE: {"value": 0.5, "low": 0.25, "high": 0.75, "signature": HOSTILE}}}
    text = shown(console.report(tmp_path, scores))
    assert not raw(text) and "[/x] :smile:" in text


def test_ten_examples_are_taken_evenly_and_long_ones_are_cut(tmp_path):
    rows = [{"id": n, "input": f"in {n}", "reference": "x" * 500, "answer": {"target": "t"}} for n in range(100)]
    path = tmp_path / "predictions-test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = shown(console.examples(path), 600)
    found = [line.split()[1] for line in text.splitlines() if line.startswith("in ")]
    assert found == ["0", "10", "20", "30", "40", "50", "60", "70", "80", "90"]
    assert "x" * 160 + "..." in text and "x" * 161 not in text


def test_the_line_separators_of_unicode_stay_within_a_record(tmp_path):
    path = tmp_path / "predictions-test.jsonl"
    row = {"id": 1, "input": "a b\x85c", "reference": "r", "answer": {"target": "t"}}
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert "t" in shown(console.examples(path))


def test_the_report_tells_where_the_run_is_and_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "x").mkdir(parents=True)
    scores = {"test": {"bleu": {"value": 34.25, "low": 33.0, "high": 35.5, "signature": "nrefs:1"}}}
    lines = [line.rstrip() for line in shown(console.report(tmp_path / "runs" / "x", scores)).splitlines()]
    assert "The run is in runs/x. Go on with:" in lines
    assert '  lam predict runs/x "TEXT"' in lines and "bleu: nrefs:1" in lines
    assert ["test", "bleu", "34.25", "33.0", "to", "35.5"] in [line.split() for line in lines]


def test_an_interval_of_a_score_between_nought_and_one_can_be_told_from_a_point():
    scores = {"test": {"same": {"value": 0.523, "low": 0.511, "high": 0.534}}}
    assert "0.51 to 0.53" in shown(console.scores(scores))


def test_an_answer_is_its_only_text_or_canonical_json():
    assert console.answer_text({"target": "ja", "score": -1.5, "alternatives": []}) == "ja"
    assert console.answer_text({"tags": ["b"], "intent": "ü"}) == '{"intent": "ü", "tags": ["b"]}'
