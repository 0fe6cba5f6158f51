"""Hostile model folders, made from a good one: each is a name and what to do with a copy."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from lamcore.kinds import KINDS, Decoding, Subwords, TokenizerPlan
from lamcore.make import describe
from lamcore.model import ModelParts, TrainedModel, load_model
from lamcore.plugins import Registry, load_plugins
from lamcore.tokenizer import learn

CPU = torch.device("cpu")
TEXTS = ["Turn on the light", "It is 25 °C, isn't it?", "a\tb", "Schalte das Licht an"]
Harm = Callable[[Path], Any]
_known: list[Registry] = []


def known() -> Registry:
    """Return the installed plugins, loaded once."""
    if not _known:
        _known.append(load_plugins())
        for offer in _known[0].offers:
            if offer.kind in KINDS:
                describe(offer.cls)
    return _known[0]


def make_good(folder: Path) -> Path:
    """Write a small model's folder and load it."""
    tokenizer = learn(TokenizerPlan(kind=Subwords.character), {"input": TEXTS, "target": TEXTS})
    architecture = known().find("architecture", "transformer")(
        layers=1, width=8, heads=2, feed_forward=8, max_length=32
    )
    steps = {"normalise": known().find("preprocessor", "normalise")()}
    parts = ModelParts(architecture, steps, Decoding(max_length=8))
    torch.manual_seed(1)
    trained = TrainedModel(parts, tokenizer, {"domain": ["a", "b"]}, {"target": ""}, CPU).build()
    trained.save(folder, known(), "# card\n", {"name": "good", "versions": {"lamcore": "0.1.0"}})
    load_model(folder, known(), CPU).predict(["Turn on"])
    return folder


def copy(good: Path, to: Path) -> Path:
    """Copy a folder."""
    return Path(shutil.copytree(good, to))


def entry(content: bytes) -> dict[str, Any]:
    """Return a file's entry in the manifest."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def put(name: str, content: bytes | str | Callable[[bytes], bytes]) -> Harm:
    """Replace a file and make the manifest fit, as someone with bad intent would."""

    def harm(folder: Path) -> None:
        path = folder / name
        made = content(path.read_bytes() if path.exists() else b"") if callable(content) else content
        made = made.encode() if isinstance(made, str) else made
        path.write_bytes(made)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"][name] = entry(made)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return harm


def edit(name: str, *keys: str, value: Any) -> Harm:
    """Set a value deep in a JSON file; the manifest fits."""

    def change(content: bytes) -> bytes:
        whole = json.loads(content)
        place = whole
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        return json.dumps(whole).encode()

    return put(name, change)


def drop(name: str, key: str) -> Harm:
    """Take a key out of a JSON file; the manifest fits."""
    return put(name, lambda content: json.dumps({k: v for k, v in json.loads(content).items() if k != key}).encode())


def manifest(change: Callable[[dict[str, Any]], Any]) -> Harm:
    """Change the manifest's content, in place or for what is returned."""

    def harm(folder: Path) -> None:
        found = json.loads((folder / "manifest.json").read_text())
        made = change(found)
        text = made if isinstance(made, str) else json.dumps(found if made is None else made)
        (folder / "manifest.json").write_text(text)

    return harm


# ------------------------------------------------------------------------------------------------------- weights


class Payload:
    """Writes the canary when it is unpickled."""

    def __init__(self, canary: Path):
        """Keep where."""
        self.canary = canary

    def __reduce__(self) -> Any:
        """Say what to call."""
        return (open, (str(self.canary), "w"))


