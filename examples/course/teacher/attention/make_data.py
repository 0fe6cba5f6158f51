"""Write the exercise's data: `python make_data.py FOLDER`; the same lines each time."""

import random
import sys
from pathlib import Path

SIZES = {"train": 2000, "validation": 200, "test": 400}


def line(rng: random.Random) -> str:
    """Return one record: two to six letters with a number each, what is asked, and the answer."""
    letters = rng.sample("abcdefghijklmnopqrstuvwxyz", rng.randint(2, 6))
    numbers = [rng.randrange(10) for _ in letters]
    asked = rng.randrange(len(letters))
    pairs = [f"{letter}{number}" for letter, number in zip(letters, numbers, strict=True)]
    return f"{' '.join([*pairs, letters[asked] + '?'])}\t{numbers[asked]}"


def main(folder: Path) -> None:
    rng, lines = random.Random(1), set()
    for split, size in SIZES.items():
        rows = []
        while len(rows) < size:
            if (row := line(rng)) not in lines:
                lines.add(row)
                rows.append(row)
        (folder / f"{split}.tsv").write_text("\n".join(["input\ttarget", *rows]) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
