"""Agreement of `call_match.mode=bfcl` with the AST checker of bfcl-eval, answer by answer.

    python tests/benchmarks/call_match.py --data DIR --bfcl PYTHON [--mutants 1000] [--seed 1]

DIR holds BFCL's questions (CATEGORY.jsonl.gz: id, category, functions, answers). PYTHON is that of an environment with
bfcl-eval 2026.3.23; `pip install --no-deps bfcl-eval==2026.3.23 filelock python-dotenv` is enough. Tried are the gold
answer of every question, one with every value that is allowed, and mutants of them: types, arguments, values and calls
changed, other tools, no call, and text that is no call. What bfcl-eval raises an error at, it can't take for right.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import random
import subprocess
import sys
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Call = dict[str, Any]
MALFORMED = ["", "Sorry, I can't.", '[{"name": "f", "arguments": {}', '[{"name": "f"}]', '{"f": {}}', "f(x=1)", "null"]


def serve() -> None:
    """Judge the answers on standard input with bfcl-eval."""
    models = types.ModuleType("bfcl_eval.constants.model_config")  # the real one imports the client of every vendor
    keeps_dots = types.SimpleNamespace(underscore_to_dot=False)
    models.MODEL_CONFIG_MAPPING = defaultdict(lambda: keeps_dots)  # type: ignore[attr-defined]
    sys.modules[models.__name__] = models
    from bfcl_eval.constants.enums import Language
    from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker
    from bfcl_eval.utils import is_empty_output, is_java, is_js

    for line in sys.stdin:
        functions, calls, answers, category = json.loads(line)
        language = Language.JAVA if is_java(category) else Language.JAVASCRIPT if is_js(category) else Language.PYTHON
        if "relevance" in category:
            verdict = is_empty_output(calls) if "irrelevance" in category else not is_empty_output(calls)
        else:
            try:
                verdict = ast_checker(functions, calls, answers, language, category, "any")["valid"]
            except Exception as error:
                verdict = f"{type(error).__name__}: {error}"
        print(json.dumps(verdict), flush=True)


# Gold answers ----------------------------------------------------------------------------------------------------


def golds(record: dict[str, Any]) -> Iterator[list[Call]]:
    """Give right answers: the first value allowed of each argument, then the second, as long as there is another."""
    if record["category"] == "live_relevance":  # any call is right
        yield [{"name": record["functions"][0]["name"], "arguments": {}}]
        return
    most = max((len(values) for one in record["answers"] for v in one.values() for values in v.values()), default=1)
    for turn in range(most):
        calls = []
        for one in record["answers"]:
            ((name, allowed),) = one.items()
            calls.append({"name": name, "arguments": arguments(record, name, allowed, turn)})
        yield calls


def arguments(record: dict[str, Any], name: str, allowed: dict[str, list[Any]], turn: int) -> dict[str, Any]:
    """Return an argument's value number `turn`, or its last; "" leaves it out where it may be."""
    parameters = next(one["parameters"] for one in record["functions"] if one["name"] == name)
    chosen = {}
    for key, values in allowed.items():
        needed = [[]] if parameters["properties"][key]["type"] == "array" else [""]
        there = [value for value in values if value != ""] or (needed if key in parameters["required"] else [])
        if there and not ("" in values and turn % 2 and key not in parameters["required"]):
            value = plain(there[min(turn, len(there) - 1)], turn)
            chosen[key] = written(value, parameters["properties"][key], record["category"])
    return chosen


def plain(value: Any, turn: int) -> Any:
    """Return a value with one of the values allowed for each key of its objects."""
    if isinstance(value, dict):
        return {key: options[min(turn, len(options) - 1)] for key, options in value.items() if "" not in options}
    return [plain(item, turn) for item in value] if isinstance(value, list) else value


def written(value: Any, schema: dict[str, Any], category: str) -> Any:
    """Return a value as BFCL's decoders hand it on: in Java and JavaScript as the text of a literal."""
    if "java" not in category:
        return value
    kind, item = schema["type"], schema.get("items", {}).get("type", "")
    if isinstance(value, str):
        return f'"{value}"' if kind == "String" and "script" in category else value
    if isinstance(value, list) and kind == "ArrayList":
        items = ",".join(f'"{one}"' if item == "String" else literal(one, item) for one in value)
        return f"new ArrayList<>(Arrays.asList({items}))"
    if isinstance(value, list) and kind == "Array":
        return f"new String[]{{{','.join(literal(one, item) for one in value)}}}"
    if isinstance(value, dict) and kind == "HashMap":
        puts = " ".join(f'put("{key}", {json.dumps(one)});' for key, one in value.items())
        return f"new HashMap<String, Object>() {{{{ {puts} }}}}"
    return literal(value, kind)


