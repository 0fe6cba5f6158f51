"""A toy home whose state calls change: tools in plain Python, without shell, network or files.

`execute` runs the calls of a record from its state. Bounded: STEPS calls, states of SIZE characters, and arguments that
the tools' schemas bound; a call either does what it says or raises ActionError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from lamcore_actions.calls import Call, canonical, check, check_value, loads

STEPS = 100
"""Most calls of a record."""
SIZE = 100_000
"""Most characters of a state's text."""


class ActionError(ValueError):
    """Why a state can't be read, or calls can't be carried out, as one line."""


@dataclass
class Home:
    """What there is and how it stands; the text of a state is JSON of these fields, and those left out are empty."""

    lights: dict[str, int] = field(default_factory=dict)
    """Area -> brightness, 0 (off) to 100."""
    temperatures: dict[str, float] = field(default_factory=dict)
    """Area -> degrees Celsius that its thermostat is set to."""
    lists: dict[str, list[str]] = field(default_factory=dict)
    """List -> what is on it, sorted: its order does not count."""
    timers: dict[str, int] = field(default_factory=dict)
    """Timer -> seconds that it was set to."""
    events: dict[str, str] = field(default_factory=dict)
    """Event -> when it begins, such as 2026-11-23T17:00."""
    accounts: dict[str, int] = field(default_factory=dict)
    """Account -> cents."""


@dataclass
class Tool:
    """Something that calls can do to a home; all arguments are required."""

    description: str
    properties: dict[str, Any]
    """Argument -> its JSON schema."""
    run: Callable[..., None]
    """run(home, **arguments) changes the home, or raises ActionError."""


def execute(calls: list[Call], state: str) -> Home:
    """Return the home that calls leave, begun in a state; raise ActionError where one of them can't be carried out."""
    home = read_state(state)
    if len(calls) > STEPS:
        raise ActionError(f"{len(calls)} calls are more than {STEPS}")
    if problem := check(calls, tools()):
        raise ActionError(problem)
    for number, call in enumerate(calls):
        try:
            TOOLS[call["name"]].run(home, **call["arguments"])
        except ActionError as error:
            raise ActionError(f"$[{number}]: {error}") from None
    return home


def ends_in(calls: list[Call], state: str, end: str) -> bool:
    """Say whether calls lead from a state to another; False too where one of them can't be carried out.

    Raise ActionError where `state` or `end` is no state."""
    read_state(state)
    wanted = read_state(end)
    try:
        return execute(calls, state) == wanted
    except ActionError:
        return False


def read_state(text: str) -> Home:
    """Return the home of a state's text; raise ActionError where it is none."""
    if len(text) > SIZE:
        raise ActionError(f"a state of {len(text)} characters is longer than {SIZE}")
    try:
        value = loads(text)
    except ValueError as error:
        raise ActionError(f"this state is no JSON ({error})") from None
    if problem := check_value(value, STATE, "$"):
        raise ActionError(f"this is no state of a home: {problem}")
    home = Home(**value)
    home.lists = {name: sorted(items) for name, items in home.lists.items()}
    return home


def state_text(home: Home) -> str:
    """Return the text of a home's state; what is empty is left out."""
    return canonical({name: value for name, value in asdict(home).items() if value})


@cache
def tools() -> str:
    """Return the column `tools` of records that are carried out here."""
    return canonical([_described(name, tool) for name, tool in TOOLS.items()])


def _described(name: str, tool: Tool) -> dict[str, Any]:
    return {"name": name, "description": tool.description, "parameters": _object(tool.properties)}


def _object(properties: dict[str, Any], required: bool = True) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": sorted(properties)} if required else schema


# The tools


def _known(name: str, names: dict[str, Any], what: str) -> None:
    if name not in names:
        raise ActionError(f"there is no {what} called {name!r}, but {', '.join(sorted(names)) or 'none'}")


def _set_light(home: Home, area: str, brightness: int) -> None:
    _known(area, home.lights, "light")
    home.lights[area] = brightness


def _set_temperature(home: Home, area: str, celsius: float) -> None:
    _known(area, home.temperatures, "thermostat")
    home.temperatures[area] = celsius


def _add_to_list(home: Home, list: str, item: str) -> None:
    _known(list, home.lists, "list")
    home.lists[list] = sorted([*home.lists[list], item])


def _remove_from_list(home: Home, list: str, item: str) -> None:
    _known(list, home.lists, "list")
    _known(item, dict.fromkeys(home.lists[list]), "item")
    home.lists[list].remove(item)


def _set_timer(home: Home, name: str, seconds: int) -> None:
    home.timers[name] = seconds


def _cancel_timer(home: Home, name: str) -> None:
    _known(name, home.timers, "timer")
    del home.timers[name]


def _add_event(home: Home, title: str, start: str) -> None:
    home.events[title] = start


def _remove_event(home: Home, title: str) -> None:
    _known(title, home.events, "event")
    del home.events[title]


def _transfer(home: Home, source: str, target: str, cents: int) -> None:
    _known(source, home.accounts, "account")
    _known(target, home.accounts, "account")
    if cents > home.accounts[source]:
        raise ActionError(f"{source!r} has {home.accounts[source]} cents, not {cents}")
    home.accounts[source] -= cents
    home.accounts[target] += cents


NAME = {"type": "string", "minLength": 1, "maxLength": 200}
BRIGHTNESS = {"type": "integer", "minimum": 0, "maximum": 100}
CELSIUS = {"type": "number", "minimum": 5, "maximum": 35}
SECONDS = {"type": "integer", "minimum": 1, "maximum": 604_800}
START = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d$"}
CENTS = {"type": "integer", "minimum": 0, "maximum": 10**12}

TOOLS = {
    "set_light": Tool("Set how bright an area is lit, 0 is off.", {"area": NAME, "brightness": BRIGHTNESS}, _set_light),
    "set_temperature": Tool("Set the thermostat of an area.", {"area": NAME, "celsius": CELSIUS}, _set_temperature),
    "add_to_list": Tool("Put something on a list.", {"list": NAME, "item": NAME}, _add_to_list),
    "remove_from_list": Tool("Take something off a list.", {"list": NAME, "item": NAME}, _remove_from_list),
    "set_timer": Tool("Set a timer, or set it anew.", {"name": NAME, "seconds": SECONDS}, _set_timer),
    "cancel_timer": Tool("Stop a timer.", {"name": NAME}, _cancel_timer),
    "add_event": Tool("Put an event into the calendar.", {"title": NAME, "start": START}, _add_event),
    "remove_event": Tool("Take an event out of the calendar.", {"title": NAME}, _remove_event),
    "transfer": Tool("Move money between accounts.", {"source": NAME, "target": NAME, "cents": CENTS}, _transfer),
}  # fmt: skip
"""Name -> tool."""


def _table(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": NAME, "additionalProperties": values}


STATE = canonical(
    _object(
        {
            "lights": _table(BRIGHTNESS),
            "temperatures": _table(CELSIUS),
            "lists": _table({"type": "array", "items": NAME}),
            "timers": _table(SECONDS),
            "events": _table(START),
            "accounts": _table(CENTS),
        },
        required=False,
    )
)
"""The JSON schema of a state."""
