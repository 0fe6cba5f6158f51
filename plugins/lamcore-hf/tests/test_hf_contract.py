"""Both architectures and their package keep the promises of their kinds, on small checkpoints made here."""

from __future__ import annotations

import random
from typing import Any

import pytest

from lamcore.testing import ArchitectureContract, check_package
from lamcore_hf import HfCausalLm, HfSeq2Seq, Lora
from lamcore_hf.example import write

WORDS = ["".join(random.Random(number).choices("abcdefghij", k=2 + number % 4)) for number in range(8)]

REVERSED = [{"id": f"r{number}", "input": word, "target": word[::-1]} for number, word in enumerate(WORDS)]
ASKED = [[{"text": f"<{word}>", "train": False}, {"text": word[::-1], "train": True}] for word in WORDS]

SEGMENTS = [{**record, "segments": asked} for record, asked in zip(REVERSED, ASKED, strict=True)]


class OfWords(ArchitectureContract):
    """Tried on words that are to be reversed, in this process; the test of the package tries all else."""

    records = REVERSED
    test_another_process_gives_the_same: Any = None

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory):
        cls.component = cls.made(tmp_path_factory.mktemp("checkpoint"))


class TestT5(OfWords):
    test_it_learns_its_own_records_by_heart: Any = None  # the test of the package has it learn

    @staticmethod
    def made(folder):
        return HfSeq2Seq.example(folder)


@pytest.mark.full
class TestMarian(OfWords):
    @staticmethod
    def made(folder):
        return HfSeq2Seq(checkpoint=str(write(folder, "marian")), lora=Lora(rank=2), max_length=100)


@pytest.mark.full
class TestLlama(OfWords):
    @staticmethod
    def made(folder):
        return HfCausalLm(checkpoint=str(write(folder, "llama")))


@pytest.mark.full
class TestLlamaOfSegments(OfWords):
    records = SEGMENTS
    test_it_reads_only_what_it_names: Any = None  # it reads segments where records have them

    @staticmethod
    def made(folder):
        return HfCausalLm(checkpoint=str(write(folder, "llama")))


@pytest.mark.full  # the contracts are above
def test_the_package_and_all_that_it_provides_keep_their_promises():
    found = {what for what, _ in check_package("lamcore-hf")}
    assert found == {"package", "architecture hf_seq2seq", "architecture hf_causal_lm"}
