"""A11 and A12: a number that is not finite, and memory that is short, stop a run and leave its checkpoints good."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
import resource
from pathlib import Path

import pytest
import torch
from harness import EVERY, STEPS, Child, LettersModel, Overlap, as_lam, config, finish, go, log_lines
from safetensors.torch import load_file

from lamcore import commands
from lamcore.data import Data
from lamcore.errors import BAD_INPUT, NO_ROOM, NUMERICAL_STOP
from lamcore_trainers import Supervised

SEED = 11
VALUES = [math.nan, math.inf, -math.inf]
PLACES = ["input", "loss", "gradient", "weight", "metric"]


def at_training(do):
    """Have this process call do(run, model, data) when training begins: the rehearsal is over then."""
    fit = Supervised.fit

    def begun(trainer, run, model, data):
        do(run, model, data)
        fit(trainer, run, model, data)

    Supervised.fit = begun


def planted(names):
    print("planted at", *names, flush=True)


def every_batch(see):
    """Have this process call see(step, batch, data) with each training batch."""
    batches = Data.train_batches

    def seen(data, tokens, start=0, **rest):
        for number, (epoch, batch) in enumerate(batches(data, tokens, start, **rest), start + 1):
            see(number, batch, data)
            yield epoch, batch

    Data.train_batches = seen


def plant(place, step, value, seed):
    """Have this process find a number that is not finite in one place at one step."""
    rng = random.Random(seed)

    def on_batch(number, batch, data):
        batch["scale"] = torch.ones(len(batch["rows"]))
        row = rng.randrange(len(batch["rows"]))
        if number == step and place in ("input", "loss"):
            batch["scale" if place == "input" else "spoil"] = torch.ones(len(batch["rows"])).index_fill(
                0, torch.tensor([row]), value
            )
            planted(data.names({"rows": batch["rows"][[row]]}))
        elif number == step and place != "metric":
            planted(data.names(batch))

    def arm(run, model, data):
        calls, forward, logits = itertools.count(1), model.forward, model.logits
        weight = rng.choice(list(model.parameters()))
        element = rng.randrange(weight.numel())

        def spoiled(batch):
            at = next(calls) if model.training else 0
            if place == "weight" and at == step:
                with torch.no_grad():
                    weight.view(-1)[element] = value
            losses, counts = forward(batch)
            return losses * batch.get("spoil", 1.0), counts

        def hook(gradient):
            if at_update(run) == step:
                gradient = gradient.clone()
                gradient.view(-1)[element] = value
            return gradient

        def at_update(run):
            return next(updates)

        updates = itertools.count(1)
        model.forward = spoiled
        model.logits = lambda batch: logits(batch) * batch.get("scale", torch.ones(1)).view(-1, 1, 1)
        if place == "gradient":
            weight.register_hook(hook)

    if place == "metric":
        plant_metric(step, value, rng)
    else:
        every_batch(on_batch)
        at_training(arm)


def plant_metric(step, value, rng):
    count, validate, now = Overlap.count, commands.Run.validate, []
    name = f"validation-{rng.randrange(8)}"

    def counted(metric, answer, record):
        found = count(metric, answer, record)
        return found | {"same": value} if now == [step] and record["id"] == name else found

    def validated(run, step):
        now[:] = [step]
        return validate(run, step)

    Overlap.count, commands.Run.validate = counted, validated
    planted([name])


def committed(folder: Path) -> int:
    """Return how many files of tensors a run has committed, after looking for numbers that are not finite."""
    files = list(folder.rglob("*.safetensors"))
    for path in files:
        for name, tensor in load_file(path).items():
            assert not tensor.is_floating_point() or tensor.isfinite().all(), f"{path}: {name}"
    return len(files)


def strict(folder: Path) -> int:
    """Return how many JSON texts there are, after reading each as JSON without NaN."""

    def refuse(word):
        raise AssertionError(f"{word} in JSON")

    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*.json")]
    texts += [line for path in folder.rglob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    for text in texts:
        json.loads(text, parse_constant=refuse)
    return len(texts)


def check_planted(bench, steps):
    tensors = texts = 0
    cases = list(itertools.product(PLACES, steps))
    for number, (place, step) in enumerate(cases):
        folder = bench.new()
        values = config(bench.home / "cache", validate_every=1) if place == "metric" else bench.values
        value = VALUES[number % 3]
        child = Child(
            lambda: (plant(place, step, value, SEED + number), as_lam(lambda: go(folder, values))),  # noqa: B023
            folder.with_suffix(".said"),
        )
        code, said = child.wait(), child.said.splitlines()
        assert code == NUMERICAL_STOP, f"{place} {value} at {step}: {said}"
        names, line = next(one for one in said if one.startswith("planted")).split()[2:], said[-1]
        assert (f"Update {step}: " if place != "metric" else f"Validation at step {step}: ") in line
        named = re.findall(r"(?:train|validation)-\d+", line)
        assert named and {*named} <= {*names}, f"{place} at {step}: {line} names others than {names}"
        if place != "weight":  # which may spoil the losses of some records only
            assert all(name in named for name in names[:5]), f"{place} at {step}: {line} names not all of {names}"
        done = [entry["step"] for entry in log_lines(folder) if "loss" in entry] if step > 1 else []
        assert done[-1:] in ([step - 1], [step] if place == "metric" else [], [] if step == 1 else None)
        tensors, texts = tensors + committed(folder), texts + strict(folder)
        if place != "metric":
            finish(folder, bench.values)
            bench.same(folder)
    print(
        f"A11: {len(cases)} of {len(cases)} planted numbers ({len(PLACES)} places x {len(steps)} steps) ended with 3 in"
    )
    print(f"   the same step and named it and its records; no nan in {tensors} files of tensors, {texts} JSON texts;")
    print(f"   without the planted number the runs went on to the bitwise same end (seed {SEED})")


def test_a_number_that_is_not_finite_stops_in_its_step_and_is_never_saved(bench):
    check_planted(bench, [1, 7])


@pytest.mark.full
@pytest.mark.timeout(600)
def test_forty_numbers_that_are_not_finite_stop_in_their_step_and_are_never_saved(bench):
    check_planted(bench, [1, 2, 3, 5, 6, 8, 11, 12])


# ---- memory


def address_space():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def leave(megabytes):
    """Let this process have only so much more memory."""
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + megabytes * 2**20, resource.RLIM_INFINITY))


def take(place, step):
    """Have this process run out of memory at a step: it asks the system for more than it may have."""

    def arm(run, model, data):
        calls, forward = itertools.count(1), model.forward

        def hungry(batch):
            at = next(calls) if model.training else 0
            losses, counts = forward(batch)
            if at == step and place == "forward":
                leave(32)
                losses = losses + torch.ones(len(losses), 2**24).sum(1)
            if at == step and place == "backward":
                losses.register_hook(lambda gradient: (leave(32), gradient + torch.ones(2**25).sum())[1])
            if not model.training and place == "validation" and run.ready_to_fail:
                leave(32)
                losses = losses + torch.ones(len(losses), 2**24).sum(1)
            return losses, counts

        model.forward = hungry

    def saved(run, at, state, scores=None):
        if place == "save" and at == step:
            state = {**state, "ballast": torch.ones(2**24)}
            leave(48)
        checkpoint(run, at, state, scores)

    def validated(run, at):
        run.ready_to_fail = at == step
        return validate(run, at)

    checkpoint, validate = commands.Run.checkpoint, commands.Run.validate
    commands.Run.checkpoint, commands.Run.validate = saved, validated
    at_training(arm)


HUNGRY = [
    *(("forward", step) for step in (1, 3, 8, STEPS)),
    *(("backward", step) for step in (2, 5)),
    *(("validation", step) for step in (EVERY, 6)),
    *(("save", step) for step in (EVERY, STEPS)),
]


def test_memory_that_is_short_ends_with_six_and_leaves_the_last_checkpoint(bench):
    for place, step in HUNGRY:
        folder = bench.new()
        child = Child(
            lambda: (take(place, step), as_lam(lambda: go(folder, bench.values))),  # noqa: B023
            folder.with_suffix(".said"),
        )
        code, said = child.wait(), child.said.splitlines()
        assert code == NO_ROOM, f"{place} at {step}: {said}"
        assert len(said) == 1 and "set trainer.batch_tokens to 100" in said[0]
        committed(folder)
        finish(folder, bench.values)
        bench.same(folder)
    print(
        f"A12: {len(HUNGRY)} of {len(HUNGRY)} failed allocations in forward, backward, validation and save ended with 6"
    )
    print("   named a smaller batch, and went on to the bitwise same end")


def test_a_rehearsal_without_memory_ends_with_six_before_the_first_step(bench):
    folder, forward = bench.new(), LettersModel.forward

    def hungry(model, batch):
        leave(32)
        return forward(model, batch)[0] + torch.ones(2**25).sum(), None

    def spoil():
        LettersModel.forward = hungry

    child = Child(lambda: (spoil(), as_lam(lambda: go(folder, bench.values))), folder.with_suffix(".said"))
    assert child.wait() == NO_ROOM, child.said
    assert child.said == "lam: Out of memory: lower trainer.batch_tokens or decoding.batch_tokens.\n"
    assert not (folder / "checkpoints").exists()


def test_a_gpu_that_is_not_there_ends_with_two_before_data_are_read(bench):
    folder, cache = bench.new(), bench.home / "untouched"
    values = {**bench.values, "device": "cuda:77", "cache": str(cache)}
    child = Child(lambda: as_lam(lambda: go(folder, values)), bench.home / "gpu.said")
    assert child.wait() == BAD_INPUT
    assert child.said.startswith("lam: device=cuda:77 can't be used here: ")
    assert len(child.said.splitlines()) == 1 and not folder.exists() and not cache.exists()
    print("A12: a GPU that is not there ended with 2 before any data were read")
