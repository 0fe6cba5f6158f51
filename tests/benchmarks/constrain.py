"""Time of the masks that hold an answer to its tools, a token, on one core: `lamcore-constrain` without a model.

    OMP_NUM_THREADS=1 taskset -c 0 python tests/benchmarks/constrain.py [--records 256] [--size 8000] [--limit 256]

Calls of eleven tools of a home are written token by token as a trained model would write them, and `Allowed` is asked
before each token, for one record at a time, for batches of 32, and with a beam of 5 (its rows all go the same way).
Then so is a model that writes at random, which goes on up to the limit and has to be led to an end there. A second run
has one set of tools for each record: what a new grammar costs. The texts are made here; nothing is read.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from typing import Any

import torch

from lamcore.decode import search
from lamcore.kinds import Decoding, Subwords, TokenizerPlan
from lamcore.tokenizer import Tokenizer, learn
from lamcore_constrain import tools

PLACES = "kitchen bathroom bedroom hall garage garden attic office cellar balcony nursery porch".split()
NAMES = "TurnOn TurnOff Toggle SetPosition LightSet ClimateSet VacuumStart MediaPause MediaNext Lock GetState".split()


def tool(name: str, rng: random.Random) -> dict[str, Any]:
    """Return a tool with a required place and some optional arguments."""
    text, share = {"type": "string"}, {"type": "integer", "minimum": 0, "maximum": 100}
    more = {"name": text, "brightness": share, "color": {"enum": ["red", "green", "blue"]}, "position": share}
    kept = {key: value for key, value in more.items() if rng.random() < 0.6}
    area = {"type": "string", "enum": PLACES} if rng.random() < 0.5 else text
    schema = {"type": "object", "properties": {"area": area, **kept}, "required": ["area"]}
    return {"name": f"Home{name}", "description": f"{name}.", "parameters": schema}


def call(made: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return a valid call of a tool."""
    found = {}
    for key, schema in sorted(made["parameters"]["properties"].items()):
        if key == "area" or rng.random() < 0.4:
            words = [rng.choice(PLACES), f"the {rng.choice(PLACES)} lamp"]
            options = schema.get("enum") or ([rng.randint(0, 100)] if schema["type"] == "integer" else words)
            found[key] = rng.choice(options)
    return {"name": made["name"], "arguments": found}


def written(rule: Any, ids: torch.Tensor, rows: int) -> tuple[float, int]:
    """Return seconds and tokens of asking before each token of answers (R, T), -1 where one is over, the end too."""
    asked = []
    for length in range(int((ids >= 0).sum(1).max()) + 1):
        going = ((ids >= 0).sum(1) >= length).nonzero()[:, 0].repeat_interleave(rows)
        asked.append((going, ids[going, :length]))
    start = time.perf_counter()
    masks = [rule(going, before) for going, before in asked]
    spent = time.perf_counter() - start
    for length, mask in enumerate(masks[:-1]):
        after = ids[asked[length][0], length]
        assert mask[after >= 0].gather(1, after[after >= 0][:, None]).all(), "a valid token was refused"
    return spent, sum(len(going) for going, _ in asked)


class AtRandom:
    """A model that writes at random."""

    def __init__(self, size: int):
        self.size, self.chance = size, torch.Generator().manual_seed(1)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        return 3 * torch.randn(len(tokens), self.size, generator=self.chance)

    def select(self, rows: torch.Tensor, records: torch.Tensor | None) -> None:
        pass


class Timed:
    """A rule that counts how long it takes."""

    def __init__(self, rule: Any):
        self.rule, self.spent, self.tokens = rule, 0.0, 0

    def __call__(self, records: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        start = time.perf_counter()
        mask: torch.Tensor = self.rule(records, ids)
        self.spent += time.perf_counter() - start
        self.tokens += len(ids)
        return mask


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--records", type=int, default=256)
    asked.add_argument("--size", type=int, default=8000)
    asked.add_argument("--limit", type=int, default=256)
    asked.add_argument("--rounds", type=int, default=5)
    given, rng = asked.parse_args(), random.Random(1)
    torch.set_num_threads(1)
    home = [tool(name, rng) for name in NAMES]
    answers = [
        json.dumps([call(rng.choice(home), rng) for _ in range(rng.choice([0, 1, 1, 1, 2]))])
        for _ in range(given.records)
    ]
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(6000)]
    cut: Tokenizer = learn(TokenizerPlan(kind=Subwords.byte_bpe, size=given.size), {"target": [*answers, *words]})[
        "target"
    ]
    ids = cut.encode(answers)
    longest = max(map(len, ids))
    table = torch.tensor([one + [-1] * (longest - len(one)) for one in ids])
    records = [{"id": str(n), "tools": json.dumps(home)} for n in range(given.records)]
    limits = torch.full((given.records,), given.limit)
    start = time.perf_counter()
    tools("", records[:1], cut, limits[:1])
    print(f"vocabulary {cut.size}, {sum(map(len, ids)) / len(ids):.1f} tokens an answer, limit {given.limit}")
    print(f"vocabulary and first grammar: {1e3 * (time.perf_counter() - start):.1f} ms")
    for what, batch, rows in (("one by one", 1, 1), ("batches of 32", 32, 1), ("batches of 32, beam 5", 32, 5)):
        figures = []
        for _ in range(given.rounds):
            parts = [slice(n, n + batch) for n in range(0, given.records, batch)]
            pairs = [written(tools("", records[p], cut, limits[p]), table[p], rows) for p in parts]
            figures.append(1e3 * sum(spent for spent, _ in pairs) / sum(tokens for _, tokens in pairs))
        print(
            f"{what}: {statistics.median(figures):.4f} ms a token (least {min(figures):.4f}, most {max(figures):.4f})"
        )
    rule = Timed(tools("", records[:64], cut, limits[:64]))
    search(AtRandom(cut.size), limits[:64], Decoding(), allowed=rule)
    print(f"a model that writes at random: {1e3 * rule.spent / rule.tokens:.4f} ms a token ({rule.tokens} tokens)")
    own = [{"id": "", "tools": json.dumps([tool(f"{name}{n}", rng) for name in NAMES[:3]])} for n in range(100)]
    start = time.perf_counter()
    tools("", own, cut, limits[:1].expand(100))
    print(f"a new grammar of three tools: {10 * (time.perf_counter() - start):.2f} ms")


if __name__ == "__main__":
    main()
