"""What `lam export` writes is loaded by the libraries that it is for, and answers as the run does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import lamcore
import lamcore_export
from lamcore import Decoding, LamcoreError
from lamcore.cli import SHOWN
from lamcore.kinds import Subwords, TokenizerPlan
from lamcore.model import ModelParts, TrainedModel
from lamcore.plugins import load_plugins
from lamcore.tokenizer import learn
from lamcore_export import export, net, to_ctranslate2, to_huggingface, to_torch
from lamcore_export.engine import with_ctranslate2

WORDS = "red blue green sun moon star cat dog bird one two {three}".split()
RUN = """name=loud source=jsonl source.train=train.jsonl source.validation=validation.jsonl source.test=test.jsonl
metrics=[] +preprocessors.marks.name=placeholders architecture=transformer architecture.layers=1
architecture.width=32 architecture.heads=2 architecture.feed_forward=64 architecture.dropout=0
architecture.label_smoothing=0 tokenizer.size=90 trainer=supervised trainer.steps=120 trainer.warmup=10
trainer.lr=1e-2 trainer.batch_tokens=200 trainer.validate_every=120 device=cpu decoding.max_length=20
decoding.max_ratio=0""".split()


def pairs(numbers):
    for n in numbers:
        words = [WORDS[n % 12], WORDS[n // 12 % 12], WORDS[n // 5 % 12]][: 2 + n % 2]
        loud = [word if "{" in word else word.upper() for word in words]
        yield {"input": " ".join(words), "target": " ".join(loud)}


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train a run of seconds; never write into its model folder."""
    here = tmp_path_factory.mktemp("export")
    for split, numbers in {"train": range(300), "validation": range(300, 320), "test": range(320, 360)}.items():
        lines = [json.dumps(record) for record in pairs(numbers)]
        (here / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMCORE_CACHE", str(here / "cache"))
        patch.chdir(here)
        return lamcore.train(*RUN, folder=here / "run").folder


@pytest.fixture(scope="module")
def trained(run):
    return lamcore.load(run, "cpu")


@pytest.fixture
def make(registry):
    """Give make(joint=, **settings): a model with random weights."""

    def build(joint: bool = True, **settings: object) -> TrainedModel:
        cls = registry.find("architecture", "transformer")
        plain = {"layers": 2, "width": 32, "heads": 2, "feed_forward": 48, "max_length": 40, **settings}
        for field, value in plain.items():
            kind = getattr(cls, field).__class__
            plain[field] = kind(value) if isinstance(value, str) else value
        texts = {"input": ["the cat sat there"], "target": ["die katze saß da"]}
        tokenizer = learn(TokenizerPlan(kind=Subwords.character, joint=joint), texts)
        torch.manual_seed(7)
        device = torch.device("cpu")
        made = TrainedModel(ModelParts(cls(**plain), {}, Decoding()), tokenizer, {}, {"target": ""}, device).build()
        for parameter in made.model.parameters():  # norms and biases too are to differ from 1 and 0
            torch.nn.init.normal_(parameter, std=0.3)
        made.model.eval()
        return made

    return build


def net_from(registry, trained):
    return net.net_of(registry, Path("run"), trained)


def readme_of(folder: Path, monkeypatch) -> dict:
    """Run the code of an export's README in its folder."""
    monkeypatch.chdir(folder)
    found: dict = {}
    exec(re.search(r"```python\n(.*?)```", Path("README.md").read_text(), re.S)[1], found)
    return found


ANY = [
    {},
    {"place": "post", "activation": "silu", "decoder_layers": 1},
    {"norm": "rms", "activation": "swiglu", "positions": "rotary", "tie": False},
    {"positions": "learned", "activation": "gelu", "joint": False},
]


@pytest.mark.parametrize("settings", ANY)
def test_the_traced_programs_compute_what_the_architecture_does(settings, make, registry):
    made = make(**settings)
    plain = net_from(registry, made)
    assert to_torch.difference(net.Encoder(plain), net.Decoder(plain), plain, made) < 1e-4


@pytest.mark.parametrize("settings", ANY)
def test_ctranslate2_computes_what_the_architecture_does(settings, make, registry, tmp_path):
    made = make(**settings)
    assert to_ctranslate2.write(tmp_path, net_from(registry, made), made) < 1e-4


@pytest.mark.parametrize("settings", [{}, {"place": "post", "activation": "silu", "decoder_layers": 1}])
def test_transformers_computes_what_the_architecture_does(settings, make, registry, tmp_path):
    made = make(**settings)
    assert to_huggingface.write(tmp_path, net_from(registry, made), made) < 1e-4


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"norm": "rms"}, "architecture.norm=rms does not fit the Marian model of transformers, which needs layer."),
        ({"positions": "rotary"}, "architecture.positions=rotary does not fit"),
        ({"activation": "swiglu"}, "architecture.activation=swiglu does not fit .* relu or gelu or silu."),
        ({"tie": False}, "architecture.tie=false does not fit .* needs true."),
        ({"joint": False}, "tokenizer.joint=false does not fit .* needs true."),
    ],
)
def test_a_setting_that_marian_has_not_is_named(settings, problem, make, registry, tmp_path):
    made = make(**settings)
    with pytest.raises(LamcoreError, match=problem):
        to_huggingface.write(tmp_path, net_from(registry, made), made)