def _torch_file(payload: Any, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save(payload, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _zip(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def header(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """Change the header of safetensors."""

    def made(content: bytes) -> bytes:
        size = int.from_bytes(content[:8], "little")
        found = json.loads(content[8 : 8 + size])
        new = change(found)
        head = new if isinstance(new, bytes) else json.dumps(found if new is None else new).encode()
        return struct.pack("<Q", len(head)) + head + content[8 + size :]

    return made


def first(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set a fact of the first tensor."""

    def change(found: dict[str, Any]) -> None:
        found[next(iter(found))][key] = value

    return change


def _swap(found: dict[str, Any]) -> dict[str, Any]:
    names = list(found)
    return dict(zip([names[-1], *names[:-1]], found.values(), strict=True))


def weights(canary: Path) -> dict[str, Harm]:
    """Return what may stand in place of weights."""
    bomb = pickle.dumps(Payload(canary))
    contents: dict[str, bytes | Callable[[bytes], bytes]] = {
        "a pickle": bomb,
        "a pickle of protocol 0": pickle.dumps(Payload(canary), 0),
        "a torch file": _torch_file({"weight": Payload(canary)}, True),
        "an old torch file": _torch_file({"weight": Payload(canary)}, False),
        "a numpy file of objects": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (), }"
        + bomb,
        "a zip of a pickle": _zip("archive/data.pkl", bomb),
        "a zip of code": _zip("__main__.py", b"open('x', 'w')"),
        "nothing": b"",
        "seven bytes": b"\0" * 7,
        "a length only": struct.pack("<Q", 100),
        "an endless length": lambda content: struct.pack("<Q", 2**63) + content[8:],
        "a length of -1": lambda content: b"\xff" * 8 + content[8:],
        "a length too long by one": lambda content: struct.pack("<Q", len(content) - 7) + content[8:],
        "an empty header": header(lambda _: b""),
        "a header that is a list": header(lambda _: b"[]"),
        "a header that is null": header(lambda _: b"null"),
        "a header of no tensors": header(lambda _: b"{}"),
        "a header that is a pickle": header(lambda _: bomb),
        "a header of 100,000 brackets": header(lambda _: b"[" * 100_000),
        "a header of 20,000 names": header(
            lambda found: {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(20_000)}
        ),
        "a tensor twice": header(
            lambda found: json.dumps(found).encode()[:-1] + b',"' + next(iter(found)).encode() + b'":0}'
        ),
        "an unknown dtype": header(first("dtype", "F31")),
        "a dtype of objects": header(first("dtype", "O")),
        "a dtype that is a list": header(first("dtype", ["F32"])),
        "another dtype": header(first("dtype", "I32")),
        "a negative shape": header(first("shape", [-1, -8])),
        "an endless shape": header(first("shape", [2**62, 2**62])),
        "a shape of fractions": header(first("shape", [0.5, 8])),
        "a shape that is text": header(first("shape", "8")),
        "offsets outside": header(first("data_offsets", [0, 2**40])),
        "offsets backwards": header(first("data_offsets", [64, 0])),
        "offsets over others": header(first("data_offsets", [4, 260])),
        "offsets that are text": header(first("data_offsets", "ab")),
        "no offsets": header(lambda found: found[next(iter(found))].pop("data_offsets") and None),
        "a tensor that is null": header(lambda found: found.update(x=None)),
        "a tensor more": header(lambda found: found.update(x={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})),
        "a tensor less": header(lambda found: found.pop(next(iter(found))) and None),
        "tensors under others' names": header(_swap),
        "metadata that is no text": header(lambda found: found.update(__metadata__=[1, {"x": None}])),
        "bytes more": lambda content: content + b"\0" * 64,
        "bytes less": lambda content: content[:-1],
        "a page": b"<html><script>alert(1)</script></html>",
        "a library": b"\x7fELF" + b"\0" * 100,
    }
    return {f"weights: {name}": put("model.safetensors", content) for name, content in contents.items()}


# ----------------------------------------------------------------------------------------------- config and labels

TARGET = {"_target_": "os.system", "_args_": ["touch canary"]}


def configs() -> dict[str, Harm]:
    """Return what a config.json may say."""
    raw: dict[str, bytes] = {
        "nothing": b"",
        "half of it": b'{"format": 1, ',
        "null": b"null",
        "a list": b"[]",
        "a text": b'"os.system"',
        "a number": b"1",
        "code": b"__import__('os').system('touch canary')",
        "YAML that calls": b"!!python/object/apply:os.system ['touch canary']",
        "YAML with Hydra": b"defaults: [override hydra/job_logging: x]\n_target_: os.system\n",
        "a mark at its start": b"\xef\xbb\xbf{}",
        "UTF-16": '{"format": 1}'.encode("utf-16"),
        "no UTF-8": b'{"format": "\xff"}',
        "100,000 brackets": b"[" * 100_000,
        "100,000 braces": b'{"a":' * 100_000,
        "a number of 10,000 digits": b'{"format": ' + b"9" * 10_000 + b"}",
        "a key twice": b'{"format": 1, "format": 1}',
        "a NUL": b'{"format": 1}\0',
    }
    tries: dict[str, tuple[tuple[str, ...], Any]] = {
        "format 0": (("format",), 0),
        "format 2": (("format",), 2),
        "a format that is text": (("format",), "1"),
        "a format that is a list": (("format",), [1]),
        "a format that is NaN": (("format",), float("nan")),
        "an infinite format": (("format",), float("inf")),
        "_target_ at its top": (("_target_",), "os.system"),
        "auto_map": (("auto_map",), {"AutoModel": "modeling_evil.Model"}),
        "trust_remote_code": (("trust_remote_code",), True),
        "plugins": (("plugins",), ["evil"]),
        "hydra": (("hydra",), {"run": {"dir": "/"}, "callbacks": {"x": TARGET}}),
        "an architecture that is a target": (("architecture",), TARGET),
        "an architecture with a target": (("architecture", "_target_"), "os.system"),
        "an architecture that is text": (("architecture",), "transformer"),
        "an architecture that is null": (("architecture",), None),
        "an architecture without a name": (("architecture",), {"layers": 1}),
        **{
            f"the architecture {name!r:.40}": (("architecture", "name"), name)
            for name in (
                "os:system",
                "os.system",
                "lamcore_transformer:Transformer",
                "../../evil",
                "/etc/passwd",
                "",
                ":",
                "::",
                "lamcore-transformer:",
                "evil",
                "__import__('os').system('x')",
                "transformer\n",
                "\x1b]0;x\x07",
                "\ud800",
                "${oc.env:HOME}",
                "x" * 100_000,
                None,
                5,
                ["transformer"],
                {"name": "transformer"},
                "clean",
                "supervised",
            )
        },
        **{
            f"{key} = {value!r:.20}": (("architecture", key), value)
            for key, values in {
                "layers": ("1", 1.0, True, None, 0, -1, 2, 10**9, 10**18, 10**30, [1], float("nan")),
                "decoder_layers": (10**9,),
                "width": (0, 7, 10**6, 10**9, 10**18),
                "heads": (0, 3, 10**9),
                "feed_forward": (9, 10**12, 2**63),
                "activation": ("os.system", 1, None),
                "positions": ("learned", "rotary", "evil"),
                "tie": (False, "no"),
                "dropout": (2, -1, "0"),
                "max_length": (1, 10**30, "32"),
            }.items()
            for value in values
        },
        "an endless table of places": (
            ("architecture",),
            {"name": "transformer", "positions": "learned", "max_length": 10**15},
        ),
        "preprocessors that are a list": (("preprocessors",), [TARGET]),
        "a preprocessor that is a target": (("preprocessors",), {"x": TARGET}),
        "a preprocessor there is not": (("preprocessors",), {"evil": {}}),
        "a preprocessor that is an architecture": (("preprocessors",), {"transformer": {}}),
        "a preprocessor's unknown setting": (("preprocessors",), {"normalise": {"code": "x"}}),
        "a decoding with a target": (("decoding", "_target_"), "os.system"),
        "a beam of -1": (("decoding", "beam"), -1),
        "a beam that is text": (("decoding", "beam"), "5"),
        "a decoding that is null": (("decoding",), None),
        "columns that are text": (("tokenized",), "input"),
        "columns that are numbers": (("tokenized",), [1, 2]),
        "columns that are null": (("tokenized",), None),
        "a column that is no text": (("tokenized",), ["input", None]),
        "no columns": (("tokenized",), []),
        "an empty that is a list": (("empty",), ["target"]),
        "an empty that is full": (("empty",), {"target": "send money"}),
        "a name that is a table": (("name",), {"a": 1}),
        "versions that are a list": (("versions",), ["x"]),
    }
    made = {f"config: {name}": put("config.json", content) for name, content in raw.items()}
    made |= {f"config: {name}": edit("config.json", *keys, value=value) for name, (keys, value) in tries.items()}
    needed = ("format", "architecture", "preprocessors", "decoding", "tokenized", "empty")
    made |= {f"config: no {key}": drop("config.json", key) for key in needed}
    labels: dict[str, bytes] = {
        "a list": b"[]",
        "text": b'{"domain": "ab"}',
        "nested": b'{"domain": [["a"]]}',
        "NaN": b'{"domain": [NaN]}',
        "a target": json.dumps({"domain": [TARGET]}).encode(),
        "half": b'{"domain": [',
        "1e999": b'{"domain": [1e999]}',
    }
    return made | {f"labels: {name}": put("labels.json", content) for name, content in labels.items()}


# ------------------------------------------------------------------------------------------------------- manifest


def _named(name: str, content: bytes = b"x") -> Harm:
    return manifest(lambda found: found["files"].update({name: entry(content)}))


def manifests() -> dict[str, Harm]:
    """Return what a manifest may say."""
    texts = {
        "nothing": "",
        "null": "null",
        "a list": "[]",
        "half": '{"files": {',
        "a key twice": '{"files": {}, "files": {}}',
    }
    texts |= {
        "no file": '{"files": {}}',
        "files that are a list": '{"files": ["config.json"]}',
        "brackets": "[" * 100_000,
    }
    made: dict[str, Harm] = {name: manifest(lambda _, text=text: text) for name, text in texts.items()}  # type: ignore[misc]
    names = [
        "../good/config.json",
        "/etc/passwd",
        "a/config.json",
        "..",
        ".",
        "",
        "evil.py",
        "manifest.json",
        "lamfile.py",
        "pytorch_model.bin",
        "config.json\n",
        "tokenizer-a/b.json",
        "tokenizer-\0.json",
        "tokenizer-x\n\x1b[31m.json",
        "CON",
        "C:\\config.json",
        "\\\\host\\share\\config.json",
        "config.json/",
        "./config.json",
        "x" * 100_000,
    ]
    made |= {f"the name {name!r:.40}": _named(name) for name in names}
    for name in ("config.json", "labels.json", "tokenizer.json", "model.safetensors"):
        made[f"no {name}"] = manifest(lambda found, name=name: found["files"].pop(name) and None)  # type: ignore[misc]
        made[f"{name} is not there"] = lambda folder, name=name: (folder / name).unlink()  # type: ignore[misc]
    entries: dict[str, Any] = {
        "null": None,
        "text": "x",
        "empty": {},
        "a list": [1, 2],
        "bytes -1": {"bytes": -1, "sha256": ""},
        "bytes that are text": {"bytes": "9", "sha256": ""},
        "endless bytes": {"bytes": 2**70, "sha256": ""},
    }
    made |= {
        f"an entry that is {name}": manifest(lambda found, e=e: found["files"].update({"config.json": e}))  # type: ignore[misc]
        for name, e in entries.items()
    }
    made["capital letters"] = manifest(
        lambda found: found["files"]["config.json"].update(sha256=found["files"]["config.json"]["sha256"].upper())
    )
    made["a key more in an entry"] = manifest(lambda found: found["files"]["config.json"].update(_target_="os.system"))
    made["50,000 names"] = manifest(
        lambda found: found["files"].update({f"tokenizer-{n}.json": {} for n in range(50_000)})
    )
    return {f"manifest: {name}": harm for name, harm in made.items()}


# ----------------------------------------------------------------------------------------------------- special files

FILES = ("manifest.json", "config.json", "labels.json", "tokenizer.json", "model.safetensors", "README.md")


def _instead(name: str, make: Callable[[Path], Any]) -> Harm:
    def harm(folder: Path) -> None:
        if name != "manifest.json" or make is not _absent:
            (folder / name).unlink()
        make(folder / name)

    return harm


def _absent(path: Path) -> None:
    path.unlink()


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _sparse(size: int) -> Harm:
    def harm(folder: Path) -> None:
        os.truncate(folder / "model.safetensors", size)
        whole = json.loads((folder / "manifest.json").read_text())
        whole["files"]["model.safetensors"]["bytes"] = size
        (folder / "manifest.json").write_text(json.dumps(whole))

    return harm


def _odd_names(folder: Path) -> None:
    for name in ("a\nb.json", "\x1b[31m.json", "tokenizer-\n.json", "-rf", "$(touch canary)", "\udcff"):
        (folder / name).write_bytes(b"x")
    (folder / "labels.json").unlink()


def special() -> dict[str, Harm]:
    """Return files that are none: pipes, sockets, devices, folders, links, and too many or too large ones."""
    makes: dict[str, Callable[[Path], Any]] = {
        "a pipe": os.mkfifo,
        "a socket": _socket,
        "a folder": Path.mkdir,
        "a link to a device that never ends": lambda path: path.symlink_to("/dev/zero"),
        "a link to a terminal": lambda path: path.symlink_to("/dev/tty"),
        "a link out": lambda path: path.symlink_to("/etc/hostname"),
        "a link to nothing": lambda path: path.symlink_to("nowhere"),
        "a link to itself": lambda path: path.symlink_to(path.name),
    }
    made = {f"{name} is {what}": _instead(name, make) for name in FILES for what, make in makes.items()}
    made["weights of 1 TB"] = _sparse(2**40)
    made["weights of 1 TB that the manifest does not know"] = lambda folder: os.truncate(
        folder / "model.safetensors", 2**40
    )
    for name in ("manifest.json", "config.json", "tokenizer.json", "README.md"):
        made[f"{name} of 1 TB"] = lambda folder, name=name: os.truncate(folder / name, 2**40)  # type: ignore[misc]
    made["names of control characters"] = _odd_names
    return {f"special: {name}": harm for name, harm in made.items()}


# -------------------------------------------------------------------------------------------------- code beside it

CODE = (
    "lamfile.py",
    "sitecustomize.py",
    "usercustomize.py",
    "torch.py",
    "json.py",
    "numpy.py",
    "click.py",
    "tokenizers.py",
    "lamcore.py",
    "lamcore/__init__.py",
    "hydra_plugins/evil.py",
    "modeling_evil.py",
    "__init__.py",
    "__main__.py",
    "conf/lam.yaml",
    "setup.py",
    "conftest.py",
    "lamcore_evil.py",
)


def with_code(folder: Path, canary: Path) -> None:
    """Lay code, a config and an installed-looking plugin beside a model; each would write the canary."""
    for name in CODE:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        called = f"open({str(canary)!r}, 'w').close()\n"
        path.write_text(called if name.endswith(".py") else f"_target_: builtins.open\n_args_: [{canary}, w]\n")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(canary)))
    (folder / "evil.pth").write_text(f"import os; open({str(canary)!r}, 'w')\n")
    info = folder / "lamcore_evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lamcore-evil\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lamcore]\nevil = lamcore_evil\n")
    (folder / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": "modeling_evil.Tokenizer"}}')


# ------------------------------------------------------------------------------------------------------ tokenizers

Change = Callable[[dict[str, Any]], Any]
REPLACE = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}


def _part(name: str, value: Any) -> Change:
    return lambda found: found.update({name: value})


def _model(**values: Any) -> Change:
    return lambda found: found["model"].update(values)


def _vocab(**pieces: Any) -> Change:
    return lambda found: found["model"]["vocab"].update(pieces)


def _unigram(**values: Any) -> Change:
    def change(found: dict[str, Any]) -> None:
        pieces = [[piece, 0.0] for piece in found["model"]["vocab"]]
        found["model"] = {"type": "Unigram", "unk_id": 1, "vocab": pieces, **values}

    return change


def _word_piece(**values: Any) -> Change:
    def change(found: dict[str, Any]) -> None:
        rest = {"unk_token": "<unk>", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
        found["model"] = {"type": "WordPiece", "vocab": found["model"]["vocab"], **rest, **values}

    return change


def _added(**values: Any) -> Change:
    return lambda found: found["added_tokens"][0].update(values)


def tokenizers() -> dict[str, Change]:
    """Return what a tokenizer.json may hold that panics, kills the process, never ends or lies."""
    never = {"Regex": "(a|a)*(a|aa)+$"}
    precompiled = {"type": "Precompiled", "precompiled_charsmap": "////////AAAA"}
    sequence = {"type": "Sequence", "normalizers": [REPLACE] * 60}
    deep: dict[str, Any] = {"type": "Lowercase"}
    for _ in range(400):
        deep = {"type": "Sequence", "normalizers": [deep]}
    template = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[X]", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {},
    }
    padding = {
        "strategy": {"Fixed": 2**40},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "x",
    }
    truncation = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 5}
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    return {
        "a padding of 2**40": _part("padding", padding),
        "a padding of 2**30": _part("padding", {**padding, "strategy": {"Fixed": 2**30}}),
        "a stride longer than the text": _part("truncation", truncation),
        "a template with a mark there is not": _part("post_processor", template),
        "an invalid precompiled map": _part("normalizer", precompiled),
        "an endless precompiled map": _part("normalizer", {**precompiled, "precompiled_charsmap": "/////w=="}),
        "a precompiled map in a sequence": _part("normalizer", {"type": "Sequence", "normalizers": [precompiled]}),
        "a catastrophic pattern": _part(
            "pre_tokenizer", {"type": "Split", "pattern": never, "behavior": "Isolated", "invert": False}
        ),
        "a catastrophic replacement": _part("normalizer", {**REPLACE, "pattern": never}),
        "a catastrophic decoder": _part("decoder", {**REPLACE, "pattern": never}),
        "texts that double 60 times": _part("normalizer", sequence),
        "a text replaced by 1 MB": _part("normalizer", {**REPLACE, "content": "x" * 2**20}),
        "nothing replaced by something": _part("normalizer", {**REPLACE, "pattern": {"String": ""}}),
        "a decoder that replaces by 1 MB": _part("decoder", {**REPLACE, "content": "x" * 2**20}),
        "1 MB before each text": _part("normalizer", {"type": "Prepend", "prepend": "x" * 2**20}),
        "bytes of bytes of bytes": _part("pre_tokenizer", {"type": "Sequence", "pretokenizers": [byte_level] * 40}),
        "sequences 400 deep": _part("normalizer", deep),
        "a normalizer without a type": _part("normalizer", {"precompiled_charsmap": "AAAA"}),
        "a normalizer that is text": _part("normalizer", "Lowercase"),
        "a normalizer that is a list": _part("normalizer", [{"type": "Lowercase"}]),
        "a normalizer there is not": _part("normalizer", {"type": "os.system"}),
        "a type that is a list": _part("decoder", {"type": ["Fuse"]}),
        "a decoder that cuts 2**62": _part("decoder", {"type": "Strip", "content": "a", "start": 2**62, "stop": 2**62}),
        "a decoder of CTC": _part(
            "decoder", {"type": "CTC", "pad_token": "x" * 2**20, "word_delimiter_token": "", "cleanup": True}
        ),
        "an id twice": _vocab(zzz=4),
        "an id of 2**32-1": _vocab(zzz=2**32 - 1),
        "an id of 2**64": _vocab(zzz=2**64),
        "an id of -1": _vocab(zzz=-1),
        "an id that is text": _vocab(zzz="5"),
        "an id that is a fraction": _vocab(zzz=5.5),
        "an empty piece": lambda found: found["model"]["vocab"].update({"": len(found["model"]["vocab"])}),
        "a piece of 1 MB": lambda found: found["model"]["vocab"].update({"x" * 2**20: len(found["model"]["vocab"])}),
        "half a character": lambda found: found["model"]["vocab"].update({"\ud800": len(found["model"]["vocab"])}),
        "a piece more than the weights have": lambda found: found["model"]["vocab"].update(
            zzz=len(found["model"]["vocab"])
        ),
        "no pieces": _model(vocab={}),
        "pieces that are null": _model(vocab=None),
        "pieces that are a list": _model(vocab=["<pad>"]),
        "merges of pieces there are not": _model(merges=[["qq", "zz"]]),
        "merges that are numbers": _model(merges=[1, 2]),
        "a merge of one": _model(merges=["a"]),
        "a prefix longer than pieces": _model(continuing_subword_prefix="####", merges=[["T", "u"]]),
        "a prefix of 1 MB": _model(continuing_subword_prefix="x" * 2**20),
        "a suffix of 1 MB": _model(end_of_word_suffix="x" * 2**20),
        "an unknown piece there is not": _model(unk_token="nowhere"),
        "no unknown piece": _model(unk_token=None),
        "a dropout of 5": _model(dropout=5.0),
        "a model there is not": _model(type="Evil"),
        "a model without a type": lambda found: found["model"].pop("type"),
        "a model that is a list": _part("model", []),
        "unigram without an unknown piece": _unigram(unk_id=None),
        "unigram with an unknown piece outside": _unigram(unk_id=2**40),
        "unigram with bytes that it lacks": _unigram(byte_fallback=True),
        "unigram without pieces": _unigram(vocab=[]),
        "unigram with a piece twice": _unigram(vocab=[["a", 0.0], ["a", 0.0]]),
        "wordpiece of endless words": _word_piece(max_input_chars_per_word=2**62),
        "wordpiece without an unknown piece": _word_piece(unk_token="nowhere"),
        "wordpiece with a prefix of 1 MB": _word_piece(continuing_subword_prefix="#" * 2**20),
        "an added piece with another's id": _added(id=5),
        "an added piece with an endless id": _added(id=2**40),
        "an added piece that is empty": _added(content=""),
        "an added piece that is null": _added(content=None),
        "added pieces that are null": _part("added_tokens", None),
        "first pieces that are others": lambda found: found["model"]["vocab"].update({"<pad>": 1, "<unk>": 0}),
    }
