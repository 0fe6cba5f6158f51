"""`distributed` on a toy task, in two real processes that talk over gloo: every token has one right tag."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import re
import socket
import traceback
from dataclasses import dataclass
from signal import SIGKILL

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lamcore import Architecture, LamcoreError, Source
from lamcore.data import Data
from lamcore.kinds import Recipe
from lamcore.model import ModelParts, TrainedModel
from lamcore.plugins import Registry
from lamcore.prepare import prepare
from lamcore.run import Run, seed_all
from lamcore_distributed import Distributed, Shard
from lamcore_trainers.supervised import Lora, Optimizer

TOKENS, TAGS = 24, 5


def tags(tokens):
    return tokens * 7 % 11 % TAGS


@dataclass
class Numbers(Source):
    """Records of one to six numbers to train on, 50 to validate."""

    train: int = 300

    def load(self):
        rng = random.Random(5)
        rows = [[rng.randint(1, TOKENS - 1) for _ in range(rng.randint(1, 6))] for _ in range(self.train + 50)]
        records = [{"id": f"r{number}", "tokens": row} for number, row in enumerate(rows)]
        return {"train": records[50:], "validation": records[:50]}


@dataclass
class Tagging(Architecture):
    """Embedding, two layers in a list, linear; all in float64."""

    dropout: float = 0.0
    reads = ("tokens",)
    answers = ()

    def build(self, tokenizer, labels):
        torch.manual_seed(3)
        return Tagger(self.dropout).double()


class Tagger(nn.Module):
    """Token 0 is padding; 15 rows of the output can't be cut into two halves."""

    def __init__(self, dropout):
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, 16)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 15), nn.ReLU(), nn.Dropout(dropout), nn.Linear(15, 16))
            for _ in range(2)
        )
        self.head = nn.Linear(16, TAGS)

    def encode(self, records):
        return [{"tokens": np.array(record["tokens"]), "size": len(record["tokens"])} for record in records]

    def collate(self, examples):
        tokens = [torch.tensor(example["tokens"], dtype=torch.long) for example in examples]
        return {"tokens": nn.utils.rnn.pad_sequence(tokens, batch_first=True)}

    def forward(self, batch):
        tokens = batch["tokens"]
        hidden = self.embedding(tokens)
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        losses = nn.functional.cross_entropy(self.head(hidden).mT, tags(tokens), reduction="none")
        return (losses * (tokens > 0)).sum(1), (tokens > 0).sum(1)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Return a function that opens a run in a folder, as `lam train` does, with a new model."""
    cache = tmp_path_factory.mktemp("cache")

    def open_run(folder, trainer, dropout=0.0, train=300):
        folder.mkdir(exist_ok=True, parents=True)
        recipe = Recipe(Numbers(train), Tagging(dropout), trainer)
        run = Run(folder, recipe, Registry(), torch.device("cpu"))
        run.data = Data(recipe, prepare(recipe, cache), cache)
        parts = ModelParts(recipe.architecture, recipe.preprocessors, recipe.decoding)
        run.trained = TrainedModel(parts, {}, {}, {}, run.device).build()
        run.data.bind(run.model, {}, {})
        return run

    return open_run


def settings(**values):
    base = {"steps": 50, "lr": 0.02, "warmup": 5, "batch_tokens": 60, "accumulation": 2, "validate_every": 20}
    return Distributed(**(base | {"log_every": 1} | values))


def fit(run, before=None):
    """Train, with `before(run, number)` called at the begin of each training pass."""
    passes = itertools.count(1)

    def watch(model, _):
        if model.training:
            before(run, next(passes))

    if before:
        run.model.register_forward_pre_hook(watch)
    seed_all(run.seed)
    run.recipe.trainer.fit(run, run.model, run.data)
    return run


def stop_at(number):
    """Interrupt the first process in the training pass of that number."""

    def before(run, passes):
        if passes == number and os.environ.get("RANK", "0") == "0":
            run.stop("interrupted")

    return before


def fit_in(processes, folder, start, trainer, before=None, **given):
    """Train in so many processes; return what each ended with: "", or its error."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    ends = [context.Pipe(duplex=False) for _ in range(processes)]
    target = lambda rank: _process(rank, processes, port, folder, start, trainer, before, given, ends[rank][1])  # noqa: E731
    running = [context.Process(target=target, args=(rank,)) for rank in range(processes)]
    for one in running:
        one.start()
    for _, theirs in ends:
        theirs.close()
    for one in running:
        one.join()
    return [_told(mine) for mine, _ in ends]


