"""Write the README of an export: the page of its kind in templates/, with the run's values put in."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from lamcore.model import TrainedModel
from lamcore.tokenizer import files_of
from lamcore_export.net import Net


def readme(kind: str, net: Net, trained: TrainedModel, int8: bool) -> str:
    """Return the page; its code runs in the folder of the export."""
    folder = files("lamcore_export") / "templates"
    s, decoding, steps = net.settings, trained.parts.decoding, trained.parts.preprocessors
    names = list(files_of(trained.tokenizer))
    values = {
        "parameters": f"{sum(one.numel() for one in net.parameters()):,}",
        "weights": "8-bit integers" if int8 else "float32",
        "steps": f"{', '.join(steps)}" if steps else "none",
        "beam": decoding.beam,
        "penalty": decoding.length_penalty,
        "longest": s.max_length - 1,
        "most": min(decoding.max_length, s.max_length - 1),
        "ratio": decoding.max_ratio,
        "source": names[0] if len(names) == 1 else "tokenizer-input.json",
        "target": names[0] if len(names) == 1 else "tokenizer-target.json",
    }
    text, about = ((folder / name).read_text(encoding="utf-8") for name in (f"{kind}.md", "about.md"))
    return Template(f"{text.rstrip()}\n\n{about}").substitute(values)
