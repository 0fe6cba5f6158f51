"""Small records and files of each format, for those who check the sources and steps."""

from __future__ import annotations

from pathlib import Path

from lamcore import Record
from lamcore_actions.calls import canonical
from lamcore_actions.formats import MODULES
from lamcore_actions.home import Home, execute, state_text, tools

AREAS = ["kitchen", "hall", "garage", "Büro"]
LIGHT = {
    "name": "set_light",
    "description": "Set how bright a lamp is.",
    "parameters": {
        "type": "object",
        "properties": {
            "area": {"type": "string", "enum": AREAS},
            "brightness": {"type": "integer", "minimum": 0, "maximum": 100},
        },
        "required": ["area", "brightness"],
    },
}


def commands(number: int) -> list[Record]:
    """Return that many records with `input`, `tools` and `calls`; one in four calls nothing."""
    return [_command(at) for at in range(number)]


def _command(at: int) -> Record:
    area, brightness = AREAS[at % len(AREAS)], at * 7 % 101
    call = {"name": "set_light", "arguments": {"area": area, "brightness": brightness}}
    said = f"set the lamp in the {area} to {brightness} percent, please {at}" if at % 4 else f"good morning number {at}"
    calls = [call] if at % 4 else []
    return {"id": f"toy-{at}", "input": said, "tools": canonical([LIGHT]), "calls": canonical(calls)}


def slots(number: int) -> list[Record]:
    """Return that many records with `tokens`, `tags` and `intent`."""
    return [_slots(at) for at in range(number)]


def _slots(at: int) -> Record:
    tokens = ["dim", "lamp", str(at), "in", "the", AREAS[at % len(AREAS)]]
    tags = ["O", "B-lamp", "I-lamp", "O", "O", "B-area"]
    return {"input": " ".join(tokens), "tokens": tokens, "tags": tags, "intent": "dim", "input_lang": "en"}


def written(format: str, folder: Path) -> str:
    """Write a file of 80 rows in a format and return its name."""
    path = str(folder / f"train.{format}.jsonl")
    records = slots(80) if format == "bio_jsonl" else commands(80)
    MODULES[format].write(records, path)
    return path


def chores(number: int) -> list[Record]:
    """Return that many records with `state` and `end_state`, whose calls lead from one to the other."""
    return [_chore(at) for at in range(number)]


def _chore(at: int) -> Record:
    area, brightness, cents = AREAS[at % len(AREAS)], at % 100 + 1, at * 5 + 10
    begin = Home(lights=dict.fromkeys(AREAS, 0), accounts={"cash": 100_000, "rent": 0}, lists={"shopping": ["tea"]})
    calls = [
        {"name": "set_light", "arguments": {"area": area, "brightness": brightness}},
        {"name": "transfer", "arguments": {"source": "cash", "target": "rent", "cents": cents}},
    ]
    return {
        "id": f"toy-{at}",
        "input": f"set the light in the {area} to {brightness} percent and put {cents} cents aside for the rent",
        "tools": tools(),
        "calls": canonical(calls),
        "state": state_text(begin),
        "end_state": state_text(execute(calls, state_text(begin))),
    }
