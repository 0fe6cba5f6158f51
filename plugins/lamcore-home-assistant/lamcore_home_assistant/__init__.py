"""Source `home_assistant`: the translated interface strings of Home Assistant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    register("home_assistant", HomeAssistant)
