"""An augmenter that now and then writes an input in capitals."""

from dataclasses import dataclass

from lamcore import Augmenter, hookimpl


@dataclass
class Shout(Augmenter):
    """Write some inputs in capitals."""

    rate: float = 0.1
    """Share of the records that are shouted, 0 to 1."""

    def __post_init__(self):
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate must be between 0 and 1, not {self.rate}")

    def apply(self, records, rng):
        return [self.shout(record) if rng.random() < self.rate else record for record in records]

    def shout(self, record):
        return {**record, "input": record["input"].upper()}


@hookimpl
def register_augmenters(register):
    register("shout", Shout)
