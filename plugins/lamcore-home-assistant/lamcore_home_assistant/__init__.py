"""Sources on Home Assistant: `home_assistant`, its translated strings, and `home_intents`, its spoken commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lamcore import Record, Source, hookimpl


@dataclass
class HomeAssistant(Source):
    """English interface strings of some 1,150 Home Assistant integrations and their translation (Apache-2.0)."""

    target_lang: str = "de"
    """Language translated into: de, fr, pt-BR, zh-Hans, ... (63 besides English)."""
    wheel: str | None = None
    """A wheel of Home Assistant that you have; null: release 2026.11.0, fetched once with pip (67.6 MB) and checked."""
    cache: str | None = None
    """Folder that keeps the fetched wheel; null: LAMCORE_CACHE, or lamcore in the user's cache folder."""
    shared_cache: str | None = None
    """A folder to look in first, such as a class's; only read. null: none."""

    makes_splits = True

    def load(self) -> Mapping[str, Iterable[Record]]:
        from lamcore_home_assistant.fetch import find_wheel
        from lamcore_home_assistant.strings import read_splits

        path = Path(self.wheel).expanduser() if self.wheel else find_wheel(self.cache, self.shared_cache)
        return read_splits(path, self.target_lang)

    def fingerprint(self) -> str:
        from lamcore_home_assistant.fetch import SHA256, VERSION, stat_wheel
        from lamcore_home_assistant.strings import SPLITS_VERSION

        data = stat_wheel(Path(self.wheel).expanduser()) if self.wheel else f"{VERSION} {SHA256}"
        return f"homeassistant {data} {self.target_lang} splits {SPLITS_VERSION}"

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one that reads a small wheel written into a folder, for checks."""
        from lamcore_home_assistant.strings import write_example

        return cls(wheel=str(write_example(folder / "example.whl")))


@dataclass
class HomeIntents(Source):
    """Spoken commands for a home and the calls they mean, drawn from Home Assistant's templates (Apache-2.0)."""

    languages: list[str] = field(default_factory=lambda: ["en", "de", "nl", "fr", "es"])
    """Languages of the sentences, 65 in all: en, de, nl, fr, es, it, pl, pt-BR, zh-CN, ..."""
    per_template: int = 20
    """Most different sentences drawn from a template of the train split."""
    per_held_out: int = 5
    """Most different sentences drawn from a template of validation or test."""
    max: int | None = None
    """Most sentences in the train split, drawn evenly; null: all."""
    tools: int = 1
    """Tools in the column `tools`: the one called and others drawn at random; 0 is all of them (long)."""
    sentences: str | None = None
    """Folder of LANGUAGE.jsonl.gz with sentences that people wrote, for a held-out split `human`; null: none."""
    seed: int = 1
    """What is drawn follows from it; the splits don't."""

    makes_splits = True

    def __post_init__(self) -> None:
        if not self.languages or len(set(self.languages)) < len(self.languages):
            raise ValueError(f"languages must be one or more, each once, not {self.languages}")
        for name in ("per_template", "per_held_out"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.max is not None and self.max < 1:
            raise ValueError(f"max must be 1 or more, or null, not {self.max}")
        if self.tools < 0:
            raise ValueError(f"tools must be 0 or more, not {self.tools}")

    def load(self) -> Mapping[str, Iterable[Record]]:
        from lamcore_home_assistant.intents import read_splits

        return read_splits(self)

    def fingerprint(self) -> str:
        from lamcore_home_assistant.intents import fingerprint

        return fingerprint(self)

    @classmethod
    def example(cls, folder: Path) -> Self:
        """Return one of a single language and few sentences, for checks."""
        return cls(languages=["cy"], per_template=1, per_held_out=1)


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    register("home_assistant", HomeAssistant)
    register("home_intents", HomeIntents)
