"""Every format of call data by its name: modules that read and write files of it."""

from __future__ import annotations

from types import ModuleType

from lamcore_actions import bfcl, bio_jsonl, openai_tools, sharegpt, xlam

MODULES: dict[str, ModuleType] = {
    "openai_tools": openai_tools,
    "sharegpt": sharegpt,
    "xlam": xlam,
    "bfcl": bfcl,
    "bio_jsonl": bio_jsonl,
}
"""Each has `read(path)` -> records and `write(records, path)` -> how many."""