@pytest.mark.parametrize(
    "kind", ["ctranslate2", "huggingface", *(pytest.param(kind, marks=pytest.mark.full) for kind in ("torch", "onnx"))]
)
def test_the_code_of_an_exports_readme_answers_as_the_run(kind, run, trained, registry, tmp_path, monkeypatch):
    folder, difference = export.export(registry, run, kind, tmp_path / kind)
    assert difference < 1e-4
    translate = readme_of(folder, monkeypatch)["translate"]
    texts = [record["input"] for record in pairs(range(320, 328)) if "{" not in record["input"]]
    found = translate(texts) if kind in ("ctranslate2", "huggingface") else [translate(text) for text in texts]
    assert found == [answer["target"] for answer in trained.predict(texts)]
    assert "marks" in (folder / "README.md").read_text()


@pytest.mark.parametrize(("int8", "least"), [(False, 38), (True, 36)])
def test_a_run_answers_through_ctranslate2_with_all_its_steps(int8, least, run, trained, registry, tmp_path):
    folder, _ = export.export(registry, run, "ctranslate2", tmp_path / "out", int8)
    texts = [record["input"] for record in pairs(range(320, 360))]
    ours, theirs = (
        one.predict(texts, Decoding(beam=5, max_length=20, max_ratio=0))
        for one in (trained, with_ctranslate2(trained, folder))
    )
    assert sum(a["target"] == b["target"] for a, b in zip(ours, theirs, strict=True)) >= least
    with pytest.raises(LamcoreError, match="decoding.temperature=0.5 is not for CTranslate2"):
        with_ctranslate2(trained, folder).predict(texts, Decoding(temperature=0.5))
    assert any("{three}" in answer["target"] for answer in theirs)  # a placeholder went through the steps


def test_no_two_neighbours_of_a_rounded_matrix_overflow_sixteen_bits():
    weight = np.array([[0.5, 0.5, -1.0, 0.25], [0.0, 0.0, 0.0, 0.0], [3.0, -3.0, 1.0, 2.0]], dtype=np.float32)
    found, scale = to_ctranslate2.rounded(weight)
    assert found.tolist() == [[64, 64, -127, 32], [0, 0, 0, 0], [127, -127, 42, 85]]
    assert scale.tolist() == pytest.approx([127.0, 1.0, 127 / 3])
    chance = np.random.default_rng(1).normal(size=(50, 33)).astype(np.float32)
    pairs = to_ctranslate2.rounded(chance)[0][:, :32].reshape(50, 16, 2).astype(int)
    assert 255 * np.abs(pairs.sum(2)).max() < 2**15


def test_the_verb_says_where_the_folder_is(run, registry):
    done = CliRunner().invoke(
        lamcore_export.export_, [str(run), "--to", "ctranslate2", "--int8"], obj=registry, **SHOWN
    )
    folder = run / "exports" / "ctranslate2"
    assert done.exit_code == 0 and str(folder) in done.output.replace("\n", "")
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.md", "config.json", "model.bin", "shared_vocabulary.json", "tokenizer.json"
    ]  # fmt: skip
    with pytest.raises(LamcoreError, match="exports.ctranslate2 is there already: remove it, or choose another --out."):
        CliRunner().invoke(
            lamcore_export.export_, [str(run), "--to", "ctranslate2"], obj=registry, catch_exceptions=False, **SHOWN
        )


def test_what_cannot_be_exported_is_refused_in_one_line(run, registry, tmp_path, monkeypatch):
    def refused(*words):
        with pytest.raises(LamcoreError) as caught:
            export.export(registry, *words)
        assert not list(tmp_path.iterdir())
        return str(caught.value)

    assert refused(run, "onnx", tmp_path / "x", True) == "--int8 is for --to ctranslate2, not for onnx."
    assert "lies in the model folder" in refused(run, "torch", run / "model" / "exports")
    assert "say where to: --out FOLDER." in refused(run / "model", "torch", None)
    assert "is no run with a finished model" in refused(tmp_path / "none", "torch", tmp_path / "x")
    monkeypatch.setitem(export.NEEDS, "onnx", ["onnx", "no_such_library"])
    assert refused(run, "onnx", None) == "--to onnx needs no_such_library: pip install 'lamcore-export[onnx]'"


def test_an_export_with_other_scores_is_never_left_behind(run, registry, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(LamcoreError, match="can't be exported to ctranslate2: scores would differ by"):
        export.export(registry, run, "ctranslate2", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_model_that_copies_is_refused_in_one_line(make, registry):
    with pytest.raises(LamcoreError, match=r"has architecture.copy=true, which no exported format can carry: use lam"):
        net_from(registry, make(copy=True))


def test_weights_that_transformer_does_not_have_are_named(make, registry):
    made = make()
    made.model.extra = torch.nn.Linear(1, 1)
    with pytest.raises(
        LamcoreError, match="of its weights extra.bias, extra.weight are not as `transformer` names them"
    ):
        net_from(registry, made)