def literal(value: Any, kind: str) -> str:
    """Return a value as text."""
    return value if isinstance(value, str) else json.dumps(value) + {"long": "L", "float_": "f"}.get(kind, "")


# Mutants ---------------------------------------------------------------------------------------------------------


def changed_type(value: Any, rng: random.Random) -> Any:
    """Return a value of another type, often one that looks the same."""
    if isinstance(value, bool):
        return rng.choice([str(value), int(value), str(value).lower()])
    if isinstance(value, (int, float)):
        return rng.choice([float(value), int(value), str(value), [value], bool(value)])
    if isinstance(value, str):
        return rng.choice([[value], {"value": value}, 1, True, None, f'"{value}"'])
    return rng.choice([json.dumps(value), list(value or []), {"value": value}, "None", 1])


def changed_value(value: Any, rng: random.Random) -> Any:
    """Return another value of the same type; of a text often one that is to be taken for the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + rng.choice([1, -1, 0.5, 1e-9])
    if isinstance(value, str):
        ways = [str.upper, str.title, lambda t: t.replace(" ", ""), lambda t: f"{t}.", lambda t: f"'{t}'"]
        ways += [lambda t: t.replace(",", " -"), lambda t: "", lambda t: f"{t}x", lambda t: t.replace('"', "'")]
        ways += [lambda t: t[1:], lambda t: t[:-1]]
        return rng.choice(ways)(value)
    if isinstance(value, list):
        at = rng.randrange(len(value)) if value else 0
        change = rng.choice([changed_value, changed_type])
        ways = [lambda v: v[::-1], lambda v: [*v, *v[:1]], lambda v: v[1:], lambda v: []]
        ways += [lambda v: [*v[:at], change(v[at], rng), *v[at + 1 :]]] if value else []
        return rng.choice(ways)(value)
    if isinstance(value, dict) and value:
        key = rng.choice(sorted(value))
        rest = {name: one for name, one in value.items() if name != key}
        inside = rng.choice([changed_value, changed_type])(value[key], rng)
        return rng.choice([rest, {**rest, f"{key}_": value[key]}, {**value, key: inside}, {**value, "more": 1}, {}])
    return {"more": 1}


def on_argument(change: Callable[[dict[str, Any], str, random.Random], None]) -> Callable[..., Any]:
    """Turn a change of one argument into a change of calls; None where there is no argument."""

    def mutate(calls: list[Call], record: dict[str, Any], rng: random.Random) -> list[Call] | None:
        there = [call for call in calls if call["arguments"]]
        if not there:
            return None
        call = rng.choice(there)
        change(call["arguments"], rng.choice(sorted(call["arguments"])), rng)
        return calls

    return mutate


def retyped(given: dict[str, Any], key: str, rng: random.Random) -> None:
    """Change an argument's type."""
    given[key] = changed_type(given[key], rng)


def revalued(given: dict[str, Any], key: str, rng: random.Random) -> None:
    """Change an argument's value."""
    given[key] = changed_value(given[key], rng)


def renamed(given: dict[str, Any], key: str, rng: random.Random) -> None:
    """Rename an argument."""
    given[f"{key}_"] = given.pop(key)


def dropped(given: dict[str, Any], key: str, rng: random.Random) -> None:
    """Leave an argument out."""
    del given[key]


def added(calls: list[Call], record: dict[str, Any], rng: random.Random) -> list[Call] | None:
    """Give an argument more: one that the function has, or not."""
    if calls:
        call = rng.choice(calls)
        parameters = next(one["parameters"] for one in record["functions"] if one["name"] == call["name"])
        name = rng.choice([*parameters["properties"], "more"])
        call["arguments"].setdefault(name, rng.choice(["", "x", 1, 0.0, True, None, [], {}]))
    return calls or None


def swapped(calls: list[Call], record: dict[str, Any], rng: random.Random) -> list[Call] | None:
    """Shuffle the calls, and at times exchange the arguments of two."""
    rng.shuffle(calls)
    if len(calls) > 1 and rng.random() < 0.3:
        calls[0]["arguments"], calls[1]["arguments"] = calls[1]["arguments"], calls[0]["arguments"]
    return calls if len(calls) > 1 else None


def dropped_call(calls: list[Call], record: dict[str, Any], rng: random.Random) -> list[Call] | None:
    """Leave a call out."""
    return calls[1:] if calls else None


def doubled(calls: list[Call], record: dict[str, Any], rng: random.Random) -> list[Call] | None:
    """Make a call twice, in place of another or beside it."""
    return [*calls[: rng.choice([len(calls), -1])], copy.deepcopy(calls[0])] if calls else None


