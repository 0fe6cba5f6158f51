"""Runs the Python and shell blocks of README, tutorials and some how-tos in order, each page in a folder of its own.

A block with a title is a file that the reader writes. In a console block, a line that begins with `$ ` is a command;
what follows is its output, where `...` stands for anything. Blocks that call make, git or tasks.py or that train the
demo are left to .ci/run.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).resolve().parent.parent
HOW_TO = [
    "call-data",
]
"""How-tos whose blocks can be run from an empty folder."""
LONG = [
    "abstain",
    "back-translation",
    "causal-lm",
    "chat-templates",
    "check-a-plugin",
    "clean-a-corpus",
    "collect-data",
    "compare-runs",
    "consistency",
    "constrained-calls",
    "curriculum",
    "decoding",
    "denoise",
    "distil",
    "doctor",
    "documents-to-json",
    "evenness",
    "export",
    "fine-tune",
    "from-sentence-to-tool-call",
    "hugging-face-checkpoints",
    "noise",
    "personalised-replies",
    "preferences",
    "publish-a-plugin",
    "report-from-posts",
    "small-data",
    "summarise",
    "templates-and-paraphrase",
    "unsupervised-translation",
    "until-it-is-good-enough",
    "variant-of-the-transformer",
]
"""Those that take longer: they train several times, or build packages."""
SHORTER = {
    "trainer.minutes=10": "trainer.steps=4 device=cpu decoding.max_length=8",
    "experiment=translation/multi30k": "experiment=translation/multi30k tokenizer.size=80",
    "experiment=text/replies": "experiment=text/replies source.people=4 source.held_out=2 tokenizer.size=300 "
    "trainer.steps=4 device=cpu decoding.max_length=12",
    "experiment=actions/home": "experiment=actions/home source.languages=[cy] source.per_template=2 "
    "source.per_held_out=1 tokenizer.size=500 trainer.minutes=0 trainer.steps=4 device=cpu decoding.max_length=8",
    "trainer.steps=400 trainer.warmup=50": "trainer.steps=60 trainer.warmup=20 device=cpu",
}
"""What a page says, and what is done in its place."""


def find(name: str) -> Path:
    """Return the page of a name: a tutorial or a how-to."""
    tutorial = ROOT / "docs" / "tutorials" / f"{name}.md"
    return tutorial if tutorial.exists() else ROOT / "docs" / "how-to" / f"{name}.md"


PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs" / "tutorials").glob("*.md") if page.stem not in LONG),
    ROOT / "docs" / "explanation" / "action-scores.md",
    *(ROOT / "docs" / "how-to" / f"{name}.md" for name in HOW_TO),
    *(pytest.param(find(name), marks=pytest.mark.full, id=name) for name in LONG),
]
ELSEWHERE = re.compile(
    r"^(make|git|\S*python3? tasks\.py|\S*activate|source )|experiment=translation/home_assistant|RUN\b"
)
FENCE = RawFencedCodeBlockLexer(re.compile(r'(?P<language>\w+)(?: title="(?P<title>[^"]+)")?[^\n]*\n'))


def blocks(document: Document) -> Iterator[Region]:
    """Give each fenced block that a reader would type."""
    for region in FENCE(document):
        language, source = region.lexemes["language"], str(region.lexemes["source"])
        if region.lexemes["title"]:
            yield Region(region.start, region.end, (region.lexemes["title"], source), write)
        elif language == "python":
            yield Region(region.start, region.end, region.lexemes["source"], PythonEvaluator())
        elif language in ("console", "bash", "sh"):
            yield Region(region.start, region.end, commands(source, language), run_each)


def commands(source: str, language: str) -> list[tuple[str, str]]:
    """Give (command, output that is shown); a bash block has commands only."""
    if language != "console":
        joined = source.replace("\\\n", "")
        return [(line, "") for line in joined.split("\n") if line.strip() and not line.startswith("#")]
    parts = re.split(r"^\$ ", source.replace("\\\n", ""), flags=re.M)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def write(example: Example) -> None:
    """Write the file that a titled block shows."""
    title, source = example.parsed
    file = example.namespace["here"] / title
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, encoding="utf-8", newline="\n")


def run_each(example: Example) -> str | None:
    """Run the commands of a block; say where what they print is not what the page shows."""
    for command, shown in example.parsed:
        if ELSEWHERE.search(command):
            continue
        if command.startswith("cd "):
            example.namespace["here"] = (example.namespace["here"] / command[3:].strip()).resolve()
            continue
        for said, done in SHORTER.items():
            command = command.replace(said, done)
        answer = subprocess.run(
            ["bash", "-c", command],
            cwd=example.namespace["here"],
            env=example.namespace["variables"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=250,
        )
        if (answer.returncode and not shown) or not fits(shown, answer.stdout):
            return f"$ {command}\nshown:\n{shown}\nprinted (exit {answer.returncode}):\n{answer.stdout}"
    return None


def fits(shown: str, printed: str) -> bool:
    """Say whether a command printed what the page shows; no output shown fits anything."""
    pattern = ".*".join(re.escape(part) for part in level(shown).split("..."))
    return not shown.strip() or re.fullmatch(pattern, level(printed), re.S) is not None


def level(text: str) -> str:
    """Take away spaces at the ends of lines and empty lines at the end."""
    return "\n".join(line.rstrip() for line in text.split("\n")).strip()


def write_multi30k(folder: Path) -> None:
    """Write files that are called as those of Multi30k, which stay outside the repository."""
    folder.mkdir(parents=True)
    texts = {"en": ["two dogs run", "a man sleeps"], "de": ["zwei Hunde rennen", "ein Mann schläft"]}
    for split, size in {"train": 200, "val": 10, "test_2016_flickr": 10}.items():
        for language, sentences in texts.items():
            lines = [f"{sentences[n % 2]} {split} {n}\n" for n in range(size)]
            (folder / f"{split}.{language}.gz").write_bytes(gzip.compress("".join(lines).encode()))


@pytest.fixture
def variables(tmp_path: Path, make_environment) -> dict[str, str]:
    """Give the variables of a reader who has called `make dev`: what is installed here, and room for more."""
    scripts = make_environment(tmp_path / "venv")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "LAMCORE", "COV"))}
    return kept | {
        "PATH": os.pathsep.join([str(scripts), os.environ["PATH"]]),
        "VIRTUAL_ENV": str(scripts.parent),
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
        "LC_ALL": "C.UTF-8",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="the pages' commands are written for bash")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_a_page_does_what_the_page_says(page, tmp_path, variables, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    if page.stem == "small-data":
        write_multi30k(work / "data" / "multi30k")
    document = Sybil(parsers=[blocks], encoding="utf-8").parse(page)
    document.namespace.update(here=work, variables=variables)
    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize("name", ["pyproject.toml", "lamcore_shout.py", "tests/test_shout.py"])
def test_the_tutorials_plugin_is_the_one_in_examples(name):
    document = Sybil(parsers=[blocks], encoding="utf-8").parse(ROOT / "docs" / "tutorials" / "first-plugin.md")
    shown = dict(example.parsed for example in document.examples() if isinstance(example.parsed, tuple))
    assert shown[name] == (ROOT / "examples" / "first_plugin" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("", "anything", True),
        ("a\n...\nz", "a\nb\nc\nz\n", True),
        ("a b", "a b   \n", True),
        ("a.b", "axb", False),
        ("a", "a\nb", False),
    ],
)
def test_shown_output_fits_what_is_printed(shown, printed, same):
    assert fits(shown, printed) is same