def _told(connection):
    try:
        return connection.recv()
    except EOFError:
        return "killed"


def _process(rank, world, port, folder, start, trainer, before, given, end):
    """Do what torchrun and `lam train` do for one process."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    try:
        place = folder if rank == 0 else folder.with_name(f"{folder.name}-of-process-{rank}")
        run = fit(start(place, trainer, **given), before)
        assert rank == 0 or not [*place.iterdir()]
        finished = rank == 0 and run.stopped != "interrupted"
        end.send("these are not the best weights" if finished and not same(run.model, best(folder)) else "")
    except BaseException as error:
        end.send(str(error) if isinstance(error, LamcoreError) else traceback.format_exc())
    end.close()


def lines(folder):
    """Return the log without what a clock wrote."""
    read = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("time", "tokens_per_second", "seconds_left")} for line in read]


def losses(folder):
    return [line["loss"] for line in lines(folder) if "loss" in line]


def validated(folder):
    return [line["validation"]["loss"] for line in lines(folder) if "validation" in line]


def checkpoints(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def state(folder):
    """Return the newest checkpoint: plain values, and tensors as bytes."""
    newest = max((folder / "checkpoints").glob("step-*"))
    return json.loads((newest / "state.json").read_text())["state"], (newest / "tensors.safetensors").read_bytes()


def contents(checkpoint):
    """Return the files of a checkpoint, and the type and shape of each tensor in it."""
    tensors = load_file(checkpoint / "tensors.safetensors")
    return sorted(file.name for file in checkpoint.iterdir()), {n: (t.dtype, t.shape) for n, t in tensors.items()}


def best(folder):
    return load_file(max((folder / "checkpoints").glob("best-*")) / "model.safetensors")


def same(model, weights):
    return all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


SHARDS = pytest.mark.parametrize("shard", Shard, ids=lambda shard: shard.value)


@SHARDS
def test_two_processes_have_the_losses_of_one_with_the_same_global_batch(tmp_path, start, shard):
    fit(start(tmp_path / "one", settings()))
    assert fit_in(2, tmp_path / "two", start, settings(shard=shard)) == ["", ""]
    assert len(losses(tmp_path / "one")) == 50
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-6)
    assert validated(tmp_path / "two") == pytest.approx(validated(tmp_path / "one"), abs=1e-6)
    one, two = (tmp_path / name / "checkpoints" / "step-00000050" for name in ("one", "two"))
    assert contents(two) == contents(one)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"workers": 2}, r"workers must be 1, not 2: torchrun starts the processes"),
        ({"r_drop": 5.0}, "r_drop is for one process: set it to 0"),
        ({"lora": Lora(rank=4)}, "lora is for one process: set lora.rank to 0"),
        ({"shard": Shard.full, "ema": 0.9}, "shard=full knows optimizer=adamw and no ema"),
        ({"shard": Shard.full, "optimizer": Optimizer.muon}, "shard=full knows optimizer=adamw and no ema"),
    ],
)
def test_settings_that_don_t_fit_several_processes_are_refused(values, told):
    with pytest.raises(ValueError, match=told):
        settings(**values)


def test_without_torchrun_it_trains_in_one_process_and_says_how_to_start_two(tmp_path, start, caplog):
    with caplog.at_level("INFO", logger="lamcore"):
        fit(start(tmp_path, settings(steps=2)))
    assert caplog.messages[0].startswith("trainer=distributed runs in one process; `torchrun --nproc-per-node=2")
    assert len(losses(tmp_path)) == 2


def test_batches_that_can_t_be_shared_evenly_are_refused_in_one_line(tmp_path, start, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(
        LamcoreError, match="accumulation=3 batches can't be shared evenly among 2 processes: set it to 2"
    ):
        fit(start(tmp_path, settings(accumulation=3)))


def test_recomputed_layers_give_the_same_losses(tmp_path, start):
    fit(start(tmp_path / "kept", settings(steps=5)))
    fit(start(tmp_path / "again", settings(steps=5, recompute=True)))
    assert losses(tmp_path / "again") == losses(tmp_path / "kept")


# ---- the long form


@pytest.mark.full
@SHARDS
def test_a_run_of_two_processes_goes_on_in_one_and_then_in_two(tmp_path, start, shard):
    fit(start(tmp_path / "whole", settings()))
    assert fit_in(2, tmp_path / "parts", start, settings(shard=shard), stop_at(13)) == ["", ""]
    assert checkpoints(tmp_path / "parts") == ["step-00000013"]
    fit(start(tmp_path / "parts", settings(shard=shard)), stop_at(2 * 19))
    assert checkpoints(tmp_path / "parts")[1:] == ["step-00000020", "step-00000032"]
    assert fit_in(2, tmp_path / "parts", start, settings(shard=shard)) == ["", ""]
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), abs=1e-6)
    assert validated(tmp_path / "parts") == pytest.approx(validated(tmp_path / "whole"), abs=1e-6)


@pytest.mark.full
@SHARDS
def test_a_run_that_two_processes_go_on_with_equals_an_uninterrupted_one_bit_for_bit(tmp_path, start, shard):
    trainer = settings(shard=shard, accumulation=4, average=2, recompute=True)
    assert fit_in(2, tmp_path / "whole", start, trainer, dropout=0.3) == ["", ""]
    for passes in (2 * 7, 2 * 13 - 1, 2 * 11):
        assert fit_in(2, tmp_path / "parts", start, trainer, stop_at(passes), dropout=0.3) == ["", ""]
    assert fit_in(2, tmp_path / "parts", start, trainer, dropout=0.3) == ["", ""]
    assert state(tmp_path / "parts") == state(tmp_path / "whole")
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")


@pytest.mark.full
@pytest.mark.parametrize(
    "values",
    [
        {"accumulation": 6, "ema": 0.9, "average": 2},
        {"accumulation": 3, "optimizer": Optimizer.muon},
        {"accumulation": 3, "only": ["layers.1", "head"]},
        {"accumulation": 3, "only": ["layers.1", "head"], "shard": Shard.full, "average": 2},
    ],
)
def test_three_processes_make_the_updates_of_one_with_any_setting(tmp_path, start, values):
    one = fit(start(tmp_path / "one", settings(**values)))
    assert fit_in(3, tmp_path / "three", start, settings(**values)) == [""] * 3
    assert losses(tmp_path / "three") == pytest.approx(losses(tmp_path / "one"), abs=1e-6)
    assert validated(tmp_path / "three") == pytest.approx(validated(tmp_path / "one"), abs=1e-6)
    for name, weight in best(tmp_path / "three").items():
        torch.testing.assert_close(weight, best(tmp_path / "one")[name], rtol=0, atol=1e-6)
    assert one.stopped == "steps"


@pytest.mark.full
def test_each_process_draws_other_dropout(tmp_path, start):
    """Both read the same record again and again: with the same masks they would have the same losses."""
    trainer = settings(steps=3, batch_tokens=1, lr=1e-12)
    assert fit_in(2, tmp_path / "two", start, trainer, keep_masks, dropout=0.5, train=1) == ["", ""]
    masks = [json.loads(file.read_text()) for file in sorted(tmp_path.glob("masks-*"))]
    assert len(masks) == 2
    assert len({json.dumps(mask) for process in masks for mask in process}) == 6


def keep_masks(run, passes):
    """Write down what a process would draw next, pass by pass."""
    file = run.folder.parent / f"masks-{os.environ['RANK']}"
    before = json.loads(file.read_text()) if file.exists() else []
    with torch.random.fork_rng():
        file.write_text(json.dumps([*before, torch.rand(4).tolist()]))


@pytest.mark.full
def test_minutes_become_the_same_number_of_updates_in_all_processes(tmp_path, start):
    assert fit_in(2, tmp_path / "two", start, settings(steps=0, minutes=0.02, validate_every=30)) == ["", ""]
    progress = state(tmp_path / "two")[0]["progress"]
    assert progress["planned"] >= 50 and progress["step"] == progress["total"] == len(losses(tmp_path / "two"))


@pytest.mark.full
@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_that_is_killed_ends_the_run_with_one_line_and_the_last_checkpoint_is_good(tmp_path, start, killed):
    def kill(run, passes):
        if passes == 30 and os.environ["RANK"] == str(killed):
            os.kill(os.getpid(), SIGKILL)

    told = fit_in(2, tmp_path / "parts", start, settings(), kill)
    assert told[killed] == "killed"
    line = "Another process of this training has ended, or can't be reached. The last checkpoint is good: "
    assert told[1 - killed].startswith(line if killed else "")
    assert "\n" not in told[1 - killed]
    assert checkpoints(tmp_path / "parts") == ["best-00000020", "step-00000020"]
    assert fit_in(2, tmp_path / "parts", start, settings()) == ["", ""]
    assert fit_in(2, tmp_path / "whole", start, settings()) == ["", ""]
    assert state(tmp_path / "parts") == state(tmp_path / "whole")
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")


@pytest.mark.full
def test_a_loss_that_is_no_number_in_one_process_is_said_once_with_its_records(tmp_path, start):
    def spoil(run, passes):
        if passes == 30 and os.environ["RANK"] == "1":
            run.model.head.bias.data.fill_(torch.nan)

    first, other = fit_in(2, tmp_path / "two", start, settings(), spoil)
    assert re.match(r"Update 30: the loss is nan, at records r\d+, r\d+", first)
    assert other == ""
    assert checkpoints(tmp_path / "two") == ["best-00000020", "step-00000020"]


@pytest.mark.full
def test_what_fails_in_one_process_alone_is_said_by_it(tmp_path, start):
    def fail(run, passes):
        if passes == 3 and os.environ["RANK"] == "1":
            raise LamcoreError("This record is wrong.")

    first, other = fit_in(2, tmp_path / "two", start, settings(), fail)
    assert first.startswith("Another process of this training has ended")
    assert other == "This record is wrong."


@pytest.mark.full
def test_too_little_memory_in_one_process_says_what_makes_the_same_update_in_smaller_pieces(tmp_path, start):
    def fail(run, passes):
        if passes == 3 and os.environ["RANK"] == "1":
            raise MemoryError

    first, other = fit_in(2, tmp_path / "two", start, settings(accumulation=4), fail)
    assert first.startswith("Another process of this training has ended")
    assert other.startswith("Process 1: Memory was too small for a batch of 60 tokens")
    assert "set trainer.batch_tokens to 30 and trainer.accumulation to 8" in other


@pytest.mark.full
def test_processes_with_other_data_refuse_to_train(tmp_path, start):
    def open_run(folder, trainer):
        return start(folder, trainer, train=200 if os.environ["RANK"] == "1" else 300)

    first, other = fit_in(2, tmp_path / "two", open_run, settings())
    assert first.startswith("Processes have different train data")
    assert other == ""