def other_tool(calls: list[Call], record: dict[str, Any], rng: random.Random) -> list[Call]:
    """Call another tool: one that there is, or not; something where nothing was to be called."""
    names = [*(one["name"] for one in record["functions"]), "other", record["functions"][0]["name"].replace(".", "_")]
    if not calls:
        return [{"name": rng.choice(names), "arguments": {}}]
    rng.choice(calls)["name"] = rng.choice(names)
    return calls


def malformed(calls: list[Call], record: dict[str, Any], rng: random.Random) -> str:
    """Write no call."""
    return rng.choice(MALFORMED)


MUTATIONS: dict[str, Callable[..., Any]] = {
    "type changed": on_argument(retyped),
    "value changed": on_argument(revalued),
    "argument renamed": on_argument(renamed),
    "argument dropped": on_argument(dropped),
    "argument added": added,
    "calls swapped": swapped,
    "call dropped": dropped_call,
    "call doubled": doubled,
    "other tool": other_tool,
    "malformed": malformed,
}


# Both judges -----------------------------------------------------------------------------------------------------


class Bfcl:
    """A process of bfcl-eval."""

    def __init__(self, python: str):
        command = [python, str(Path(__file__).absolute()), "--serve"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def judge(self, record: dict[str, Any], calls: list[Call]) -> bool | str:
        """Say whether calls are right, or which error was raised."""
        assert self.process.stdin and self.process.stdout
        decoded = [{call["name"]: call["arguments"]} for call in calls]
        question = [record["functions"], decoded, record["answers"], record["category"]]
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def outcome(record: dict[str, Any], answer: str) -> str:
    """Return what `call_match` says of an answer."""
    from lamcore_action_metrics import CallMatch, Mode

    columns = {"calls": "[]", "domain": record["category"]}
    columns |= {"allowed": json.dumps(record["answers"]), "tools": json.dumps(record["functions"])}
    counts = CallMatch(mode=Mode.bfcl).count({"calls": answer}, {"id": record["id"], **columns})
    return next(name for name in counts if name != "all")


def cases(records: list[dict[str, Any]], number: int, rng: random.Random) -> Iterator[tuple[str, Any, Any]]:
    """Give (how it was made, record, calls or a text that is none)."""
    for record in records:
        first, *others = golds(record)
        yield "gold", record, first
        yield from (("other gold", record, calls) for calls in others)
    groups = [records, [record for record in records if "java" in record["category"]]]  # few, with rules of their own
    names, made = list(MUTATIONS), 0
    while made < number:
        record = rng.choice(groups[rng.random() < 0.3])
        start = rng.choice(list(golds(record)))
        name = names[made % len(names)]
        mutant = MUTATIONS[name](copy.deepcopy(start), record, rng)
        if mutant is not None and json.dumps(mutant) != json.dumps(start):
            yield name, record, mutant
            made += 1


def main(data: Path, python: str, mutants: int, seed: int) -> int:
    """Compare, print a table, and return how many verdicts differ."""
    texts = [gzip.decompress(file.read_bytes()).decode() for file in sorted(data.glob("*.jsonl.gz"))]
    records = [json.loads(line) for text in texts for line in text.split("\n") if line]
    theirs, counted, differ = Bfcl(python), defaultdict(Counter), 0
    for made, record, calls in cases(records, mutants, random.Random(seed)):
        said = outcome(record, calls if isinstance(calls, str) else json.dumps(calls))
        if isinstance(calls, str):  # bfcl-eval calls its checker for what its decoder reads, only
            verdict: bool | str = "irrelevance" in record["category"]
            counted[made]["taken for a right refusal by bfcl-eval alone"] += verdict
            agree = said == "malformed"
        else:
            verdict = theirs.judge(record, calls)
            counted[made]["bfcl-eval raised"] += isinstance(verdict, str)
            agree = (said == "right") == (verdict is True)
        counted[made].update(answers=1, agree=agree, right=verdict is True)
        differ += not agree
        if not agree:
            print(f"{record['id']} ({made}): bfcl-eval {verdict}, call_match {said}: {calls}"[:400])
    theirs.process.communicate()
    for made, counts in counted.items():
        notes = "".join(f"; {number} {what}" for what, number in counts.items() if number and " " in what)
        agree = f"{counts['agree']:5} of {counts['answers']:5} agree"
        print(f"{made:18} {agree}; bfcl-eval takes {counts['right']} for right{notes}")
    print(f"{differ} differ: {len(records)} questions, {mutants} mutants, seed {seed}")
    return differ


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve()
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--data", type=Path, required=True)
        parser.add_argument("--bfcl", required=True)
        parser.add_argument("--mutants", type=int, default=1000)
        parser.add_argument("--seed", type=int, default=1)
        options = parser.parse_args()
        sys.exit(bool(main(options.data, options.bfcl, options.mutants, options.seed)))
