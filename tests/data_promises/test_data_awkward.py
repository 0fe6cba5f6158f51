"""Text in is text out: awkward values come byte for byte through every reader, the cache and a whole run (D2)."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location(
    "awkward_values", ROOT / "plugins" / "lamcore-files" / "tests" / "test_files_sources.py"
)
values = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(values)
OTHERS = ["parallel_text", "csv", "tsv", "parquet"]


def written(kind: str) -> tuple[list[str], list[str]]:
    """Write the values that a format can hold in a file; return them and the words that name the source."""
    import pyarrow
    from pyarrow import parquet

    every = values.AWKWARD + values.WITH_LINE_ENDS
    if kind == "parallel_text":
        every = values.AWKWARD
        Path("a").write_bytes(values.lines(every))
        return every, [f"source.{split}=[a,a]" for split in ("train", "validation", "test")]
    if kind == "tsv":
        every = [value for value in values.AWKWARD if "\t" not in value]
        Path("a").write_bytes(values.lines(["input\ttarget", *(f"{value}\t{value}" for value in every)]))
    elif kind == "csv":
        quoted = ['"' + value.replace('"', '""') + '"' for value in every]
        Path("a").write_bytes(values.lines(["input,target", *(f"{value},{value}" for value in quoted)]))
    elif kind == "jsonl":
        Path("a").write_bytes(values.lines([json.dumps({"input": v, "target": v}, ensure_ascii=False) for v in every]))
    else:
        parquet.write_table(pyarrow.table({"input": every, "target": every}), "a")
    return every, [f"source.{split}=a" for split in ("train", "validation", "test")]


@pytest.mark.parametrize("kind", ["jsonl", *(pytest.param(one, marks=pytest.mark.full) for one in OTHERS)])
def test_awkward_text_comes_through_a_whole_run_unchanged(toy, lam, echo, kind):
    given, files = written(kind)
    words = [word for word in echo if not word.startswith(("source=", "tokenizer.kind="))]
    words += [f"source={kind}", *files, "tokenizer.kind=byte_bpe", "tokenizer.size=300", "cache=cache"]
    ended = lam("train", *words, "trainer.steps=2", "decoding.max_length=2000", "hydra.run.dir=run")
    assert ended.code == 0, ended.err
    kept = [json.loads(line) for line in Path("run/predictions-test.jsonl").read_bytes().split(b"\n") if line]
    same = sum(k["input"] == k["reference"] == value for k, value in zip(kept, given, strict=True))
    short = [(k["answer"]["target"], value) for k, value in zip(kept, given, strict=True) if len(value) < 400]
    echoed = sum(answer == value for answer, value in short)
    print(f"\nD2: {kind}: {same} of {len(given)} values came unchanged through source, cache and predictions; "
          f"{echoed} of {len(short)} through tokenizer and answer")  # fmt: skip
    assert same == len(given) >= 60 and echoed == len(short)
