"""Put what stands before the input into it."""

from __future__ import annotations

from dataclasses import dataclass

from lamcore import Preprocessor, Record


@dataclass
class PrependContext(Preprocessor):
    """Put a record's `context` before its input: `tar: Create an archive`."""

    column: str = "context"
    """Text column that is put before the input; a record in which it is absent or empty stays as it is."""
    between: str = ": "
    """What stands between the two."""

    def change(self, record: Record) -> Record:
        """Return the record with its context before its input."""
        context = record.get(self.column)
        return record | {"input": f"{context}{self.between}{record['input']}"} if context else record
