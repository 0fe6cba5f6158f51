"""Small data, for those who check the components."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

from lamcore import Record
from lamcore_extraction.fields import Fields, canonical

CAFES = ("Café Brazil", "Browns", 'The "Eagle"', "Loch\\Fyne")
FOODS = ("thai", "sea food", "日本")


def records() -> list[Record]:
    """Return texts with their fields: texts, lists, a number, truth, and none at all."""
    pairs: list[tuple[str, Fields]] = [("goodbye", {})]
    for at, (cafe, food) in enumerate(product(CAFES, FOODS)):
        fields = {"name": cafe, "food": [food, "tea"], "seats": at + 4, "family": at % 2 == 0}
        pairs.append((f"{cafe} has {food} and tea for {at + 4}{', children too' if at % 2 == 0 else ''}", fields))
    return [{"id": str(at), "text": text, "fields": canonical(fields)} for at, (text, fields) in enumerate(pairs)]


def advisories(folder: Path) -> str:
    """Write a few advisories in the form of Safety DB and return the file's name."""
    told = {
        f"tool-{at}": [
            {
                "advisory": f"Tool-{at} 1.{at}.0 closes a hole in its parser (CVE-2020-1{at:03d}).",
                "cve": f"CVE-2020-1{at:03d}",
                "id": f"pyup.io-{at}",
                "specs": [f"<1.{at}.0"],
                "v": f"<1.{at}.0",
            }
        ]
        for at in range(60)
    }
    (folder / "advisories.json").write_text(json.dumps({"$meta": {"timestamp": 0}, **told}), encoding="utf-8")
    return str(folder / "advisories.json")
