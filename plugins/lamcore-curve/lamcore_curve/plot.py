"""Points as a chart in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lamcore.errors import LamcoreError
from lamcore_curve.points import Point

FORMS = (".html", ".svg", ".png", ".json")


def draw(points: Sequence[Point], file: Path) -> None:
    """Write a line chart: over steps a line a run, else one line with intervals; raise LamcoreError for the file."""
    if file.suffix not in FORMS:
        raise LamcoreError(f"--plot {file}: the name must end in {', '.join(FORMS)}.")
    import altair

    over, score = points[0].over, points[0].score
    values = altair.Data(values=[asdict(point) for point in points])
    x = altair.X("x:Q", title=over)
    y = altair.Y("y:Q", title=score, scale=altair.Scale(zero=False))
    chart = altair.Chart(values).mark_line(point=True).encode(x=x, y=y, tooltip=["run:N", "x:Q", "y:Q"])
    if over == "step":
        made = chart.encode(color="run:N")
    else:
        made = altair.layer(chart, altair.Chart(values).mark_rule(opacity=0.5).encode(x=x, y="low:Q", y2="high:Q"))
    try:
        made.save(str(file), inline=True) if file.suffix == ".html" else made.save(str(file))
    except OSError as error:
        raise LamcoreError(f"--plot {file} can't be written: {error.strerror}") from error
