"""Points and places as charts in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lamcore.errors import LamcoreError
from lamcore_curve.points import Point
from lamcore_curve.selective import Place

FORMS = (".html", ".svg", ".png", ".json")


def draw(points: Sequence[Point], file: Path) -> None:
    """Write a line chart: over steps a line a run, else one line with intervals; raise LamcoreError for the file."""
    altair = _drawing(file)
    over, score = points[0].over, points[0].score
    values = altair.Data(values=[asdict(point) for point in points])
    x = altair.X("x:Q", title=over)
    y = altair.Y("y:Q", title=score, scale=altair.Scale(zero=False))
    chart = altair.Chart(values).mark_line(point=True).encode(x=x, y=y, tooltip=["run:N", "x:Q", "y:Q"])
    if over == "step":
        made = chart.encode(color="run:N")
    else:
        made = altair.layer(chart, altair.Chart(values).mark_rule(opacity=0.5).encode(x=x, y="low:Q", y2="high:Q"))
    _save(made, file)


def draw_coverage(places: Sequence[Place], file: Path) -> None:
    """Write how many answers are right over how many are given, a line a split; raise LamcoreError for the file."""
    altair = _drawing(file)
    values = altair.Data(values=[asdict(place) for place in places])
    x = altair.X("coverage:Q", title="coverage: answered, in percent", scale=altair.Scale(domain=[0, 100]))
    y = altair.Y("accuracy:Q", title="accuracy of the answers, in percent", scale=altair.Scale(zero=False))
    told = ["split:N", "coverage:Q", "accuracy:Q", "threshold:Q"]
    _save(altair.Chart(values).mark_line().encode(x=x, y=y, color="split:N", tooltip=told), file)


def _drawing(file: Path) -> Any:
    """Return the library that draws, once the file's name is known to say a form."""
    if file.suffix not in FORMS:
        raise LamcoreError(f"--plot {file}: the name must end in {', '.join(FORMS)}.")
    import altair

    return altair


def _save(made: Any, file: Path) -> None:
    try:
        made.save(str(file), inline=True) if file.suffix == ".html" else made.save(str(file))
    except OSError as error:
        raise LamcoreError(f"--plot {file} can't be written: {error.strerror}") from error
