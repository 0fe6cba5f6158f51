"""Draw what the demo prints at its end: `python docs/make_picture.py RUN` writes docs/images/demo.svg."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from lamcore_progress.report import report

WIDTH = 116
PICTURE = Path(__file__).parent / "images" / "demo.svg"


def printed(run: Path) -> str:
    """Return what the end of a run prints on a terminal."""
    os.environ["COLUMNS"] = str(WIDTH)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        report(run, json.loads((run / "scores.json").read_text(encoding="utf-8")))
    return out.getvalue()


def main() -> None:
    """Write the picture, without the fonts that it would fetch from outside."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text(f"$ make demo\n...{printed(Path(sys.argv[1]))}"))
    drawn = console.export_svg(title="make demo", clear=True)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    main()
